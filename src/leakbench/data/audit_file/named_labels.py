"""Turns labels that are text into the numbers of their classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError

Arrays = Mapping[str, NDArray[Any]]
LABELS = ("labels", "population_labels", "shadow_labels")


def decoded(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Bytes as UTF-8 text; other arrays unchanged. Raises InputError for bytes that are no text."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} must be numbers or UTF-8 text, got other bytes; use astype(str)") from None


def numbered(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays with class numbers in place of labels that are text.

    The number of a label is its position in `class_names`, or the whole number that it spells. Without class names, and
    where no output has a column for each class, the distinct labels in alphabetical order become the class names.
    Raises InputError for text whose number is unknown.
    """
    texts = {name: arrays[name] for name in LABELS if name in arrays and arrays[name].dtype.kind == "U"}
    if not texts:
        return dict(arrays)
    distinct = np.unique(np.concatenate([array.ravel() for array in texts.values()])).tolist()
    names = arrays["class_names"].astype(str).ravel().tolist() if "class_names" in arrays else []
    unknown = [text for text in distinct if text not in set(names)]
    if unknown and all(text.isascii() and text.isdecimal() and len(text) < 10 for text in distinct):
        return {**arrays, **{name: array.astype(np.int64) for name, array in texts.items()}}
    if not names and not any(name.endswith(("logits", "probs")) for name in arrays):
        return numbered({**arrays, "class_names": np.array(distinct)})
    if unknown or len(set(names)) < len(names):
        problem = f"got {unknown[0][:100]!r}" if unknown else "where each name stands once"
        raise InputError(
            f"{' and '.join(texts)} must be integers 0..C-1 or names of class_names, {problem}; "
            "save class_names in the order of the columns of the outputs (scikit-learn: model.classes_)"
        )
    number = {name: i for i, name in enumerate(names)}
    return dict(arrays) | {
        name: np.array([number[text] for text in array.ravel().tolist()]).reshape(array.shape)
        for name, array in texts.items()
    }
