"""What the scripts of the results pages share: cells, lines, the table at matched accuracy, and scatter plots."""

import math
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leakbench.core.results import Row
from leakbench.report.comparison import comparisons
from leakbench.report.numbers import strongest_title
from leakbench.report.results import Results
from leakbench.report.view import View

PICTURES = Path(__file__).parent


def head(*names: str) -> list[str]:
    """The first two lines of a table."""
    return [line(*names), "|" + "---|" * len(names)]


def line(*cells: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def cell(rows: list[Row]) -> str:
    """Value, interval, and what was chosen; a dash where there is no row."""
    if not rows:
        return "–"
    row = rows[0]
    if row.metric == "epsilon" and not math.isfinite(row.value):
        return "infinite"
    which = f" ({strongest_title(row)})" if row.selected else ""
    limits = f" [{row.lo:.3f}, {row.hi:.3f}]" if row.lo is not None and row.hi is not None else ""
    return f"{row.value:.3f}{limits}{which}"


def matched(results: Results) -> list[str]:
    """One line per defence: the baseline at its accuracy, and the paired differences."""
    out = head("defence", "as accurate", "accuracy, change", "under", "AUC, change", "TPR, change", "verdict")
    for c in comparisons(View(results)):
        changes = (cell([row] if row else []) for row in (c.accuracy, c.auc, c.tpr))
        accuracy, auc, tpr = changes
        out.append(line(c.defence, c.against, accuracy, c.who, auc, tpr, c.words))
    return out


def scatter(axes: Axes, view: View) -> dict[str, tuple[float, float]]:
    """Accuracy against the strongest adaptive attack's AUC; the baselines joined. Returns the points by name."""
    pairs = {defence: _pair(view.results, defence) for defence in view.defences}
    points = {defence: (x.value, auc.value) for defence, (x, auc) in pairs.items()}
    baselines = sorted(points[d] for d in view.baselines)
    if baselines:
        axes.plot(*zip(*baselines, strict=True), "--", color="0.6", zorder=0, label="plain training")
    for defence, pair in pairs.items():
        colour = "0.5" if defence in view.baselines else "C0"
        across, up = ([[r.value - r.lo], [r.hi - r.value]] for r in pair)
        axes.errorbar(*points[defence], up, across, "o", color=colour, markersize=4, elinewidth=0.7)
    axes.axhline(0.5, color="0.8", lw=0.8, label="chance")
    return points


def names_at_right(axes: Axes, points: dict[str, tuple[float, float]]) -> None:
    """The names in a column at the right, in the order of the points, each joined to its own."""
    low, high = axes.get_ylim()
    gap, at = (high - low) / 28, low
    for name, (x, y) in sorted(points.items(), key=lambda item: item[1][1]):
        at = max(at + gap, min(y, high - gap * sum(other > y for _, other in points.values())))
        axes.annotate(
            name, (x, y), (1.03, at), "data", axes.get_yaxis_transform(), fontsize=8, va="center",
            arrowprops={"arrowstyle": "-", "color": "0.75", "lw": 0.6},
        )  # fmt: skip


def save(fig: Figure, path: Path) -> None:
    """As SVG; the same numbers give the same file."""
    with rc_context({"svg.hashsalt": "leakbench"}):
        fig.savefig(path, metadata={"Date": None})


def _pair(results: Results, defence: str) -> tuple[Row, Row]:
    (accuracy,) = results.find(metric="accuracy", defence=defence)
    (auc,) = results.find(
        metric="auc", attack="best", defence=defence, slice="all", target="all", adaptive=True
    )
    return accuracy, auc
