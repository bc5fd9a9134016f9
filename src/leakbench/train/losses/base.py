"""What a loss is: how far the answers of models are from their targets."""

from typing import TYPE_CHECKING, ClassVar

from ...core.registry import Plugin

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Plugin):
    """One number a model, from its answers on a batch. Nothing may flow between models."""

    per_record: ClassVar[bool] = True  # a mean over records, none of which enters another's part

    @property
    def smoothed(self) -> float | None:
        """How much labels are smoothed, if it is the mean cross-entropy on them and nothing else; else None."""
        return None

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Losses [K] from logits [K, B, C] and targets: labels [K, B], or distributions [K, B, C]."""
        raise NotImplementedError

    def at(self, epoch: int) -> "Loss":
        """The loss of an epoch, 0 the first of its stage. Default: the same in all."""
        return self


def cross_entropies(logits: "Tensor", targets: "Tensor", smoothing: float = 0.0) -> "Tensor":
    """The cross-entropy of each record [K, B], in nats; labels mixed with `smoothing` of the uniform one."""
    if targets.ndim < logits.ndim:
        from ._labels import LabelCrossEntropies

        return LabelCrossEntropies.apply(logits, targets, smoothing)
    log_p = logits.log_softmax(dim=-1)
    aimed = (targets * log_p).sum(dim=-1)
    return -((1.0 - smoothing) * aimed + smoothing * log_p.mean(dim=-1))


def entropies(logits: "Tensor") -> "Tensor":
    """The entropy of each answer softmax(z) [K, B], in nats."""
    log_p = logits.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)
