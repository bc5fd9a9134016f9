"""A network of the user's own, from a function named as "module:function"."""

import importlib

from torch import nn

from ...errors import InputError


def custom(factory: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """What `factory` returns for records of `shape`, as it is: `initialised` leaves its weights alone.

    Raises InputError where it cannot be found or called, or returns no module.
    """
    module, _, function = factory.partition(":")
    if not module or not function:
        raise InputError(f'a factory must be named "module:function", got {factory!r}')
    try:
        build = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise InputError(
            f"the module of factory {factory!r} must be importable, got {error}; "
            "install it, or put its folder on PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise InputError(f"factory {factory!r} must name a function of {module!r}, got {error}") from error
    try:
        network = build(shape, classes)
    except Exception as error:
        raise InputError(
            f"factory {factory!r} must return a network when called with ({shape}, {classes}), "
            f"got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"factory {factory!r} must return a torch.nn.Module, got {type(network).__name__}")
    network.from_factory = True
    return network
