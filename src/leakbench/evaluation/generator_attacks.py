"""The generator's own leakage: what its synthetic records tell about those that it was fitted on.

Records of any shape [n, ...] are compared flat, by Euclidean distance. Scores say *higher = more likely a member*
(a record that the generator was fitted on). Imports no torch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..signals.types import Array, Labels

Records = NDArray[np.floating]
COLLAPSED = 1e-3  # share of the real records' variance below which a class counts as one record repeated


def domias(records: Records, synthetic: Records, reference: Records, neighbours: int = 5) -> Array:
    r"""Is the record denser among the synthetic records than among real ones that the generator never saw?

    Formula: s(x) = log p_syn(x) - log p_ref(x), up to constants:  mean over j <= neighbours of
             log d_j(x; reference) - log d_j(x; synthetic),  d_j the distance to the j-th nearest; p ~ 1 / d_j^D
    Shapes:  records [n, ...], synthetic [m, ...], reference [r, ...] -> [n]
    Source:  van Breugel, Sun, Qian, van der Schaar 2023, arXiv 2302.12580; density by nearest neighbours:
             Loftsgaarden, Quesenberry 1965
    Differs: the authors estimate densities by BNAF or a KDE. Neighbours adapt to the density and need no
             bandwidth: on Location-30's 446 bits a Gaussian copula's samples give an AUC of .73 to .76, where a KDE
             of the first 100 principal components, with Scott's bandwidth, gives .52 to .54. In tables, columns that
             hold more than 0 and 1 are first divided by their standard deviation in the reference.
    Limits:  the reference must hold none of `records`: a reference that holds the non-members finds leakage where
             there is none
    """
    syn, ref, x = _flat(synthetic, reference, records)
    if records.ndim == 2:
        scale = np.where(((ref == 0) | (ref == 1)).all(axis=0), 1.0, ref.std(axis=0))
        syn, ref, x = (part / np.where(scale > 0, scale, 1.0) for part in (syn, ref, x))
    to_syn, to_ref = _distances(x, syn, neighbours), _distances(x, ref, neighbours)
    floor = max(1e-6 * float(np.median(to_ref)), 1e-12)  # of equal records: the logarithm stays finite
    sparse, dense = (np.log(np.maximum(d, floor)).mean(axis=1) for d in (to_ref, to_syn))
    return np.asarray(sparse - dense)


def _distances(x: Array, others: Array, neighbours: int) -> Array:
    """From each of x [n, D] to its nearest others, in ascending order [n, at most neighbours]."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(neighbours, len(others)), algorithm="brute").fit(others)
    return np.asarray(search.kneighbors(x)[0])


def nearest_neighbour(records: Records, synthetic: Records) -> Array:
    r"""How near does a synthetic record come? Minus the distance to the closest one (DCR).

    Formula: s(x) = -min_i ||x - x_i||,  over the synthetic records
    Shapes:  records [n, ...], synthetic [m, ...] -> [n]
    Source:  distance to the closest record, as synthetic-data vendors report it
    Limits:  a smoke test: high scores of members prove leakage, but data that pass it remain vulnerable (Yao, Krco,
             Ganev, de Montjoye 2025, "The DCR Delusion", arXiv 2505.01524); columns of large numbers count most
    """
    return -nearest(records, synthetic)[1]


class Copies(NamedTuple):
    """Which share of records equals a record that the generator was fitted on."""

    synthetic: float
    held_out: float  # of real records that it was not fitted on: what the data's own duplicates explain


def copied(synthetic: Records, fitted_on: Records, held_out: Records) -> Copies:
    """The share of synthetic records, and of held-out real ones, equal to one of `fitted_on` to float32's precision."""
    return Copies(_share_equal(synthetic, fitted_on), _share_equal(held_out, fitted_on))


def collapsed(synthetic: Records, labels: Labels, real: Records, real_labels: Labels) -> list[int]:
    """The classes whose synthetic records are (nearly) all alike, though the real ones differ.

    That is: the variance summed over columns is below a thousandth of that of the class's real records.
    Classes with fewer than two synthetic records are not judged.
    """
    found = []
    for c in np.unique(labels):
        made, known = synthetic[labels == c], real[real_labels == c]
        if len(made) > 1 and _variance(made) < COLLAPSED * _variance(known):
            found.append(int(c))
    return found


def _variance(records: Records) -> float:
    return float(records.reshape(len(records), -1).var(axis=0, dtype=np.float64).sum())


def _share_equal(records: Records, others: Records) -> float:
    closest, _ = nearest(records, others)
    same = np.isclose(records, others[closest], rtol=1e-6, atol=1e-6)
    return float(same.reshape(len(records), -1).all(axis=1).mean())


def nearest(records: Records, others: Records) -> tuple[NDArray[np.intp], Array]:
    """For each record, which of the others is closest [n], and its Euclidean distance [n], 0 for an equal one."""
    from sklearn.metrics import pairwise_distances_argmin

    x, others = _flat(records, others)
    closest = pairwise_distances_argmin(x, others)
    return closest, np.linalg.norm(x - others[closest], axis=1)


def _flat(*parts: Records) -> list[Array]:
    """Records [n, D] in float64. Raises InputError unless all are of one shape and there is one in each part."""
    shapes = [part.shape[1:] for part in parts]
    if len(set(shapes)) > 1:
        raise InputError(f"records to compare must have one shape, got {', '.join(map(str, shapes))}")
    if not all(map(len, parts)):
        raise InputError(f"there must be records to compare, got {[len(part) for part in parts]}; give some")
    return [part.reshape(len(part), -1).astype(np.float64) for part in parts]
