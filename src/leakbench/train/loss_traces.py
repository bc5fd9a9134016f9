"""The loss of every record in every epoch, from the logits that a training step computes anyway."""

import torch
from torch import Tensor

from .recipe import Train


def blank(stage: Train, K: int, n: int, device: torch.device) -> Tensor | None:
    """An array of NaN for the losses of the n records of K models in an epoch; None if the stage has no traces."""
    return torch.full((K, n), torch.nan, device=device) if stage.traced else None


def note(costs: Tensor, numbers: Tensor, each: Tensor) -> None:
    """Write the losses of a batch [K, B] to the places `numbers` [K, B] of `costs`."""
    costs.scatter_(1, numbers, each)
