"""What every defence promises, over all of them."""

import numpy as np
import pytest

from leakbench.defences import DEFENCES, Defence
from leakbench.signals.statistics import log_softmax
from leakbench.train.recipe import Recipe

OFF = {  # parameters at which a defence does nothing
    "none": {},
    "label_smoothing": {"smoothing": 0.0},
    "weight_decay": {"weight_decay": 0.0},
    "temperature": {"temperature": 1.0},
}
names = pytest.mark.parametrize("name", DEFENCES.names())


def _logits(c: int = 10) -> np.ndarray:
    logits = np.random.default_rng(0).normal(0, 4, (3, 1, 40, c))
    logits[0, 0, 0] = 0.0  # all tied
    logits[0, 0, 1, 0] = 500.0  # one-hot
    logits.setflags(write=False)
    return logits


@names
@pytest.mark.parametrize("c", [2, 10])
def test_output_is_finite_and_keeps_the_prediction(name: str, c: int) -> None:
    defence, logits = DEFENCES.make(name), _logits(c)
    out = defence.output(logits)
    assert out.shape == logits.shape
    assert np.isfinite(out).all()
    if defence.keeps_argmax:
        np.testing.assert_array_equal(out.argmax(-1), logits.argmax(-1))
    assert np.isfinite(defence.inverse(out)).all()


@names
def test_a_declared_output_map_is_one(name: str) -> None:
    defence, logits = DEFENCES.make(name), _logits()
    changed = not np.allclose(log_softmax(defence.output(logits)), log_softmax(logits))
    assert changed == defence.changes_output


@names
def test_either_the_recipe_or_the_output_changes(name: str) -> None:
    defence, base = DEFENCES.make(name), Recipe()
    changed = defence.recipe(base) != base
    assert changed != defence.changes_output or name == "none"
    assert defence.recipe(defence.recipe(base)) == defence.recipe(base)


@pytest.mark.parametrize("name", OFF)
def test_off_is_the_undefended_model(name: str) -> None:
    defence, base, logits = DEFENCES.make({"name": name, **OFF[name]}), Recipe(), _logits()
    assert defence.recipe(base) == base
    np.testing.assert_allclose(defence.output(logits), logits)


def test_temperature_is_undone_by_who_knows_it() -> None:
    defence = DEFENCES.make("temperature")
    np.testing.assert_allclose(defence.inverse(defence.output(_logits())), _logits(), rtol=1e-12)


def test_rounding_releases_rounded_probabilities() -> None:
    defence: Defence = DEFENCES.make({"name": "rounding", "decimals": 1})
    released = np.exp(defence.output(np.log(np.array([[0.44, 0.31, 0.25], [0.96, 0.03, 0.01]]))))
    np.testing.assert_allclose(released, [[0.4, 0.3, 0.2], [1.0, 0.0, 0.0]], atol=1e-9)


def test_rounding_breaks_a_tie_towards_the_prediction() -> None:
    released = np.exp(DEFENCES.make({"name": "rounding", "decimals": 1}).output(np.log([[0.34, 0.33, 0.33]])))
    np.testing.assert_allclose(released, [[0.4, 0.3, 0.3]], atol=1e-9)
