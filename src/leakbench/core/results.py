"""The results of an audit or a study: tidy rows, curves, flags, exposed records and provenance.

This is the contract with everything that reads our output. `SCHEMA` changes when a field changes its meaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "leakbench-report/2"
BEST = "best"  # the attack name of rows about the strongest attack that needs no parameters
BEST_WHITE_BOX = "best_white_box"  # of rows about the strongest attack that has the model's parameters
BLIND = "blind"  # the attack name of rows about one that sees nothing of the model
NO_SINGLE_ATTACK = (BEST, BEST_WHITE_BOX, BLIND)
CANARY = "canary:"  # begins the slices of canaries; the kind follows
UNDEFENDED = "none"  # the defence of models that nothing defends
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
)  # what the released answers give away by themselves; `attack` is None
CORRELATIONS = (
    "rank_correlation",
    "rank_correlation_kendall",
)  # [predictor,leakage] follows; defence = "all"


@dataclass(frozen=True)
class Row:
    """One number: what it is of, its value and its interval. A field that does not apply is None."""

    metric: str  # such as auc, tpr@fpr=0.001, auc-difference (to no defence), accuracy
    value: float  # rates are fractions; null for an epsilon that is infinite
    lo: float | None = None  # the limits of the 95 % interval, unless `detail` names another
    hi: float | None = None
    n_members: int | None = None  # scores of members, and of non-members, that the number rests on
    n_nonmembers: int | None = None
    attack: str | None = (
        None  # None for utility and cost; "best", "best_white_box": the strongest; "blind": baseline
    )
    slice: str = "all"  # or class=, correct=, loss=, group:name=, canary:kind; "worst": on the other half
    defence: str = "none"  # the study's label
    target: str = "all"  # "all" pools every target; else the target's index
    adaptive: bool | None = None  # False: the shadow models ignored the defence
    shadows: str | None = (
        None  # the shadow models' defence, where it is another ("none" too if `adaptive`: "best")
    )
    against: str | None = None  # a difference at matched accuracy: the defence compared with
    selected: str | None = None  # what was chosen, where the number is the best of many
    unit: str | None = None  # "s", "ms", ...; None for a fraction
    chance: float | None = (
        None  # the value without leakage; None where it depends on the data, or nothing leaks
    )
    detail: dict[str, Any] = field(
        default_factory=dict
    )  # realised FPR, counts, threshold; the baseline's attack


@dataclass(frozen=True)
class Curve:
    """The ROC of one attack on one defence, thinned for drawing, with a pointwise band."""

    defence: str
    attack: str
    adaptive: bool | None
    fpr: list[float]
    tpr: list[float]
    lo: list[float]
    hi: list[float]
    slice: str = "all"  # as in Row


@dataclass(frozen=True)
class Flag:
    """Something that a reader must know before trusting a number; `code` names the docs page."""

    code: str
    title: str
    message: str
    defence: str | None = None
    attack: str | None = None


@dataclass(frozen=True)
class ExposedRecord:
    """One of the records that the models give away most."""

    defence: str
    record: int
    label: str | None
    vulnerability: float  # (mean score as member - mean score as non-member) / (sd_in + sd_out), or the score
    tpr: float | None  # share of its member models that the attack finds at FPR 0.01
    image: str | None = None  # a data: URI
    by_chance: float | None = None  # the largest vulnerability if membership were dealt out at random


@dataclass(frozen=True)
class SyntheticSample:
    """One synthetic record of a defence that trains on such, with the real record most like it."""

    defence: str
    generator: str
    label: str
    distance: float  # Euclidean, to the nearest record that the generator was fitted on
    image: str | None = None  # a data: URI; None for tables
    nearest: str | None = None  # the nearest record, likewise


@dataclass(frozen=True)
class LayerSize:
    """One layer of the models of a defence, and the same layer of the undefended ones; means over models."""

    defence: str
    layer: str
    kind: str  # "Conv2d", "Linear", ...
    weights: float
    zeros: float  # weights that are 0
    weights_before: float


@dataclass(frozen=True)
class Distribution:
    """How a statistic of the released answers is distributed over members and over non-members."""

    defence: str
    statistic: str  # "entropy" of the answer, or "loss", the cross-entropy of the label; nats
    edges: list[float]  # of the K bins [K + 1]; a loss beyond the outer edges is in the outer bin
    members: list[float]  # share of the members in each bin [K]
    nonmembers: list[float]  # share of the non-members [K]


@dataclass(frozen=True)
class FoundBy:
    """What some attacks, and no others, call a member."""

    attacks: list[str]
    members: int  # records of targets, and rightly
    nonmembers: int  # wrongly


@dataclass(frozen=True)
class Overlap:
    """Which members several attacks find on one defence, counted over the records of the half that chose nothing."""

    defence: str
    criterion: (
        str  # "fpr=0.01": at thresholds of that FPR on the other half; "fdr=0.05": on the attack's list
    )
    attacks: list[str]  # [A]
    strongest: str  # by TPR on the other half
    members: int  # records of targets that are compared
    nonmembers: int  # likewise
    common: list[list[int]]  # [A, A] members that both find; on the diagonal those that one finds
    union: int  # members that any of them finds
    patterns: list[FoundBy]  # by how many members they hold, the rarest left out
    left_out: list[str]  # attacks that score other records


@dataclass(frozen=True, eq=False)
class Exposure:
    """How exposed every record is under one defence and attack: rows of records.parquet, which the JSON leaves out.

    The targets of a record are those that trained on it, or all where none did.
    """

    defence: str
    attack: str  # whose scores tell
    record: "NDArray[np.int64]"  # [N] row of the data set, or of the audit file
    label: Sequence[str] | None  # [N]
    member: (
        "NDArray[np.float64]"  # [N] share of the targets that trained on the record: 0 or 1 with one target
    )
    score_in: "NDArray[np.float64]"  # [N] mean score over the targets that trained on it; NaN without one
    score_out: "NDArray[np.float64]"  # [N] mean score over the targets that did not
    p_value: "NDArray[np.float64]"  # [N] share of non-members that score as high, the median over its targets
    listed: (
        "NDArray[np.float64]"  # [N] share of its targets in which it is on the list with at most 5 % wrong
    )
    vulnerability: "NDArray[np.float64]"  # [N] as in ExposedRecord; NaN where there is none
    tpr: "NDArray[np.float64]"  # [N] as in ExposedRecord
    by_chance: float | None  # as in ExposedRecord


PER_RECORD = tuple(f.name for f in fields(Exposure) if "NDArray" in str(f.type))  # the arrays of an exposure


@dataclass(frozen=True)
class ResultData:
    """Everything that an audit or a study measured. `leakbench.Results` adds the verdict, saving and loading."""

    kind: str  # "audit" or "run"
    title: str
    rows: list[Row]
    curves: list[Curve] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    records: list[ExposedRecord] = field(default_factory=list)
    methods: list[dict[str, Any]] = field(default_factory=list)  # kind, name, doc, source, parameters
    provenance: dict[str, Any] = field(default_factory=dict)
    study: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what was left out, and why
    samples: list[SyntheticSample] = field(default_factory=list)
    layers: list[LayerSize] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list, compare=False)
    identity: str = field(
        default="", compare=False
    )  # of the run; in every file of a report, set when it is saved

    def find(self, **where: object) -> list[Row]:
        """The rows whose fields equal `where`."""
        return [r for r in self.rows if all(getattr(r, key) == value for key, value in where.items())]
