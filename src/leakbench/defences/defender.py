"""The defender of one model, who holds the model, its members, public records and random numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.seeds import derive, stream
from ..signals.types import Array, Labels

Transform = Callable[[Array], Array]  # logits [..., N, C] to logits


class Records(NamedTuple):
    """Records and their labels."""

    x: NDArray[np.float32]  # [n, ...]
    y: Labels  # [n]


@dataclass(frozen=True, eq=False)
class Defender:
    """The defender of one model. Nothing is computed or copied before it is used."""

    seed: int
    query: Callable[[NDArray[np.float32]], Array]  # the undefended model: records [n, ...] to logits [n, C]
    members: Callable[[], Records]  # the training records of the model
    public: Callable[[], Records]  # records that attacker and defender both have; may be empty
    repeat: int = 0  # the number of an attacker's repeated query with the same records

    def stream(self, *names: object) -> np.random.Generator:
        """Random numbers for a purpose: the same in every call."""
        return stream(self.seed, *names)

    def again(self, repeat: int) -> "Defender":
        """The same defender in a repeated query."""
        return replace(self, repeat=repeat)

    def behind(self, released: Transform, *names: object) -> "Defender":
        """The defender for a later part of a chain: the outputs of the model go through `released`."""
        return replace(self, seed=derive(self.seed, *names), query=lambda x: released(self.query(x)))
