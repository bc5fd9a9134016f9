"""The tables of docs/precision.md: what a study says whose networks were trained in float32 and in bfloat16.

Run: python docs/results/precision_table.py FLOAT32 BFLOAT16 STORE   with the report folders and the store of both runs
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from leakbench import Results, Study, difference
from leakbench.core.progress import NullProgress
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import open_trainer
from leakbench.report.array_tables import read_scores

PRECISIONS = ("float32", "bfloat16")


def main(first: str, second: str, store: str) -> None:
    """Print the differences with their 95 % intervals.

    Accuracies and AUCs are compared model by model (same seed, same members); TPRs record by record, of the attacks
    whose scores the reports keep.
    """
    runs = [Results.load(folder) for folder in (first, second)]
    print(f"| | {' | '.join(PRECISIONS)} | difference, points |\n|---|---|---|---|")
    print(by_model("accuracy on the test part", *(accuracies(run, store) for run in runs)))
    for attack in dict.fromkeys(row.attack for row in runs[0].find(metric="auc", target="0")):
        print(by_model(f"AUC, `{attack}`", *(aucs(run, attack) for run in runs)))
    cases = [
        replace(read_scores(Path(folder))[0], defence=name)
        for folder, name in zip((first, second), PRECISIONS, strict=True)
    ]
    both = Results("run", "", [], scores=cases)
    for fpr, attack in ((fpr, attack) for fpr in (0.01, 0.001) for attack in cases[0].ranks):
        found = difference(both, attack=attack, defence=PRECISIONS[::-1], fpr=fpr)
        rows = [run.find(metric=f"tpr@fpr={fpr:g}", attack=attack, slice="all", target="all") for run in runs]
        values = [row.value for (row,) in rows]
        print(line(f"TPR at {100 * fpr:g} % FPR, `{attack}`", *values, found.value, found.lo, found.hi))


def accuracies(run: Results, store: str) -> NDArray[np.float64]:
    """The accuracy on the test part of each model [M], from the logits in the store."""
    study = Study.of(run.study)
    trainer = open_trainer(study, store)
    stored = (
        Querier(trainer).logits(study.recipe, study.query, NullProgress()).logits
    )  # candidates, then test
    test = trainer.dataset.y[trainer.dataset.parts["test"]]
    predicted = (each[0, -len(test) :].argmax(axis=-1) for each in stored)
    return np.array([(classes == test).mean() for classes in predicted])


def aucs(run: Results, attack: str) -> NDArray[np.float64]:
    """The AUC of an attack on each model [M]."""
    rows = run.find(metric="auc", attack=attack, slice="all", defence="none")
    return np.array([row.value for row in rows if row.target != "all"])


def by_model(name: str, first: NDArray[np.float64], second: NDArray[np.float64]) -> str:
    """A row about M pairs of models, by the t distribution."""
    change = second - first
    half = stats.t.ppf(0.975, len(change) - 1) * stats.sem(change)
    return line(name, first.mean(), second.mean(), change.mean(), change.mean() - half, change.mean() + half)


def line(name: str, *numbers: float) -> str:
    """A row, in percent."""
    return "| {} | {:.1f} | {:.1f} | {:+.2f} [{:+.2f}, {:+.2f}] |".format(
        name, *(100 * each for each in numbers)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
