"""Utility and cost of a study, recomputed from the models' answers manually."""

from collections.abc import Callable

import numpy as np
import pytest

from leakbench.core.progress import NullProgress
from leakbench.core.results import Row
from leakbench.core.store import Store
from leakbench.data.load import load
from leakbench.pipeline.defended_models import DefendedModels
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, query_models
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.pipeline.utility import cost, utility
from leakbench.signals.statistics import log_softmax

TABLE = {
    "group_size": 4,
    "data": {"name": "digits", "records": 500, "public": 200},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [24]},
    "stages": [{"epochs": 15}],
    "attacks": ["loss"],
    "defences": [
        "temperature",
        "rounding",
        "early_stopping",
        {"name": "surrogate_head", "fit": "true"},
        {"name": "memguard", "epochs": 1, "steps": 1},
        {"name": "synthetic_only", "generator": "bootstrap", "size": 2.5},
        {"name": "synthetic_only", "label": "public", "generator": "bootstrap", "fitted_on": "public"},
    ],
}


@pytest.fixture(scope="module")
def all_defended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DefendedModels]:
    study = Study.of(TABLE)
    dataset = load(study.file.data)
    split = study.design.split(dataset, 0)
    trainer = Trainer(dataset, split, 0, Store(tmp_path_factory.mktemp("store")))
    return {
        defended.defence.label: defended
        for defended in query_models(
            study, Querier(trainer), checked_recipes(study, trainer.dataset), NullProgress()
        )
    }


def _rows(found: object) -> dict[str, Row]:
    return {row.metric: row for row in found}


def _shown(defended: DefendedModels, output: Callable[[np.ndarray], np.ndarray] = lambda z: z) -> np.ndarray:
    """Released log-probabilities of all models on the test part [M, Z, C]."""
    n = len(defended.split.records)
    return log_softmax(output(np.stack([z[0, n:] for z in defended.stored.logits]).astype(np.float64)))


@pytest.mark.parametrize("label", ["none", "temperature", "rounding", "surrogate_head"])
def test_quality_is_that_of_what_is_released(all_defended: dict[str, DefendedModels], label: str) -> None:
    defended = all_defended[label]
    log_p, y = _shown(defended, defended.defence.output), defended.dataset.y[defended.test]
    rows = _rows(utility(defended))
    likelihoods = [[log_p[m, i, y[i]] for i in range(len(y))] for m in range(len(log_p))]
    assert rows["nll"].value == pytest.approx(-np.mean(likelihoods))
    assert rows["nll"].lo < rows["nll"].value < rows["nll"].hi
    errors = []
    for model in log_p:
        confidence, right = np.exp(model.max(-1)), model.argmax(-1) == y
        bins = np.ceil(confidence * 15)
        errors.append(sum(abs((confidence - right)[bins == b].sum()) for b in range(1, 16)) / len(y))
    row = rows["calibration_error"]
    assert row.value == pytest.approx(np.mean(errors))
    assert 0 <= row.lo <= row.value <= row.hi
    assert rows["calibration_error_floor"].value == row.detail["if_calibrated"] > 0


def test_a_high_temperature_is_less_likely_and_worse_calibrated(
    all_defended: dict[str, DefendedModels],
) -> None:
    plain, flat = (_rows(utility(all_defended[label])) for label in ("none", "temperature"))
    for metric in ("nll", "calibration_error"):
        assert flat[metric].lo > plain[metric].hi
    assert flat["accuracy"].value == plain["accuracy"].value


def test_output_maps_that_keep_the_class_change_no_label(all_defended: dict[str, DefendedModels]) -> None:
    for label in ("none", "temperature", "rounding", "surrogate_head"):
        row = _rows(utility(all_defended[label]))["label_changes"]
        assert row.value == row.lo == 0 and (row.hi > 0) == (label in ("temperature", "rounding"))


def test_changed_labels_are_counted(
    all_defended: dict[str, DefendedModels], monkeypatch: pytest.MonkeyPatch
) -> None:
    defended = all_defended["temperature"]

    def worst_first(_: object, logits: np.ndarray) -> np.ndarray:
        return np.where(logits[..., :1] > 0, -logits, logits)

    monkeypatch.setattr(type(defended.defence), "output", worst_first)
    plain = _shown(defended)
    changed = _shown(defended, lambda z: worst_first(None, z)).argmax(-1) != plain.argmax(-1)
    row = _rows(utility(defended))["label_changes"]
    assert row.value == pytest.approx(changed.mean()) and 0 < row.lo < row.value < row.hi


def test_extra_data_is_what_the_recipe_used_beside_the_members(
    all_defended: dict[str, DefendedModels],
) -> None:
    found = {
        label: _rows(cost(defended, all_defended["none"], defended.dataset))["extra_data_ratio"].value
        for label, defended in all_defended.items()
    }
    split = all_defended["none"].split
    members, dev = split.members.sum(1), [len(d) for d in split.dev]
    assert found["none"] == found["temperature"] == found["surrogate_head"] == 0
    assert found["early_stopping"] == pytest.approx(np.mean(dev / members))
    assert found["synthetic_only"] == pytest.approx(np.mean(np.round(2.5 * members) / members))
    assert found["memguard"] == pytest.approx(np.mean(200 / members))
    assert found["public"] == pytest.approx(np.mean((members + 200) / members))


def test_latency_is_set_against_no_defence(all_defended: dict[str, DefendedModels]) -> None:
    none, defended = all_defended["none"], all_defended["rounding"]
    own, same = _rows(cost(defended, none, defended.dataset)), _rows(cost(none, none, none.dataset))
    for size in (1, 1024):
        ratio, base = own[f"latency_ratio_batch_{size}"], same[f"latency_ratio_batch_{size}"]
        assert (base.value, base.lo, base.hi) == (1, 1, 1)
        assert ratio.lo <= ratio.value <= ratio.hi and ratio.unit == "x"
        assert ratio.value > 1  # it rounds, too
        assert own[f"latency_batch_{size}"].lo > 0
