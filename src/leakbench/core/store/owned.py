"""Checks that a store is opened only in an empty place or in one that is a store already."""

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..regular_files import NotRegularError, is_folder, parse_json, read_regular
from .entry import SCHEMA
from .locks import LOCK, TEMPORARY

STORE = "store.json"
KIND, KEY = re.compile(r"[a-z]+"), re.compile(r"[0-9a-f]{32}")
OTHERS = {  # the folders of a store beside those of the kinds, with the names in each
    "tmp": TEMPORARY,
    "locks": LOCK,
    "damaged": re.compile(r"[a-z]+-[0-9a-f]{32}-[0-9a-f]{8}"),
}


def check_owned(root: Path) -> str | None:
    """The identity of the store in a folder; None if there is none yet. Nothing is changed.

    A folder without a store.json is a store if it holds only what a store holds. Raises StoreError for any other folder
    that is not empty, for a store of another schema, and for a link that leads out of the store; OSError if the folder
    cannot be read.
    """
    if not root.exists():
        return None
    names = sorted(os.listdir(root))
    for name in OTHERS:
        inside(root, name)
    if STORE not in names:
        if foreign := next((name for name in names if not _is_own(root / name)), None):
            raise foreign_to_a_store(str(root), foreign)
        return None
    try:
        return identity(read_regular(root / STORE), str(root))
    except (NotRegularError, ValueError):
        raise _no_identity(str(root)) from None


def inside(root: Path, name: str) -> Path:
    """The folder of this name in a store. Raises StoreError for a link in its place."""
    path = root / name
    if path.is_symlink():
        raise StoreError(
            f"the folders of a store must lie in it, but {path} is a link; remove it, or choose another store"
        )
    return path


def identity(content: bytes, place: str) -> str:
    """The identity in a store.json. Raises StoreError unless it has the schema of this version of leakbench."""
    try:
        record: Any = parse_json(content)
        schema, found = record["schema"], record["identity"]
    except (ValueError, KeyError, TypeError):
        raise _no_identity(place) from None
    if schema == SCHEMA and isinstance(found, str):
        return found
    if isinstance(schema, str) and re.fullmatch(r"leakbench-store-[0-9]+", schema) and schema != SCHEMA:
        raise StoreError(
            f"the store {place} must have schema {SCHEMA!r}, got {schema!r}; use the version of leakbench "
            "that wrote it, or choose another store"
        )
    raise _no_identity(place)


def _no_identity(place: str) -> StoreError:
    return StoreError(
        f"{place}/{STORE} is not as leakbench writes it; choose another store, or, if this is one, move {STORE} away "
        "and run again"
    )


def new_identity() -> bytes:
    """The content of a new store.json."""
    return json.dumps({"schema": SCHEMA, "identity": secrets.token_hex(8)}).encode() + b"\n"


def foreign_to_a_store(place: str, name: str) -> StoreError:
    """The error for a place that holds something else."""
    return StoreError(
        f"a store must have a place of its own, but {place} holds {name!r}, which is no part of a store; "
        f"choose an empty place, such as {place.rstrip('/')}/leakbench-store"
    )


def _is_own(path: Path) -> bool:
    """Whether a folder can be part of a store: its name is that of one, and so are the names in it."""
    held = OTHERS.get(path.name, KEY if KIND.fullmatch(path.name) else None)
    return held is not None and is_folder(path) and all(map(held.fullmatch, os.listdir(path)))
