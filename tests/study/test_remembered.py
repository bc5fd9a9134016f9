"""A study that runs again trains no attacker again, and reads the same numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leakbench.attacks.logistic_regression import LogisticRegression
from leakbench.running import run
from leakbench.scoring import score_targets
from leakbench.study import Study

TABLE = {
    "data": {"name": "digits", "records": 160},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", {"name": "rounding", "decimals": 2}, {"name": "stop_at", "epochs": 3}],
    "attacks": ["loss", "logistic_regression"],
}


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows with every attacker that is trained."""
    done: list[int] = []
    fit = LogisticRegression.fit

    def counted(self: LogisticRegression, *about: Any) -> Any:
        done.append(1)
        return fit(self, *about)

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    return done


def _rows(table: dict[str, Any], store: Path) -> list[Any]:
    timed = ("train_", "latency_")
    return [row for row in run(Study.of(table), store).rows if not row.metric.startswith(timed)]


def test_no_attacker_is_trained_twice(tmp_path: Path, fits: list[int]) -> None:
    first, trained = _rows(TABLE, tmp_path), len(fits)
    assert trained > 0
    assert _rows(TABLE, tmp_path) == first
    assert len(fits) == trained


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"attacks": ["loss", {"name": "logistic_regression", "penalty": 0.1}]},
        {"defences": ["none", {"name": "rounding", "decimals": 1}]},
        {"stages": [{"epochs": 6}]},  # of stop_at only the shadow models of who ignores it are other ones
        {"query": {"views": ["identity", "shift:1,0"]}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_scores_trains_again(
    tmp_path: Path, fits: list[int], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _rows(TABLE, tmp_path)
    trained = len(fits)
    own = _rows(TABLE | change, tmp_path)
    assert len(fits) > trained
    monkeypatch.setattr("leakbench.running.Remembered", lambda store: score_targets)
    assert own == _rows(TABLE | change, tmp_path)


def test_only_the_changed_defence_is_attacked_again(tmp_path: Path, fits: list[int]) -> None:
    _rows(TABLE, tmp_path)
    trained = len(fits)
    _rows(TABLE | {"defences": ["none", {"name": "rounding", "decimals": 1}]}, tmp_path)
    assert 0 < len(fits) - trained < trained
