"""Defences beside the baseline that is as accurate: what they gain over simply giving up that accuracy."""

from dataclasses import dataclass

from ..results import BEST, UNDEFENDED, Row
from .numbers import DIFFERENCE, attack_title, finite, metric_title, rate, strongest_title
from .tables import Cell, Column, Table
from .view import View, distinct

LESS, MORE, UNTOLD = "leaks less", "leaks more", "not told apart"
MIXED = "leaks less by one measure, more by the other"


@dataclass(frozen=True)
class Comparison:
    """A defence and the baseline at its accuracy, each under the attack that is strongest on it.

    Where there was no choice of attacks, both are under the one that is.
    """

    defence: str
    against: str
    attack: str | None
    auc: Row | None  # the paired differences: of AUC, of the TPR at a low FPR, of accuracy
    tpr: Row | None
    accuracy: Row | None

    @property
    def verdict(self) -> str:
        """Which of the two leaks less, by the paired differences whose intervals leave zero out."""
        signs = {_sign(self.auc), _sign(self.tpr)} - {0}
        return MIXED if len(signs) > 1 else {-1: LESS, 1: MORE}.get(sum(signs), UNTOLD)

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
        """Said where the accuracies themselves can be told apart."""
        return {0: "", 1: "more accurate", -1: "less accurate"}[_sign(self.accuracy)]

    @property
    def words(self) -> str:
        """The verdict in a sentence about the defence, and whether the accuracies match."""
        verdict = f"is {UNTOLD}" if self.verdict == UNTOLD else self.verdict
        return verdict + (f" and is {self.unmatched}" if self.unmatched else "")


def _sign(row: Row | None) -> int:
    """1 or -1 where the whole interval lies above or below 0, else 0."""
    if row is None or not (finite(row.lo) and finite(row.hi)):
        return 0
    return int(row.lo > 0) - int(row.hi < 0)


def comparisons(view: View) -> list[Comparison]:
    """One for each defence and the baseline that it is compared with."""
    metric = low_tpr(view)
    return [
        _comparison(view, defence, against, metric)
        for defence, against in distinct((r.defence, str(r.against)) for r in view.matched)
    ]


def low_tpr(view: View) -> str | None:
    """The difference of TPR at the lowest FPR that every defence resolves."""
    rates = {r.metric: rate(r.metric) for r in view.matched if r.metric.startswith("tpr@")}
    resolved = {m: fpr for m, fpr in rates.items() if fpr and view.low_fpr and fpr >= view.low_fpr}
    return min(resolved, key=lambda m: resolved[m], default=None)


def _comparison(view: View, defence: str, against: str, metric: str | None) -> Comparison:
    rows = [r for r in view.matched if (r.defence, r.against) == (defence, against) and r.slice == "all"]
    attacked = view.strongest(defence, [r for r in rows if r.attack is not None and r.adaptive is not False])
    found = {r.metric: r for r in [*attacked, *(r for r in rows if r.attack is None)]}
    return Comparison(
        defence,
        against,
        attacked[0].attack if attacked else None,
        found.get(f"auc{DIFFERENCE}"),
        found.get(metric or ""),
        found.get("accuracy_difference"),
    )


def matched(view: View) -> Table:
    """One line a comparison: both accuracies, both AUCs, the paired differences, a verdict."""
    metric = low_tpr(view)
    columns = [
        Column("Defence", numeric=False),
        Column("Baseline", numeric=False),
        Column("Verdict", numeric=False),
        Column("Accuracy"),
        Column("Accuracy, baseline"),
        Column("Accuracy, change"),
        Column("AUC"),
        Column("AUC, baseline"),
        Column("AUC, change"),
        *([Column(metric_title(metric))] if metric else []),
    ]
    return Table(columns, [_line(view, c, metric) for c in comparisons(view)])


def _line(view: View, c: Comparison, metric: str | None) -> list[Cell]:
    both = (c.defence, c.against)
    accuracies = [Cell.of(view.row("accuracy", d)) for d in both]
    aucs = [Cell.of(view.known("auc", d, c.attack)) for d in both]
    return [
        Cell(c.defence, f"by {c.who}" if c.who else ""),
        Cell(c.against),
        Cell(c.verdict, c.unmatched),
        *accuracies,
        Cell.of(c.accuracy),
        *aucs,
        Cell.of(c.auc),
        *([Cell.of(c.tpr)] if metric else []),
    ]
