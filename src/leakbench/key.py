"""Content keys: the same plain data gives the same key on every machine; anything else refuses."""

import hashlib
import json
from typing import Any


def canonical(spec: Any) -> str:
    """`spec` as JSON with sorted keys and no spaces. Raises TypeError on anything but plain data.

    >>> canonical({"b": (1, 2.5), "a": None})
    '{"a":null,"b":[1,2.5]}'
    """
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(spec: Any) -> str:
    """SHA-256 of the canonical form, as 32 hex digits (128 bits).

    >>> content_key({"a": 1}) == content_key({"a": 1.5})
    False
    """
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:32]
