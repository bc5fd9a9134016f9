"""Linear layers of K models at once, by whichever library multiplies their matrices fastest.

MKL takes K products in one call, but leaves half of the vector unit idle on processors that are not its maker's. oneDNN
uses all of it, one product at a time, which costs some microseconds each: so it has the wide layers. Which of the two
multiplies follows from the layer and the processor, not from K or a measurement, for they round differently.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

WIDE = 32_768  # weights of a layer that oneDNN multiplies by (`docs/design/evidence.py wide_layers`)

Mover = Callable[[int, Tensor], None]  # is handed a model's number and the gradient of its weight


def linear(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False, move: Mover | None = None) -> Tensor:
    """x weight^T + bias [K, B, out] of x [K, B, in], weight [K, out, in] and bias [K, out]; 0 for negatives if `relu`.

    With `move` the gradient of a wide layer's weight goes there, model by model, while the cache holds it, and not
    into `weight.grad`.
    """
    return _Linear.apply(x, weight, bias, relu, move)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, relu: bool, move: Mover | None
    ) -> Tensor:
        if wide(weight):
            parts = zip(x, weight, bias, strict=True)
            out = torch.stack([_onednn(a, w, b, "relu" if relu else "none") for a, w, b in parts])
        else:
            out = torch.baddbmm(bias[:, None], x, weight.mT)
            if relu:
                out.relu_()
        ctx.save_for_backward(x, weight, out if relu else None)
        ctx.move = move
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, out = ctx.saved_tensors
        if out is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, out, 0.0)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            torch.bmm(gradient, weight) if of_x else None,
            _of_weight(x, weight, gradient, ctx.move) if of_weight else None,
            gradient.sum(dim=1) if of_bias else None,
            None,
            None,
        )


def _of_weight(x: Tensor, weight: Tensor, gradient: Tensor, move: Mover | None) -> Tensor | None:
    """The gradient [K, out, in] of the weight, None where it went to `move`."""
    if not wide(weight):
        return torch.bmm(gradient.mT, x)
    each = (_onednn(g.mT, a.mT) for g, a in zip(gradient, x, strict=True))
    if move is None:
        return torch.stack(list(each))
    for k, of_model in enumerate(each):
        move(k, of_model)
    return None


def wide(weight: Tensor) -> bool:
    """Whether oneDNN multiplies by a weight [K, out, in]."""
    return weight[0].numel() >= WIDE and weight.device.type == "cpu" and _onednn_is_faster()


@cache
def _onednn_is_faster() -> bool:
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """x [B, in] weight^T + bias [B, out] of one model, `then` a ReLU."""
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, then, [], "")
