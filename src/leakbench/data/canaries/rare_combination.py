from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..dataset import Dataset, Indices
from .base import Canaries, CanaryKind

MOST_REFERENCES = 10_000  # records, drawn at random, among which neighbours are looked for


@dataclass(frozen=True)
class RareCombination(CanaryKind):
    """The real rows of a table that lie farthest from all others. Nothing about them is changed.

    Formula: the records with the largest distance to their `neighbours`-th nearest candidate record, columns
             standardised as for the network
    Source:  density by nearest neighbours: Loftsgaarden, Quesenberry 1965; outliers are memorised first: Carlini et
             al. 2022, arXiv 2206.10469
    """

    name: ClassVar[str] = "rare_combination"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2206.10469"
    of = ("tables",)

    neighbours: int = 5

    def choose(self, dataset: Dataset, free: Indices, n: int, rng: np.random.Generator) -> Indices:
        from sklearn.neighbors import NearestNeighbors

        scale = np.asarray(dataset.std or 1.0, dtype=np.float32)
        pool = dataset.parts["pool"]
        others = pool if len(pool) <= MOST_REFERENCES else rng.choice(pool, MOST_REFERENCES, replace=False)
        search = NearestNeighbors(n_neighbors=min(self.neighbours + 1, len(others)), algorithm="brute")
        far = search.fit(dataset.x[others] / scale).kneighbors(dataset.x[free] / scale)[0][:, -1]
        return free[np.argsort(-far, kind="stable")[:n]]

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        return Canaries(dataset.x[rows], dataset.y[rows])
