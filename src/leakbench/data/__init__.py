"""Data sets (records, labels, fixed parts), and designs, which choose the members of each model."""

from .dataset import Dataset
from .designs import DESIGNS, Design, Split
from .download import download
from .formats import FORMATS
from .load import DataSpec, load
from .sets import DATASETS

__all__ = ["DATASETS", "DESIGNS", "FORMATS", "DataSpec", "Dataset", "Design", "Split", "download", "load"]
