"""How a process handles its memory while it trains."""

import gc
import weakref

import pytest

from leakbench.core.process_memory import keep_freed_memory, only_new_garbage


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def thawed():
    """Nothing is frozen before, and nothing after."""
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_garbage_from_before_waits_and_new_garbage_does_not(thawed):
    old = weakref.ref(Ring())
    with only_new_garbage():
        new = weakref.ref(Ring())
        gc.collect()
        assert old() is not None and new() is None
    gc.collect()
    assert old() is None and gc.get_freeze_count() == 0


def test_what_somebody_else_froze_stays_so(thawed):
    gc.freeze()
    with only_new_garbage():
        pass
    assert gc.get_freeze_count() > 0


def test_freed_memory_is_kept_as_often_as_it_is_asked_for():
    assert keep_freed_memory() is None and keep_freed_memory() is None
