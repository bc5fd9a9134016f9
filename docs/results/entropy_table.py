"""Print the sections of entropy studies, and draw their pictures, from the folders that `leakbench run` wrote.

Run: python docs/results/entropy_table.py FOLDER [FOLDER ...]
First comes what goes with leakage in all of them. A picture goes beside this file, under its folder's name.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import PICTURES, cell, head, line, matched, save
from table import provenance_line

from leakbench.core.results import Row
from leakbench.report.numbers import metric_title
from leakbench.report.results import Results
from leakbench.report.view import View

BY_NAME = ("loss", "entropy", "logistic_regression", "mlp", "knn", "random_forest", "base", "rmia", "lira")
SLICES = ("correct=yes", "correct=no")
COSTS = ("train_cost_ratio", "extra_data_ratio", "latency_ratio_batch_1", "latency_ratio_batch_1024")


def section(results: Results, name: str) -> str:
    """Title, provenance, picture, and the tables."""
    parts = [f"## {results.title}", provenance_line(results)]
    parts += [f"![Mean entropy of the outputs, and AUC, by defence]({name}.svg)"]
    tables = [effect(results), attackers(results), slices(results), outputs(results), costs(results)]
    tables += [matched(results), correlations(results)]
    titles = (
        "Utility and effect",
        "AUC by attack, adaptive",
        "Slices",
        "The released outputs",
        "Cost",
    )
    titles += ("At the same accuracy", "What goes with leakage, over all defences")
    for title, table in zip(titles, tables, strict=True):
        parts += [f"### {title}", "\n".join(table)]
    return "\n\n".join(parts) + "\n"


def effect(results: Results) -> list[str]:
    """One line per defence: the strongest attacks, and the change from no defence."""
    view = View(results)
    low = view.low_tpr or "tpr@fpr=0.01"
    out = head("defence", "accuracy", "calibration error", "labels changed", "strongest: AUC",
               f"strongest: {low}", "non-adaptive AUC", "AUC, change on no defence")  # fmt: skip
    for defence in view.defences:
        about = _about(defence)
        cells = [results.find(metric=m, **about) for m in ("accuracy", "calibration_error", "label_changes")]
        best = {"attack": "best", "adaptive": True, **about}
        cells += [results.find(metric=m, **best) for m in ("auc", low)]
        cells += [results.find(metric="auc", attack="best", adaptive=False, shadows="none", **about)]
        cells += [[r for r in results.find(metric="auc-difference", **best) if r.against is None]]
        out.append(line(defence, *map(cell, cells)))
    return out


def attackers(results: Results) -> list[str]:
    """One line per defence, one column per attack."""
    return _by_defence(
        results,
        [
            (attack, {"metric": "auc", "attack": attack, "adaptive": True, "slice": "all"})
            for attack in BY_NAME
        ],
    )


def slices(results: Results) -> list[str]:
    """The AUC of LiRA on the records that the model has right and wrong, and on the worst class."""
    lira = {"metric": "auc", "attack": "lira", "adaptive": True}
    columns = [(f"lira, {part}", {**lira, "slice": part}) for part in SLICES]
    return _by_defence(results, [*columns, ("lira, worst slice", {**lira, "slice": "worst"})])


def outputs(results: Results) -> list[str]:
    """Entropy and distances of what is released, which cost no shadow model."""
    names = {"mean entropy, nats": "entropy_mean", "gap, nats": "entropy_gap", "JS, entropy": "js_entropy"}
    names |= {"JS, cross-entropy": "js_cross_entropy", "TNR at 1 % FNR": "tnr@fnr=0.01"}
    names |= {"loss-trace IQR, 99 %": "loss_trace_iqr_p99", "generalisation gap": "generalisation_gap"}
    return _by_defence(results, [(title, {"metric": m, "slice": "all"}) for title, m in names.items()])


def costs(results: Results) -> list[str]:
    """As ratios to no defence, and the number of weights that are kept."""
    out = head("defence", *COSTS, "parameters")
    for defence in View(results).defences:
        about = _about(defence)
        (parameters,) = results.find(metric="parameters", **about)
        ratios = (cell(results.find(metric=m, **about)) for m in COSTS)
        out.append(line(defence, *ratios, f"{parameters.value:,.0f}"))
    return out


def together(every: Sequence[Results]) -> list[str]:
    """One line per predictor, one column per study: Spearman's rho with LiRA's AUC; *: better than mean entropy."""
    prefix, suffix = "rank_correlation[", ",auc]"
    found = [{r.metric: r for r in results.rows if r.metric.startswith(prefix)} for results in every]
    out = head("predictor", *(results.title.partition(" on ")[2] for results in every))
    for metric in (m for m in found[0] if m.endswith(suffix)):
        rows = [rows[metric] for rows in found]
        stars = ["\\*" if "entropy_mean" in row.detail["weaker"] else "" for row in rows]
        name = metric_title(metric.removeprefix(prefix).removesuffix(suffix))
        out.append(line(name, *(cell([row]) + star for row, star in zip(rows, stars, strict=True))))
    return out


def correlations(results: Results) -> list[str]:
    """Spearman's rho of each predictor with AUC and TPR; what is shown to be a worse predictor."""
    rows = [r for r in results.rows if r.metric.startswith("rank_correlation[")]
    out = head("predictor, leakage", "attack", "Spearman's rho", "better than")
    for row in rows:
        pair = row.metric.removeprefix("rank_correlation[").removesuffix("]")
        out.append(line(pair, row.attack, cell([row]), ", ".join(row.detail["weaker"]) or "–"))
    return out


