"""Layers of a stack against torch's own modules, with both ways of multiplying."""

import pytest
import torch
from torch import nn

from leakbench.train.networks.headed import SurrogateHead
from leakbench.train.stacked.layers import (
    Convolution,
    Dropout,
    Flatten,
    Layer,
    Linear,
    ReLU,
    Surrogate,
)
from leakbench.train.stacked.products import Product, Total, value

K, B = 3, 7


class Masked(nn.Module):
    """What `Dropout` is given as a mask, as a module."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x):
        return x * self.mask


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def dropout(leaves, name):
    layer = Dropout(leaves, name)
    layer.mask = 2.0 * (drawn(K, B, 6, seed=9) > 0)
    return layer


LAYERS = {  # ours, torch's for each model, and the shape of a record
    "linear, narrow": (Linear, lambda k: nn.Linear(5, 3), (5,)),
    "linear, wide": (Linear, lambda k: nn.Linear(256, 128), (256,)),
    "surrogate": (Surrogate, lambda k: SurrogateHead(4, 1), (4,)),
    "surrogate, second degree": (Surrogate, lambda k: SurrogateHead(4, 2), (4,)),
    "convolution": (Convolution, lambda k: nn.Conv2d(2, 5, 3, stride=2, padding=1), (2, 8, 8)),
    "convolution, odd": (Convolution, lambda k: nn.Conv2d(2, 5, 3, stride=2, padding=1), (2, 7, 5)),
    "relu": (ReLU, lambda k: nn.ReLU(), (6,)),
    "flatten": (Flatten, lambda k: nn.Flatten(), (2, 3, 4)),
    "dropout": (dropout, lambda k: Masked(2.0 * (drawn(K, B, 6, seed=9) > 0)[k].double()), (6,)),
}


@pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS.values(), ids=LAYERS)
def test_outputs_and_gradients_are_torchs(ours, theirs, shape):
    modules = [theirs(k).double() for k in range(K)]
    for k, module in enumerate(modules):
        for i, parameter in enumerate(module.parameters()):
            parameter.data = drawn(*parameter.shape, seed=10 * k + i).double()
    states = [module.state_dict() for module in modules]
    leaves = {f"layer.{name}": torch.stack([state[name].float() for state in states]) for name in states[0]}
    layer = ours(leaves, "layer" if leaves else "")
    x = drawn(K, B, *shape, seed=1)
    records = x.double().requires_grad_()
    expected = torch.stack([module(r) for module, r in zip(modules, records, strict=True)])
    along = drawn(*expected.shape, seed=2)
    (expected * along).sum().backward()

    found = {}

    def move(name, gradient):
        found[name] = value(gradient, leaves[name]).clone()
        leaves[name].fill_(torch.nan)  # what reads it afterwards reads too late

    assert isinstance(layer, Layer) and layer.weights() == list(leaves)
    answers = layer.forward(x.clone()).clone()
    before = layer.backward(along, move, onward=True)
    torch.testing.assert_close(answers.double(), expected.detach(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(before.double(), records.grad, rtol=1e-5, atol=1e-4)
    assert found.keys() == leaves.keys()
    for name, gradient in found.items():
        of = torch.stack([m.get_parameter(name.removeprefix("layer.")).grad for m in modules])
        torch.testing.assert_close(gradient.double(), of, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", [(128, 256), (3, 5), (2, 3, 3, 3)])
def test_a_product_joins_a_total_in_place(shape):
    total = drawn(K, *shape)
    answers, x = drawn(K, B, shape[0], seed=1), drawn(K, B, total[0, 0].numel(), seed=2)
    expected = 0.9 * total.double() + torch.bmm(answers.double().mT, x.double()).view_as(total)
    Product(answers, x).join(total, 0.9)
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("P", "shape"), [(1, (5, 7)), (2, (9, 8)), (6, (3, 4))], ids=["a row each", "by rows", "by the sum"]
)
def test_the_gradients_of_records_from_what_a_product_multiplies(P, shape):
    out, read = shape
    g, x, scale = drawn(K, B * P, out, seed=1), drawn(K, B * P, read, seed=2), drawn(K, B, seed=3)
    sizes = [B - 1, *[B] * (K - 2), 0]
    each = torch.einsum("kbpo,kbpi->kboi", g.double().view(K, B, P, out), x.double().view(K, B, P, read))
    of_bias = g.double().view(K, B, P, out).sum(dim=2)
    for summand, expected in ((Product(g, x), each), (Total(g), of_bias)):
        torch.testing.assert_close(
            summand.squares(B).double(), expected.square().flatten(2).sum(dim=2), rtol=1e-5, atol=1e-4
        )
        total = drawn(K, *expected.shape[2:], seed=4)
        before = total.double()
        summand.join_scaled(total, scale, sizes)
        for k, size in enumerate(sizes):
            joined = torch.einsum("b,b...->...", scale[k, :size].double(), expected[k, :size])
            torch.testing.assert_close(total[k].double(), before[k] + joined, rtol=1e-5, atol=1e-4)
