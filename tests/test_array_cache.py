"""What is asked for again is kept, and no more than fits."""

import numpy as np
import pytest

from leakbench.core import array_cache as recent
from leakbench.core.array_cache import Recent


class Asked:
    """Asks for arrays of 800 bytes, and knows which had to be made."""

    def __init__(self) -> None:
        self.recent, self.made = Recent(), []

    def __call__(self, name: str, models: range) -> list[int]:
        """The models whose array of that name had to be made."""
        self.made = []
        for m in models:
            assert not self.recent.get(name, m, lambda m=m: self._make(m)).flags.writeable
        return self.made

    def _make(self, m: int) -> np.ndarray:
        self.made.append(m)
        return np.full(100, float(m))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setattr(recent, "KEPT", 3 * 800)
    return Asked()


def test_what_fits_is_made_once(asked: Asked) -> None:
    assert asked("loss", range(3)) == [0, 1, 2]
    assert asked("loss", range(3)) == []


def test_of_what_does_not_fit_the_first_are_kept(asked: Asked) -> None:
    assert asked("loss", range(5)) == [0, 1, 2, 3, 4]
    assert asked("loss", range(5)) == [3, 4]


def test_another_name_makes_room(asked: Asked) -> None:
    asked("loss", range(2))
    asked("entropy", range(1))
    asked("loss", range(2))
    assert asked("hinge", range(2)) == [
        0,
        1,
    ]  # entropy went, which was asked for before the loss; then the loss
    assert asked("hinge", range(2)) == []
    assert asked("entropy", range(1)) == [0]
    assert asked("hinge", range(2)) == []
    assert asked("loss", range(2)) == [0, 1]
