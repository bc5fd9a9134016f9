"""What an estimator is: its class, its parameters and the versions of the libraries that they come from."""

import math
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from .records import fingerprint

WITHOUT_EFFECT = {"n_jobs", "verbose", "memory"}  # parameters that do not change what is learned
INSTALLED = {"site-packages", "dist-packages"}  # one of them is in the path of an installed library


def describe(value: Any, path: str) -> Any:
    """A parameter, or an estimator with its parameters, as plain data.

    Raises InputError where a value has no plain form, such as a lambda, and for code of the user, whose content no
    version tells.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        return [describe(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, slice):
        return {"slice": [describe(part, path) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, Mapping):
        return {"items": [[describe(k, path), describe(v, f"{path}[{k!r}]")] for k, v in value.items()]}
    if isinstance(value, np.dtype):
        return {"dtype": str(value)}
    if isinstance(value, np.ndarray) and (found := fingerprint(value)):
        return {"array": found}
    return _described_object(value, path)


def _described_object(value: Any, path: str) -> Any:
    """A class, a function or an object of an installed library."""
    named = value if hasattr(value, "__name__") else type(value)
    module = getattr(named, "__module__", None) or type(value).__module__  # a ufunc has none
    name = f"{module}.{getattr(named, '__qualname__', named.__name__)}"
    version = _version(module)
    if version is None or "<" in name:
        raise _no_identity(value, path)
    if named is value:
        return {"name": name, "version": version}
    if not (hasattr(value, "get_params") or hasattr(value, "__dict__")) or _keeps_its_fit(value):
        raise _no_identity(value, path)
    parameters = value.get_params(deep=False) if hasattr(value, "get_params") else vars(value)
    own = {
        key: describe(part, f"{path}.{key}") for key, part in parameters.items() if key not in WITHOUT_EFFECT
    }
    return {"name": name, "version": version, "parameters": own}


def _keeps_its_fit(value: Any) -> bool:
    """Whether a clone is as fitted as the estimator, as of a FrozenEstimator: its parameters do not tell what it is."""
    from sklearn.base import BaseEstimator

    own = getattr(type(value), "__sklearn_clone__", None)
    return own is not None and own is not BaseEstimator.__sklearn_clone__


def _no_identity(value: Any, path: str) -> InputError:
    return InputError(
        "an estimator whose outputs are kept must consist of plain data and of classes of installed libraries, "
        f"got {type(value).__name__} as {path}; give version=..., and change it whenever the code or a parameter does"
    )


def _version(module: str) -> str | None:
    """The version of the installed library that a module belongs to; None for code of the user."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return sys.version.partition(" ")[0]
    loaded = sys.modules.get(top)
    if not INSTALLED & set(Path(getattr(loaded, "__file__", None) or "").parts):
        return None
    version = getattr(loaded, "__version__", None)
    try:
        return version if isinstance(version, str) else metadata.version(top)
    except metadata.PackageNotFoundError:
        return None
