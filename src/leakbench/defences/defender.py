"""What a defender has of one model when it answers: the model, its members, public records, random numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.seeds import derive, stream
from ..signals.types import Array, Labels

Transform = Callable[[Array], Array]  # answers [..., N, C] to answers


class Records(NamedTuple):
    """Records and their labels."""

    x: NDArray[np.float32]  # [n, ...]
    y: Labels  # [n]


@dataclass(frozen=True, eq=False)
class Defender:
    """The owner of one model, who defends it. Nothing is computed or copied before it is used."""

    seed: int
    query: Callable[[NDArray[np.float32]], Array]  # the model itself: records [n, ...] to logits [n, C]
    members: Callable[[], Records]  # what the model was trained on
    public: Callable[[], Records]  # what attacker and defender both own; empty where there is none
    repeat: int = 0  # which of an attacker's repeated questions about the same records this is

    def stream(self, *names: object) -> np.random.Generator:
        """The owner's random numbers for a purpose: the same whenever they are asked for."""
        return stream(self.seed, *names)

    def again(self, repeat: int) -> "Defender":
        """The same owner, asked about the same records once more."""
        return replace(self, repeat=repeat)

    def behind(self, released: Transform, *names: object) -> "Defender":
        """The owner to a defence that comes after others: the model answers through `released`."""
        return replace(self, seed=derive(self.seed, *names), query=lambda x: released(self.query(x)))
