from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..core.seeds import derive
from ..signals.types import Array
from ._simplex import probabilities
from .base import Defence
from .defender import Defender, Transform


@dataclass(frozen=True)
class MemGuard(Defence):
    r"""Add the least noise that makes a classifier of members undecided, and keep the prediction.

    Formula: with g = sigmoid(h) the defender's classifier of sorted probabilities, trained on members and public
             records, e minimises  |h(softmax(z + e))| + 10 relu(max_{c != l} (z + e)_c - (z + e)_l)
             + c3 ||softmax(z + e) - softmax(z)||_1,  l = argmax z, by steps of length .1 until h changes its sign;
             c3 = .1, 1, 10, .. up to 1e5 while that succeeds. z + e is released with probability
             min(1, epsilon / distance) if g comes closer to 1/2, else z
    Source:  Jia et al. 2019, arXiv 1909.10594, and their code
    Differs: both sides weigh the same in h, whatever their numbers, and Adam trains it (with the authors' SGD of
             that rate it learns next to nothing); the public records are its non-members
    Limits:  Song and Mittal 2021, arXiv 2003.10595: adaptive attacks on single classes still work; label-only
             attacks do not change. Outputs that are too certain for `steps` steps are released as they are
    """

    name: ClassVar[str] = "memguard"
    source: ClassVar[str] = "Jia et al. 2019, arXiv 1909.10594"
    changes_output: ClassVar[bool] = True
    cached_per_model: ClassVar[bool] = True
    needs_public: ClassVar[bool] = True

    epsilon: float = 1.0  # the largest expected L1 distance of an output
    epochs: int = 400  # of the defender's classifier
    lr: float = 1e-3  # learning rate of the defender's classifier
    steps: int = 300  # for each c3

    def __post_init__(self) -> None:
        if not self.epsilon >= 0:
            raise InputError(f"epsilon must be at least 0, got {self.epsilon}")
        if self.epochs < 1 or self.steps < 1 or not self.lr > 0:
            raise InputError(
                "epochs and steps must be at least 1 and lr positive, "
                f"got {self.epochs}, {self.steps} and {self.lr}"
            )

    def release(self, defender: Defender) -> Transform:
        from ._memguard_search import fit_guard, least_noise

        inside, outside = (
            probabilities(defender.query(side().x)) for side in (defender.members, defender.public)
        )
        guard = fit_guard(inside, outside, derive(defender.seed, "guard"), self.epochs, self.lr)
        guard = guard.float()  # in which the search takes half the time

        def released(logits: Array) -> Array:
            z = logits.reshape(-1, logits.shape[-1])
            noisy = least_noise(guard, z, self.steps)
            distance = np.abs(probabilities(noisy.logits) - probabilities(z)).sum(axis=-1)
            share = np.where(noisy.after < noisy.before, self.epsilon / np.maximum(distance, 1e-300), 0.0)
            used = defender.stream("noise").random(len(z)) < share
            return np.where(used[:, None], noisy.logits, z).reshape(logits.shape)

        return released
