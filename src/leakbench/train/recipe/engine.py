"""What models are trained and asked on, and how exactly it reckons, as plain data (no torch here)."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...core.checks import known
from ...core.errors import InputError

ENGINE_VERSION = 5  # raised by hand when the same job gives other weights


@dataclass(frozen=True)
class Engine:
    """`device`: the processor, or "cuda", the first graphics card that this process sees.

    `precision` is that of products and convolutions on a card. "tf32" rounds their factors to 11 bits; "bfloat16"
    trains under autocast (8 bits, while weights, losses and normalising layers keep all) and answers in tf32. Small
    networks, which are stacked, train in float32 or tf32; the others can be `compiled` by torch, which takes a minute
    and then serves all models of an architecture. `deterministic`: the same bits in each run on the same card, by
    slower kernels; on a processor they always are. Raises InputError for a name that is not known, and for "tf32" on a
    processor.
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
