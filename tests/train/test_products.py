"""Linear layers of a stack against torch's own, both ways of multiplying."""

from unittest.mock import patch

import pytest
import torch
from torch.nn.functional import linear as torch_linear

from leakbench.train import products
from leakbench.train.products import linear, wide

K, B = 3, 7


def layer(inputs, outputs, seed=0):
    """Records, weight, bias and what to multiply the answers with, in double precision's shadow."""
    draw = torch.Generator().manual_seed(seed)
    shapes = ((K, B, inputs), (K, outputs, inputs), (K, outputs), (K, B, outputs))
    return [torch.randn(shape, generator=draw) for shape in shapes]


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(256, 128), (5, 3)])
def test_answers_and_gradients_are_torchs(inputs, outputs, relu, onednn):
    *leaves, along = layer(inputs, outputs)
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.double().requires_grad_() for leaf in leaves]
    with patch.object(products, "_onednn_is_faster", lambda: onednn):
        answer = linear(*ours, relu)
        (answer * along).sum().backward()
    expected = torch.stack([torch_linear(x, w, b) for x, w, b in zip(*theirs, strict=True)])
    expected = expected.relu() if relu else expected
    (expected * along).sum().backward()
    torch.testing.assert_close(answer.double(), expected, rtol=1e-5, atol=1e-4)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-5, atol=1e-4)


def test_a_mover_gets_each_models_gradient_in_place_of_the_weight():
    *leaves, along = layer(256, 128)
    moved = {}
    with patch.object(products, "_onednn_is_faster", lambda: True):
        for move in (None, moved.__setitem__):
            ours = [leaf.clone().requires_grad_() for leaf in leaves]
            (linear(*ours, True, move) * along).sum().backward()
            if move is None:
                expected = ours[1].grad
        assert ours[1].grad is None and ours[0].grad is not None
    assert torch.equal(torch.stack([moved[k] for k in range(K)]), expected)


def test_narrow_layers_are_left_to_mkl_on_every_processor():
    with patch.object(products, "_onednn_is_faster", lambda: True):
        assert wide(torch.empty(K, 128, 256)) and not wide(torch.empty(K, 127, 256))
