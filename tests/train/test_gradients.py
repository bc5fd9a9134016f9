"""Gradient norms against one record at a time in double precision, whatever the network is made of."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from leakbench.core.errors import InputError
from leakbench.train.gradients import log_gradient_norms
from leakbench.train.networks.build import initialised, loaded, unset
from leakbench.train.networks.headed import Headed, SurrogateHead
from leakbench.train.networks.mean_softmax import EnsembleNetwork, MonteCarloNetwork
from leakbench.train.recipe import Architecture

N, CLASSES = 7, 4
MLP, TABLE, IMAGES = Architecture(hidden=(9, 5), dropout=0.4), (6,), (2, 5, 6)
OWN = ModuleType("own_gradients")
sys.modules[OWN.__name__] = OWN


class Awkward(nn.Module):
    """A layer that is called twice, others on three dimensions, before an activation in place, and without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.once, self.twice = nn.Linear(1, 3), nn.Linear(3, 3)
        self.norm, self.relu = nn.BatchNorm1d(18), nn.ReLU(inplace=True)
        self.last = nn.Linear(18, CLASSES, bias=False)

    def forward(self, x):
        h = self.relu(self.once(x[:, :, None]))  # [B, 6, 3]
        h = self.relu(self.twice(self.twice(h) + h))
        return self.last(self.norm(h.flatten(1)))


class Tied(nn.Module):
    """Two layers with one weight, a weight that is no parameter, and a layer that reads the records as columns."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.scaled, self.across = nn.Linear(6, 6), nn.Linear(6, 6)
        register_parametrization(self.scaled, "weight", nn.Tanh())
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x):
        h = self.scaled(self.second(self.first(x).tanh()).tanh())
        rows = self.across(torch.stack([h, h.tanh()], dim=0)).sum(dim=0)  # [2, B, 6]: the records come second
        return self.last(rows.tanh())


OWN.tied = lambda shape, classes: Tied()
OWN.awkward = lambda shape, classes: Awkward()
OWN.sorted = lambda shape, classes: nn.Sequential(nn.Linear(6, classes), Sorted(), nn.LayerNorm(classes))


class Sorted(nn.Module):
    """A step that depends on the values, which vmap refuses."""

    def forward(self, x):
        return x if bool((x > 0).any()) else -x


def network(kind):
    """The architecture under which a network's weights are stored, and the network."""
    architecture = {
        "cnn": Architecture("cnn", channels=(3, 4)),
        "awkward": Architecture("custom", factory="own_gradients:awkward"),
        "tied": Architecture("custom", factory="own_gradients:tied"),
        "sorted": Architecture("custom", factory="own_gradients:sorted"),
    }.get(kind, MLP)
    shape = IMAGES if kind == "cnn" else TABLE

    def one(seed):
        torch.manual_seed(seed)  # for the factory's own
        return initialised(unset(architecture, shape, CLASSES), torch.Generator().manual_seed(seed))

    if kind == "ensemble":
        return architecture, EnsembleNetwork([one(1), one(2)])
    if kind == "monte_carlo":
        kept = torch.rand((3, 14), generator=torch.Generator().manual_seed(3)) < 0.6
        return architecture, MonteCarloNetwork(one(1), kept, MLP.dropout)
    if kind.startswith("head"):
        head = initialised(SurrogateHead(CLASSES, int(kind[-1])), torch.Generator().manual_seed(4))
        return architecture, Headed(one(1), head)
    return architecture, one(1)


def records(shape):
    rng = np.random.default_rng(0)
    return rng.normal(size=(N + 2, *shape)).astype(np.float32), rng.integers(0, CLASSES, N + 2)


def slow(net, x, y, last):
    """log of the norm [2, n] by autograd, a record at a time; `last` names the parameters of the last layer."""
    net = net.eval().double().requires_grad_(True)
    found = []
    for record, label in zip(torch.from_numpy(x).double(), torch.from_numpy(y), strict=True):
        net.zero_grad()
        nn.functional.cross_entropy(net(record[None]), label[None]).backward()
        squares = {name: p.grad.square().sum() for name, p in net.named_parameters()}
        ends = [value for name, value in squares.items() if name.startswith(last)]
        found.append([sum(squares.values()).item(), sum(ends).item() if last else np.nan])
    return np.log(found).T / 2


LAST = {
    "mlp": "layers.2.",
    "cnn": "last.",
    "head1": "surrogate.linear.",
    "head2": "",
    "ensemble": "",
    "monte_carlo": "",
    "awkward": "last.",
    "tied": "last.",
}


@pytest.mark.parametrize("kind", LAST)
def test_norms_are_those_of_autograd(kind):
    architecture, net = network(kind)
    x, y = records(IMAGES if kind == "cnn" else TABLE)
    weights = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    rows = np.arange(1, N + 1)
    got = log_gradient_norms(x, y, CLASSES, architecture, weights, rows)
    want = slow(loaded(architecture, x.shape[1:], CLASSES, weights), x[rows], y[rows], LAST[kind])
    assert got.shape == (2 if LAST[kind] else 1, N)
    np.testing.assert_allclose(got, want[: len(got)], rtol=0, atol=1e-5)


def test_a_record_that_is_almost_certain_has_a_gradient():
    """In single precision 1 - p is 0 here, and so is p - e_y."""
    architecture, net = network("mlp")
    net.layers[-1].weight.data *= 400
    x, _ = records(TABLE)
    y = net(torch.from_numpy(x)).argmax(dim=1).numpy()
    weights = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    got = log_gradient_norms(x, y, CLASSES, architecture, weights, np.arange(N))
    z = net(torch.from_numpy(x[:N])).double()
    rest = (z - z.gather(1, torch.from_numpy(y[:N, None]))).scatter(
        1, torch.from_numpy(y[:N, None]), -torch.inf
    )
    log_r = (torch.logaddexp(2 * rest.logsumexp(1), (2 * rest).logsumexp(1)) / 2).detach().numpy()
    h = torch.cat(
        [net.layers[1](net.layers[0](torch.from_numpy(x[:N])).relu()).relu(), torch.ones(N, 1)], dim=1
    )
    assert log_r.min() < -30
    np.testing.assert_allclose(got[1], log_r + h.norm(dim=1).log().detach().numpy(), atol=1e-4)
    assert np.isfinite(got).all() and (got[0] > got[1]).all()


def test_normalised_as_the_network_is_queried():
    architecture, net = network("mlp")
    x, y = records(TABLE)
    weights = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    rows, mean, std = np.arange(N), (0.5,) * 6, (2.0,) * 6
    got = log_gradient_norms(x, y, CLASSES, architecture, weights, rows, mean, std)
    want = log_gradient_norms((x - 0.5) / 2, y, CLASSES, architecture, weights, rows)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_what_vmap_cannot_take_is_refused():
    architecture, net = network("sorted")
    x, y = records(TABLE)
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    with pytest.raises(InputError, match="white-box attacks need a network that"):
        log_gradient_norms(x, y, CLASSES, architecture, weights, np.arange(N))
