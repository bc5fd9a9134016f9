"""Images in parquet, as Hugging Face serves them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...core.errors import InputError
from ..dataset import Indices
from ._files import reading
from ._images import decode
from .base import Floats, Format, Raw, join

IMAGES = ("img", "image")
LABELS = ("label", "fine_label", "labels")


@dataclass(frozen=True)
class ImageParquet(Format):
    """Images in Hugging Face's parquet: a folder of train-*.parquet and test-*.parquet, or one file."""

    name: ClassVar[str] = "image_parquet"
    source: ClassVar[str] = "Hugging Face datasets, feature Image: struct of bytes and path"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        if path.is_dir():
            return bool(_shards(path, "train"))
        return path.suffix == ".parquet" and path.is_file() and _has_images(path)

    def read(self, path: Path, label: str | None = None) -> Raw:
        import pyarrow.parquet as pq

        train, test = ([path], []) if path.is_file() else (_shards(path, "train"), _shards(path, "test"))
        if not train:
            raise InputError(f"{path} must hold train-*.parquet, got no such file")
        shards = train + test
        folders = sorted({shard.parent.name for shard in shards})
        if len(folders) > 1:
            raise InputError(f"{path} must hold one set of shards, got {', '.join(folders)}; give one's path")
        with reading(path if path.is_file() else train[0], "a parquet file of images and labels"):
            schema = pq.read_schema(train[0])
        image = _column(schema.names, IMAGES, None, train[0])
        column = _column(schema.names, LABELS, label, train[0])
        labels = []
        for shard in shards:
            with reading(shard, f"a parquet file with columns {image} and {column}"):
                labels.append(_labels(pq.read_table(shard, columns=[column])[column], shard, column))
        sizes = [len(part) for part in labels]
        starts = np.cumsum([0, *sizes])

        @cache
        def images(shard: Path) -> Any:
            with reading(shard, f"a parquet file with column {image}"):
                return pq.read_table(shard, columns=[image])[image]

        def take(rows: Indices) -> Floats:
            found: list[tuple[str, Path | bytes]] = []
            for shard, start, size in zip(shards, starts, sizes, strict=False):
                inside = rows[(rows >= start) & (rows < start + size)] - start
                if len(inside):
                    found += _contents(images(shard), shard, inside)
            return decode(found)

        n_train = sum(sizes[: len(train)])
        test_part = join(n_train, sum(sizes) - n_train)
        return Raw(np.concatenate(labels), take, test_part, _class_names(schema.metadata, column))


def _shards(folder: Path, part: str) -> list[Path]:
    """The shards of a part in `folder`, or in its sub-folders."""
    return sorted(folder.glob(f"{part}-*.parquet")) or sorted(folder.glob(f"*/{part}-*.parquet"))


def _has_images(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        return False
    return any(pa.types.is_struct(schema.field(name).type) for name in schema.names if name in IMAGES)


def _column(names: list[str], usual: tuple[str, ...], given: str | None, path: Path) -> str:
    wanted = usual if given is None else (given,)
    for name in wanted:
        if name in names:
            return name
    raise InputError(f"{path} must have a column {' or '.join(map(repr, wanted))}, got {', '.join(names)}")


def _labels(column: Any, shard: Path, name: str) -> Any:
    if column.null_count:
        raise InputError(f"{shard}: column {name!r} must have no missing labels, got {column.null_count}")
    return column.to_numpy()


def _contents(images: Any, shard: Path, rows: Indices) -> list[tuple[str, Path | bytes]]:
    """Name and content of the images at `rows` of a shard; a path counts where the bytes are missing."""
    with reading(shard, "a parquet file whose images are structs of bytes and path"):
        named = [(f"{shard.name}: image {row}", images[int(row)].as_py()) for row in rows]
        return [(name, image["bytes"] or shard.parent / image["path"]) for name, image in named]


def _class_names(metadata: dict[bytes, bytes] | None, column: str) -> tuple[str, ...] | None:
    """The names that Hugging Face keeps in the schema's metadata."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(features[column]["names"])
    except (KeyError, TypeError, ValueError):
        return None
