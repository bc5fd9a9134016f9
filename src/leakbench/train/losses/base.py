"""The interface of losses: the distance of the logits of models from their targets."""

from typing import TYPE_CHECKING, ClassVar

from ...core.registry import Plugin

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Plugin):
    """A loss: one number per model, from its logits on a batch. Models must not affect each other."""

    per_record: ClassVar[bool] = True  # whether it is a mean over records of which each has its own term

    @property
    def smoothed(self) -> float | None:
        """The label smoothing, if the loss is the mean cross-entropy on labels; else None."""
        return None

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Losses [K] from logits [K, B, C] and targets: labels [K, B], or distributions [K, B, C]."""
        raise NotImplementedError

    def at(self, epoch: int) -> "Loss":
        """The loss in an epoch of its stage, counted from 0. Default: the same in all."""
        return self


def cross_entropies(logits: "Tensor", targets: "Tensor", smoothing: float = 0.0) -> "Tensor":
    """The cross-entropy of each record [K, B], in nats; labels mixed with `smoothing` of the uniform one."""
    if targets.ndim < logits.ndim:
        from ._labels import LabelCrossEntropies

        return LabelCrossEntropies.apply(logits, targets, smoothing)  # type: ignore[no-untyped-call,no-any-return]
    log_p = logits.log_softmax(dim=-1)
    aimed = (targets * log_p).sum(dim=-1)
    return -((1.0 - smoothing) * aimed + smoothing * log_p.mean(dim=-1))


def entropies(logits: "Tensor") -> "Tensor":
    """The entropy of softmax(z) of each record [K, B], in nats."""
    log_p = logits.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)
