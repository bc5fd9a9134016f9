"""Mixup: the records of a batch and their targets, mixed with others of the same batch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .random_streams import ModelStreams
from .recipe import Train

Mixing = tuple[Tensor, Tensor]  # the share [K] that each record keeps of its own, and its partners [K, B]


def mixup(draws: Sequence[ModelStreams], batch: int, stage: Train) -> Mixing | None:
    """The mixing of each model's batch, from its own stream; None without mixup."""
    if not stage.augment.mixup:
        return None
    shares, partners = zip(*(own.mixup(batch, stage.augment.mixup) for own in draws), strict=True)
    own = torch.stack(partners)
    return torch.tensor(shares, dtype=torch.float32, device=own.device), own


def mixed(values: Tensor, shares: Tensor, partners: Tensor) -> Tensor:
    """share * own + (1 - share) * partner's value, for values [K, B, ...], shares [K] and partners [K, B]."""
    others = values[torch.arange(len(values), device=values.device)[:, None], partners]
    return torch.lerp(others, values, shares.view(-1, *[1] * (values.ndim - 1)))


def mixed_targets(targets: Tensor, logits: Tensor, mixing: Mixing) -> Tensor:
    """The target distributions [K, B, C] of mixed records, from targets as a loss takes them."""
    if targets.ndim < logits.ndim:
        targets = one_hot(targets, logits.shape[-1]).to(logits.dtype)
    return mixed(targets, *mixing)
