"""The results of an audit or a study: tidy rows, curves, flags, vulnerable records and provenance.

Other programs read these fields. `SCHEMA` changes when the meaning of a field changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "leakbench-report/3"
ROWS_INSIDE = "leakbench-report/2"  # the schema of reports with their rows in report.json
BEST = "best"  # the attack name of rows about the strongest attack that needs no parameters
BEST_WHITE_BOX = "best_white_box"  # of rows about the strongest attack that has the model's parameters
BLIND = "blind"  # the attack name of rows about the baseline that sees no output of the model
NO_SINGLE_ATTACK = (BEST, BEST_WHITE_BOX, BLIND)
WORST = "worst"  # the slice with the highest AUC, chosen on one half and measured on the other
CANARY = "canary:"  # prefix of the slices of canaries; the kind follows
UNDEFENDED = "none"  # the label of the undefended model
OUTPUTS = (
    "entropy_mean",
    "entropy_members",
    "entropy_nonmembers",
    "entropy_gap",
    "js_entropy",
    "js_cross_entropy",
    "tnr@fnr=0.01",
    "loss_trace_iqr",
    "loss_trace_iqr_p99",
)  # leakage of the released outputs alone; `attack` is None
CORRELATIONS = (
    "rank_correlation",
    "rank_correlation_kendall",
)  # [predictor,leakage] follows; defence = "all"


@dataclass(frozen=True)
class Row:
    """One number: its subject, its value and its interval. A field that does not apply is None."""

    metric: str  # such as auc, tpr@fpr=0.001, auc-difference (from no defence), accuracy
    value: float  # rates are fractions; null for an epsilon that is infinite
    lo: float | None = None  # the lower limit of the 95 % interval, unless `detail` names another interval
    hi: float | None = None  # the upper limit
    n_members: int | None = None  # scores of members that the number rests on
    n_nonmembers: int | None = None  # scores of non-members that it rests on
    attack: str | None = None  # its label, or best, best_white_box, blind; None for utility
    slice: str = "all"  # or class=, correct=, loss=, group:name=, canary:kind; "worst": on the other half
    defence: str = "none"  # the study's label
    target: str = "all"  # "all" pools every target; else the target's index
    adaptive: bool | None = None  # false: the shadow models did not go through the defence
    shadows: str | None = None  # the shadow models' defence, where it is not the target's; "none": no defence
    against: str | None = None  # a difference at matched accuracy: the defence compared with
    selected: str | None = None  # what was chosen, where the number is the best of many
    unit: str | None = None  # "s", "ms", ...; None for a fraction
    chance: float | None = None  # the value without leakage, where it is a constant
    detail: dict[str, Any] = field(default_factory=dict)  # realised FPR, counts, threshold, ..., by metric


@dataclass(frozen=True)
class Curve:
    """The ROC of one attack on one defence, thinned for drawing, with a pointwise band."""

    defence: str  # the study's label
    attack: str  # its label
    adaptive: bool | None  # as in Row
    fpr: list[float]  # [P] false-positive rates, ascending
    tpr: list[float]  # [P] the true-positive rate at each
    lo: list[float]  # [P] lower limits of the TPR's pointwise 95 % intervals
    hi: list[float]  # [P] upper limits
    slice: str = "all"  # as in Row


@dataclass(frozen=True)
class Flag:
    """Something that a reader must know before trusting a number; `code` names the docs page."""

    code: str  # F01, F02, ...; docs/flags.md has a section on each
    title: str  # the name of the flag
    message: str  # what was found, with its numbers
    defence: str | None = None  # the defence that it concerns; null: all
    attack: str | None = None  # the attack that it concerns; null: all


@dataclass(frozen=True)
class ExposedRecord:
    """One of the records that the models leak most."""

    defence: str  # the study's label
    record: int  # row of the data set, or of the audit file
    label: str | None  # its class
    vulnerability: float  # (mean score as member - mean score as non-member) / (sd_in + sd_out), or the score
    tpr: float | None  # share of the models trained on it in which the attack finds it at FPR 0.01
    image: str | None = None  # a data: URI
    by_chance: float | None = None  # the largest vulnerability of any record under random membership


@dataclass(frozen=True)
class SyntheticSample:
    """One synthetic record of a defence that trains on synthetic records, with the nearest real record."""

    defence: str  # the study's label
    generator: str  # its name and parameters
    label: str  # the class that it was made for
    distance: float  # Euclidean, to the nearest record that the generator was fitted on
    image: str | None = None  # a data: URI; None for tables
    nearest: str | None = None  # the nearest record, likewise


@dataclass(frozen=True)
class LayerSize:
    """One layer of the models of a defence, and the same layer of the undefended ones; means over models."""

    defence: str  # the study's label
    layer: str  # its name in the network
    kind: str  # "Conv2d", "Linear", ...
    weights: float  # weights of the layer
    zeros: float  # weights that are 0
    weights_before: float  # weights of the same layer without a defence


@dataclass(frozen=True)
class Distribution:
    """How a statistic of the released outputs is distributed over members and over non-members."""

    defence: str  # the study's label
    statistic: str  # "entropy" of the outputs, or "loss", the cross-entropy of the label; nats
    edges: list[float]  # [K + 1] of the K bins; a loss beyond the outer edges is in the outer bin
    members: list[float]  # [K] share of the members in each bin
    nonmembers: list[float]  # [K] share of the non-members in each bin


@dataclass(frozen=True)
class FoundBy:
    """The records that some attacks, and no others, call members."""

    attacks: list[str]  # their labels
    members: int  # true positives, over records and targets
    nonmembers: int  # false positives


@dataclass(frozen=True)
class Overlap:
    """Which members several attacks find on one defence, counted on the half that did not choose the thresholds."""

    defence: str  # the study's label
    criterion: str  # "fpr=0.01": found at thresholds of that FPR; "fdr=0.05": on the attack's list
    attacks: list[str]  # [A] their labels
    strongest: str  # the attack with the highest TPR on the other half
    members: int  # members that are compared, over records and targets
    nonmembers: int  # non-members that are compared
    common: list[list[int]]  # [A, A] members that both attacks find; on the diagonal those that the one finds
    union: int  # members that at least one attack finds
    patterns: list[FoundBy]  # the combinations of attacks, those with most members first, rare ones left out
    left_out: list[str]  # attacks that score other records


@dataclass(frozen=True, eq=False)
class Exposure:
    """The vulnerability of every record under one defence and attack: rows of records.parquet, not in the JSON.

    The targets of a record are those that were trained on it, or all if none was.
    """

    defence: str  # the study's label
    attack: str  # the attack whose scores are used
    record: "NDArray[np.int64]"  # [N] row of the data set, or of the audit file
    label: Sequence[str] | None  # [N] its class
    member: "NDArray[np.float64]"  # [N] share of the targets trained on the record: 0 or 1 with one target
    score_in: "NDArray[np.float64]"  # [N] mean score over the targets trained on it; NaN without one
    score_out: "NDArray[np.float64]"  # [N] mean score over the other targets
    p_value: "NDArray[np.float64]"  # [N] share of non-members that score as high, the median over its targets
    listed: "NDArray[np.float64]"  # [N] share of its targets where it is on the list with at most 5 % wrong
    vulnerability: "NDArray[np.float64]"  # [N] as in ExposedRecord; NaN where there is none
    tpr: "NDArray[np.float64]"  # [N] as in ExposedRecord
    by_chance: float | None  # as in ExposedRecord


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The scores of attacks on one defence, as ranks, which every metric can be computed from.

    They are the rows of scores.parquet, one for each target and record, and not in the JSON.
    """

    defence: str  # the study's label
    adaptive: bool | None  # as in Row
    shadows: str | None  # as in Row
    target: "NDArray[np.int64]"  # [T] the targets' indices
    record: "NDArray[np.int64]"  # [N] row of the data set, or of the audit file
    copy_of: (
        "NDArray[np.int64]"  # [N] the place of the first record that this one is a copy of, often its own
    )
    member: "NDArray[np.bool_]"  # [T, N] whether the target was trained on the record
    chooses: "NDArray[np.bool_]"  # [T, N] the half on which thresholds and the strongest attack are chosen
    ranks: dict[
        str, "NDArray[np.int32]"
    ]  # [T, N] by attack: the higher, the more likely a member; 0: not scored
    decided: dict[
        str, "NDArray[np.bool_]"
    ]  # [T, N] by attack: called a member at a threshold fixed beforehand
    slices: dict[str, "NDArray[np.bool_]"]  # [T, N] by name: whether the record belongs to the slice


