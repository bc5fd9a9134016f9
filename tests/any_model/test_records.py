"""Copies among the records of `audit_training`, in whatever holds them."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from leakbench.pipeline.any_model.records import copies, count, take

NUMBERS = np.arange(40)
NUMBERS[[1, 3, 4, 6]] = 0, 0, 2, 5
LABELS = np.where(NUMBERS == 5, np.arange(40) % 2, 0)  # the label of record 6 is not that of record 5
FIRST = np.arange(40)
FIRST[[1, 3, 4]] = 0, 0, 2
TEXTS = [f"text {number}" for number in NUMBERS]
FRAME = pd.DataFrame({"a": NUMBERS / 2, "b": pd.Categorical(TEXTS), "c": np.where(NUMBERS % 2, np.nan, 1.0)})


@pytest.mark.parametrize(
    "x",
    [
        NUMBERS[:, None] * 0.1,
        np.repeat(NUMBERS, 27).reshape(-1, 3, 3, 3).astype(np.uint8),
        np.array(TEXTS),
        np.array(list(zip(TEXTS, NUMBERS, strict=True)), dtype=object),
        TEXTS,
        FRAME,
        pa.concat_tables([pa.table(FRAME[:9]), pa.table(FRAME[9:])]),
        sparse.csr_matrix(NUMBERS[:, None] >> np.arange(6) & 1),
    ],
    ids=["numbers", "images", "texts", "objects", "list", "frame", "chunks", "sparse"],
)
def test_records_of_one_label_and_content_are_copies(x: Any) -> None:
    np.testing.assert_array_equal(copies(x, LABELS), FIRST)


@pytest.mark.parametrize("x", [None, object(), [1, "a"] * 20, [np.arange(3)] * 40])
def test_of_other_objects_none_are_known(x: Any) -> None:
    assert copies(x, LABELS) is None


class Squares(torch.utils.data.Dataset):
    """A data set of PyTorch that takes one number at a time."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, number: int) -> tuple[int, int]:
        assert type(number) is int
        return number, number**2


def test_a_data_set_of_pytorch_gives_a_subset() -> None:
    for whole in (Squares(), torch.utils.data.Subset(Squares(), range(40))):
        some = take(whole, np.array([3, 5]))
        assert count(whole) == 40 and list(some) == [(3, 9), (5, 25)]
