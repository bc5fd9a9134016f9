"""Defences beside the baseline that is as accurate: what they gain over simply giving up that accuracy."""

from ..comparison import Comparison, comparisons, low_tpr
from ..numbers import metric_title
from ..view import View
from .tables import Cell, Column, Table


def matched(view: View) -> Table:
    """One line a comparison: both accuracies, both AUCs, the paired differences, a verdict."""
    metric = low_tpr(view, view.matched)
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
    theirs, ours = c.aucs
    return [
        Cell(c.defence, f"by {c.who}" if c.who else ""),
        Cell(c.against),
        Cell(c.verdict, c.unmatched),
        Cell.of(view.row("accuracy", c.defence)),
        Cell.of(view.row("accuracy", c.against)),
        Cell.of(c.accuracy),
        Cell.of(ours),
        Cell.of(theirs),
        Cell.of(c.auc),
        *([Cell.of(c.tpr)] if metric else []),
    ]
