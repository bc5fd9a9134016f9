"""Code outside the registered methods, which a study may name as "module:name".

A dataclass field that holds such a name is declared with `field(metadata=NAMES_CODE)`. A study is searched for these
fields when it is parsed, before anything that it names is imported. Names that begin with `TRUSTED` of the metadata
need no permission.
"""

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import InputError

NAMES_CODE = {"names_code": True}
TRUSTED = "trusted"


def refuse_imports(*parsed: object) -> None:
    """Raise InputError where dataclasses, or lists and tables of them, name code that would be imported."""
    if names := sorted({name for each in parsed for name in _named_code(each)}):
        raise InputError(
            f"the study must name registered methods only, but would import and run {', '.join(map(repr, names))}; "
            "such a study is code: if you trust it, allow it with --allow-imports (allow_imports=True in Python)"
        )


def imported(path: str, what: str) -> Any:
    """The object at `path`, "module:name". The current folder is searched for what is not installed.

    Raises InputError, which calls it `what`, if the path has another form or cannot be imported.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise InputError(f'{what} must be "module:name", such as "mypackage.module:name", got {path!r}')
    top = module.partition(".")[0]
    if "" not in sys.path and top not in sys.modules and importlib.util.find_spec(top) is None:
        sys.path.append("")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # foreign code may raise anything
        raise InputError(
            f"{what} {path!r} must be importable, got {type(error).__name__}: {error}; "
            "install its package, or put its folder on PYTHONPATH"
        ) from error
    if not hasattr(found, name):
        raise InputError(
            f"{what} {path!r} must name something in {module!r}, got no {name!r} there; correct it"
        )
    return getattr(found, name)


def _named_code(value: object) -> Iterator[str]:
    if dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            inside = getattr(value, each.name)
            if NAMES_CODE.items() <= each.metadata.items():
                if inside is not None and not str(inside).startswith(each.metadata.get(TRUSTED, ())):
                    yield str(inside)
            else:
                yield from _named_code(inside)
    elif isinstance(value, list | tuple | Mapping):
        for inside in value.values() if isinstance(value, Mapping) else value:
            yield from _named_code(inside)
