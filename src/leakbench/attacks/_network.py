"""What the attacks share whose attacker is a torch network. torch is imported by the fit, not with the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.models import Target
from ..signals.statistics import log_softmax
from ..signals.types import Array, Bools
from .base import Scorer, TrainedAttack

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn
    from torch.optim import Optimizer

SCORED_AT_ONCE = 1024


@dataclass(frozen=True)
class NetworkAttack(TrainedAttack):
    """A network with two outputs, "other" and "member", fitted by SGD; the score is the log-odds of "member".

    The learning rate falls to a tenth at half and at three quarters of the epochs.
    """

    imports: ClassVar[str | None] = "torch"
    passes: ClassVar[str | None] = "epochs"
    in_folds: ClassVar[bool] = True
    epochs: int = 100  # passes over the data
    batch_size: int = 128  # examples per batch
    lr: float = 1e-3  # learning rate
    momentum: float = 0.9  # SGD's momentum
    weight_decay: float = 5e-4  # squared penalty of the weights
    dropout: float = 0.2  # share of units that are dropped
    max_examples: int | None = None  # examples that fit the network, balanced; None: all

    def __post_init__(self) -> None:
        least = {
            "epochs": 2,
            "batch_size": 2,
            "max_examples": 4,
            "momentum": 0,
            "weight_decay": 0,
            "dropout": 0,
        }
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and not low <= value < np.inf:
                raise InputError(f"{name} must be at least {low}, got {value}")
        for name in ("momentum", "dropout"):
            if not getattr(self, name) < 1:
                raise InputError(f"{name} must be below 1, got {getattr(self, name)}")
        if not 0 < self.lr < np.inf:
            raise InputError(f"lr must be a positive number, got {self.lr}")

    @property
    def decision(self) -> float | None:
        """Log-odds of 0: a probability of one half."""
        return 0.0

    def network(self, inputs: int, generator: "Generator") -> "nn.Module":
        """The network [B, inputs] -> [B, 2], not yet initialised; its dropout is to come from the generator."""
        raise NotImplementedError

    def optimiser(self, network: "nn.Module") -> "Optimizer":
        """SGD over the network's parameters."""
        from torch.optim import SGD

        return SGD(network.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay)

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The network's log-odds of membership; in one thread, as a sum that threads share depends on their number."""
        import torch

        from ..core.cpu import threads
        from ._layers import initialised

        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        with torch.device("meta"):
            network = self.network(features.shape[1], generator)
        network = initialised(network, generator)
        with threads(1):
            self._train(network, _tensor(features), torch.from_numpy(members.astype(np.int64)), generator)

        def scorer(features: Array) -> Array:
            with torch.no_grad(), threads(1):
                logits = torch.cat([network(part) for part in _tensor(features).split(SCORED_AT_ONCE)])
            scores = np.asarray((logits[:, 1] - logits[:, 0]).double())
            if not np.isfinite(scores).all():
                raise InputError(f"the network of {self.name!r} diverged at lr = {self.lr}; lower it")
            return scores

        return scorer

    def _train(self, network: "nn.Module", x: "Tensor", y: "Tensor", generator: "Generator") -> None:
        """Fit the network on examples x [n, D] with their membership y [n]; leaves it in inference mode."""
        from torch.nn.functional import cross_entropy
        from torch.optim.lr_scheduler import MultiStepLR

        optimiser = self.optimiser(network)
        schedule = MultiStepLR(optimiser, [self.epochs // 2, self.epochs * 3 // 4], gamma=0.1)
        network.train()
        for _ in range(self.epochs):
            for rows in _batches(len(y), self.batch_size, generator):
                optimiser.zero_grad()
                cross_entropy(network(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
        network.eval()


def _batches(n: int, size: int, generator: "Generator") -> Iterator["Tensor"]:
    """0 .. n - 1 in a random order, in batches; a lone record at the end, which has no variance, is left out."""
    import torch

    return (rows for rows in torch.split(torch.randperm(n, generator=generator), size) if len(rows) > 1)


def _tensor(features: Array) -> Any:
    import torch

    return torch.from_numpy(features.astype(np.float32))


def posteriors(target: Target) -> Array:
    """f [N, C], the mean over views."""
    return np.asarray(np.exp(log_softmax(target.logits)).mean(axis=0))


def one_hot(target: Target, classes: int) -> Array:
    """1 at the label, else 0 [N, C]."""
    assert target.labels is not None
    return np.eye(classes)[target.labels]
