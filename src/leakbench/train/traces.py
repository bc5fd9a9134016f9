"""What every record costs in every epoch, from the logits that a step computes anyway."""

import torch
from torch import Tensor

from .losses.base import cross_entropies
from .recipe import Train


def blank(stage: Train, K: int, n: int, device: torch.device) -> Tensor | None:
    """Where an epoch notes what the n records of K models cost, NaN so far; None where the stage does not."""
    return torch.full((K, n), torch.nan, device=device) if stage.traced else None


@torch.no_grad()
def note(costs: Tensor, numbers: Tensor, logits: Tensor, labels: Tensor) -> None:
    """Put cross-entropies, on logits [K, B, C] and labels [K, B], in the places `numbers` [K, B] of `costs`."""
    costs.scatter_(1, numbers, cross_entropies(logits, labels))
