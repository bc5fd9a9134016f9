"""Data sets: one name or one path gives records, labels and fixed parts; a design says who trains on what."""

from .dataset import Dataset
from .designs import DESIGNS, Design, Split
from .download import download
from .formats import FORMATS
from .load import DataSpec, load
from .sets import DATASETS

__all__ = ["DATASETS", "DESIGNS", "FORMATS", "DataSpec", "Dataset", "Design", "Split", "download", "load"]
