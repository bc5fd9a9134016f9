"""Random streams derived from the seed of the study and from names, never from global state."""

import hashlib

import numpy as np


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed for the stream that `names` describe; independent of every other stream's.

    >>> derive(0, "lira", 3) == derive(0, "lira", 3) != derive(0, "lira", 4)
    True
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: object) -> np.random.Generator:
    """The random generator that `seed` and `names` determine."""
    return np.random.default_rng(derive(seed, *names))
