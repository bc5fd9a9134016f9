"""An audit's attacks share the cores of the machine; what they find does not depend on how many there are."""

import os
import subprocess
import sys

import numpy as np
import pytest

import leakbench
from leakbench.core.threads import Workers
from leakbench.evaluation import audit as auditing

S, N, C = 6, 200, 10
ATTACKS = ["loss", "rmia", "lira", "logistic_regression", {"name": "nn", "epochs": 5}]


@pytest.fixture(scope="module")
def arrays():
    """Answers of a target and its shadow models, which leak."""
    rng = np.random.default_rng(0)
    members, labels = rng.random((S + 1, N)) < 0.5, rng.integers(C, size=N)
    logits = rng.normal(size=(S + 1, N, C))
    logits[..., np.arange(N), labels] += 1.0 + members
    shadows = {"shadow_logits": logits[1:], "shadow_members": members[1:]}
    return {"logits": logits[0], "members": members[0], "labels": labels, **shadows}


def found(arrays, cores, monkeypatch):
    """The rows and curves of an audit on a machine of so many cores."""
    import torch

    monkeypatch.setattr("leakbench.core.threads.allowed", lambda: cores)
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        results = leakbench.audit(**arrays, attacks=ATTACKS)
    finally:
        torch.set_num_threads(before)
    assert {row.attack for row in results.rows} >= {*ATTACKS[:-1], "nn"}
    return results.rows, results.curves, results.notes


def test_numbers_are_the_same_on_any_number_of_cores(arrays, monkeypatch):
    assert found(arrays, 1, monkeypatch) == found(arrays, 4, monkeypatch)


def test_many_records_are_attacked_by_fewer_at_once(arrays, monkeypatch):
    asked = []

    class Counted(Workers):
        def __init__(self, progress, most=None):
            asked.append(most)
            super().__init__(progress, most)

    monkeypatch.setattr(auditing, "Workers", Counted)
    for room in (2**30, 2 * auditing.PER_RECORD * N, 1):
        monkeypatch.setattr(auditing, "ROOM", room)
        leakbench.audit(**arrays, attacks=["loss"])
    assert asked == [2**30 // (auditing.PER_RECORD * N), 2, 1]


THREADS = """
import sklearn.ensemble  # loads OpenMP
from threadpoolctl import threadpool_info
from leakbench.core.progress import NullProgress
from leakbench.core.threads import Workers
def threads(_):
    return [each["num_threads"] for each in threadpool_info()]
assert max(threads(0)) == 4
assert {n for each in Workers(NullProgress()).map(threads, range(4)) for n in each} == {1}
"""


def test_each_thread_leaves_the_cores_to_the_others() -> None:
    """OpenMP takes its limit from the calling thread alone: each pool thread would use all cores."""
    subprocess.run([sys.executable, "-c", THREADS], env=os.environ | {"OMP_NUM_THREADS": "4"}, check=True)
