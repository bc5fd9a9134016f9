"""The device of an engine: the settings of torch for it, and data on it."""

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.cpu import multiplies_bfloat16, threads
from ..core.errors import InputError
from .recipe.engine import Engine

ROOM = 0.4  # the largest share of a GPU's free memory for a data set or a stack of models

_RESIDENT: dict[tuple[int, torch.device], Tensor] = {}  # by the array's id


def device_of(engine: Engine) -> torch.device:
    """The device. Raises InputError if this machine has none of the kind."""
    if engine.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f'device "cuda" needs a GPU that torch {torch.__version__} can use, found none; '
            'set engine.device = "cpu", or install a build of torch for the GPU'
        )
    return torch.device(engine.device)


def require_precision(engine: Engine) -> None:
    """Raise InputError for a precision that this CPU has to emulate."""
    if engine.device == "cpu" and engine.precision == "bfloat16" and not multiplies_bfloat16():
        raise InputError(
            'precision "bfloat16" on a CPU needs AVX512-BF16 or AMX, which this one lacks: it would train up '
            'to 7 times more slowly; take "float32"'
        )


def room(device: torch.device) -> float:
    """The bytes that a data set or a stack may take on the device; infinite on a CPU."""
    return ROOM * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")


def resident(x: NDArray[np.generic], dtype: type[np.generic], device: torch.device) -> Tensor:
    """The array as a read-only tensor of this type, on the device if there is room for it, else in memory.

    It is sent to the device once, and stays there as long as the array exists.
    """
    here = torch.from_numpy(np.require(x, dtype, ["C", "W"]))  # torch warns if an array is not writable
    if device.type == "cpu":
        return here
    key = (id(x), device)
    if key not in _RESIDENT:
        if x.nbytes > room(device):
            return here
        _RESIDENT[key] = here.to(device)
        weakref.finalize(x, _RESIDENT.pop, key, None)
    return _RESIDENT[key]


@contextmanager
def at_work(engine: Engine, training: bool = True) -> Iterator[torch.device]:
    """Apply the engine's settings of torch while the block runs; yields the device.

    On a CPU training has one thread, because the rounding of a sum depends on the number of threads.
    """
    device = device_of(engine)
    with ExitStack() as settings:
        if device.type == "cuda":
            settings.enter_context(_gpu(engine))
        elif training:
            settings.enter_context(threads(1))
        yield device


@contextmanager
def _gpu(engine: Engine) -> Iterator[None]:
    """The precision and determinism of a GPU."""
    exact, products = engine.precision in ("float32", "auto"), torch.get_float32_matmul_precision()
    always = torch.are_deterministic_algorithms_enabled()
    if engine.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    try:
        torch.set_float32_matmul_precision("highest" if exact else "high")
        torch.use_deterministic_algorithms(engine.deterministic or always)
        with torch.backends.cudnn.flags(
            enabled=True,
            benchmark=not engine.deterministic,
            deterministic=engine.deterministic,
            allow_tf32=not exact,
        ):
            yield
    except RuntimeError as error:
        if "deterministic" not in str(error) or not engine.deterministic:
            raise
        raise InputError(
            f"engine.deterministic must be false for this network, got true, and no such form of a step: "
            f"{str(error).splitlines()[0]}"
        ) from None
    finally:
        torch.set_float32_matmul_precision(products)
        torch.use_deterministic_algorithms(always)


def autocast(engine: Engine, device: torch.device) -> AbstractContextManager[None]:
    """Run the products and convolutions of a network in training in the engine's precision."""
    return torch.autocast(device.type, torch.bfloat16) if engine.precision == "bfloat16" else nullcontext()


def compiled(network: nn.Module, engine: Engine) -> Callable[..., Tensor]:
    """The network as training calls it on full batches: compiled, if the engine says so. It shares parameters."""
    return torch.compile(network, dynamic=False) if engine.compiled else network
