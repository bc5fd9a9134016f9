"""Products of K pairs of matrices in a stack's linear layers, by whichever library is fastest.

MKL takes K products in one call, but on AMD's CPUs uses half of a vector unit of 512 bits. oneDNN uses all of it,
one product at a time, which costs some microseconds each: so it has the wide layers there. Which of the two multiplies
follows from the layer and the CPU, not from K or a measurement, for they round differently.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ...core.cpu import cpu_info

WIDE = 32_768  # weights of a layer that oneDNN multiplies by (`docs/design/evidence.py wide_layers`)
ZEN_5 = 26  # the family of AMD's CPUs from which on they multiply 512 bits at once


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x weight^T + bias [K, B, out] of x [K, B, in], weight [K, out, in] and bias [K, out]."""
    if wide(x, weight.shape[1]):
        return torch.stack([_onednn(*one) for one in zip(x, weight, bias, strict=True)])
    return torch.baddbmm(bias[:, None], x, weight.mT)


@dataclass(frozen=True, eq=False)
class Product:
    """The gradient g^T x [K, out, in] of a weight, from those of its layer's answers, not multiplied yet."""

    answers: Tensor  # g [K, B, out]
    x: Tensor  # [K, B, in], what the layer read

    def value(self) -> Tensor:
        """The gradient."""
        if wide(self.x, self.answers.shape[2]):
            return torch.stack(list(self._each()))
        return torch.bmm(self.answers.mT, self.x)

    def join(self, total: Tensor, keep: float) -> None:
        """total [K, out, in, ...] <- keep total + g^T x, which takes no pass over memory of its own."""
        total = total.flatten(2)
        if wide(self.x, self.answers.shape[2]):
            for own, product in zip(total, self._each(), strict=True):
                torch.add(product, own, alpha=keep, out=own)
        else:
            total.baddbmm_(self.answers.mT, self.x, beta=keep)

    def _each(self) -> Iterator[Tensor]:
        """The gradient [out, in] of one model after the other."""
        return (_onednn(g.mT, x.mT) for g, x in zip(self.answers, self.x, strict=True))


Gradient = Tensor | Product


def value(gradient: Gradient, leaf: Tensor) -> Tensor:
    """The gradient of a leaf, in its shape."""
    return gradient.value().view_as(leaf) if isinstance(gradient, Product) else gradient


def wide(x: Tensor, outputs: int) -> bool:
    """Whether oneDNN multiplies in a layer that reads x [K, B, in] and has so many outputs."""
    return x.shape[2] * outputs >= WIDE and x.device.type == "cpu" and _onednn_is_faster()


@cache
def _onednn_is_faster() -> bool:
    amd = cpu_info().get("vendor_id") == "AuthenticAMD" and int(cpu_info().get("cpu family", 0)) >= ZEN_5
    vectors = torch.backends.cpu.get_cpu_capability() == "AVX512"  # which a virtual machine may hide
    return amd and vectors and torch.backends.mkldnn.is_available()


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [B, in] weight^T + bias [B, out] of one model."""
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
