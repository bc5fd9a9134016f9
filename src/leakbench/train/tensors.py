"""A data set as tensors, and what is done to a batch: augmentation and dropout masks."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..core.errors import InputError
from ..data.dataset import Dataset
from .device import device_of, resident
from .job import Job


def tensors(dataset: Dataset, jobs: Sequence[Job]) -> tuple[Tensor, Tensor]:
    """Records x [N, ...] and labels y [N], not copied if possible, and never to be written to; see `resident`.

    Raises InputError where a job does not fit the data set.
    """
    for job in jobs:
        top = max(job.members.max(), job.dev.max(initial=0))
        if top >= len(dataset.x):
            raise InputError(
                f"members and dev must be rows of {dataset.name!r}, 0..{len(dataset.x) - 1}, got {top}"
            )
        if any(stage.augment.moves for stage in job.recipe.training) and not dataset.is_image:
            raise InputError(f"shift and flip need images, got the table {dataset.name!r}; leave them out")
    device = device_of(jobs[0].engine)
    return resident(dataset.x, np.float32, device), resident(dataset.y, np.int64, device)


def augmented(x: Tensor, moves: Tensor, shift: int) -> Tensor:
    """The images x [B, c, h, w], flipped and then shifted by `moves` [B, 3], with zeros at the edges."""
    h, w = x.shape[2:]
    right, down, flip = moves[:, :, None].unbind(1)  # each [B, 1]
    i = (
        shift + torch.arange(h, device=x.device) - down
    )  # [B, h] where each line of the new image comes from in the padded one
    j = shift + torch.arange(w, device=x.device) - right  # [B, w]
    j = torch.where(flip > 0, w - 1 + 2 * shift - j, j)
    pixels = (i[:, :, None] * (w + 2 * shift) + j[:, None, :]).flatten(1)  # [B, h * w]
    padded = pad(x, (shift, shift, shift, shift)).flatten(2)
    return padded.gather(2, pixels[:, None].expand(-1, x.shape[1], -1)).view_as(x)


class Normaliser:
    """(x - mean) / std of each channel or column, as the data set has it; without a mean records stay as they are."""

    def __init__(
        self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device | str = "cpu"
    ) -> None:
        self._mean = torch.tensor(mean, device=device) if mean else None
        self._std = torch.tensor(std, device=device) if std else None

    def __call__(self, x: Tensor) -> Tensor:
        """Images x [..., n, c, h, w], or a table x [..., n, d], as a network is to see them."""
        if self._mean is None or self._std is None:
            return x
        axes = _axes(x)
        return (x - self._mean.view(axes)) / self._std.view(axes)

    def noise(self, u: Tensor) -> Tensor:
        """Noise in units of std, to be added to normalised records; for records that stay as they are, times std."""
        return u if self._mean is not None or self._std is None else u * self._std.view(_axes(u))


def _axes(x: Tensor) -> tuple[int, ...]:
    return (-1, 1, 1) if x.dim() > 3 else (-1,)  # a table of each of several models has 3


def masks(uniform: Tensor, dropout: float, widths: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Dropout masks [..., width] for each layer: 1 / (1 - dropout) where a unit is kept, else 0."""
    kept = (uniform >= dropout).to(uniform.dtype) / (1.0 - dropout)
    return torch.split(kept, list(widths), dim=-1)
