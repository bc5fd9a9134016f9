"""A study with perturbed views: label-only attacks read them, nothing else does, and masking is flagged."""

from pathlib import Path

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.core.progress import NullProgress
from leakbench.pipeline.query import Querier
from leakbench.pipeline.run import run
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import PERTURBATIONS, Study

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 6},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 8}],
    "defences": ["rounding", "label_only", {"name": "gaussian_noise", "scale": 0.3}],
    "attacks": ["loss", "lira", "label_only_count"],
    "query": {"views": ["shift1", "noise:0.3x3", "noise:1.5x2"]},
    "non_adaptive": False,
}
SEVERAL = 'add "label_only_boosted" to attacks'


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def all_defended(table: dict, store: Path) -> dict:
    study = Study.of(table)
    trainer = open_trainer(study, store)
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    made = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    return {defended.defence.label: defended for defended in made}


def test_the_released_class_is_read_in_each_view(store: Path) -> None:
    found = all_defended(TABLE, store)
    none, rounded, labels, noisy = (t.released().signals for t in found.values())
    assert none.logits is not None and none.predicted is not None
    assert none.shape[1:] == (9, 300) and none.predicted.shape == (6, 5, 300)
    assert none.views[9:] == ("noise:0.3",) * 3 + ("noise:1.5",) * 2
    assert np.bincount(none.distances).tolist() == [1, 8, 3, 2]
    for m in (0, 5):
        want = none.statistic("label_correct", m)
        assert want.shape == (14, 300)
        assert np.array_equal(want, rounded.statistic("label_correct", m))
        assert np.array_equal(want, labels.statistic("label_correct", m))
        assert not np.array_equal(want[9:], noisy.statistic("label_correct", m)[9:])
        counts = none.statistic("label_counts", m)
        assert np.array_equal(counts[2], want[9:12].sum(axis=0)) and np.array_equal(
            counts.sum(0), want.sum(0)
        )
    entries = {t.perturbed.entries[0].path for t in found.values()}
    assert len(entries) == 2  # transforms that keep the class share one


def test_perturbed_views_change_no_other_statistic(store: Path) -> None:
    plain = all_defended({**TABLE, "query": {"views": ["shift1"]}}, store)
    for label, defended in all_defended(TABLE, store).items():
        mine, other = defended.adversary_view().signals, plain[label].adversary_view().signals
        assert other.predicted is None and other.views == mine.views[:9]
        assert np.array_equal(mine.statistic("logodds", 2), other.statistic("logodds", 2))


def test_masking_that_was_not_tested_is_noted() -> None:
    study = Study.of({**TABLE, "attacks": ["gap", "lira"], "defences": ["temperature", "rounding", "mixup"]})
    (note,) = study.notes
    assert Study.of(TABLE).notes == []
    assert note.startswith("masking was not tested: rounding change") and SEVERAL in note
    assert Study.of({**TABLE, "attacks": ["lira"], "defences": ["temperature", "mixup"]}).notes == []


def test_a_label_only_attack_brings_its_views() -> None:
    def views(query: dict, *attacks: str) -> tuple[str, ...]:
        return Study.of({**TABLE, "query": query, "attacks": list(attacks)}).query.views

    assert views({}, "lira", "label_only_count") == ("identity", *PERTURBATIONS)
    assert views({}, "lira") == ("identity",)
    assert views({"views": ["identity", "flip"]}, "label_only_count") == ("identity", "flip")
    assert views({"views": ["noise:0.1x2"]}, "label_only_count") == ("noise:0.1x2",)
    assert Study.of({**TABLE, "query": {"views": ["noise:0.1x2"]}}).query.shown == ("identity",)


def test_flips_of_images_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="flips need a table"):
        run(Study.of({**TABLE, "query": {"views": ["flips:0.1x3"]}}), tmp_path)
