from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Adult(KnownSet):
    """32,561 + 16,281 people of the 1994 census, 6 numbers and 8 categories, income above 50,000 dollars or not."""

    name: ClassVar[str] = "adult"
    source: ClassVar[str] = "Becker, Kohavi 1996, Adult, UCI Machine Learning Repository, doi 10.24432/C5XW20"
    formats: ClassVar[tuple[str, ...]] = ("uci_adult",)
    home: ClassVar[str] = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult"
    files: ClassVar[tuple[File, ...]] = (File("adult.data"), File("adult.test"))
