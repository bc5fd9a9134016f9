"""Print the section of a SynthShield study, and draw its picture, from the folders that `leakbench run` wrote.

Run: python docs/results/synthshield_table.py FOLDER [FOLDER ...]
The picture goes beside this file, under the folder's name.
"""

import math
import sys
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from table import provenance_line

from leakbench.report.matched import comparisons
from leakbench.report.view import View
from leakbench.results import Results, Row

PICTURES = Path(__file__).parent
NETWORKS, METRICS = ("nn", "nn_top3", "nn_cls", "samia"), ("auc", "balanced_accuracy")


def section(results: Results, picture: str) -> str:
    """Title, provenance, picture, and the tables that have content."""
    parts = [f"## {results.title}", provenance_line(results), f"![Accuracy against AUC]({picture})"]
    tables = [defences(results), matched(results), origins(results), generators(results)]
    tables += [by_attack(results), cross(results)]
    return "\n\n".join([*parts, *("\n".join(table) for table in tables if len(table) > 2)]) + "\n"


def defences(results: Results) -> list[str]:
    """One line a defence: utility, the strongest adaptive attack, who ignores the defence, what it costs."""
    view = View(results)
    low = view.low_tpr or "tpr@fpr=0.01"
    out = _head("defence", "accuracy", "strongest: AUC", f"strongest: {low}", "AUC if it ignores the defence",
                "weights taken", "epsilon", "training cost")  # fmt: skip
    for defence in view.defences:
        about = {"defence": defence, "slice": "all", "target": "all"}
        best = {"attack": "best", "adaptive": True, **about}
        ignoring = {"attack": "best", "adaptive": False, "shadows": "none", "metric": "auc", **about}
        cells = [results.find(metric="accuracy", **about), results.find(metric="auc", **best)]
        cells += [results.find(metric=low, **best), results.find(**ignoring)]
        cells += [results.find(metric=m, **about) for m in ("sparsity", "epsilon", "train_cost_ratio")]
        out.append(_line(defence, *map(_cell, cells)))
    return out


def matched(results: Results) -> list[str]:
    """One line a defence: the baseline at its accuracy, and the paired differences."""
    out = _head(
        "defence", "as accurate", "accuracy, change", "under", "AUC, change", "TPR, change", "verdict"
    )
    for c in comparisons(View(results)):
        rows = ([r] if r else [] for r in (c.auc, c.tpr))
        accuracy = _cell([c.accuracy] if c.accuracy else [])
        out.append(_line(c.defence, c.against, accuracy, c.attack or "", *map(_cell, rows), c.words))
    return out


def origins(results: Results) -> list[str]:
    """How much of the AUC above 1/2 came by way of the generator, under the attack strongest on the defence."""
    out = _head("defence", "twin", "under", "by way of the generator", "in the weights")
    for defence in dict.fromkeys(r.defence for r in results.find(metric="leakage_in_weights")):
        (best,) = results.find(defence=defence, attack="best", metric="auc", slice="all", adaptive=True)
        about = {"defence": defence, "attack": best.selected}
        (weights,) = results.find(metric="leakage_in_weights", **about)
        (generator,) = results.find(metric="leakage_from_generator", **about)
        out.append(
            _line(defence, weights.detail["twin"], best.selected, _cell([generator]), _cell([weights]))
        )
    return out


def generators(results: Results) -> list[str]:
    """What the synthetic records alone give away."""
    out = _head("defence", "attack on the synthetic records", "AUC")
    for row in results.find(slice="generator", metric="auc"):
        out.append(_line(row.defence, row.attack, _cell([row])))
    return out


