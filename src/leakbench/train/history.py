"""A model's losses over the epochs of a stage: whether it diverged, whether it improved, when it is done."""

import math

import numpy as np

from ..errors import LeakbenchError

HALF_MAX = float(np.finfo(np.float16).max)


class History:
    """The losses of one model in one stage, and the rule of early stopping."""

    def __init__(self, seed: int, patience: int | None) -> None:
        self.seed, self.patience = seed, patience
        self.train_losses: list[float] = []
        self.dev_losses: list[float] = []
        self.seconds: list[float] = []
        self._traces: list[np.ndarray] = []

    def add(
        self, train_loss: float, dev_loss: float | None, seconds: float, trace: np.ndarray | None = None
    ) -> None:
        """Note an epoch, this model's share of its time, and what each record cost (see `traces`).

        Raises LeakbenchError if a loss is not finite.
        """
        self.train_losses.append(train_loss)
        self.seconds.append(seconds)
        if dev_loss is not None:
            self.dev_losses.append(dev_loss)
        if trace is not None:
            self._traces.append(np.minimum(trace, HALF_MAX).astype(np.float16))
        if not math.isfinite(train_loss + (dev_loss or 0.0)):
            raise diverged(self.seed, f"its loss is {train_loss} after epoch {len(self.train_losses)}")

    def log(self, stage: str) -> dict[str, object]:
        """The log of the stage; see `Trained`."""
        return {
            "stage": stage,
            "seconds": sum(self.seconds),
            "epochs": len(self.train_losses),
            "train_loss": self.train_losses[-1],
            "dev_losses": self.dev_losses,
            "epoch_seconds": self.seconds,
        }

    @property
    def traces(self) -> np.ndarray | None:
        """The cross-entropy of each record in each epoch [epochs, n], in nats, if the stage notes it."""
        return np.stack(self._traces) if self._traces else None

    @property
    def improved(self) -> bool:
        """Whether the last dev loss is lower than all before it."""
        return self.dev_losses[-1] < min(self.dev_losses[:-1], default=math.inf)

    @property
    def exhausted(self) -> bool:
        """Whether the dev loss has not improved for `patience` epochs."""
        if self.patience is None:
            return False
        best = self.dev_losses.index(min(self.dev_losses))
        return len(self.dev_losses) - 1 - best >= self.patience


def diverged(seed: int, what: str) -> LeakbenchError:
    """The error for a model whose loss or weights are no longer finite."""
    return LeakbenchError(
        f"the training of the model with seed {seed} diverged: {what}; "
        "use a smaller learning rate (optimiser lr in the recipe)"
    )
