"""The device and the precision of training and queries, as plain data (no torch here)."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ...core.checks import known
from ...core.cpu import multiplies_bfloat16
from ...core.errors import InputError
from .recipe import Recipe

FLOAT32_VERSION = 7  # of float32 on a CPU; raise it when the same job gives other weights
ENGINE_VERSION = 8  # of all others
LARGEST_STACKED_IMAGE = 144  # pixels up to which a stack of CNNs is faster than the loop, measured on CPUs


@dataclass(frozen=True)
class Engine:
    """The device and the precision of training and queries.

    Args:
        device: "cpu", or "cuda": the first GPU that this process sees.
        precision: Of products and convolutions. "bfloat16" rounds their factors to 8 bits in training and in perturbed
            views, of which the predicted class is kept. Weights, losses, normalising layers and the logits of all
            other queries stay in float32 (on a GPU in tf32), and so does DP-SGD in a stack. On a CPU "bfloat16" needs
            AVX512-BF16 or AMX. "tf32" rounds factors to 11 bits, on a GPU. "auto" is "bfloat16" on a CPU that has it,
            for `cnn` on images above 12 x 12 without DP-SGD, where it is measured to be faster and to say the same;
            else "float32".
        compiled: Whether torch compiles networks that are not stacked. It takes a minute per architecture.
        deterministic: Whether runs on the same GPU are equal bit for bit, with slower kernels. On a CPU they are.

    Raises:
        InputError: A name is unknown, or the precision is "tf32" on a CPU.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"
    compiled: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("device", "precision"):
            known(self, name, name)
        if self.device == "cpu" and self.precision == "tf32":
            raise InputError('precision "tf32" needs device = "cuda"; take "float32"')

    def of(self, recipe: Recipe, shape: tuple[int, ...]) -> "Engine":
        """The engine with the precision in which the networks of a recipe train on records of `shape`."""
        if self.precision != "auto":
            return self
        large = recipe.architecture.name == "cnn" and math.prod(shape[1:]) > LARGEST_STACKED_IMAGE
        gains = large and self.device == "cpu" and multiplies_bfloat16()
        private = any(stage.privacy for stage in recipe.training)
        return replace(self, precision="bfloat16" if gains and not private else "float32")

    def describe(self) -> Any:
        """Plain data for the key of a model."""
        return FLOAT32_VERSION if self in (Engine(), CPU) else {"version": ENGINE_VERSION, **asdict(self)}


CPU = Engine(precision="float32")
