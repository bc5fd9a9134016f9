"""The results of an audit or a study: tidy rows, curves, flags, exposed records and provenance.

This is the contract with everything that reads our output. `SCHEMA` changes when a field changes its meaning.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import InputError
from .regular import parse_json, read_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .report.verdict import Verdict

SCHEMA = "leakbench-report/1"
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
    "tail_absence@fnr=0.01",
    "loss_trace_iqr",
    "loss_trace_iqr_p99",
)  # what the released answers give away by themselves; `attack` is None
CORRELATIONS = (
    "rank_correlation",
    "rank_correlation_kendall",
)  # [predictor,leakage] follows; defence = "all"
T = TypeVar("T")


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
class Results:
    """Everything that an audit or a study found."""

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

    @property
    def verdict(self) -> "Verdict":
        """How strong the evidence of leakage is, in a few sentences and as a grade of every defence."""
        from .report.verdict import verdict
        from .report.view import View

        return verdict(View(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a number that is not finite becomes null."""
        plain = asdict(replace(self, exposures=[]))
        del plain["exposures"]
        plain["results"] = plain.pop("rows")
        clean: dict[str, Any] = _finite({"schema": SCHEMA, "verdict": asdict(self.verdict), **plain})
        return clean

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Results":
        """The inverse of `to_dict`."""
        from pydantic import create_model

        given = {k: v for k, v in plain.items() if k not in ("schema", "verdict", "results")}
        given["rows"] = _typed(Row, plain["results"])
        if not re.fullmatch("[0-9a-f]{0,64}", plain.get("identity", "")):
            raise TypeError(f"identity must be hexadecimal digits, got {plain['identity']!r}")
        given |= {
            "curves": _typed(Curve, plain["curves"]),
            "flags": _typed(Flag, plain["flags"]),
            "records": _typed(ExposedRecord, plain["records"]),
            "samples": _typed(SyntheticSample, plain.get("samples", [])),  # leakbench 0.1.0 wrote none
            "layers": _typed(LayerSize, plain.get("layers", [])),
            "distributions": _typed(Distribution, plain.get("distributions", [])),
            "overlaps": _typed(Overlap, plain.get("overlaps", [])),
        }
        plain_fields = [f for f in fields(cls) if f.name in PLAIN and f.name in given]
        kinds: dict[str, Any] = {f.name: (f.type, ...) for f in plain_fields}
        create_model("Report", **kinds).model_validate({name: given[name] for name in kinds}, strict=True)
        return cls(**given)

    def save(self, folder: str | Path) -> Path:
        """Write report.html, report.json, results.parquet and records.parquet into `folder`; all or none.

        Results that were loaded hold no exposure of all records: records.parquet of the same run is left as it is, one
        of another run is removed. Raises InputError rather than replace a file that leakbench did not write.
        """
        from .report.files import write

        return write(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> "Results":
        """Read `report.json` of a folder. Raises InputError if it is none of ours, or beside files of another run."""
        from .report.identity import check_whole
        from .saved import one_at_a_time

        path = Path(folder)
        path = path / "report.json" if path.is_dir() else path
        with one_at_a_time(path.parent, reading=True):
            results = cls._read(path)
            if path.name == "report.json":
                check_whole(path.parent, results.identity)
        return results

    @classmethod
    def _read(cls, path: Path) -> "Results":
        from .errors import first_problem

        try:
            plain = parse_json(read_regular(path.resolve()))
        except OSError as error:
            raise InputError(
                f"cannot read {path}: {error.strerror}; give a folder with report.json"
            ) from None
        except ValueError as error:
            raise InputError(f"{path} must be a report.json written by leakbench; {error}") from None
        if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
            got = plain.get("schema") if isinstance(plain, dict) else type(plain).__name__
            raise InputError(
                f"{path} must have schema {SCHEMA!r}, got {str(got)[:100]!r}; run the audit or the study again"
            )
        from pydantic import ValidationError

        try:
            return cls.from_dict(plain)
        except KeyError as error:
            why = f"{error.args[0]!r} is missing"
        except ValidationError as error:
            why = first_problem(error)
        except (TypeError, AttributeError) as error:
            why = str(error)
        raise not_ours(path, why)


PLAIN = ("kind", "title", "methods", "provenance", "study", "notes")  # fields that hold plain values


def not_ours(path: Path, why: str) -> InputError:
    """The error for a report.json that is not as leakbench writes it."""
    why = " ".join(why.split())[:500]
    return InputError(f"{path} is not as leakbench wrote it: {why}; run the audit or the study again")


def _typed(kind: type[T], items: list[dict[str, Any]]) -> list[T]:
    """Instances of a dataclass from plain data, every value checked; null becomes NaN where a number must be."""
    from pydantic import TypeAdapter

    kinds = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]

    def known(name: str, value: Any) -> Any:
        if kinds.get(name) == list[float] and isinstance(value, list):
            return [math.nan if v is None else v for v in value]
        return math.nan if value is None and kinds.get(name) is float else value

    known_items = [{name: known(name, value) for name, value in item.items()} for item in items]
    return TypeAdapter(list[kind]).validate_python(known_items)  # type: ignore[valid-type]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
