"""CIFAR-10 and CIFAR-100 in the "python version", read without executing anything.

A pickle is a program that may call any function. This reader allows only arrays, dtypes and their constructors, and
replaces even those by harmless stand-ins: numpy's own unpickling never runs.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ._files import is_archive, reading, streams
from ._images import scale
from .base import Format, Raw, join

TRAIN = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "train")
TEST = ("test_batch", "test")
META = ("batches.meta", "meta")
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
LABELS = ("labels", "fine_labels")  # CIFAR-10's, CIFAR-100's


@dataclass(frozen=True)
class CifarPickle(Format):
    """CIFAR-10 or CIFAR-100, python version: the published tar.gz, or the folder unpacked from it."""

    name: ClassVar[str] = "cifar_pickle"
    source: ClassVar[str] = "Krizhevsky 2009, Learning multiple layers of features from tiny images"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        if path.is_dir():
            return _place(path) is not None
        return is_archive(path) and "cifar" in path.name

    def read(self, path: Path, label: str | None = None) -> Raw:
        place = _place(path) if path.is_dir() else path
        if place is None:
            raise InputError(
                f"{path} must hold data_batch_1 (CIFAR-10) or train and meta (CIFAR-100), got neither"
            )
        found: dict[str, dict[str, Any]] = {}
        with reading(place, "CIFAR's python version (tar.gz or folder)"):
            for name, file in streams(place, (*TRAIN, *TEST, *META)):
                found[Path(name).name] = load_plain(file, f"{place}: {name}")
        train = [found[name] for name in TRAIN if name in found]
        test = [found[name] for name in TEST if name in found]
        if not train:
            raise InputError(
                f"{place} must hold batches of CIFAR's python version, got {sorted(found) or 'none'}"
            )
        names = next((found[name] for name in META if name in found), {})
        column = label or next((name for name in LABELS if name in train[0]), LABELS[0])
        x = np.concatenate([_images(batch, place) for batch in train + test])
        y = np.concatenate([_labels(batch, column, place) for batch in train + test])
        n_test = sum(len(_labels(batch, column, place)) for batch in test)
        if len(x) != len(y):
            raise InputError(f"{place} must hold one label an image, got {len(x)} images and {len(y)} labels")
        classes = names.get("label_names" if column == "labels" else f"{column.removesuffix('s')}_names")
        return Raw(y, lambda rows: scale(x[rows]), join(len(y) - n_test, n_test), _text(classes))


def _place(folder: Path) -> Path | None:
    """The folder of the batches, or the archive of them: `folder` itself, or the only one inside."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir() or (is_archive(p) and "cifar" in p.name))
    for place in (folder, *inside):
        if (
            place.is_file()
            or (place / TRAIN[0]).is_file()
            or all((place / n).is_file() for n in ("train", "meta"))
        ):
            return place
    return None


def _images(batch: dict[str, Any], place: Path) -> NDArray[np.uint8]:
    data = batch.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        got = f"{data.dtype} {list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
        raise InputError(f"{place}: a batch's data must be uint8 [N, 3072], got {got}")
    return data.reshape(-1, 3, 32, 32)


def _labels(batch: dict[str, Any], column: str, place: Path) -> NDArray[np.int64]:
    labels = batch.get(column)
    if not isinstance(labels, list) or not all(type(value) is int for value in labels):
        keys = ", ".join(sorted(batch))
        raise InputError(
            f"{place}: {column!r} of a batch must be a list of whole numbers; the batch holds: {keys}"
        )
    return np.array(labels, np.int64)


def _text(names: object) -> tuple[str, ...] | None:
    if not isinstance(names, list):
        return None
    return tuple(name.decode("latin1") if isinstance(name, bytes) else str(name) for name in names)


class _Type:
    """Stands for a numpy dtype; only whole numbers of 1 to 8 bytes."""

    def __init__(self, code: bytes | str, *_: object) -> None:
        text = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not re.fullmatch("[iu][1248]", text):
            raise pickle.UnpicklingError(f"an array of {text!r}")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """Stands for a numpy array, from the four parts of its state."""

    array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Type, bool, bytes]) -> None:
        _, shape, kind, fortran, content = state
        flat = np.frombuffer(content, kind.dtype)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The stand-in for a global, or an InputError that names it."""
        if (module, name) not in ALLOWED:
            raise InputError(
                f"a pickle of CIFAR must hold only numbers, text and arrays, got {module}.{name}; refused"
            )
        return ALLOWED[module, name]

    def persistent_load(self, pid: object) -> Any:
        """Refused: an external object."""
        raise pickle.UnpicklingError("an external object")


def load_plain(file: IO[bytes], name: str) -> dict[str, Any]:
    """The dict in a pickle, with text keys, made of dict, list, tuple, bytes, str, int and arrays of ints.

    Raises InputError that names the first other object in the pickle. Nothing is executed.
    """
    try:
        pickled = file.read()
        for step, place, _ in pickletools.genops(pickled):
            if step.name in MEMO and place is not None and place > len(pickled):
                raise ValueError(f"place {place} of the memo")  # which would be made as large
        content = _Reader(io.BytesIO(pickled), encoding="bytes").load()
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except Exception as error:  # a damaged pickle may fail in any way
        raise InputError(f"{name} must be a pickle of CIFAR's python version, got: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{name} must hold a dict, got {type(content).__name__}")
    plain = {
        key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in content.items()
    }
    return {key: value.array if isinstance(value, _Array) else value for key, value in plain.items()}
