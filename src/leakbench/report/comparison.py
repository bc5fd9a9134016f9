"""Which of two defences leaks less: the one place where this is decided."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.results import BEST, UNDEFENDED, Row
from .numbers import DIFFERENCE, attack_title, finite, rate, strongest_title
from .view import View, distinct

LESS, MORE, UNTOLD = "leaks less", "leaks more", "not significantly different"
MIXED = "leaks less by one measure, more by the other"
Pair = tuple[Row | None, Row | None]


@dataclass(frozen=True)
class Comparison:
    """A defence beside no defence, or beside the baseline at its accuracy.

    Each is under the attack that is strongest on it. Where there was no choice of attacks, both are under the one
    that is strongest on the defence.
    """

    defence: str
    against: str
    attack: str | None
    auc: Row | None  # the paired differences: of AUC, of the TPR at a low FPR, of accuracy
    tpr: Row | None
    accuracy: Row | None
    aucs: Pair  # the numbers compared: of `against`, of the defence
    tprs: Pair

    @property
    def auc_sign(self) -> int:
        """-1 if the defence has the lower AUC, 1 if it has the higher one, 0 if the data cannot tell."""
        return _sign(self.auc, self.aucs)

    @property
    def tpr_sign(self) -> int:
        """The same by the TPR at the low FPR."""
        return _sign(self.tpr, self.tprs)

    @property
    def verdict(self) -> str:
        """Which of the two leaks less, by both measures."""
        signs = {self.auc_sign, self.tpr_sign} - {0}
        return MIXED if len(signs) > 1 else {-1: LESS, 1: MORE}.get(sum(signs), UNTOLD)

    @property
    def by_tpr(self) -> bool:
        """Whether the TPR is the measure to show: where it decides, or decides as little as the AUC."""
        there = None not in self.tprs or self.tpr is not None
        return there and (self.tpr_sign != 0 or self.auc_sign == 0)

    @property
    def pair(self) -> Pair:
        """The numbers compared, by the measure to show."""
        return self.tprs if self.by_tpr else self.aucs

    @property
    def difference(self) -> Row | None:
        """The paired difference by the measure to show."""
        return self.tpr if self.by_tpr else self.auc

    @property
    def who(self) -> str:
        """The attack on the defence, and the one on the baseline where that is another."""
        if self.auc is None or self.attack != BEST:
            return self.attack or ""
        own, theirs = strongest_title(self.auc), self.auc.detail
        if "baseline_attack" not in theirs:
            return own
        other = attack_title(str(theirs["baseline_attack"]), theirs.get("baseline_shadows") == UNDEFENDED)
        return own if own == other else f"{own}; {other} on the baseline"

    @property
    def unmatched(self) -> str:
        """Said where the accuracies themselves differ significantly."""
        return {0: "", 1: "more accurate", -1: "less accurate"}[_sign(self.accuracy)]

    @property
    def words(self) -> str:
        """The verdict in a sentence about the defence, and whether the accuracies match."""
        verdict = f"is {UNTOLD}" if self.verdict == UNTOLD else self.verdict
        return verdict + (f" and is {self.unmatched}" if self.unmatched else "")


def _sign(difference: Row | None, pair: Pair = (None, None)) -> int:
    """1 or -1 where the whole interval of the difference lies above or below 0, else 0.

    Where no difference was measured, it is decided by whether the intervals of the two numbers are apart.
    """
    if difference is not None and finite(difference.lo) and finite(difference.hi):
        return int(difference.lo > 0) - int(difference.hi < 0)
    return int(below(pair[0], pair[1])) - int(below(pair[1], pair[0]))


def below(a: Row | None, b: Row | None) -> bool:
    """Whether the interval of a lies below that of b."""
    return a is not None and b is not None and finite(a.hi) and finite(b.lo) and a.hi < b.lo


def comparisons(view: View) -> list[Comparison]:
    """One for each defence and the baseline that it is compared with."""
    low = low_tpr(view, view.matched)
    pairs = distinct((r.defence, str(r.against)) for r in view.matched)
    return [_compared(view, d, b, low, [r for r in view.matched if r.against == b]) for d, b in pairs]


def changes(view: View) -> dict[str, Comparison]:
    """By defence the comparison with no defence; empty without an undefended model."""
    if not view.standings.get(UNDEFENDED):
        return {}
    rows = [r for r in view.leakage if r.metric.endswith(DIFFERENCE)]
    low = low_tpr(view, rows) or (view.low_tpr and view.low_tpr + DIFFERENCE)
    defended = [d for d in view.defences if d != UNDEFENDED and view.standings[d]]
    return {d: _compared(view, d, UNDEFENDED, low, rows) for d in defended}


def low_tpr(view: View, rows: Iterable[Row]) -> str | None:
    """The difference of TPR among the rows at the lowest FPR that every defence resolves."""
    rates = {r.metric: rate(r.metric) for r in rows if r.metric.startswith("tpr@")}
    resolved = {m: fpr for m, fpr in rates.items() if fpr and view.low_fpr and fpr >= view.low_fpr}
    return min(resolved, key=lambda m: resolved[m], default=None)


def _compared(
    view: View, defence: str, against: str, low: str | None, differences: Iterable[Row]
) -> Comparison:
    rows = [r for r in differences if r.defence == defence and r.slice == "all"]
    attacked = view.strongest(defence, [r for r in rows if r.attack is not None and r.adaptive is not False])
    attack = attacked[0].attack if attacked else None
    found = {r.metric: r for r in [*attacked, *(r for r in rows if r.attack is None)]}

    def pair(metric: str) -> Pair:
        each = [_number(view, metric, d, attack) for d in (against, defence)]
        return each[0], each[1]

    return Comparison(
        defence,
        against,
        attack,
        found.get(f"auc{DIFFERENCE}"),
        found.get(low or ""),
        found.get("accuracy_difference"),
        pair("auc"),
        pair(low.removesuffix(DIFFERENCE)) if low else (None, None),
    )


def _number(view: View, metric: str, defence: str, attack: str | None) -> Row | None:
    """What the attack finds on the defence; without a difference to say which attack, what the strongest one finds."""
    if attack is not None:
        return view.known(metric, defence, attack)
    rows = (row for s in view.standings.get(defence, [])[:1] for row in (s.auc, s.tpr))
    return next((row for row in rows if row is not None and row.metric == metric), None)
