"""The tables of docs/results/any-model.md: settings of classifiers, their accuracy and leakage, and paired differences.

Run: LEAKBENCH_DATA=FOLDER python docs/results/any_model_table.py STORE adult
FOLDER/adult holds adult.data.csv and adult.test.csv: the files of UCI, with a line of column names.
In place of adult: sentences, where FOLDER/rt-polarity holds rt-polarity.pos and rt-polarity.neg of Pang and Lee (2005).
"""

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from small_transformer import fit as transformer

import leakbench
from leakbench import Results
from leakbench.core.results import Row
from leakbench.pipeline.any_model.records import fingerprint

RECORDS, MODELS = 5_000, 16
ATTACKS = {"adult": ["gap", "loss", "rmia", "lira", "bavaria", "stacked"]}
ATTACKS["sentences"] = ATTACKS["adult"][:-1]
BOOSTER = partial(LGBMClassifier, verbose=-1, n_jobs=1, deterministic=True)
OF_ADULT: dict[str, Any] = {
    "logistic regression": LogisticRegression(max_iter=1000),
    **{f"forest, {n} per leaf": RandomForestClassifier(min_samples_leaf=n) for n in (1, 5, 20, 50)},
    "forest, depth 10": RandomForestClassifier(max_depth=10),
    **{f"boosting, {n} rounds": HistGradientBoostingClassifier(max_iter=n) for n in (10, 30, 100, 300)},
    **{f"LightGBM, {n} rounds": BOOSTER(n_estimators=n) for n in (30, 100)},
}
OF_SENTENCES: dict[str, Any] = {
    **{f"logistic regression, C = {c}": LogisticRegression(C=c) for c in (0.1, 1, 10)},
    "naive Bayes, alpha = 1": MultinomialNB(),
    **{f"transformer, {n} epochs": partial(transformer, epochs=n) for n in (4, 8)},
}
PAIRS = {  # the usual setting first
    "adult": [
        ("LightGBM, 100 rounds", "LightGBM, 30 rounds"),
        ("LightGBM, 30 rounds", "logistic regression"),
    ],
    "sentences": [
        ("logistic regression, C = 10", "logistic regression, C = 1"),
        ("logistic regression, C = 1", "logistic regression, C = 0.1"),
        ("naive Bayes, alpha = 1", "logistic regression, C = 1"),
        ("transformer, 8 epochs", "transformer, 4 epochs"),
        ("transformer, 4 epochs", "logistic regression, C = 1"),
    ],
}


def adult(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Records drawn at random, and whether each person earns more than 50,000 dollars."""
    parts = [pd.read_csv(folder / f"adult.{part}.csv", skipinitialspace=True) for part in ("data", "test")]
    table = pd.concat(parts).sample(RECORDS, random_state=0, ignore_index=True)
    return table.iloc[:, :-1], table.iloc[:, -1].str.rstrip(".")


def sentences(folder: Path) -> tuple[list[str], np.ndarray]:
    """Sentences of film reviews drawn at random, and whether each is positive."""
    told = [(folder / f"rt-polarity.{end}").read_text("latin-1").split("\n")[:-1] for end in ("neg", "pos")]
    y = np.repeat([0, 1], [len(part) for part in told])
    rows = np.random.default_rng(0).permutation(len(y))[:RECORDS]
    return [(told[0] + told[1])[row] for row in rows], y[rows]


def of_columns(classifier: Any) -> Any:
    """Encoders that are fitted on the members of each model, and the classifier."""
    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = make_column_transformer(
        (text, make_column_selector(dtype_exclude="number")),
        (StandardScaler(), make_column_selector(dtype_include="number")),
    )
    return make_pipeline(encode, classifier)


def of_text(classifier: Any) -> Any:
    """Words that are weighed by the members of each model, and the classifier; a function reads texts itself."""
    return make_pipeline(TfidfVectorizer(), classifier) if hasattr(classifier, "fit") else classifier


def interval(row: Row, percent: bool, unit: str = "%") -> str:
    """The value with its 95 % interval."""
    if row.lo is None or row.hi is None:
        return "–"
    if percent:
        digits = 2 if row.metric.startswith("tpr") else 1
        low, high = (f"{100 * end:.{digits}f}" for end in (row.lo, row.hi))
        return f"{100 * row.value:.{digits}f} {unit} [{low}, {high}]"
    return f"{row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]"


def line(name: str, results: Results) -> str:
    """One row of the table."""
    accuracy, train = (results.find(metric=m, attack=None)[0] for m in ("accuracy", "train_accuracy"))
    auc, tpr = (
        results.find(metric=m, attack="best", slice="all", target="all")[0] for m in ("auc", "tpr@fpr=0.001")
    )
    lira = results.find(metric="auc", attack="lira", slice="all", target="all")[0]
    cells = [name, interval(accuracy, True), interval(train, True), interval(lira, False)]
    cells += [f"{interval(auc, False)} (`{auc.selected}`)", interval(tpr, True)]
    return "| " + " | ".join(cells) + " |"


def pair(first: str, second: str, folders: dict[str, Path]) -> str:
    """One row of the table of differences, second - first."""
    found = {p.reference.metric: p for p in leakbench.compare(folders[first], folders[second]).main}
    auc, tpr = found["auc"], found["tpr@fpr=0.01"]
    assert auc.paired and tpr.paired
    cells = [f"{second}, not {first}", interval(found["accuracy"].difference, True, "points")]
    cells += [interval(auc.difference, False), interval(tpr.difference, True, "points"), auc.verdict]
    return "| " + " | ".join(cells) + " |"


def read(data: str) -> tuple[Any, Any, dict[str, Any]]:
    """Records, labels, and what trains on them in each setting."""
    folder = Path(os.environ["LEAKBENCH_DATA"])
    if data == "adult":
        return *adult(folder / data), {name: of_columns(each) for name, each in OF_ADULT.items()}
    return *sentences(folder / "rt-polarity"), {name: of_text(each) for name, each in OF_SENTENCES.items()}


if __name__ == "__main__":
    store, data = Path(sys.argv[1]), sys.argv[2]
    x, y, settings = read(data)
    print(f"data fingerprint `{fingerprint(x)}`\n")
    print("| model | accuracy | on members | LiRA: AUC | strongest attack: AUC | TPR at 0.1 % FPR |")
    print("|---|---|---|---|---|---|")
    folders = {}
    for name, model in settings.items():
        folders[name] = store.with_suffix(".reports") / re.sub(r"[^\w]+", "-", name)
        results = leakbench.audit_training(
            model, x, y, models=MODELS, attacks=ATTACKS[data], store=store, title=name, progress=False,
            version=name if callable(model) else None,  # the version of a function: raise it with small_transformer.py
        )  # fmt: skip
        results.save(folders[name])
        print(line(name, results), flush=True)
    print("\n| change | accuracy | strongest attack: AUC | TPR at 1 % FPR | verdict |\n|---|---|---|---|---|")
    for first, second in PAIRS[data]:
        print(pair(first, second, folders))
