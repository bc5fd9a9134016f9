from dataclasses import dataclass
from typing import ClassVar

from .base import Defence


@dataclass(frozen=True)
class Undefended(Defence):
    """No defence: the baseline that every other one is compared with.

    Formula: f(x) as trained
    Source:  -
    Limits:  everything
    """

    name: ClassVar[str] = "none"
    source: ClassVar[str] = "-"
