"""What every record costs in every epoch, from the logits that a step computes anyway."""

import torch
from torch import Tensor

from .recipe import Train


def blank(stage: Train, K: int, n: int, device: torch.device) -> Tensor | None:
    """Where an epoch notes what the n records of K models cost, NaN so far; None where the stage does not."""
    return torch.full((K, n), torch.nan, device=device) if stage.traced else None


def note(costs: Tensor, numbers: Tensor, each: Tensor) -> None:
    """Put what each record of a batch costs [K, B] in the places `numbers` [K, B] of `costs`."""
    costs.scatter_(1, numbers, each)
