"""Numbers and names as a report shows them: as many digits as the interval supports, units that fit the size."""

import math
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..core.results import CANARY, CORRELATIONS, UNDEFENDED, WORST, Row

MISSING = "–"
INFINITE = "∞"
ACRONYMS = {
    "fdr": "FDR",
    "auc": "AUC",
    "tpr": "TPR",
    "ppv": "PPV",
    "fpr": "FPR",
    "fnr": "FNR",
    "tnr": "TNR",
    "nll": "NLL",
}
TITLES = {
    "epsilon": "ε",
    "nonzero_parameters": "Parameters not 0",
    "multiply_adds": "Multiply-adds",
    "bytes_on_disk": "Size on disk",
    "calibration_error_floor": "Calibration error if calibrated",
    "label_changes": "Labels changed",
    "train_cost_ratio": "Training cost",
    "extra_data_ratio": "Records beside members",
    "leakage_from_generator": "From the generator",
    "leakage_in_weights": "In the weights",
    "entropy_mean": "Mean entropy",
    "entropy_members": "Entropy, members",
    "entropy_nonmembers": "Entropy, non-members",
    "js_entropy": "JS distance, entropy",
    "js_cross_entropy": "JS distance, cross-entropy",
    "loss_trace_iqr": "Loss-trace IQR",
    "loss_trace_iqr_p99": "Loss-trace IQR, 99th percentile",
}
DIFFERENCE, EPSILON = "-difference", "epsilon"
BOUNDS = "epsilon_bound"  # begins the names of lower bounds on epsilon; what each assumes follows
ASSUMED = {"": "one run", "_gaussian": "one run, Gaussian", "_models": "many models"}
SIGNED = (DIFFERENCE, "_difference", "leakage_from_generator", "leakage_in_weights")
RATES = (
    "tpr@",
    "ppv@",
    "precision@",
    "accuracy",
    "gap",
    "sparsity",
    "calibration",
    "label_changes",
    "listed@",
    "stability@",
    "per_record_fpr@",
    "tnr@",
)  # shown in percent
SIZES = ("parameters", "nonzero_parameters", "multiply_adds", "bytes_on_disk", "sparsity")
COSTS = ("train_seconds", "train_cost_ratio", "extra_data_ratio", "latency_")  # beginnings of names
THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
SLICES = {
    "all": "all records",
    WORST: "worst slice",
    "correct=yes": "correct",
    "correct=no": "misclassified",
}


@dataclass(frozen=True)
class Scale:
    """How a value is shown: multiplied by `factor`, followed by `suffix`, with a plus sign if `signed`."""

    factor: float = 1.0
    suffix: str = ""
    prefix: str = ""
    signed: bool = False

    def number(self, value: float, decimals: int) -> str:
        """The scaled value without its suffix, with a true minus sign: −1."""
        text = f"{value * self.factor:{'+' if self.signed else ''}.{decimals}f}"
        if float(text) == 0:
            text = text.lstrip("+-")
        return text.replace("-", "−")


