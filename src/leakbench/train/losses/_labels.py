"""The cross-entropy on labels, in half the passes that autograd would make of it."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class LabelCrossEntropies(torch.autograd.Function):
    """l = log sum_c exp(z_c) - z_y of logits z [K, B, C] and labels y [K, B];  dl / dz = softmax(z) - onehot(y)."""

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy of each record [K, B], in nats."""
        below = logits - logits.amax(dim=-1, keepdim=True)
        own = below.gather(-1, labels[..., None])[..., 0]
        shares = below.exp_()
        total = shares.sum(dim=-1)
        ctx.save_for_backward(shares.div_(total[..., None]), labels)
        return total.log_() - own

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        """Of the logits [K, B, C]."""
        softmax, labels = ctx.saved_tensors
        gradient = gradient[..., None]
        return (softmax * gradient).scatter_add_(-1, labels[..., None], -gradient), None