def draw(results: Results, path: Path) -> None:
    """Mean entropy and the adaptive and non-adaptive AUC, one line per defence, in the order of mean entropy."""
    about = {"slice": "all", "target": "all"}
    entropy = {r.defence: r for r in results.find(metric="entropy_mean", **about)}
    defences = sorted(entropy, key=lambda defence: entropy[defence].value)
    knows = {r.defence: r for r in results.find(metric="auc", attack="best", adaptive=True, **about)}
    ignores = {
        r.defence: r
        for r in results.find(metric="auc", attack="best", adaptive=False, shadows="none", **about)
    }
    fig = Figure(figsize=(9.5, 1.2 + 0.2 * len(defences)), layout="constrained")
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=(1, 2))
    _dots(left, defences, entropy, fmt="oC0")
    _dots(right, defences, ignores, -0.15, fmt="DC1", label="non-adaptive attacker")
    _dots(right, defences, knows, 0.15, fmt="oC0", label="adaptive attacker")
    right.axvline(0.5, color="0.8", lw=0.8, label="chance")
    right.axvline(knows["none"].value, color="0.4", lw=0.8, ls="--", label="no defence")
    left.set(xlabel="mean entropy of the outputs, nats", ylim=(-1, len(defences)))
    left.set_yticks(range(len(defences)), defences, fontsize=8)
    right.set(xlabel="AUC of the strongest attack")
    fig.legend(*right.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4)
    fig.suptitle(results.title)
    save(fig, path)


def _dots(axes: Axes, defences: list[str], rows: dict[str, Row], shift: float = 0.0, **style: str) -> None:
    """A dot and its interval on the line of each defence that has a row."""
    at = {number + shift: rows[name] for number, name in enumerate(defences) if name in rows}
    bars = [[r.value - r.lo for r in at.values()], [r.hi - r.value for r in at.values()]]
    axes.errorbar([r.value for r in at.values()], list(at), xerr=bars, markersize=4, elinewidth=0.8, **style)
    axes.grid(axis="y", color="0.92", lw=0.6)
    axes.set_axisbelow(True)


def _by_defence(results: Results, columns: Sequence[tuple[str, dict[str, object]]]) -> list[str]:
    out = head("defence", *(title for title, _ in columns))
    for defence in View(results).defences:
        found: list[list[Row]] = [results.find(defence=defence, target="all", **how) for _, how in columns]
        out.append(line(defence, *map(cell, found)))
    return out


def _about(defence: str) -> dict[str, str]:
    return {"defence": defence, "slice": "all", "target": "all"}


if __name__ == "__main__":
    studies = {folder.name: Results.load(folder) for folder in map(Path, sys.argv[1:])}
    print("\n".join(together(list(studies.values()))) + "\n")
    for name, results in studies.items():
        draw(results, PICTURES / f"{name}.svg")
        print(section(results, name))
