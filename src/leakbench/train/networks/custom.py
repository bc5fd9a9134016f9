"""A network of the user's own, from a function named as "module:function"."""

from torch import nn

from ...core.errors import InputError
from ...core.user_code import imported


def custom(factory: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network that `factory` returns for records of `shape`; `initialised` does not change its weights.

    Raises InputError if it cannot be found or called, or returns no module.
    """
    build = imported(factory, "the factory")
    try:
        network = build(shape, classes)
    except Exception as error:
        raise InputError(
            f"factory {factory!r} must return a network when called with ({shape}, {classes}), "
            f"got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"factory {factory!r} must return a torch.nn.Module, got {type(network).__name__}")
    network.from_factory = True  # type: ignore[assignment]
    return network
