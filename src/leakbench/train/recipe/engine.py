"""The device and the precision of training and queries, as plain data (no torch here)."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...core.checks import known
from ...core.errors import InputError

ENGINE_VERSION = 7  # raise it when the same job gives other weights


@dataclass(frozen=True)
class Engine:
    """The device and the precision of training and queries.

    Args:
        device: "cpu", or "cuda": the first GPU that this process sees.
        precision: Of products and convolutions on a GPU. "tf32" rounds factors to 11 bits. "bfloat16" trains under
            autocast (8 bits; weights, losses and normalising layers stay in float32) and queries in tf32. Small
            networks, which are stacked, train in float32 or tf32. On a CPU a study in bfloat16 is refused unless
            it has AVX512-BF16 or AMX.
        compiled: Whether torch compiles networks that are not stacked. It takes a minute per architecture.
        deterministic: Whether runs on the same GPU are equal bit for bit, with slower kernels. On a CPU they are.

    Raises:
        InputError: A name is unknown, or the precision is "tf32" on a CPU.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    compiled: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("device", "precision"):
            known(self, name, name)
        if self.device == "cpu" and self.precision == "tf32":
            raise InputError('precision "tf32" needs device = "cuda"; take "float32"')

    def describe(self) -> Any:
        """Plain data for the key of a model."""
        return ENGINE_VERSION if self == Engine() else {"version": ENGINE_VERSION, **asdict(self)}
