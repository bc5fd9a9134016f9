"""A store of computed entries by content key, in a folder or under a URL."""

from .entry import Entry, Payload, expected, remedy
from .folder import Made, Store, until_done
from .objects import open_store

__all__ = ["Entry", "Made", "Payload", "Store", "expected", "open_store", "remedy", "until_done"]
