"""From a name or a path to a `Dataset`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError, unknown
from .dataset import Dataset
from .formats import FORMATS, Raw, read_path
from .formats._tables import TableOptions
from .impute import impute, standardisation
from .labels import encode
from .parts import cut, require_classes
from .resize import resized
from .sets import DATASETS, KnownSet, data_folder

MOST_PIXELS = 4096  # of a side of a resized image


@dataclass(frozen=True)
class DataSpec(TableOptions):
    """The data and its split into parts: the [data] table of a study file. Either `name` or `path`.

    The fields of `TableOptions` are also allowed, for tables.
    """

    name: str | None = None  # a known data set: one of `leakbench list data`
    path: str | None = None  # a file or folder
    format: str | None = None  # how to read `path`; None: found out from its name and layout
    label: str | None = None  # the column (or array) of labels, where there are several
    records: int | None = None  # size of the pool, a stratified random subset; None: all
    test: float = 0.2  # fraction of all records, where the data has no test part of its own
    dev: float = 0.1  # fraction of the records outside the test part
    public: int = 0  # records that attacker and defender both have, outside the other parts
    resize: int | None = None  # images become resize x resize (bilinear); None: as they are
    seed: int = 0  # of the split and of the subset
    root: str | None = None  # folder of the known data sets; None: the environment's LEAKBENCH_DATA

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.name is None) == (self.path is None):
            raise InputError(f"data needs a name or a path, got name {self.name!r} and path {self.path!r}")
        if self.name is not None and self.format is not None:
            raise InputError(f"data set {self.name!r} knows its format; leave format = {self.format!r} out")
        if not 0 < self.test < 1:
            raise InputError(f"test must be a fraction above 0 and below 1, got {self.test}")
        if not 0 <= self.dev < 1:
            raise InputError(f"dev must be a fraction of at least 0 and below 1, got {self.dev}")
        if self.records is not None and self.records < 1:
            raise InputError(f"records must be at least 1, got {self.records}; leave it out to keep all")
        if self.public < 0:
            raise InputError(f"public must be a number of records, 0 or more, got {self.public}")
        if self.resize is not None and self.resize > MOST_PIXELS:
            raise InputError(f"resize must be at most {MOST_PIXELS} pixels, got {self.resize}")
        if self.resize is not None and self.resize < 1:
            raise InputError(
                f"resize must be at least 1 pixel, got {self.resize}; leave it out to keep sizes"
            )

    @property
    def title(self) -> str:
        """The title of the data in a report."""
        return self.name or Path(self.path or "").name or str(self.path)


def load(spec: "DataSpec | str | os.PathLike[str] | Mapping[str, Any]", **options: Any) -> Dataset:
    """The data set that `spec` describes: a name, a path, a [data] table, or a `DataSpec`.

    `options` are fields of `DataSpec`. Only the records that are kept are decoded. Raises InputError if the
    data is not there, is not what its name says, or leaves a class out of a part.

    >>> load("digits", records=500).describe()["parts"]
    {'pool': 500, 'dev': 56, 'test': 359, 'public': 0}
    """
    chosen = _specify(spec, options)
    raw, source, known = _read(chosen)
    y, classes = encode(raw.labels, raw.classes)
    if len(classes) < 2:
        raise InputError(
            f"{chosen.title!r} must have at least two classes, got {len(classes)}: {list(classes)}"
        )
    parts = cut(
        y,
        raw.test,
        test=chosen.test,
        dev=chosen.dev,
        records=chosen.records,
        seed=chosen.seed,
        public=chosen.public,
    )
    require_classes(parts, y, classes, chosen.title)
    kept = np.sort(np.concatenate(list(parts.values())))
    places = {part: np.searchsorted(kept, rows) for part, rows in parts.items()}
    size = chosen.resize or known.resize
    x = raw.take(kept) if size is None else resized(raw.take, kept, size)
    mean, std = known.mean, known.std
    if raw.numeric is not None:
        outside = np.delete(np.arange(len(kept)), places["test"])
        impute(x, outside, chosen.title)
        mean, std = standardisation(x, raw.numeric, outside)
    return Dataset(chosen.title, x, y[kept], classes, places, source, mean, std, raw.notes)


def _specify(
    spec: "DataSpec | str | os.PathLike[str] | Mapping[str, Any]", options: dict[str, Any]
) -> DataSpec:
    known = list(DataSpec.__dataclass_fields__)
    given = dict(spec) if isinstance(spec, Mapping) else {}
    for key in [*given, *options]:
        if key not in known:
            raise unknown("option of data:", key, known)
    if isinstance(spec, DataSpec):
        return replace(spec, **options)
    if isinstance(spec, str) and spec in DATASETS.classes:
        given = {"name": spec}
    elif isinstance(spec, (str, os.PathLike)):
        given = {"path": os.fspath(spec)}
    return DataSpec(**(given | options))


def _read(spec: DataSpec) -> tuple[Raw, str, type[KnownSet]]:
    """The content of the files, its origin, and the known data set."""
    options = {f.name: given for f in fields(TableOptions) if (given := getattr(spec, f.name)) != f.default}
    if spec.name is not None:
        known = DATASETS.get(spec.name)
        if options:
            raise InputError(f"data set {spec.name!r} knows its table; leave {', '.join(options)} out")
        return known().read(data_folder(spec.root), spec.label), known.source, known
    assert spec.path is not None
    path = Path(spec.path).expanduser()
    if not path.exists() and path.name == spec.path and not path.suffix:
        raise unknown("data set, or path that is not there:", spec.path, DATASETS.names())
    formats = FORMATS.names() if spec.format is None else [spec.format]
    return read_path(path, formats, spec.label, options), str(path), KnownSet