PER_RECORD = tuple(f.name for f in fields(Exposure) if "NDArray" in str(f.type))  # the arrays of an exposure


@dataclass(frozen=True)
class ResultData:
    """Everything that an audit or a study measured. `leakbench.Results` adds the verdict, saving and loading."""

    kind: str  # "audit" or "run"
    title: str  # of the report
    rows: list[Row]  # every number: the rows of results.parquet
    curves: list[Curve] = field(default_factory=list)  # ROC curves: the rows of curves.parquet
    flags: list[Flag] = field(default_factory=list)  # warnings about numbers
    records: list[ExposedRecord] = field(default_factory=list)  # the most exposed records
    methods: list[dict[str, Any]] = field(default_factory=list)  # kind, name, doc, source, parameters
    provenance: dict[str, Any] = field(default_factory=dict)  # versions, seeds, fingerprints, machine, times
    study: dict[str, Any] = field(default_factory=dict)  # the study file
    notes: list[str] = field(default_factory=list)  # left out, and why
    samples: list[SyntheticSample] = field(default_factory=list)  # synthetic records
    layers: list[LayerSize] = field(default_factory=list)  # sizes of the layers of pruned models
    distributions: list[Distribution] = field(default_factory=list)  # histograms of the released outputs
    overlaps: list[Overlap] = field(default_factory=list)  # which members each attack finds
    exposures: list[Exposure] = field(default_factory=list, compare=False)  # the rows of records.parquet
    scores: list[CaseScores] = field(default_factory=list, compare=False)  # the rows of scores.parquet
    tables: dict[str, str] = field(default_factory=dict, compare=False)  # digests of tables; set on saving
    identity: str = field(
        default="", compare=False
    )  # a digest of all that was measured, in every file; set on saving

    def find(self, **where: object) -> list[Row]:
        """The rows whose fields equal `where`."""
        return [r for r in self.rows if all(getattr(r, key) == value for key, value in where.items())]
