"""The tables of docs/results/any-model.md: settings of three kinds of classifier, their accuracy and their leakage.

Run: LEAKBENCH_DATA=FOLDER python docs/results/any_model_table.py STORE
FOLDER/adult holds adult.data.csv and adult.test.csv: the files of UCI, with a line of column names.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import leakbench
from leakbench import Results
from leakbench.core.results import Row
from leakbench.pipeline.any_model.records import fingerprint

RECORDS, MODELS = 5_000, 16
ATTACKS = ["gap", "loss", "rmia", "lira", "bavaria", "stacked"]
SETTINGS: list[tuple[str, Any]] = [
    ("logistic regression", LogisticRegression(max_iter=1000)),
    *[(f"forest, {n} per leaf", RandomForestClassifier(min_samples_leaf=n)) for n in (1, 5, 20, 50)],
    *[(f"forest, depth {n}", RandomForestClassifier(max_depth=n)) for n in (10,)],
    *[(f"boosting, {n} rounds", HistGradientBoostingClassifier(max_iter=n)) for n in (10, 30, 100, 300)],
]


def adult(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Records drawn at random, and whether each person earns more than 50,000 dollars."""
    parts = [pd.read_csv(folder / f"adult.{part}.csv", skipinitialspace=True) for part in ("data", "test")]
    table = pd.concat(parts).sample(RECORDS, random_state=0, ignore_index=True)
    return table.iloc[:, :-1], table.iloc[:, -1].str.rstrip(".")


def pipeline(classifier: Any) -> Any:
    """Encoders that are fitted on the members of each model, and the classifier."""
    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = make_column_transformer(
        (text, make_column_selector(dtype_exclude="number")),
        (StandardScaler(), make_column_selector(dtype_include="number")),
    )
    return make_pipeline(encode, classifier)


def interval(row: Row, percent: bool) -> str:
    """The value with its 95 % interval."""
    if row.lo is None or row.hi is None:
        return "–"
    if percent:
        digits = 2 if row.metric.startswith("tpr") else 1
        low, high = (f"{100 * end:.{digits}f}" for end in (row.lo, row.hi))
        return f"{100 * row.value:.{digits}f} % [{low}, {high}]"
    return f"{row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]"


def line(name: str, results: Results, seconds: float) -> str:
    """One row of the table."""
    accuracy, train = (results.find(metric=m, attack=None)[0] for m in ("accuracy", "train_accuracy"))
    auc, tpr = (
        results.find(metric=m, attack="best", slice="all", target="all")[0] for m in ("auc", "tpr@fpr=0.001")
    )
    lira = results.find(metric="auc", attack="lira", slice="all", target="all")[0]
    cells = [name, interval(accuracy, True), interval(train, True), interval(lira, False)]
    cells += [f"{interval(auc, False)} (`{auc.selected}`)", interval(tpr, True), f"{seconds:.0f} s"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    x, y = adult(Path(os.environ["LEAKBENCH_DATA"]) / "adult")
    print(f"data fingerprint `{fingerprint(x)}`\n")
    print("| model | accuracy | on members | LiRA: AUC | strongest attack: AUC | TPR at 0.1 % FPR | time |")
    print("|---|---|---|---|---|---|---|")
    for name, classifier in SETTINGS:
        began = time.monotonic()
        results = leakbench.audit_training(
            pipeline(classifier), x, y, models=MODELS, attacks=ATTACKS, store=sys.argv[1], progress=False
        )
        results.save(Path(sys.argv[1]).with_suffix(".reports") / name.replace(", ", "-").replace(" ", "-"))
        print(line(name, results, time.monotonic() - began), flush=True)
