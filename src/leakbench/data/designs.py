"""Which model trains on which records, and for which records of a model membership is a fair question."""

from dataclasses import dataclass

from ..types import Bools
from .dataset import Indices


@dataclass(frozen=True, eq=False)
class Split:
    """The membership of M models on N records of a data set."""

    records: Indices  # [N] the records at stake, as rows of the data set
    members: Bools  # [M, N] model m trains on record n
    audited: Bools  # [M, N] where the record counts as a member or a non-member of model m (not a dev record)
    dev: tuple[Indices, ...]  # [M] rows of the data set for model m's early stopping
    targets: tuple[int, ...]  # the models that are attacked