@dataclass(frozen=True)
class Number:
    """A value with its interval in words; `interval` is empty where there is none."""

    value: str
    interval: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.value}{self.suffix}" + (f" {self.interval}" if self.interval else "")

    @property
    def phrase(self) -> str:
        """For a sentence: `12.9 % (95 % CI 9.8–16.4 %)`."""
        inner = self.interval.strip("[]").replace(", ", " to " if {"−", "+"} & {*self.interval} else "–")
        return f"{self.value}{self.suffix}" + (f" (95 % CI {inner}{self.suffix})" if inner else "")


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def json_safe(value: Any) -> Any:
    """Plain data in which every number that is not finite is None."""
    if isinstance(value, dict):
        return {k: json_safe(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def rate(metric: str) -> float | None:
    """The FPR at which a metric is taken: 0.001 for `tpr@fpr=0.001`, None if there is none."""
    _, _, arguments = metric.removesuffix(DIFFERENCE).partition("@fpr=")
    try:
        return float(arguments.split(",")[0])
    except ValueError:
        return None


def scale(row: Row) -> Scale:
    """How the row's value is shown."""
    base, signed = row.metric.removesuffix(DIFFERENCE), row.metric.endswith(SIGNED)
    if base.startswith(BOUNDS):
        return Scale(prefix="≥ ")
    if base.startswith(CORRELATIONS):
        return Scale()
    if row.unit in ("s", "ms"):
        return _time(row.value * (1.0 if row.unit == "s" else 1e-3), 1.0 if row.unit == "s" else 1e-3)
    if row.unit == "x" or base.endswith("ratio"):
        return Scale(prefix="×", signed=signed)
    if base in SIZES and base != "sparsity":
        return _count(row.value, row.unit or "")
    if row.unit:
        return Scale(suffix=f" {row.unit}", signed=signed)
    if any(word in base for word in RATES):
        return Scale(100.0, " points" if signed else " %", signed=signed)
    return Scale(signed=signed)


def _count(value: float, unit: str) -> Scale:
    for size, letter in THOUSANDS:
        if abs(value) >= size:
            return Scale(1 / size, f" {letter}{unit}")
    return Scale(suffix=f" {unit}".rstrip())


def _time(seconds: float, unit: float) -> Scale:
    size = abs(seconds) if math.isfinite(seconds) else 1.0
    for length, name in TIMES:
        if size >= length * (2.0 if length > 1 else 1.0):  # 90 s, not 1.5 min
            return Scale(unit / length, f" {name}")
    return Scale(unit, " s")


def show(row: Row | None) -> Number:
    """The row's value with its interval, to two significant digits of the interval's width.

    >>> str(show(Row("tpr@fpr=0.001", 0.1291, 0.0982, 0.1639)))
    '12.9 % [9.8, 16.4]'
    """
    if row is None or not finite(row.value):
        return Number(MISSING if row is None or row.metric != EPSILON else INFINITE)
    s = scale(row)
    exact = row.metric in SIZES and row.lo == row.hi  # every model alike
    if exact or not (finite(row.lo) and finite(row.hi)):
        return Number(s.prefix + s.number(row.value, _decimals(abs(row.value * s.factor), 3)), "", s.suffix)
    width = abs(row.hi - row.lo) * s.factor
    digits = _decimals(width, 2) if width > 0 else _decimals(abs(row.value * s.factor), 3)
    value, lo, hi = (s.number(v, digits) for v in (row.value, row.lo, row.hi))
    return Number(s.prefix + value, f"[{lo}, {hi}]", s.suffix)


def _decimals(size: float, significant: int) -> int:
    """Decimals that show `size` to so many significant digits; 0 to 4 of them."""
    return min(4, max(0, significant - 1 - math.floor(math.log10(size)))) if 0 < size < math.inf else 0


def percent(fraction: float) -> str:
    """A round fraction in percent: `0.1 %` for 0.001."""
    return f"{100 * fraction:.6g} %"


def count(n: int) -> str:
    """12,345."""
    return f"{n:,}"


def metric_title(metric: str) -> str:
    """The name in a report: `TPR at 0.1 % FPR` for `tpr@fpr=0.001`."""
    if metric in TITLES:
        return TITLES[metric]
    if metric.startswith(BOUNDS):
        return bound_title(metric)
    base = metric.removesuffix(DIFFERENCE).removesuffix("_difference")
    name, _, arguments = base.partition("@")
    name = name.removesuffix("_ms").replace("_seconds", "_time")  # the cells carry the unit
    words = " ".join(ACRONYMS.get(word, word) for word in name.split("_"))
    given = dict(part.partition("=")[::2] for part in arguments.split(",") if part)
    places = [f"{_percent_of(value)} {ACRONYMS.get(key, key)}" for key, value in given.items()]
    text = words[:1].upper() + words[1:] + (f" at {', '.join(places)}" if places else "")
    return f"{text}, change" if base != metric else text


def bound_title(metric: str) -> str:
    """The name in a report: `ε, one run, δ = 1e-05` for `epsilon_bound@delta=1e-05`."""
    name, _, delta = metric.partition("@delta=")
    assumed = ASSUMED.get(name.removeprefix(BOUNDS), name)
    return f"ε, {assumed}, δ = {delta}"


def _percent_of(text: str) -> str:
    try:
        return percent(float(text))
    except ValueError:
        return text


def slice_title(name: str) -> str:
    """The name in a report: `sex = f` for `group:sex=f`, `class 3` for `class=3`."""
    if name in SLICES:
        return SLICES[name]
    if name.startswith(CANARY):
        return f"{name.removeprefix(CANARY).replace('_', ' ')} canaries"
    key, _, value = name.removeprefix("group:").partition("=")
    if name.startswith("group:"):
        return f"{key} = {value}"
    return f"{key} {value}".strip().replace("%", " %")


def attack_title(attack: str, undefended: bool) -> str:
    """The attack, and whether an adaptive attacker trains its shadow models without the defence."""
    return f"{attack}, undefended shadows" if undefended else attack


def strongest_title(row: Row) -> str:
    """The attack that was chosen as the strongest; empty where none was."""
    undefended = row.adaptive is True and row.shadows == UNDEFENDED
    return attack_title(row.selected, undefended) if row.selected else ""


def attacker_title(adaptive: bool | None) -> str:
    """The kind of attacker: `adaptive`, `non-adaptive`, or a dash where there is no defence."""
    return {True: "adaptive", False: "non-adaptive", None: MISSING}[adaptive]
