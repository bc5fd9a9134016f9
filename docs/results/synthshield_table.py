"""Print the section of a SynthShield study, and draw its picture, from the folders that `leakbench run` wrote.

Run: python docs/results/synthshield_table.py FOLDER [FOLDER ...]
The picture goes beside this file, under the folder's name.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure
from pages import PICTURES, cell, head, line, matched, names_at_right, save, scatter
from table import provenance_line

from leakbench.report.results import Results
from leakbench.report.view import View

NETWORKS, METRICS = ("nn", "nn_top3", "nn_cls", "samia"), ("auc", "balanced_accuracy")


def section(results: Results, picture: str) -> str:
    """Title, provenance, picture, and the tables that have content."""
    parts = [f"## {results.title}", provenance_line(results), f"![Accuracy against AUC]({picture})"]
    tables = [defences(results), matched(results), origins(results), generators(results)]
    tables += [by_attack(results), changes(results), cross(results)]
    return "\n\n".join([*parts, *("\n".join(table) for table in tables if len(table) > 2)]) + "\n"


def defences(results: Results) -> list[str]:
    """One line per defence: utility, the strongest adaptive and non-adaptive attack, cost."""
    view = View(results)
    low = view.low_tpr or "tpr@fpr=0.01"
    out = head("defence", "accuracy", "strongest: AUC", f"strongest: {low}", "non-adaptive AUC",
                "weights taken", "epsilon", "training cost")  # fmt: skip
    for defence in view.defences:
        about = {"defence": defence, "slice": "all", "target": "all"}
        best = {"attack": "best", "adaptive": True, **about}
        ignoring = {"attack": "best", "adaptive": False, "shadows": "none", "metric": "auc", **about}
        cells = [results.find(metric="accuracy", **about), results.find(metric="auc", **best)]
        cells += [results.find(metric=low, **best), results.find(**ignoring)]
        cells += [results.find(metric=m, **about) for m in ("sparsity", "epsilon", "train_cost_ratio")]
        out.append(line(defence, *map(cell, cells)))
    return out


def origins(results: Results) -> list[str]:
    """How much of the strongest attack's AUC above 1/2 came by way of the generator."""
    out = head("defence", "twin", "by way of the generator", "in the weights")
    for weights in results.find(metric="leakage_in_weights", attack="best"):
        (generator,) = results.find(metric="leakage_from_generator", attack="best", defence=weights.defence)
        out.append(line(weights.defence, weights.detail["twin"], cell([generator]), cell([weights])))
    return out


def generators(results: Results) -> list[str]:
    """Leakage of the synthetic records alone."""
    out = head("defence", "attack on the synthetic records", "AUC")
    for row in results.find(slice="generator", metric="auc"):
        out.append(line(row.defence, row.attack, cell([row])))
    return out


def by_attack(results: Results) -> list[str]:
    """mia_prune's attackers: AUC, and balanced accuracy at probability 1/2."""
    if not results.find(attack="samia"):
        return []
    out = head("defence", *(f"{a}: AUC, balanced accuracy" for a in NETWORKS))
    for defence in View(results).defences:
        about = {"defence": defence, "slice": "all", "target": "all", "adaptive": True}
        both = ([results.find(attack=a, metric=m, **about) for m in METRICS] for a in NETWORKS)
        cells = [", ".join(map(cell, each)) for each in both]
        out.append(line(defence, *cells))
    return out


def changes(results: Results) -> list[str]:
    """mia_prune's attackers where there is no baseline to match: the paired change of AUC on no defence."""
    view = View(results)
    if view.matched or not results.find(attack="samia"):
        return []
    out = head("defence", *(f"{a}: AUC, change on no defence" for a in NETWORKS))
    for defence in view.defences[1:]:
        about = {"defence": defence, "metric": "auc-difference", "slice": "all", "adaptive": True}
        out.append(line(defence, *(cell(results.find(attack=a, **about)) for a in NETWORKS)))
    return out


def cross(results: Results) -> list[str]:
    """Victim against shadow models: the AUC of the strongest attack."""
    rows = results.find(attack="best", metric="auc", slice="all", target="all")
    others = sorted({r.shadows for r in rows if r.shadows not in (None, "none")})
    if not others:
        return []
    out = head("victim", "shadow models: its own defence", "none", *others)
    for victim in dict.fromkeys(r.defence for r in rows if r.shadows in others):
        by = {None if r.adaptive else r.shadows: r for r in rows if r.defence == victim}
        out.append(line(victim, *(cell([by[s]] if s in by else []) for s in (None, "none", *others))))
    return out


def draw(results: Results, path: Path) -> None:
    """Accuracy against the strongest attack's AUC, with intervals; the baselines joined, the names in a column."""
    fig = Figure(figsize=(9.5, 6), layout="constrained")
    axes = fig.subplots()
    points = scatter(axes, View(results))
    axes.set(xlabel="accuracy", ylabel="AUC of the strongest adaptive attack", title=results.title)
    axes.legend(frameon=False, loc="upper left")
    names_at_right(axes, points)
    save(fig, path)


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        loaded = Results.load(folder)
        name = f"{folder.name}.svg"
        draw(loaded, PICTURES / name)
        print(section(loaded, name))
