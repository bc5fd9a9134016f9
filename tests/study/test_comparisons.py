"""Which baseline a defence is compared with, from accuracies alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from leakbench.pipeline.compare import matched_in_accuracy


def _trials(**accuracies: float) -> list:
    """Trials of which nothing but label and accuracy (in per mille of 1,000 records) is known."""
    rights = {label: np.arange(1000)[None] < round(1000 * a) for label, a in accuracies.items()}
    return [
        SimpleNamespace(defence=SimpleNamespace(label=label), test_correct=r) for label, r in rights.items()
    ]


@pytest.mark.parametrize(
    ("accuracy", "against"),
    [
        (0.60, "stop_b"),  # as accurate as stop_b and none: the one that trains less
        (0.609, "stop_b"),  # within a point
        (0.611, "none"),
        (0.40, "stop_a"),  # far less accurate than all: still the first
        (0.70, "none"),  # more accurate than all: the nearest
        (0.55, "stop_b"),
    ],
)
def test_the_first_that_is_as_accurate_or_else_the_nearest(accuracy: float, against: str) -> None:
    all_defended = _trials(none=0.61, mine=accuracy, stop_a=0.50, stop_b=0.60)
    assert matched_in_accuracy(all_defended, ["stop_a", "stop_b", "none"]) == {"mine": against}


def test_without_a_frontier_there_is_nothing_to_compare() -> None:
    assert matched_in_accuracy(_trials(none=0.6, mine=0.5), []) == {}
