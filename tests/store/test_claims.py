"""What one process has claimed, no other makes; a claim ends with its process."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from leakbench.core.store import Store

SPEC = {"seed": 3}
HOLD = """
import sys, time
from leakbench.core.store import Store
with Store(sys.argv[1]).claim("models", {"seed": 3}) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


@contextmanager
def _holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed SPEC, killed at the end if not before."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_claim_is_one_process_s_until_it_is_killed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with _holder(tmp_path):
        with store.claim("models", SPEC) as mine, store.claim("models", {"seed": 4}) as other:
            assert not mine and other
        with store.claim("signals", SPEC) as mine:
            assert mine
        opened = Store(tmp_path)  # which sweeps away what no process holds
        with opened.claim("models", SPEC) as mine:
            assert not mine
    with store.claim("models", SPEC) as mine:
        assert mine


def test_locks_that_nobody_holds_are_swept_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim("models", SPEC):
        Store(tmp_path)
        assert len(list((tmp_path / "locks").iterdir())) == 1
    Store(tmp_path)
    assert list((tmp_path / "locks").iterdir()) == []
    with store.claim("models", SPEC) as mine:
        assert mine


def test_a_claim_that_waits_is_given_when_the_other_ends(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder:
        threading.Timer(0.5, holder.kill).start()
        began = time.monotonic()
        with Store(tmp_path).claim("models", SPEC, wait=True) as mine:
            assert mine
        assert time.monotonic() - began > 0.3


def test_an_entry_is_made_once_while_others_wait(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []

    def make() -> tuple[dict[str, np.ndarray], dict[str, int]]:
        made.append(threading.get_ident())
        time.sleep(0.2)
        return {"x.npy": np.arange(3)}, {"n": 3}

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(store.once("scores", SPEC, make))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert [entry.meta for entry in found] == [{"n": 3}] * 4


def test_a_claim_ends_where_the_making_fails(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> tuple[dict[str, np.ndarray], dict[str, int]]:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            store.once("scores", SPEC, fail)
    entry = store.once("scores", SPEC, lambda: ({"x.npy": np.arange(3)}, {}))
    assert entry.array("x.npy").tolist() == [0, 1, 2]
