"""Hostile JSON, drawn at random from a seed, by changes to a good tree."""

import json
from typing import Any

from .hostile import Rng, chosen, damaged


def json_text(plain: Any, rng: Rng) -> bytes:
    """A JSON file: a value of another type, a key left out, renamed or added, bytes damaged, or as it should be."""
    made = json.loads(json.dumps(plain))
    how = rng.integers(8)
    if how == 0:
        return damaged(json.dumps(made).encode(), rng)
    if how == 1:
        return chosen(
            rng,
            (
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"1" * 5000,
                b"NaN",
                b"null",
                b'"\\ud800"',
                b"{}",
                b"[]",
                b"",
            ),
        )
    for _ in range(int(rng.integers(1, 4)) if how < 7 else 0):
        _change(made, rng)
    return json.dumps(made).encode()


def _change(tree: Any, rng: Rng) -> None:
    """Another value, name or lack of a name somewhere in a tree of JSON, as likely near its root as at a leaf."""
    node: Any = tree
    while True:
        inner = [
            v for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, dict | list) and v
        ]
        if not inner or rng.integers(4) == 0:
            break
        node = chosen(rng, inner)
    odd = (
        None, True, -1, 0, 2**70, 1e308, float("nan"), float("-inf"), "", "x", "\ud800", "\x1b[31m", "<b>", [], {},
        [[]], [None], {"a": 1}, "x" * 50_000, [1] * 1000, 10**400, "NaN",
    )  # fmt: skip
    key = chosen(rng, list(node)) if isinstance(node, dict) else int(rng.integers(len(node)))
    if isinstance(node, dict) and rng.integers(3) == 0:
        value = node.pop(key)
        if rng.integers(2):
            node[chosen(rng, ("", "x", "schema", "rows", "__class__", "\ud800"))] = value
    else:
        node[key] = chosen(rng, odd)
