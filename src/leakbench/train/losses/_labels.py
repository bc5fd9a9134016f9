"""The cross-entropy on labels with its gradient, in half the passes over memory that autograd needs."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


def label_cross_entropies(
    logits: Tensor, labels: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """l = log sum_c exp(z_c) - sum_c q_c z_c [K, B], in nats;  dl / dz = softmax(z) - q [K, B, C];  l of q = onehot(y).

    Shapes: logits z [K, B, C], labels y [K, B];  q = (1 - smoothing) onehot(y) + smoothing / C.
    """
    below = logits - logits.amax(dim=-1, keepdim=True)
    own = below.gather(-1, labels[..., None])[..., 0]
    aimed = own.lerp(below.mean(dim=-1), smoothing) if smoothing else own
    shares = below.exp_()
    total = shares.sum(dim=-1)
    slope = shares.div_(total[..., None])
    slope.scatter_add_(-1, labels[..., None], torch.full_like(own, smoothing - 1.0)[..., None])
    if smoothing:
        slope.sub_(smoothing / logits.shape[-1])
    log_total = total.log_()
    each = log_total - own
    return log_total - aimed if smoothing else each, slope, each


class LabelCrossEntropies(torch.autograd.Function):
    """`label_cross_entropies` for autograd."""

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """The cross-entropy of each record [K, B]."""
        each, slope, _ = label_cross_entropies(logits, labels, smoothing)
        ctx.save_for_backward(slope)
        return each

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient in the logits [K, B, C]."""
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return slope * gradient[..., None], None, None
