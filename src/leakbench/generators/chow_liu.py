from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.special import rel_entr

from ..core.errors import InputError
from ..signals.types import Array
from ._classes import ClassSampler, per_class
from .base import Generator, Labels, Records, Sampler

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class ChowLiu(Generator):
    r"""Let every bit of a class depend on one other bit: the tree with the most mutual information.

    Formula: the spanning tree of the largest sum of I(x_i; x_j);  p(x) = prod_j p(x_j | x_parent(j)),
             p(x_j | x_i) = (1 - w) n_ij / n_i + w n_j / n,  w = `pseudo_count` / (n + `pseudo_count`): so many
             records are added in which the columns are independent, which leaves every column's mean as it is
    Shapes:  table of 0 and 1 of one class [n, D] -> [m, D];  I [D, D]
    Source:  Chow and Liu 1968, "Approximating discrete probability distributions with dependence trees"
    Differs: counts by matrix products and the tree by scipy: .7 s for the 30 trees over Location-30's 446
             columns. pgmpy's TreeSearch finds the same tree but takes 9 s for one of 100 columns, and the time
             grows with their square.
    Limits:  with tens of records a class the tree follows chance, and the samples are hardly better than
             independent columns; a D x D matrix a class
    """

    name: ClassVar[str] = "chow_liu"
    source: ClassVar[str] = "Chow and Liu 1968, IEEE Transactions on Information Theory 14(3)"
    images: ClassVar[bool] = False
    pseudo_count: float = 1.0  # counts added to each cell

    def __post_init__(self) -> None:
        if not 0 <= self.pseudo_count < np.inf:
            raise InputError(f"pseudo_count must be a number of at least 0, got {self.pseudo_count}")

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        wrong = np.argwhere((x != 0) & (x != 1))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"chow_liu needs columns of 0 and 1, got {x[row, column]:g} in column {column}; "
                "take gaussian_copula or tabular_vae for other tables"
            )
        return per_class(self._fit_class, x, y, len(classes))

    def _fit_class(self, x: Records) -> ClassSampler:
        bits = x.astype(np.float64)
        order, parents = dependence_tree(mutual_information(bits))
        given = self._conditionals(bits, bits[:, parents])
        given[:, order[0]] = bits[:, order[0]].mean()

        def sample(m: int, rng: np.random.Generator) -> Records:
            made = np.zeros((m, len(order)), np.float32)
            for j in order:
                at_parent = made[:, parents[j]].astype(np.intp)
                made[:, j] = rng.random(m) < given[at_parent, j]
            return made

        return sample

    def _conditionals(self, bits: Array, parent: Array) -> Array:
        """p(x_j = 1 | parent = 0), p(x_j = 1 | parent = 1) [2, D]; a parent value that never occurs gives 0."""
        weight = self.pseudo_count / (len(bits) + self.pseudo_count)
        seen = np.stack([1 - parent, parent])  # [2, n, D]
        shares = (seen * bits).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        return np.asarray((1 - weight) * shares + weight * bits.mean(axis=0))


def mutual_information(bits: Array) -> Array:
    """I(x_i; x_j) in nats [D, D], from the counts in bits [n, D]."""
    n, ones = len(bits), bits.sum(axis=0)
    both = bits.T @ bits
    first, second = ones[:, None], ones[None]
    cells = (
        (both, first, second),
        (first - both, first, n - second),
        (second - both, n - first, second),
        (n - first - second + both, n - first, n - second),
    )  # whole numbers: an empty cell is exactly 0
    return np.asarray(sum(rel_entr(count / n, a * b / n**2) for count, a, b in cells))


def dependence_tree(information: Array) -> tuple[Ints, Ints]:
    """The spanning tree of the largest total: columns from the root outwards [D], and their parents [D].

    The root stands as its own parent.
    """
    cost = information.max() - information + 1  # above 0: scipy takes 0 for "no edge"
    order, parents = breadth_first_order(minimum_spanning_tree(cost), 0, directed=False)
    parents[order[0]] = order[0]
    return order, parents