def by_attack(results: Results) -> list[str]:
    """mia_prune's attackers: AUC, and balanced accuracy at probability 1/2."""
    if not results.find(attack="samia"):
        return []
    out = _head("defence", *(f"{a}: AUC, balanced accuracy" for a in NETWORKS))
    for defence in View(results).defences:
        about = {"defence": defence, "slice": "all", "target": "all", "adaptive": True}
        both = ([results.find(attack=a, metric=m, **about) for m in METRICS] for a in NETWORKS)
        cells = [", ".join(map(_cell, each)) for each in both]
        out.append(_line(defence, *cells))
    return out


def cross(results: Results) -> list[str]:
    """Victim against shadow models: the AUC of the strongest attack."""
    rows = results.find(attack="best", metric="auc", slice="all", target="all")
    others = sorted({r.shadows for r in rows if r.shadows not in (None, "none")})
    if not others:
        return []
    out = _head("victim", "shadow models: its own defence", "none", *others)
    for victim in dict.fromkeys(r.defence for r in rows if r.shadows in others):
        by = {r.shadows: r for r in rows if r.defence == victim}
        out.append(_line(victim, *(_cell([by[s]] if s in by else []) for s in (None, "none", *others))))
    return out


def draw(results: Results, path: Path) -> None:
    """Accuracy against the strongest attack's AUC, with intervals; the baselines joined, the names in a column."""
    view = View(results)
    fig = Figure(figsize=(9.5, 6), layout="constrained")
    axes = fig.subplots()
    points = {d: _point(results, d) for d in view.defences}
    line = sorted((points[d][0].value, points[d][1].value) for d in view.baselines)
    if line:
        axes.plot(*zip(*line, strict=True), "--", color="0.6", zorder=0, label="plain training")
    for defence, (accuracy, auc) in points.items():
        colour = "0.5" if defence in view.baselines else "C0"
        bars = [[[row.value - row.lo], [row.hi - row.value]] for row in (accuracy, auc)]
        axes.errorbar(
            accuracy.value, auc.value, bars[1], bars[0], "o", color=colour, markersize=4, elinewidth=0.7
        )
    axes.axhline(0.5, color="0.8", lw=0.8, label="chance")
    axes.set(xlabel="accuracy", ylabel="AUC of the strongest adaptive attack", title=results.title)
    axes.legend(frameon=False, loc="upper left")
    _name(axes, {d: (accuracy.value, auc.value) for d, (accuracy, auc) in points.items()})
    with rc_context({"svg.hashsalt": "leakbench"}):  # the same numbers give the same file
        fig.savefig(path, metadata={"Date": None})


def _name(axes: Axes, points: dict[str, tuple[float, float]]) -> None:
    """The names in a column at the right, in the order of the points, each joined to its own."""
    low, high = axes.get_ylim()
    gap, at = (high - low) / 28, low
    for name, (x, y) in sorted(points.items(), key=lambda item: item[1][1]):
        at = max(at + gap, min(y, high - gap * sum(other > y for _, other in points.values())))
        axes.annotate(
            name, (x, y), (1.03, at), "data", axes.get_yaxis_transform(), fontsize=8, va="center",
            arrowprops={"arrowstyle": "-", "color": "0.75", "lw": 0.6},
        )  # fmt: skip


def _point(results: Results, defence: str) -> tuple[Row, Row]:
    (accuracy,) = results.find(metric="accuracy", defence=defence)
    (auc,) = results.find(
        metric="auc", attack="best", defence=defence, slice="all", target="all", adaptive=True
    )
    return accuracy, auc


def _head(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _cell(rows: list[Row]) -> str:
    if not rows:
        return "–"
    row = rows[0]
    if row.metric == "epsilon" and not math.isfinite(row.value):
        return "infinite"
    which = f" ({row.selected})" if row.selected else ""
    value = f"{row.value:.3f}"
    return (
        value
        + (f" [{row.lo:.3f}, {row.hi:.3f}]" if row.lo is not None and row.hi is not None else "")
        + which
    )


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        loaded = Results.load(folder)
        name = f"{folder.name}.svg"
        draw(loaded, PICTURES / name)
        print(section(loaded, name))
