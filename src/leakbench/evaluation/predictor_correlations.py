"""Correlations across the defences of a study: which numbers predict leakage without an attack."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from ..core.results import BEST, CORRELATIONS, Row
from ..core.seeds import stream
from ..signals.types import Array

PREDICTORS = (
    "entropy_mean",
    "entropy_gap",
    "js_entropy",
    "js_cross_entropy",
    "tnr@fnr=0.01",
    "generalisation_gap",
)
LEAKAGE = ("auc", "tpr@fpr=0.01")
PREFERRED = "lira"
FEWEST_DEFENCES = 4
RESOLVED = 8  # defences from which on the bootstrap covers; see tests/study/test_correlations.py
RESAMPLES, LEVEL = 2000, 0.95


def rank_correlations(rows: Sequence[Row], seed: int) -> list[Row]:
    r"""Spearman's rho and Kendall's tau of each predictor with the leakage, over the defences.

    Formula: rho = Pearson's correlation of the mid-ranks;  tau_b = sum_ij s_ij t_ij / sqrt(sum s_ij^2 sum t_ij^2),
        s_ij and t_ij the signs of the differences between defences i and j in predictor and leakage.
        The leakage is that of LiRA where it attacked every defence, else of each defence's strongest attack, under
        an adaptive attacker.
        Interval: percentile bootstrap of the defences. It covers other defences of this kind.
        It does not cover other data, networks or shadow models, which all defences of the study share; nor that
        some of its defences may be variants of one, which makes them fewer than they look. The numbers of each
        defence carry errors of their own, which pull a correlation towards 0. With fewer than RESOLVED defences
        there is no interval, as none can be trusted.
        `detail.weaker` of rho names the predictors whose |rho| is shown to be lower: by the bootstrap of the
        difference over the same resamples, at a level divided by the number of pairs (Bonferroni).
    Source:  Spearman 1904; Kendall 1945; Efron and Tibshirani 1993, section 13.3.

    Empty with fewer than FEWEST_DEFENCES defences. A predictor that some defence lacks, or that is the same for all,
    has no rows.
    """
    found: list[Row] = []
    for leakage in LEAKAGE:
        attack, values = _leakage(rows, leakage)
        if len(values) >= FEWEST_DEFENCES:
            predictors = _predictors(rows, list(values))
            drawn = _draws(len(values), seed)
            found += _correlated(leakage, attack, predictors, np.array(list(values.values())), drawn)
    return found


def _leakage(rows: Sequence[Row], metric: str) -> tuple[str, dict[str, float]]:
    """The attack, and by defence its metric."""
    known = [
        r for r in rows
        if r.metric == metric and r.slice == "all" and r.target == "all" and r.adaptive is not False
    ]  # fmt: skip
    by_attack = {a: {r.defence: r.value for r in known if r.attack == a} for a in (PREFERRED, BEST)}
    complete = {r.defence for r in known} == set(by_attack[PREFERRED])
    attack = PREFERRED if complete else BEST
    return attack, by_attack[attack]


def _predictors(rows: Sequence[Row], defences: list[str]) -> dict[str, Array]:
    """The predictors that every defence has and that differ between them [D]."""
    found = {}
    for metric in PREDICTORS:
        values = {r.defence: r.value for r in rows if r.metric == metric and r.attack is None}
        column = np.array([values.get(d, np.nan) for d in defences])
        if np.isfinite(column).all() and np.ptp(column) > 0:
            found[metric] = column
    return found


def _draws(n: int, seed: int) -> np.ndarray:
    """Defences drawn with replacement [R, D]."""
    return stream(seed, "rank correlation", n).integers(0, n, (RESAMPLES, n))


def spearman(x: Array, y: Array) -> Array:
    """Spearman's rho along the last axis, mid-ranks for ties; NaN where x or y is constant."""
    from scipy.stats import rankdata  # takes half a second, which workers need not spend

    a, b = (rankdata(v, axis=-1) - (v.shape[-1] + 1) / 2 for v in (x, y))
    return _cosine(a, b)


def kendall(x: Array, y: Array) -> Array:
    """Kendall's tau-b along the last axis; NaN where x or y is constant."""
    i, j = np.triu_indices(x.shape[-1], 1)
    return _cosine(np.sign(x[..., i] - x[..., j]), np.sign(y[..., i] - y[..., j]))


def _cosine(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):
        ratio = (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.asarray(np.clip(ratio, -1.0, 1.0))


def _correlated(
    leakage: str, attack: str, predictors: dict[str, Array], y: Array, drawn: np.ndarray
) -> Iterator[Row]:
    if np.ptp(y) == 0:
        return
    resolved = len(y) >= RESOLVED
    rho = {name: spearman(x[drawn], y[drawn]) for name, x in predictors.items()} if resolved else {}
    weaker = _weaker({name: abs(values) for name, values in rho.items()})
    for name, x in predictors.items():
        for kind, correlation in zip(CORRELATIONS, (spearman, kendall), strict=True):
            value, lo, hi = float(correlation(x, y)), None, None
            if resolved:
                values = rho[name] if correlation is spearman else kendall(x[drawn], y[drawn])
                lo, hi = map(float, np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
                lo, hi = min(lo, value), max(hi, value)
            detail = {"defences": len(y)} | (
                {"weaker": weaker[name]} if resolved and correlation is spearman else {}
            )
            label = f"{kind}[{name},{leakage}]"
            yield Row(label, value, lo, hi, attack=attack, defence="all", detail=detail)


def _weaker(strength: dict[str, Array]) -> dict[str, list[str]]:
    """For each predictor those that follow leakage less closely, by their resampled |rho| [R]."""
    pairs = list(combinations(strength, 2))
    found: dict[str, list[str]] = {name: [] for name in strength}
    tail = (1 - LEVEL) / 2 / max(1, len(pairs))
    for a, b in pairs:
        lo, hi = np.nanquantile(strength[a] - strength[b], [tail, 1 - tail])
        if lo > 0:
            found[a].append(b)
        if hi < 0:
            found[b].append(a)
    return found
