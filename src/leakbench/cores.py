"""The cores of this machine, and how processes and threads share them."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from torch import nn


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(n: int) -> Iterator[None]:
    """All linear algebra of the block in n threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


def same_bits(network: "nn.Module") -> AbstractContextManager[None]:
    """Inside, training the network gives the same bits however many threads there are.

    The gradient of a convolution's filters is a sum over all places of all images of a batch, which threads share: with
    another number of them it is rounded otherwise. So that has one thread; other cores are for other models. Nothing
    else in our networks depends on it (`docs/design/evidence.py same_bits`).
    """
    from torch.nn.modules.conv import _ConvNd  # of all dimensions, transposed ones too

    convolves = any(isinstance(layer, _ConvNd) for layer in network.modules())
    return threads(1) if convolves else nullcontext()


def neighbours() -> int:
    """How many processes like this one the machine has room for, by the threads that this one has."""
    import torch

    return max(1, cores() // int(torch.get_num_threads()))
