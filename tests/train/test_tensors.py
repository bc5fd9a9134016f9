"""Augmentation against the numpy views, and the architectures against torch's own layers."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from leakbench.core.errors import InputError
from leakbench.signals.views import View
from leakbench.train.networks.build import initialised, loaded, unset
from leakbench.train.query import interleaved, latency_call, predict_logits
from leakbench.train.random_streams import ModelStreams, generator
from leakbench.train.recipe import Architecture
from leakbench.train.recipe.settings import Augment
from leakbench.train.tensors import augmented, masks


def test_augmented_images_are_the_views_of_the_same_moves():
    x = np.random.default_rng(0).random((40, 2, 5, 7), np.float32)
    moves = ModelStreams(3, 0).moves(40, Augment(shift=2, flip=True))
    ours = augmented(torch.from_numpy(x), moves, 2).numpy()
    for image, moved, (right, down, flip) in zip(x, ours, moves.tolist(), strict=True):
        assert np.array_equal(moved, View(bool(flip), right, down)(image[None])[0])
    assert len(moves.unique(dim=0)) > 20


def test_moves_cover_what_was_asked_and_no_more():
    moves = ModelStreams(0, 0).moves(4000, Augment(shift=1, flip=True))
    assert {tuple(m) for m in moves.tolist()} == {
        (r, d, f) for r in (-1, 0, 1) for d in (-1, 0, 1) for f in (0, 1)
    }
    assert not ModelStreams(0, 0).moves(100, Augment(shift=2))[:, 2].any()
    assert not ModelStreams(0, 0).moves(100, Augment(flip=True))[:, :2].any()


def test_every_model_stage_and_purpose_has_its_own_stream():
    draws = [ModelStreams(seed, stage) for seed, stage in ((0, 0), (1, 0), (0, 1))]
    orders = [d.order(50) for d in draws] + [draws[0].order(50)]  # a new one each epoch
    for kind in (orders, [d.uniform(9, 5) for d in draws], [d.moves(50, Augment(3, True)) for d in draws]):
        assert len({tuple(drawn.flatten().tolist()) for drawn in kind}) == len(kind)
    fresh, used = ModelStreams(4, 2), ModelStreams(4, 2)
    used.order(50), used.uniform(9, 5)
    assert torch.equal(fresh.moves(50, Augment(3)), used.moves(50, Augment(3)))


def test_masks_keep_the_expectation():
    first, second = masks(ModelStreams(0, 0).uniform(20_000, 5), 0.3, (2, 3))
    assert first.shape == (20_000, 2) and second.shape == (20_000, 3)
    assert first.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float(second.mean()) == pytest.approx(1.0, abs=0.02)


def test_the_weights_load_into_plain_torch_layers():
    x = torch.rand(6, 3, 9, 10)
    mlp = initialised(unset(Architecture(hidden=(8, 5)), (3, 9, 10), 4), generator(0, "init"))
    plain = nn.Sequential(
        nn.Flatten(), nn.Linear(270, 8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 4)
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), mlp.state_dict().values(), strict=True)))
    assert torch.equal(plain(x), mlp(x))
    cnn = initialised(unset(Architecture("cnn", channels=(4, 6)), (3, 9, 10), 4), generator(0, "init"))
    plain = nn.Sequential(
        *(
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(4),
        )
    )
    plain(x)
    plain.load_state_dict(dict(zip(plain.state_dict(), cnn.state_dict().values(), strict=True)))
    assert torch.equal(plain(x), cnn(x))


def test_initial_weights_have_torchs_distribution():
    layer = initialised(unset(Architecture(hidden=(300,)), (50,), 2), generator(1, "init")).layers[0]
    bound = 1 / np.sqrt(50)
    for value in (layer.weight.detach(), layer.bias.detach()):
        assert value.abs().max() <= bound
        assert float(value.std()) == pytest.approx(bound / np.sqrt(3), rel=0.1)


def _sorted(weights):
    """In the order in which a safetensors file gives them back."""
    return dict(sorted(weights.items()))


def test_query_is_the_modules_answer_in_each_view():
    x = np.random.default_rng(0).random((30, 1, 6, 6), np.float32)
    architecture, rows, views = (
        Architecture("cnn", channels=(2, 3)),
        np.array([4, 29, 0]),
        ["identity", "flip", "shift:1,-1"],
    )
    networks = [initialised(unset(architecture, (1, 6, 6), 5), generator(k, "init")) for k in range(2)]
    weights = [{name: value.numpy() for name, value in n.state_dict().items()} for n in networks]
    both = predict_logits(x, 5, architecture, weights, rows, views, batch=2)
    assert both.shape == (2, 3, 3, 5) and both.dtype == np.float32
    assert np.allclose(
        predict_logits(x, 5, architecture, _sorted(weights[1]), rows, views), both[1], atol=1e-6
    )
    flipped = networks[1](torch.tensor(x[rows][..., ::-1].copy())).detach().numpy()
    assert np.allclose(both[1, 1], flipped, atol=1e-6) and not np.allclose(both[1, 0], flipped, atol=1e-3)


def test_wrong_weights_are_refused():
    x = np.zeros((4, 7), np.float32)
    network = unset(Architecture(hidden=(3,)), (7,), 2)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=r"'layers.0.bias' of shape \(2,\), got \(3,\)"):
        loaded(Architecture(hidden=(2,)), (7,), 2, weights)
    with pytest.raises(InputError, match=r"'layers.0.weight' of shape \(3, 8\), got \(3, 7\)"):
        predict_logits(np.zeros((4, 8), np.float32), 2, Architecture(hidden=(3,)), weights, np.arange(2))
    with pytest.raises(InputError, match="at least one model"):
        predict_logits(x, 2, Architecture(), [], np.arange(2))
    with pytest.raises(InputError, match="of tables there are 'identity', 'noise:SD' and 'flips:P'"):
        predict_logits(x, 2, Architecture(hidden=(3,)), weights, np.arange(2), ["flip"])


def test_latency_is_positive_and_grows_with_the_batch():
    architecture = Architecture(hidden=(256, 256))
    network = initialised(unset(architecture, (64,), 10), generator(0, "init"))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    calls = [latency_call(np.zeros((10, 64), np.float32), 10, architecture, weights, n) for n in (1, 1024)]
    one, many = interleaved(calls, repeats=20)
    assert len(one) == 20 and (one > 0).all() and np.median(one) < np.median(many)


def test_calls_are_made_in_turns_after_a_warm_up():
    made = []
    seconds = interleaved([lambda: made.append("a"), lambda: made.append("b")], repeats=4, warm_up=2)
    assert "".join(made) == "abba" * 3 and seconds.shape == (2, 4)


def test_each_call_has_its_own_time():
    quick, slow = interleaved([lambda: None, lambda: time.sleep(0.002)], repeats=5)
    assert quick.max() < 0.002 <= slow.min()


def test_an_answer_is_the_models_through_the_output_map():
    architecture, x = Architecture(hidden=(5,)), np.random.default_rng(0).random((3, 64), np.float32)
    network = initialised(unset(architecture, (64,), 10), generator(0, "init"))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    answer = latency_call(x, 10, architecture, weights, 7, lambda z: 2 * z)()
    expected = predict_logits(x, 10, architecture, weights, np.arange(7) % 3)[0]
    np.testing.assert_allclose(answer, 2 * expected, rtol=1e-6)
