"""The parts of an audit of training code: outputs of every form, identities, records."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC, LinearSVC

from leakbench import InputError
from leakbench.core.content_key import canonical
from leakbench.pipeline.any_model.identity import describe
from leakbench.pipeline.any_model.outputs import LABELS, LOGITS, PROBABILITIES, of_estimator, of_function
from leakbench.pipeline.any_model.records import copies, fingerprint, labels, take, with_rows

X, Y = (part[:200] for part in load_digits(return_X_y=True))
NAMES = np.array(["nine", "one", "two", "three", "four", "five", "six", "seven", "eight", "zero"])
CLASSIFIERS = [
    GaussianNB(), RandomForestClassifier(5, random_state=0), make_pipeline(SimpleImputer(), LogisticRegression()),
    LinearSVC(), SVC(break_ties=True), RidgeClassifier(), VotingClassifier([("nb", GaussianNB())]),
]  # fmt: skip


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize(
    "y", [Y, NAMES[Y], Y % 2, np.where(Y % 2, "odd", "even")], ids=["numbers", "text", "two", "words"]
)
@pytest.mark.filterwarnings("ignore")
def test_the_largest_logit_is_the_predicted_class(classifier: Any, y: Any) -> None:
    classes = np.unique(y)
    model = classifier.fit(X[:120], y[:120])
    outputs = of_estimator(model, X, classes)
    assert (classes[outputs.logits.argmax(axis=1)] == model.predict(X)).all()
    if hasattr(model, "predict_proba"):
        assert outputs.kind == PROBABILITIES
        assert np.exp(outputs.logits) == pytest.approx(model.predict_proba(X), rel=1e-5)
    elif hasattr(model, "decision_function"):
        assert outputs.kind == LOGITS
    else:
        assert outputs.kind == LABELS and (np.isneginf(outputs.logits).sum(axis=1) == len(classes) - 1).all()


@pytest.mark.parametrize(
    "classifier", [GaussianNB(), LinearSVC(), NearestCentroid()], ids=lambda c: type(c).__name__
)
@pytest.mark.filterwarnings("ignore")
def test_a_class_without_members_has_probability_zero(classifier: Any) -> None:
    inside = Y != 3
    outputs = of_estimator(classifier.fit(X[inside], Y[inside]), X, np.unique(Y))
    assert outputs.logits.shape == (200, 10) and np.isneginf(outputs.logits[:, 3]).all()
    assert outputs.logits.argmax(axis=1)[inside].tolist() == classifier.predict(X)[inside].tolist()


def test_what_a_function_returns_is_read_as_what_it_is() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    three = np.array([0, 1, 2])
    for given in (p, p.astype(np.float16), p - 1e-9, np.round(p, 2)):
        read = of_function(given, three)
        assert read.kind == PROBABILITIES and np.exp(read.logits) == pytest.approx(p, abs=0.02)
    logits = of_function(np.log(p), three)
    assert logits.kind == LOGITS and logits.logits == pytest.approx(np.log(p), rel=1e-5)
    assert of_function(three[[2, 0]], three).kind == LABELS
    assert of_function(p, np.array([0, 2])).logits.shape == (50, 3)  # a column for every number from 0
    assert of_function(p[:, :2] / p[:, :2].sum(axis=1, keepdims=True), np.array([0, 2])).logits.shape == (
        50,
        2,
    )
    with pytest.raises(InputError, match="2 classes"):
        of_function(p, np.array(["a", "b"]))


def test_an_identity_is_plain_data_and_changes_with_every_parameter() -> None:
    def identity(**changed: Any) -> str:
        encode = make_column_transformer((OneHotEncoder(), make_column_selector(dtype_exclude="number")))
        pipeline = make_pipeline(encode, SimpleImputer(), RandomForestClassifier())
        return canonical(describe(pipeline.set_params(**changed), "p"))

    assert identity() == identity() == identity(randomforestclassifier__n_jobs=2)
    others = [
        identity(randomforestclassifier__max_depth=3),
        identity(randomforestclassifier__class_weight={0: 1.0, 1: 2.0}),
        identity(simpleimputer__missing_values=-1),
        identity(columntransformer__transformers=[("one", OneHotEncoder(), [0, 1])]),
        identity(columntransformer__transformers=[("one", OneHotEncoder(), slice(0, 2))]),
        identity(columntransformer__transformers=[("one", OneHotEncoder(dtype=np.float32), [0, 1])]),
    ]
    assert len({identity(), *others}) == 7


@pytest.mark.parametrize(
    "part",
    [
        FrozenEstimator(GaussianNB().fit(X, Y)),
        RandomForestClassifier(random_state=np.random.RandomState(0)),
        SVC(kernel=lambda a, b: a @ b.T),
    ],
    ids=["fitted", "a stream", "a lambda"],
)
def test_what_parameters_do_not_tell_needs_a_version(part: Any) -> None:
    with pytest.raises(InputError, match="give version="):
        describe(make_pipeline(part), "p")


def test_the_same_records_have_the_same_fingerprint_and_others_another() -> None:
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", "y", None]})
    held = [
        X, X.astype(np.float32), X[:, ::-1], X.T, sparse.csr_array(X), ["a", "b"], ["a", "c"], table, table[["b", "a"]],
        table.assign(a=0.0), pa.table({"a": [1, 2]}), np.array(["a", 1], dtype=object),
    ]  # fmt: skip
    found = [fingerprint(x) for x in held]
    assert None not in found and len(set(found)) == len(held)
    assert fingerprint(X.copy(order="F")) == found[0] and fingerprint(table.copy()) == found[7]
    assert fingerprint(iter([1])) is None and fingerprint([object()]) is None


@pytest.mark.parametrize(
    "x",
    [X, list(X), pd.DataFrame(X, index=np.arange(200) + 7), pa.table({"a": X[:, 20]}), sparse.csr_array(X)],
    ids=["array", "list", "pandas", "arrow", "sparse"],
)
def test_records_are_taken_by_their_place(x: Any) -> None:
    rows = np.array([5, 0, 199])
    some = take(x, rows)
    if isinstance(some, pa.Table):
        assert some["a"].to_pylist() == X[rows, 20].tolist()
    else:
        assert np.array_equal(some.toarray() if sparse.issparse(some) else np.asarray(some), X[rows])


def test_labels_in_any_form() -> None:
    assert labels([1, 2]).tolist() == labels(np.array([[1.0], [2.0]])).tolist() == [1, 2]
    assert labels(pd.Series(["a", "b"])).tolist() == labels(("a", "b")).tolist() == ["a", "b"]
    with pytest.raises(InputError, match="whole numbers or text"):
        labels([[1, 0], [0, 1]])


def test_records_in_a_stream_of_arrow_data() -> None:
    """Other libraries' tables: text as views, and no rows that can be addressed."""

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return TABLE.__arrow_c_stream__(requested_schema)

    assert with_rows(TABLE) is TABLE
    assert take(with_rows(Stream()), np.array([2, 0])).to_pydict() == {"a": ["z", "x"], "b": [3, 1]}
    views = TABLE.set_column(0, "a", pa.array(["x", "y", "z"], pa.string_view()))
    assert fingerprint(views) == fingerprint(views.slice(0)) and fingerprint(views.slice(1)) != fingerprint(
        views
    )
    assert fingerprint(pa.concat_tables([views, views]).slice(3)) == fingerprint(views)
    assert copies(views, np.zeros(3, np.int64)).tolist() == [0, 1, 2]


TABLE = pa.table({"a": ["x", "y", "z"], "b": [1, 2, 3]})
