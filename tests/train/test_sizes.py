"""Sizes against counts manually."""

import pytest
import torch
from torch import nn

from leakbench.train.networks.build import initialised, unset
from leakbench.train.random_streams import generator
from leakbench.train.recipe import Architecture, Prune
from leakbench.train.sizes import Layer, sizes
from leakbench.train.steps.pruning import prune


def test_sizes_of_a_small_network():
    network = initialised(unset(Architecture("cnn", channels=(4, 6)), (3, 8, 8), 5), generator(0, "init"))
    with torch.no_grad():
        network.second.weight[0] = 0.0
        network.last.bias[:2] = 0.0
    found = sizes(network, (3, 8, 8))
    weights = (3 * 4 * 9, 4 * 6 * 9, 24 * 5)
    assert found.parameters == sum(weights) + 4 + 6 + 5
    assert found.nonzero == found.parameters - 4 * 9 - 2
    assert found.multiply_adds == weights[0] * 16 + weights[1] * 4 + weights[2]
    assert found.layers == (
        Layer("first", "Conv2d", weights[0], 0),
        Layer("second", "Conv2d", weights[1], 36),
        Layer("last", "Linear", weights[2], 0),
    )
    assert 4 * found.parameters < found.bytes < 4 * found.parameters + 1000  # a header beside the numbers


def test_a_depthwise_convolution_counts_once_a_channel():
    network = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.Flatten(), nn.Linear(8 * 16, 2)
    )
    assert sizes(network, (8, 4, 4)).multiply_adds == 8 * 9 * 16 + 8 * 16 * 2


@pytest.mark.slow  # torch's counter imports its compiler
@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (unset(Architecture("wrn", depth=10, width=1), (1, 8, 8), 3), (1, 8, 8)),
        (nn.Sequential(nn.ConvTranspose2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.Flatten()), (3, 9, 9)),
        (nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 3)), (5, 8)),
    ],
    ids=["residual", "transposed", "attention"],
)
def test_multiply_adds_are_those_of_torch_s_counter(network, shape):
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, *shape))
    assert sizes(network, shape).multiply_adds == counter.get_total_flops() // 2 > 0


def test_zeros_save_nothing_on_disk_and_channels_do():
    def pruned(pruner):
        network = initialised(
            unset(Architecture("wrn", depth=10, width=1), (1, 8, 8), 3), generator(0, "init")
        )
        whole = sizes(network, (1, 8, 8))
        prune(network, Prune(pruner=pruner, sparsity=0.5, scope="layer"), (1, 8, 8))
        return whole, sizes(network, (1, 8, 8))

    whole, zeroed = pruned("l1_unstructured")
    assert (zeroed.parameters, zeroed.multiply_adds) == (whole.parameters, whole.multiply_adds)
    assert zeroed.bytes == whole.bytes
    assert (
        sum(layer.zeros for layer in zeroed.layers) == whole.nonzero - zeroed.nonzero > 0.4 * whole.parameters
    )
    whole, narrow = pruned("l1_structured")
    assert narrow.multiply_adds < 0.3 * whole.multiply_adds and narrow.bytes < 0.5 * whole.bytes
    assert all(layer.zeros == 0 for layer in narrow.layers)


@pytest.mark.parametrize("training", [True, False])
def test_counting_changes_nothing(training):
    network = unset(Architecture("wrn", depth=10, width=1), (1, 8, 8), 3).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    sizes(network, (1, 8, 8))
    assert network.training == training and torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
