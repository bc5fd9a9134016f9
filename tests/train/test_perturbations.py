"""Predicted classes in perturbed views: what is drawn, that it is the same for every model, and what is refused."""

import numpy as np
import pytest
import torch

from leakbench.core.errors import InputError
from leakbench.signals.views import distance, parse_perturbations
from leakbench.train.networks.build import initialised, loaded, unset
from leakbench.train.query import predicted_classes
from leakbench.train.random_streams import generator
from leakbench.train.recipe import Architecture
from leakbench.train.recipe.engine import Engine

ARCHITECTURE, ROWS = Architecture(hidden=(8,)), np.arange(3, 40)
BITS = (np.random.default_rng(0).random((40, 12)) < 0.4).astype(np.float32)
BITS[:, 5] = np.linspace(-1, 2, 40)  # no bit


def weights(seed: int) -> dict[str, np.ndarray]:
    net = initialised(unset(ARCHITECTURE, (12,), 4), generator(seed, "init"))
    return {name: value.numpy() for name, value in net.state_dict().items()}


def predicted(*names: str, model: int = 0, seed: int = 7, **more) -> np.ndarray:
    return predicted_classes(
        BITS, 4, ARCHITECTURE, weights(model), ROWS, parse_perturbations(names), seed, **more
    )


def slow(perturbed: torch.Tensor, model: int) -> np.ndarray:
    return loaded(ARCHITECTURE, (12,), 4, weights(model))(perturbed).detach().numpy().argmax(axis=-1)


@pytest.mark.parametrize("model", [0, 1])
def test_the_same_draws_for_every_model(model: int) -> None:
    normal = {"mean": (0.5,) * 12, "std": (2.0,) * 12}
    got = predicted("noise:0.4x3", "flips:0.3x2", model=model, **normal)
    x = torch.from_numpy(BITS[ROWS])
    for k in range(3):
        u = torch.randn((37, 12), generator=generator(7, "perturbation", "noise:0.4", k))
        assert np.array_equal(got[k], slow((x - 0.5) / 2.0 + 0.4 * u, model))
    for k in range(2):
        flip = torch.rand((37, 12), generator=generator(7, "perturbation", "flips:0.3", k)) < 0.3
        flip[:, 5] = False
        assert np.array_equal(got[3 + k], slow((torch.where(flip, 1 - x, x) - 0.5) / 2.0, model))
    assert got.dtype == np.uint8


def test_a_seed_and_a_size_have_draws_of_their_own() -> None:
    assert not np.array_equal(predicted("noise:2x4"), predicted("noise:2x4", seed=8))
    assert np.array_equal(predicted("noise:2x4"), predicted("flips:0.1", "noise:2x4")[1:])
    assert np.array_equal(predicted("noise:2x4")[:2], predicted("noise:2x2"))


def test_what_is_released_is_what_is_read() -> None:
    def release(k: int, logits: np.ndarray) -> np.ndarray:
        assert logits.shape == (1, 37, 4)
        return np.roll(logits, k, axis=-1)

    plain, moved = predicted("noise:1x2"), predicted("noise:1x2", release=release)
    assert np.array_equal(moved, [plain[0], (plain[1] + 1) % 4])


def test_flips_need_bits() -> None:
    with pytest.raises(InputError, match="flips need a feature that is 0 or 1"):
        predicted_classes(
            BITS + 0.5, 4, ARCHITECTURE, weights(0), ROWS, parse_perturbations(["flips:0.1"]), 0
        )
    images = np.zeros((4, 1, 2, 2), np.float32)
    with pytest.raises(InputError, match="flips need a table"):
        predicted_classes(images, 4, ARCHITECTURE, {}, np.arange(4), parse_perturbations(["flips:0.1"]), 0)


@pytest.mark.parametrize(
    "name",
    ["noise:", "noise:0", "noise:-1", "noise:nan", "noise:1e3", "noise:0.4x0", "noise:0.4x1001", "noise:0.4x24 ",
     "flips:0.6", "flips:0", "flips:.1x", "noise:0.4x99999999999"],
)  # fmt: skip
def test_other_perturbations_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="a perturbation must be"):
        parse_perturbations([name])


def test_a_perturbation_is_named_once() -> None:
    with pytest.raises(InputError, match=r"'noise:0\.4' twice"):
        parse_perturbations(["noise:0.4x3", "noise:.40"])


def test_views_as_far_away_are_of_one_distance() -> None:
    names = [
        "identity",
        "shift:1,-2",
        "shift:0,2",
        "flip+shift:2,0",
        "flip",
        "noise:0.4",
        "my blur",
        "shift99999999",
    ]
    want = ["identity", "shift2", "shift2", "flip+shift2", "flip", "noise:0.4", "my blur", "shift99999999"]
    assert [distance(name) for name in names] == want


def test_the_precision_of_the_engine_rounds_what_the_network_computes() -> None:
    exact, rounded = (
        predicted("noise:1x200", engine=Engine(precision=precision)) for precision in ("float32", "bfloat16")
    )
    assert 0 < (exact != rounded).mean() < 0.02
