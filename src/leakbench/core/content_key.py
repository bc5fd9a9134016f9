"""Content keys: the same plain data has the same key on every machine. Other data is refused."""

import hashlib
import json
from typing import Any


def canonical(spec: Any) -> str:
    """`spec` as JSON with sorted keys and no spaces. Reading it back gives the same plain data.

    Raises TypeError on anything but plain data, ValueError on NaN and infinity.

    >>> canonical({"b": (1, 2.5), "a": None, "c": {10: 0, 2: 1}})
    '{"a":null,"b":[1,2.5],"c":{"10":0,"2":1}}'
    """
    plain = json.loads(json.dumps(spec, allow_nan=False))  # keys become strings before they are sorted
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def content_key(spec: Any) -> str:
    """SHA-256 of the canonical form, as 32 hex digits (128 bits).

    >>> content_key({"a": 1}) == content_key({"a": 1.5})
    False
    """
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:32]
