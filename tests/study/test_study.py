"""Study files: what is right is read whole, what is wrong gets one clear line."""

import json
from pathlib import Path

import pytest

from leakbench.core.errors import InputError
from leakbench.pipeline.study import Study

STUDIES = Path(__file__).parents[2] / "studies"


def _study(**changes: object) -> Study:
    return Study.of({"data": {"name": "digits"}, "attacks": ["loss"]} | changes)


@pytest.mark.parametrize("path", sorted(STUDIES.rglob("*.toml")), ids=lambda p: p.stem)
def test_the_shipped_studies_are_right(path: Path) -> None:
    study = Study.load(path)
    assert study.defences[0].label == "none"
    assert len(study.attacks) >= (4 if path.stem == "start" else 6)


def test_overrides_reach_nested_keys() -> None:
    study = Study.load(STUDIES / "digits-demo.toml", ["stages.0.epochs=3", "design.models=4", "title=short"])
    assert study.file.stages[0].epochs == 3
    assert study.design.models == 4
    assert study.file.title == "short"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": [{"epoch": 3}]}, "did you mean 'epochs'"),
        ({"stages": [{"optimiser": {"name": "sgd", "lrr": 1}}]}, "did you mean 'lr'"),
        ({"sead": 1}, "did you mean 'seed'"),
        ({"seed": "one"}, "study: seed must be a whole number, got 'one'; write it in digits"),
        ({"stages": [{"epochs": "ten"}]}, "stages.0.epochs must be a whole number, got 'ten'"),
        ({"stages": {"epochs": 3}}, "stages must be a list, got {'epochs': 3}; put it into brackets"),
        (
            {"stages": [{"optimiser": "sgd"}]},
            "optimiser must be a table of keys, got 'sgd'; write it as {key = value}",
        ),
        ({"stages": [{"optimiser": {"lr": "x"}}]}, "stages.0.optimiser.lr must be a number, got 'x'"),
        ({"title": 3}, "title must be text, got 3; put it into quotes"),
        ({"non_adaptive": "maybe"}, "non_adaptive must be true or false, got 'maybe'"),
        ({"attacks": 3}, "attacks must be text or a list, got 3"),
        ({"attacks": [3]}, "attacks.0 must be text or a table of keys, got 3"),
        ({"attacks": [{"name": "lira", "variance": 3}]}, "variance must be one of 'auto', 'example', got 3"),
        ({"design": {"name": "random_half", "models": "many"}}, "models must be a whole number, got 'many'"),
        ({"stages": [{"stage": "generate", "generator": 3}]}, "generator must be a name or a table, got 3"),
        ({"stages": [{"epochs": 0}]}, "epochs must be at least 1, got 0"),
        ({"stages": [{"optimiser": {"name": "adm"}}]}, "'sgd'"),
        ({"attacks": ["lirra"]}, "did you mean 'lira'"),
        ({"defences": ["label_smoothin"]}, "did you mean 'label_smoothing'"),
        ({"defences": ["temperature", "temperature"]}, "two defences are called 'temperature'"),
        ({"design": {"name": "random_halff"}}, "did you mean 'random_half'"),
        ({"design": {"name": "random_half", "models": 3}}, "models"),
        ({"query": {"views": ["flipp"]}}, "flip"),
        ({"attacks": []}, "at least one attack"),
        ({"guesses": [0.8, 0.4]}, "guesses must be two shares of the canaries"),
        ({"guesses": [0.8]}, "guesses must be a longer list, got [0.8]; add what is missing"),
        (
            {"defences": [{"chain": ["temperature"], "temprature": 2}]},
            "unknown key 'temprature' chain, label",
        ),
        ({"defences": [{"chain": []}]}, "chain must be a list of defences"),
        ({"defences": [{"chain": "temperature"}]}, "chain must be a list of defences"),
        ({"defences": [{"name": "temperature", "label": "none"}]}, "'none' is the undefended model"),
    ],
)
def test_what_is_wrong_is_named(changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=".*".join(map(_quoted, words.split()))) as error:
        _study(**changes)
    assert "\n" not in str(error.value)
    assert "Input should" not in str(error.value)


def _quoted(word: str) -> str:
    import re

    return re.escape(word)


def test_a_study_needs_data() -> None:
    with pytest.raises(InputError, match=r"\[data\]"):
        Study.of({"seed": 1})


@pytest.mark.parametrize("text", [b"title = ", b"\xff\xfe", b"[data\n"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(text)
    with pytest.raises(InputError, match="TOML"):
        Study.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the study"):
        Study.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "bad", ["title", "=3", "stages.7.epochs=3", "seed.x=1", "defences.0.name.x=1", "title.0=loss"]
)
def test_a_bad_override_is_named(bad: str) -> None:
    with pytest.raises(InputError, match="--set"):
        Study.load(STUDIES / "digits-demo.toml", [bad])


def test_an_override_does_not_reach_into_a_name(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('data = {name = "digits"}\ndefences = ["temperature"]\n')
    with pytest.raises(InputError, match="'0' is a value, not a table"):
        Study.load(path, ["defences.0.temperature=3"])


def test_defences_compose_in_the_order_given() -> None:
    chain = {"label": "both", "chain": ["label_smoothing", {"name": "temperature", "temperature": 2.0}]}
    study = _study(defences=[chain])
    both = study.defences[1]
    assert both.label == "both"
    assert both.recipe(study.recipe).stages[0].loss.smoothing == 0.1
    assert both.changes_output


@pytest.mark.parametrize("path", sorted(STUDIES.rglob("*.toml")), ids=lambda path: path.stem)
def test_a_study_is_made_again_from_what_it_says_of_itself(path: Path) -> None:
    """Worker processes read their study so."""
    study = Study.load(path)
    assert Study.of(json.loads(json.dumps(study.describe()))).file == study.file


def test_guesses_of_a_study_are_those_of_its_bound_and_survive_its_description() -> None:
    study = _study(guesses=[0.05, 0])
    (bound,) = (metric for metric in study.metrics if metric.name == "epsilon_bound")
    assert bound.parameters()["guesses"] == [0.05, 0.0]
    assert Study.of(study.describe()).metrics == study.metrics
    assert "guesses" not in _study().describe()
