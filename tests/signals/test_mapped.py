"""Arrays in mapped files: read a model at a time, the same numbers as in memory, and no more memory than one model."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.mapped import by_model, joined
from leakbench.data.audit_file.read import from_arrays, read
from leakbench.signals.statistics import STATISTICS
from leakbench.signals.types import PerModel, Signals

S, V, N, C = 6, 2, 40, 3


def _arrays(kind: str, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (V, N) if kind == "losses" else (V, N, C)
    answers = {"losses": rng.exponential, "logits": rng.normal, "probs": rng.random}[kind]
    own, shadows = answers(size=shape), answers(size=(S, *shape))
    if kind == "probs":
        own, shadows = (a / a.sum(axis=-1, keepdims=True) for a in (own, shadows))
    if kind == "losses":
        own[0, 3] = shadows[2, 0, 3] = 0.0  # whose log-odds depend on the type
    found = {kind: own, f"shadow_{kind}": shadows.astype(np.float32 if kind == "losses" else np.float64)}
    found |= {"members": rng.random(N) < 0.5, "shadow_members": rng.random((S, N)) < 0.5}
    return found if kind == "losses" else found | {"labels": rng.integers(C, size=N)}


@pytest.mark.parametrize("kind", ["losses", "logits", "probs"])
def test_a_folder_reads_as_its_arrays_do(tmp_path: Path, kind: str) -> None:
    arrays = _arrays(kind)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped, whole = read(tmp_path), from_arrays(**arrays)
    assert mapped.fingerprint == whole.fingerprint
    answers = getattr(mapped.models.signals, "losses" if kind == "losses" else "logits")
    assert isinstance(answers, PerModel) and {part.dtype for part in answers} == {answers.dtype}
    for name in ("loss", "logodds"):
        np.testing.assert_array_equal(
            mapped.models.signals.statistics(name), whole.models.signals.statistics(name)
        )
    np.testing.assert_array_equal(mapped.models.members, whole.models.members)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("losses", -0.5, "must be -log p >= 0, got -0.5"),
        ("logits", np.nan, "must be finite"),
        ("probs", 2.0, "must sum to 1"),
    ],
)
def test_a_bad_value_in_a_file_is_named(tmp_path: Path, kind: str, value: float, said: str) -> None:
    arrays = _arrays(kind)
    arrays[f"shadow_{kind}"][4, 1, 17] = value
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(InputError, match=rf"shadow_{kind} {said}.*model 4, view 1, record 17"):
        read(tmp_path)


def test_models_of_two_files_stand_one_after_the_other(tmp_path: Path) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12, dtype=np.int32).reshape(4, 3)
    np.save(tmp_path / "b.npy", b)
    mapped = by_model(np.load(tmp_path / "b.npy", mmap_mode="r"), np.float64)
    both = joined(a, mapped)
    assert isinstance(both, PerModel) and both.shape == (6, 3) and both.dtype == np.float64
    np.testing.assert_array_equal(np.stack(list(both)), np.concatenate([a, b]))
    np.testing.assert_array_equal(joined(a, b.astype(float)), np.concatenate([a, b]))


def test_what_a_caller_wrote_into_his_mapped_array_stays(tmp_path: Path) -> None:
    arrays = _arrays("losses")
    np.save(tmp_path / "shadow_losses.npy", np.ones_like(arrays["shadow_losses"]))
    own = np.load(tmp_path / "shadow_losses.npy", mmap_mode="c")  # copied on writing, into memory alone
    own[:] = arrays["shadow_losses"]
    given = from_arrays(**{**arrays, "shadow_losses": own})
    assert np.array_equal(own, arrays["shadow_losses"])
    assert given.fingerprint == from_arrays(**arrays).fingerprint


def test_a_large_model_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4,000 x 500 half-precision logits are 16 MB in double precision, of which no more than a few parts are made."""
    n, classes, rng = 4_000, 500, np.random.default_rng(0)
    np.save(tmp_path / "logits.npy", rng.standard_normal((n, classes), np.float32).astype(np.float16))
    np.save(tmp_path / "labels.npy", rng.integers(classes, size=n))
    np.save(tmp_path / "members.npy", rng.random(n) < 0.5)
    monkeypatch.setattr(leakbench.signals.types, "BLOCK", 2**16)  # 31 parts
    monkeypatch.setattr(leakbench.data.audit_file.assemble, "BLOCK", 2**16)
    tracemalloc.start()
    signals = read(tmp_path).models.signals
    for name in STATISTICS:
        signals.statistic(name, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6, peak  # 8 statistics are 0.3 MB, 12 arrays of a part 6 MB


@pytest.mark.parametrize("name", STATISTICS)
def test_parts_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(1, V, 997, 37)).astype(np.float32), rng.integers(37, size=997)
    whole = Signals(y, z).statistic(name, 0)
    monkeypatch.setattr(leakbench.signals.types, "BLOCK", 1000)
    assert np.array_equal(Signals(y, z).statistic(name, 0), whole)


LARGE = """
import json, resource, sys
import leakbench
leakbench.audit(sys.argv[1])
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))
"""


@pytest.mark.slow
def test_200_000_records_of_1000_classes_need_no_more_than_a_gigabyte_and_a_half(tmp_path: Path) -> None:
    n, classes, rows, rng = 200_000, 1000, 10_000, np.random.default_rng(0)
    labels, members = rng.integers(classes, size=n), rng.random(n) < 0.5
    logits = np.lib.format.open_memmap(tmp_path / "logits.npy", "w+", np.float16, (n, classes))
    for first in range(0, n, rows):
        part = rng.standard_normal((rows, classes), np.float32)
        part[np.arange(rows), labels[first : first + rows]] += 5 + members[first : first + rows]
        logits[first : first + rows] = part
    logits.flush()
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "members.npy", members)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) < 1.5  # GB


AUDIT = """
import json, resource, sys
import leakbench, leakbench.core.array_cache
leakbench.core.array_cache.KEPT = 2**22
leakbench.audit(sys.argv[1], attacks=["loss", "lira", "attack_r"])
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10))
"""


def test_memory_does_not_grow_with_the_number_of_models(tmp_path: Path) -> None:
    """48 more models hold 12 MB more of losses, and thrice that with what they are in double precision."""
    peaks = []
    n, rng = 30_000, np.random.default_rng(0)
    for models in (16, 64):
        folder = tmp_path / str(models)
        folder.mkdir()
        half = rng.random((models // 2, n)) < 0.5
        np.save(folder / "shadow_members.npy", np.concatenate([half, ~half]))
        np.save(folder / "members.npy", rng.random(n) < 0.5)
        np.save(folder / "losses.npy", rng.exponential(size=(2, n)).astype(np.float32))
        np.save(folder / "shadow_losses.npy", rng.standard_exponential((models, 2, n), np.float32))
        done = subprocess.run(
            [sys.executable, "-c", AUDIT, str(folder)], capture_output=True, text=True, check=True
        )
        peaks.append(json.loads(done.stdout))
    # membership is a byte for each model and record, several times; losses in double precision would be 35 MB
    assert peaks[1] - peaks[0] < 20, peaks
