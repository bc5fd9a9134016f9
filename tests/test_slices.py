"""Slices cover what they say, and none looks at membership."""

import numpy as np

from leakbench.evaluation.slices import slices
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

RNG = np.random.default_rng(0)


def _models(members: np.ndarray) -> Models:
    rng = np.random.default_rng(1)
    signals = Signals(rng.integers(3, size=100), rng.normal(size=(4, 1, 100, 3)))
    return Models(signals, members, np.ones_like(members))


def test_each_family_covers_every_record_once() -> None:
    groups = {"site": np.array(["a", "b"] * 50)}
    masks = slices(_models(RNG.random((4, 100)) < 0.5), (0, 2), ("x", "y", "z"), groups)
    assert masks["all"].all()
    for family in ("class=", "correct=", "loss=", "group:site="):
        chosen = [mask for name, mask in masks.items() if name.startswith(family)]
        assert len(chosen) > 1
        np.testing.assert_array_equal(np.sum(chosen, axis=0), np.ones((2, 100)))


def test_loss_fifths_have_a_fifth_each() -> None:
    masks = slices(_models(RNG.random((4, 100)) < 0.5), (0, 1, 2, 3))
    for name, mask in masks.items():
        if name.startswith("loss="):
            np.testing.assert_array_equal(mask.sum(axis=1), 20)


def test_membership_does_not_matter() -> None:
    one, other = (slices(_models(RNG.random((4, 100)) < share), (0,)) for share in (0.3, 0.7))
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_losses_alone_still_have_fifths() -> None:
    members = np.arange(50)[None] < 25
    masks = slices(Models(Signals(losses=np.arange(50.0)[None, None]), members, np.ones_like(members)), (0,))
    assert set(masks) == {"all", "loss=0-20%", "loss=20-40%", "loss=40-60%", "loss=60-80%", "loss=80-100%"}
