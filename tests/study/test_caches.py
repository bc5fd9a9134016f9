"""A study that runs again trains no attacker again, and reads the same numbers."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leakbench
from leakbench.attacks.logistic_regression import LogisticRegression
from leakbench.core.results import PER_RECORD
from leakbench.core.store import open_store
from leakbench.evaluation.scoring import score_targets
from leakbench.pipeline.findings_cache import CODE
from leakbench.pipeline.run import run
from leakbench.pipeline.score_cache import CachedScorer
from leakbench.pipeline.study import Study
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

TABLE = {
    "group_size": 4,
    "data": {"name": "digits", "records": 160},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", {"name": "rounding", "decimals": 2}, {"name": "fewer_epochs", "epochs": 3}],
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


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The store of a run of TABLE, and its rows."""
    store = tmp_path_factory.mktemp("first")
    return store, _rows(TABLE, store)


@pytest.fixture
def store(first: tuple[Path, list[Any]], tmp_path: Path) -> Path:
    """A copy of that store."""
    return shutil.copytree(first[0], tmp_path / "store")


def test_no_attacker_is_trained_twice(first: tuple[Path, list[Any]], store: Path, fits: list[int]) -> None:
    """Another attack beside it: everything is measured again, but what the attacker learned is known."""
    more = _rows(TABLE | {"attacks": [*TABLE["attacks"], "gap"]}, store)
    own = [row for row in first[1] if row.attack == "logistic_regression"]
    assert [row for row in more if row.attack == "logistic_regression"] == own and own
    assert fits == []


def test_findings_are_read_again_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLE | {"defences": TABLE["defences"][:2]}
    first, attacked = run(Study.of(table), tmp_path), []
    monkeypatch.setattr("leakbench.pipeline.attack.attack_all", lambda *about: attacked.append(about))
    again = run(Study.of(table), tmp_path)
    assert attacked == []
    for what in ("curves", "flags", "records", "notes"):
        assert getattr(again, what) == getattr(first, what) and (what == "notes" or getattr(first, what))
    timed = ("train_", "latency_")
    kept = [[row for row in each.rows if not row.metric.startswith(timed)] for each in (first, again)]
    assert kept[0] == kept[1]
    assert any(row.metric == "auc-difference" and row.attack == "best" for row in again.rows)
    for a, b in zip(first.exposures, again.exposures, strict=True):
        assert (a.defence, a.attack, a.label, a.by_chance) == (b.defence, b.attack, b.label, b.by_chance)
        for name in PER_RECORD:
            assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
    (damaged, *_) = (tmp_path / "findings").glob("*/0.json")
    damaged.write_bytes(damaged.read_bytes().replace(b"auc", b"AUC", 1))
    monkeypatch.undo()
    mended = run(Study.of(table), tmp_path)
    assert [r for r in mended.rows if not r.metric.startswith(timed)] == kept[0]
    (about_damage,) = (note for note in mended.notes if note not in first.notes)
    assert str(damaged) in about_damage


def test_findings_depend_on_the_source_of_the_whole_library() -> None:
    sources = sorted(Path(leakbench.__file__).parent.rglob("*.py"))
    assert hashlib.sha256(b"".join(map(Path.read_bytes, sources))).hexdigest() == CODE


CHANGES = [
    {"seed": 1},
    {"attacks": ["loss", {"name": "logistic_regression", "penalty": 0.1}]},
    {"query": {"views": ["identity", "shift:1,0"]}},
    {"defences": ["none", {"name": "rounding", "decimals": 1}]},
    {"stages": [{"epochs": 6}]},  # of fewer_epochs only the shadow models of the non-adaptive attacker change
]


@pytest.mark.parametrize(
    "change",
    [pytest.param(c, id=next(iter(c)), marks=[] if "defences" in c else pytest.mark.slow) for c in CHANGES],
)
def test_what_changes_the_scores_trains_again(
    store: Path, fits: list[int], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(list((store / "scores").iterdir()))
    own = _rows(TABLE | change, store)
    assert fits
    if "defences" in change:  # only the changed defence is attacked again
        assert len(list((store / "scores").iterdir())) - before < before
    shutil.rmtree(store / "findings")
    monkeypatch.setattr("leakbench.pipeline.attack.CachedScorer", lambda store: score_targets)
    assert own == _rows(TABLE | change, store)


def test_scores_are_remembered_under_all_that_they_depend_on(tmp_path: Path, fits: list[int]) -> None:
    """Each change alone has an attacker trained anew; what `identity` covers, test_identities hold."""
    rng = np.random.default_rng(0)
    members = rng.random((4, 80)) < 0.5
    signals = Signals(rng.integers(0, 3, 80), rng.normal(size=(4, 1, 80, 3)))
    models = Models(signals, members, np.ones_like(members), identity="these")
    given = {
        "attack": LogisticRegression(),
        "models": models,
        "targets": (0, 1),
        "seed": 0,
        "reference": None,
    }
    score = CachedScorer(open_store(tmp_path))
    for change in (
        {},
        {"attack": LogisticRegression(penalty=0.1)},
        {"models": replace(models, identity="others")},
        {"targets": (0, 2)},
        {"seed": 1},
        {"reference": replace(models, identity="undefended")},
    ):
        fits.clear()
        found = score(**given | change)
        assert fits, change
        fits.clear()
        again = score(**given | change)
        assert not fits and np.array_equal(found.scores, again.scores, equal_nan=True)
