"""Shadow models from the user's own training code: what it finds, and what it refuses."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import leakbench
from leakbench import InputError, Results, membership_auc_scorer

DIGITS = load_digits(return_X_y=True)
X, Y = DIGITS[0][:300], DIGITS[1][:300]
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def audited(code: Any, x: Any = X, y: Any = Y, **settings: Any) -> Results:
    few = {"models": 4, "attacks": ["gap", "loss"], "processes": 1, "progress": False}
    return leakbench.audit_training(code, x, y, **few | settings)


def value(results: Results, metric: str, attack: str | None = None) -> float:
    (row,) = results.find(metric=metric, attack=attack, slice="all", target="all")
    return row.value


def test_a_memoriser_of_random_labels_leaks_as_its_accuracy_gap_says() -> None:
    """The nearest neighbour of a member is itself: accuracy 1 on members, 1/C on others, so AUC 1 - 1/(2C)."""
    rng = np.random.default_rng(0)
    results = audited(KNeighborsClassifier(1), rng.normal(size=(800, 5)), rng.integers(0, 50, 800))
    gap = value(results, "generalisation_gap")
    assert value(results, "train_accuracy") == 1.0 and gap == pytest.approx(1 - 1 / 50, abs=0.015)
    assert value(results, "accuracy") == pytest.approx(1 - gap)
    assert (
        value(results, "auc", "gap") == pytest.approx(0.5 + gap / 2) and value(results, "auc", "loss") > 0.98
    )


def test_a_constant_classifier_is_at_chance_level() -> None:
    results = audited(lambda x, y, seed: lambda other: np.full((len(other), 10), 0.1), models=6)
    assert value(results, "auc", "loss") == value(results, "auc", "gap") == 0.5
    constant = audited(DummyClassifier(strategy="constant", constant=3))
    assert value(constant, "auc", "gap") == pytest.approx(0.5, abs=0.02)


def test_labels_as_text_give_the_numbers_that_whole_numbers_give() -> None:
    """Text sorts otherwise than numbers: only the columns change their places."""
    by_number, by_name = audited(GaussianNB()), audited(GaussianNB(), y=NAMES[Y])
    assert value(by_number, "accuracy") == value(by_name, "accuracy")
    assert value(by_number, "auc", "loss") == pytest.approx(value(by_name, "auc", "loss"), abs=1e-9)
    assert by_name.find(slice="class=zero") and by_number.find(slice="class=0")


def test_every_record_is_in_half_of_the_models_and_attacks_get_shadow_models() -> None:
    sizes: list[int] = []

    def fit(numbers: Any, y: Any, seed: int) -> Callable[[Any], Any]:
        sizes.append(len(numbers))
        model = GaussianNB().fit(X[numbers], y)
        return lambda other: model.predict_proba(X[other])

    results = audited(fit, x=None, models=6, attacks=["lira", "rmia", "bavaria", "random_forest"])
    assert sizes == [150] * 6
    ran = {row.attack for row in results.find(metric="auc", slice="all")}
    assert {"lira", "rmia", "bavaria", "random_forest", "best"} <= ran
    assert results.study["audit_training"]["models"] == 6


def test_tables_and_texts_are_taken_by_rows_and_encoded_by_the_pipeline() -> None:
    table = pd.DataFrame({"ink": np.where(X.mean(axis=1) > 5, "dark", "light"), "pixel": X[:, 20]}, index=Y)
    encode = make_column_transformer((OneHotEncoder(), ["ink"]), remainder="passthrough")
    found = audited(make_pipeline(encode, DecisionTreeClassifier()), table, pd.Series(Y))
    assert value(found, "train_accuracy") > value(found, "accuracy")
    texts = [f"{NAMES[label]} and {i}" for i, label in enumerate(Y)]
    assert value(audited(make_pipeline(TfidfVectorizer(), LogisticRegression()), texts), "accuracy") > 0.9


class PredictsOnly(ClassifierMixin, BaseEstimator):
    def fit(self, x: Any, y: Any) -> "PredictsOnly":
        self.tree_ = DecisionTreeClassifier(random_state=0).fit(x, y)
        return self

    def predict(self, x: Any) -> Any:
        return self.tree_.predict(x)


def test_predicted_classes_alone_show_the_gap_and_no_more() -> None:
    results = audited(PredictsOnly(), y=NAMES[Y])
    assert value(results, "auc", "loss") == pytest.approx(value(results, "auc", "gap"))
    assert any("predicted classes alone" in note for note in results.notes)
    same = audited(lambda x, y, seed: PredictsOnly().fit(x, y).predict)
    assert value(same, "auc", "gap") == pytest.approx(value(results, "auc", "gap"))


def test_a_class_that_some_models_lack_is_told() -> None:
    y = Y.copy()
    y[7] = 77
    results = audited(GaussianNB(), y=y)
    assert "2 of 4 models have no member of some class: 77" in results.notes
    assert value(results, "auc", "loss") == pytest.approx(
        value(audited(GaussianNB()), "auc", "loss"), abs=0.02
    )


def test_equal_outputs_make_no_copies_and_equal_records_do() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6))
    y = (x[:, 0] + rng.normal(size=240) > 0).astype(int)
    tree = DecisionTreeClassifier()  # whose only outputs are 0 and 1
    results = audited(tree, x, y)
    (blind,) = results.find(attack="blind", metric="auc", slice="all")
    assert blind.hi - blind.lo < 0.3 and "F16" not in {flag.code for flag in results.flags}
    doubled = audited(tree, np.repeat(x, 2, axis=0), np.repeat(y, 2))
    (flag,) = (flag for flag in doubled.flags if flag.code == "F16")
    assert "content and label" in flag.message


def test_random_states_that_are_unset_come_from_the_seed() -> None:
    tree = make_pipeline(DecisionTreeClassifier(splitter="random"))
    same = [value(audited(tree, seed=seed), "accuracy") for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]
    assert tree[-1].random_state is None


def test_warnings_of_the_training_become_one_note() -> None:
    results = audited(LogisticRegression(max_iter=3))
    (note,) = [note for note in results.notes if "ConvergenceWarning" in note]
    assert note.startswith("4 of 4 models warned")


def test_groups_and_features_are_those_of_an_audit() -> None:
    groups = {"side": np.where(np.arange(300) < 150, "a", "b")}
    results = audited(GaussianNB(), groups=groups, features=X[:, :4])
    assert results.find(slice="group:side=a", attack="loss") and results.find(attack="blind", metric="auc")


def fails(x: Any, y: Any, seed: int) -> Any:
    raise RuntimeError("no luck\nat all")


@pytest.mark.parametrize(
    ("code", "x", "y", "settings", "message"),
    [
        (GaussianNB, X, Y, {}, r"write GaussianNB\(\)"),
        (LinearRegression(), X, Y, {}, "must be a classifier"),
        ("resnet", X, Y, {}, "got str"),
        (GaussianNB(), X[:-1], Y, {}, "299 rows of x and 300 labels"),
        (GaussianNB(), None, Y, {}, "needs the records"),
        (GaussianNB(), 3.0, Y, {}, "x must be an array"),
        (GaussianNB(), X, Y + 0.5, {}, "whole numbers or text"),
        (GaussianNB(), X, np.zeros(300), {}, "two classes or more"),
        (GaussianNB(), X, Y, {"models": 5}, "even number"),
        (GaussianNB(), X, Y, {"processes": 0}, "at least 1"),
        (fails, X, Y, {"groups": Y[:5]}, "groups must be one group"),
        (
            fails,
            X,
            Y,
            {},
            r"model 0 of 4 \(150 members of 10 classes\) failed: RuntimeError: no luck \(.*line",
        ),
        (lambda x, y, seed: None, X, Y, {}, "must return a function predict"),
        (lambda x, y, seed: lambda other: np.full(len(other), 0.5), X, Y, {}, "column_stack"),
        (lambda x, y, seed: lambda other: np.full((len(other), 10), np.nan), X, Y, {}, "NaN or infinite"),
        (lambda x, y, seed: lambda other: np.full((5, 10), 0.1), X, Y, {}, "one row for each of the 300"),
        (lambda x, y, seed: lambda other: np.full((len(other), 10), 0.5), X, Y, {}, "a row sums to 5"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(code: Any, x: Any, y: Any, settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        audited(code, x, y, **settings)
    assert "\n" not in str(told.value)


def test_it_runs_without_torch() -> None:
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'safetensors', 'filelock', 'fsspec'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import numpy as np, leakbench\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "x = np.random.default_rng(0).normal(size=(200, 3)); y = np.arange(200) % 2\n"
        "code = lambda **more: leakbench.audit_training(\n"
        "    GaussianNB(), x, y, models=4, attacks=['loss'], processes=1, progress=False, **more)\n"
        "assert code().find(attack='loss', metric='auc', slice='all')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_search_trades_accuracy_against_leakage() -> None:
    scoring = {"accuracy": "accuracy", "privacy": partial(membership_auc_scorer, models=6, attack="loss")}
    grid = {"min_samples_leaf": [1, 50]}
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), grid, cv=2, scoring=scoring, refit="privacy"
    )
    search.fit(DIGITS[0], DIGITS[1] % 2)
    memorises, generalises = search.cv_results_["mean_test_privacy"]
    assert memorises < generalises - 0.02 and -0.54 < generalises < -0.49
    assert search.best_params_ == {"min_samples_leaf": 50}
    small = membership_auc_scorer(DecisionTreeClassifier(random_state=0), X, Y, models=6, attack="loss")
    assert small == -value(audited(DecisionTreeClassifier(random_state=0), models=6), "auc", "loss")
