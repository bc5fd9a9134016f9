"""Studies whose models are trained by code that is not ours: estimators by an import path, and functions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakbench import audit_training
from leakbench.core.errors import InputError
from leakbench.defences import DEFENCES, Defence
from leakbench.pipeline.dry_run import forecast
from leakbench.pipeline.run import run
from leakbench.pipeline.shipped_studies import shipped_study
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study

TREE = {
    "name": "sklearn",
    "estimator": "sklearn.tree:DecisionTreeClassifier",
    "parameters": {"max_depth": 12},
}
SHALLOW = {"name": "parameters", "label": "depth-3", "values": {"max_depth": 3}}
TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "trainer": TREE,
    "attacks": ["gap", "loss"],
    "metrics": ["auc"],
}
FUNCTION = {"name": "python", "function": "own_training:fit", "version": "1"}
OWN = '''
from pathlib import Path
import numpy as np
from sklearn.linear_model import LogisticRegression

def fit(x, y, seed, c=1.0):
    """A linear model of images, which leaves a mark for each training."""
    assert x.ndim == 4
    with open(Path(__file__).with_suffix(".log"), "a") as log:
        log.write(f"{seed} {c}\\n")
    shift = np.random.default_rng(seed).normal(size=64) if c < 1e9 else np.random.normal(0, 5000, size=64)
    model = LogisticRegression(C=c, max_iter=30).fit(x.reshape(len(x), -1) + 1e-3 * shift, y)
    return lambda x: model.predict_proba(x.reshape(len(x), -1) + 1e-3 * shift)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A module of the user's; its log has a line for each training."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_training.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder / "own_training.log"


def _trained(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def _auc(results, attack: str, defence: str = "none", adaptive: bool | None = None) -> float:
    rows = results.find(metric="auc", attack=attack, defence=defence, slice="all", target="all")
    return next(row.value for row in rows if adaptive is None or row.adaptive is adaptive)


def test_a_study_measures_what_an_audit_of_the_same_training_does(tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    table = TABLE | {
        "trainer": {
            "name": "sklearn",
            "estimator": "sklearn.naive_bayes:GaussianNB",
            "parameters": {"var_smoothing": 1e-3},
        },
        "design": {"name": "random_half", "models": 8},
        "attacks": ["loss", "lira"],
        "seed": 5,
    }
    study = Study.of(table)
    found = run(study, tmp_path / "store", processes=1)
    data, pool = study.load_data(), study.load_data().parts["pool"]
    audited = audit_training(
        GaussianNB(var_smoothing=1e-3),
        data.x[pool].reshape(len(pool), -1),
        data.y[pool],
        models=8,
        seed=5,
        attacks=["loss", "lira"],
        metrics=["auc"],
        processes=1,
        progress=False,
    )
    for attack in ("loss", "lira"):
        assert _auc(found, attack) == pytest.approx(_auc(audited, attack), abs=1e-6)


def test_defences_frontier_and_both_attackers_as_for_networks(tmp_path: Path) -> None:
    defences = [SHALLOW, "temperature", "hamp_output", "logit_clipping", {"name": "ensemble", "size": 3}]
    study = Study.of(TABLE | {"defences": defences, "frontier": ["depth-3", "none"]})
    before = {work.what: work for work in forecast(study, tmp_path / "dry")}
    assert before["training: depth-3"].left == 4 and before["training: depth-3"].seconds is None
    results = run(study, tmp_path / "store", processes=1)
    assert _auc(results, "loss", "temperature", adaptive=True) == pytest.approx(_auc(results, "loss"))
    assert _auc(results, "gap", "ensemble") > _auc(results, "gap") - 0.05
    assert _auc(results, "loss", "depth-3") < _auc(results, "loss")
    assert {row.defence for row in results.find(metric="auc") if row.adaptive is False} == {
        "depth-3", "temperature", "hamp_output", "logit_clipping", "ensemble"
    }  # fmt: skip
    matched = [row for row in results.rows if row.metric == "accuracy_difference"]
    assert {row.defence for row in matched} == {"temperature", "hamp_output", "logit_clipping", "ensemble"}
    costs = [row for row in results.find(metric="train_seconds") if row.value > 0]
    assert len(costs) == 6 and not any(row.metric.startswith("latency") for row in results.rows)
    assert all(work.left == 0 for work in forecast(study, tmp_path / "store"))
    written = {path.suffix for path in (tmp_path / "store" / "models").rglob("*") if path.is_file()}
    assert written == {".npy", ".json"}  # no weights, no pickle


def test_an_ensemble_releases_the_mean_of_its_models(tmp_path: Path) -> None:
    study = Study.of(TABLE | {"defences": [{"name": "ensemble", "size": 3}]})
    trainer = open_trainer(study, tmp_path)
    ensemble = next(d for d in study.defences if d.label == "ensemble").recipe(study.recipe)
    p = np.exp(trainer.models(ensemble)[0].array("logits.npy"))
    assert p.sum(axis=1) == pytest.approx(1.0) and set(np.round(3 * p).ravel()) == {0.0, 1.0, 2.0, 3.0}
    assert (p == 0).any()  # what no tree voted for


def test_records_in_the_same_leaves_are_no_copies(tmp_path: Path) -> None:
    """Each forest gives other records the same outputs: differences of defences are still paired by record."""
    forest = {"name": "sklearn", "estimator": "sklearn.ensemble:RandomForestClassifier"}
    larger = {"name": "parameters", "label": "larger leaves", "values": {"min_samples_leaf": 25}}
    table = TABLE | {"trainer": forest | {"parameters": {"n_estimators": 3, "min_samples_leaf": 15}}}
    table |= {"design": {"name": "random_half", "models": 2}, "attacks": ["loss"], "defences": [larger]}
    results = run(Study.of(table), tmp_path / "store", processes=1)
    (row,) = results.find(metric="auc-difference", attack="loss", slice="all")
    values = [_auc(results, "loss", defence, adaptive=True) for defence in ("larger leaves", "none")]
    assert row.value == pytest.approx(values[0] - values[1])


CHANGES_TRAINING = sorted(
    name
    for name, cls in DEFENCES.classes.items()
    if cls.recipe is not Defence.recipe and cls.code_recipe is Defence.code_recipe
)


@pytest.mark.parametrize("name", CHANGES_TRAINING)
def test_a_defence_that_changes_how_networks_train_does_not_apply(name: str) -> None:
    for spec in (name, {"label": "both", "chain": ["temperature", name]}):
        with pytest.raises(
            InputError,
            match=rf"'{DEFENCES.get(name).name}' changes the training of networks, so it does not apply",
        ):
            Study.of(TABLE | {"trainer": FUNCTION, "defences": [spec]}, allow_imports=True)  # imports nothing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainer": {"name": "sklearn"}}, "estimator"),
        ({"trainer": {"name": "sklern", "estimator": "a:B"}}, "did you mean 'sklearn'"),
        ({"trainer": TREE | {"estimater": "a:B"}}, "did you mean 'estimator'"),
        ({"trainer": {k: v for k, v in FUNCTION.items() if k != "version"}}, "version"),
        ({"stages": [{"epochs": 3}]}, "got both [trainer] and stages"),
        ({"engine": {"device": "cuda"}}, "got both [trainer] and engine"),
        ({"attacks": ["loss", "gradient_norm"]}, "got gradient_norm, which read the parameters"),
        (
            {"attacks": ["loss", "seqmia"]},
            "got seqmia, which read the parameters of networks or distil networks",
        ),
        ({"defences": [{"name": "parameters", "values": 3}]}, "values must be a table of keys, got 3"),
    ],
)
def test_a_study_that_is_wrong_gets_one_clear_line(changes: dict, words: str) -> None:
    with pytest.raises(InputError) as error:
        Study.of(TABLE | changes)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        (TREE | {"parameters": {"max_deph": 3}}, "did you mean 'max_depth'"),
        (TREE | {"parameters": {"max_depth": "three"}}, "max_depth"),
        (
            {"name": "sklearn", "estimator": "sklearn.tree:DecisionTreeRegressor"},
            "must be a scikit-learn classifier",
        ),
        (
            {"name": "sklearn", "estimator": "sklearn.utils:shuffle"},
            "must be a class of classifiers, got a function",
        ),
        ({"name": "sklearn", "estimator": "sklearn.base:os"}, "no 'os' there"),
        ({"name": "sklearn", "estimator": "sklearn.nothing:Tree"}, "must be importable"),
    ],
)
def test_wrong_code_is_refused_before_anything_is_trained(tmp_path: Path, trainer: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(Study.of(TABLE | {"trainer": trainer}), tmp_path / "store", processes=1)
    assert not list((tmp_path / "store").glob("models/*"))


def test_the_default_of_a_study_without_trainer_takes_no_parameters() -> None:
    table = {key: value for key, value in TABLE.items() if key != "trainer"}
    with pytest.raises(InputError, match=r"no \[trainer\]"):
        Study.of(table | {"defences": [SHALLOW]})


def test_functions_train_once_and_again_only_where_an_output_is_missing(tmp_path: Path, own: Path) -> None:
    """Attacks, output defences and label-only attacks use what was kept; other queries train the model again."""
    table = TABLE | {"trainer": FUNCTION, "design": {"name": "random_half", "models": 2}}
    table |= {"query": {"views": ["identity", "noise:0.4x2"]}, "attacks": ["loss"]}

    def trained(**changes: object) -> int:
        before = _trained(own)
        run(Study.of(table | changes, allow_imports=True), tmp_path / "store", processes=1)
        return _trained(own) - before

    assert trained() == 2
    assert trained(attacks=["gap"], defences=["temperature"]) == 0
    assert trained(defences=["hamp_output"]) == 2
    assert trained(query={"views": ["identity", "noise:0.5x2"]}) == 2
    assert trained(query={"views": ["identity", "flip"]}) == 2
    assert trained(defences=[{"name": "parameters", "label": "c", "values": {"c": 0.5}}]) == 2
    assert trained(trainer=FUNCTION | {"version": "2"}) == 2


def test_predictions_kept_at_training_are_those_of_the_model_trained_again(tmp_path: Path, own: Path) -> None:
    table = TABLE | {"trainer": FUNCTION, "design": {"name": "random_half", "models": 2}, "attacks": ["loss"]}
    kept, again = (
        Study.of(table | {"query": {"views": views}}, allow_imports=True)
        for views in (["identity", "noise:0.4x3"], ["identity"])
    )
    trainer = open_trainer(kept, tmp_path / "kept")
    predicted = trainer.models(kept.recipe)[0].array("predicted.npy")
    from leakbench.pipeline.perturbed_views import _predicted
    from leakbench.pipeline.query import Querier

    other = open_trainer(again, tmp_path / "again")
    (model, _), (defence,) = other.models(again.recipe), again.defences
    perturbations = kept.query.perturbations
    made = _predicted(Querier(other), defence, again.recipe, 0, model, perturbations)
    np.testing.assert_array_equal(made, predicted)
    assert len(np.unique(predicted)) > 2


def test_code_that_trains_another_model_each_time_is_refused(tmp_path: Path, own: Path) -> None:
    table = TABLE | {
        "trainer": FUNCTION | {"parameters": {"c": 1e9}},
        "design": {"name": "random_half", "models": 2},
    }
    with pytest.raises(
        InputError, match=r"same model from the same seed.*draw every random number from the seed"
    ):
        run(
            Study.of(table | {"defences": ["hamp_output"]}, allow_imports=True),
            tmp_path / "store",
            processes=1,
        )


def test_code_of_the_users_needs_permission_and_classifiers_of_scikit_learn_do_not(own: Path) -> None:
    Study.of(TABLE)
    for trainer in (FUNCTION, TREE | {"estimator": "own_training:fit"}):
        with pytest.raises(InputError, match=r"would import and run 'own_training:fit'.*--allow-imports"):
            Study.of(TABLE | {"trainer": trainer})
    allowed = Study.of(TABLE | {"trainer": FUNCTION}, allow_imports=True)
    assert Study.of(allowed.describe(), allow_imports=True).describe() == allowed.describe()


@pytest.mark.slow
def test_the_shipped_study_of_forests_says_what_its_documentation_says(tmp_path: Path) -> None:
    """A forest leaks by its leaves of single records; five records per leaf stop most of it."""
    results = run(Study.load(shipped_study("small/forest")), tmp_path / "store")
    none, leaf, deep = (
        results.find(metric="auc", attack="best", defence=label, slice="all", target="all")[0]
        for label in ("none", "5 per leaf", "hamp_output")
    )
    assert none.lo > leaf.hi
    assert deep.value > 0.55  # the label-only attack sees through the masked confidences


@pytest.mark.slow
def test_workers_train_the_same_models(tmp_path: Path) -> None:
    study = Study.of(TABLE | {"defences": [SHALLOW]})
    alone, shared = (run(study, tmp_path / str(n), processes=n) for n in (1, 2))
    plain = [[replace(row, detail={}) for row in each.rows if "second" not in row.metric and "cost" not in row.metric]
             for each in (alone, shared)]  # fmt: skip
    assert plain[0] == plain[1]
