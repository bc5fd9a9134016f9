"""The tables of docs/precision.md: what a study says whose networks were trained in float32 and in bfloat16.

Run: python docs/results/precision_table.py FLOAT32 BFLOAT16 STORE   with the report folders and the store of both runs
"""

import sys

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from leakbench import Results, Study
from leakbench.core.progress import NullProgress
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import open_trainer

MEASURES = {"AUC": "auc", "TPR at 1 % FPR": "tpr@fpr=0.01", "TPR at 0.1 % FPR": "tpr@fpr=0.001"}


def main(first: str, second: str, store: str) -> None:
    """Print the differences, with the 95 % interval that the models give, which are pairs: same seed, same members."""
    runs = [Results.load(folder) for folder in (first, second)]
    print("| | float32 | bfloat16 | difference, points |\n|---|---|---|---|")
    print(line("accuracy on the test part", *(accuracies(run, store) for run in runs)))
    for attack in dict.fromkeys(row.attack for row in runs[0].find(metric="auc", target="0")):
        for name, metric in MEASURES.items():
            print(line(f"`{attack}`, {name}", *(by_model(run, attack, metric) for run in runs)))


def accuracies(run: Results, store: str) -> NDArray[np.float64]:
    """The accuracy on the test part of each model [M], from the logits in the store."""
    study = Study.of(run.study)
    trainer = open_trainer(study, store)
    stored = (
        Querier(trainer).logits(study.recipe, study.query, NullProgress()).logits
    )  # records, then the test part
    test = trainer.dataset.y[trainer.dataset.parts["test"]]
    predicted = (each[0, -len(test) :].argmax(axis=-1) for each in stored)
    return np.array([(classes == test).mean() for classes in predicted])


def by_model(run: Results, attack: str, metric: str) -> NDArray[np.float64]:
    """The number of an attack on each model [M]."""
    rows = run.find(metric=metric, attack=attack, slice="all", defence="none")
    return np.array([row.value for row in rows if row.target != "all"])


def line(name: str, first: NDArray[np.float64], second: NDArray[np.float64]) -> str:
    """A row, in percent."""
    change = second - first
    half = stats.t.ppf(0.975, len(change) - 1) * stats.sem(change)
    values = (100 * number for number in (first.mean(), second.mean(), change.mean(), half))
    return "| {} | {:.1f} | {:.1f} | {:+.2f} ± {:.2f} |".format(name, *values)


if __name__ == "__main__":
    main(*sys.argv[1:])
