"""The losses of a model over the epochs of a stage: whether it diverged, improved, or is done."""

import math

import numpy as np
from torch.nn import Module

HALF_MAX = float(np.finfo(np.float16).max)


class History:
    """The losses of one model in one stage, and the rule of early stopping."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.train_losses: list[float] = []
        self.dev_losses: list[float] = []
        self.seconds: list[float] = []
        self.diverged: str | None = None  # the quantity that is not finite, and since when
        self._traces: list[np.ndarray] = []

    def add(
        self, train_loss: float, dev_loss: float | None, seconds: float, trace: np.ndarray | None = None
    ) -> None:
        """Add an epoch: its losses, this model's share of its time, and the loss of each record (see `traces`)."""
        self.train_losses.append(train_loss)
        self.seconds.append(seconds)
        if dev_loss is not None:
            self.dev_losses.append(dev_loss)
        if trace is not None:
            self._traces.append(np.minimum(trace, HALF_MAX).astype(np.float16))
        if not (self.diverged or math.isfinite(train_loss + (dev_loss or 0.0))):
            self.diverged = f"its loss is not finite after epoch {len(self.train_losses)}"

    def end(self, network: Module) -> None:
        """Check the weights after the last epoch: the last step may have diverged without a loss that shows it."""
        if not (self.diverged or all(p.isfinite().all() for p in network.parameters())):
            self.diverged = "its weights are not finite"

    def log(self, stage: str) -> dict[str, object]:
        """The log of the stage; see `Trained`."""
        log: dict[str, object] = {
            "stage": stage,
            "seconds": sum(self.seconds),
            "epochs": len(self.train_losses),
            "train_loss": self.train_losses[-1],
            "dev_losses": self.dev_losses,
            "epoch_seconds": self.seconds,
        }
        lost: dict[str, object] = {"train_loss": None, "dev_losses": [], "diverged": self.diverged}
        return log | lost if self.diverged else log

    @property
    def traces(self) -> np.ndarray | None:
        """The cross-entropy of each record in each epoch [epochs, n], in nats, if the stage records it."""
        return np.stack(self._traces) if self._traces else None

    @property
    def improved(self) -> bool:
        """Whether the last dev loss is lower than all before it."""
        return self.dev_losses[-1] < min(self.dev_losses[:-1], default=math.inf)

    @property
    def exhausted(self) -> bool:
        """Whether the dev loss has not improved for `patience` epochs, or will never again."""
        if self.diverged or self.patience is None:
            return self.diverged is not None
        best = self.dev_losses.index(min(self.dev_losses))
        return len(self.dev_losses) - 1 - best >= self.patience
