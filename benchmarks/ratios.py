"""What the benchmarks share: two ways to the same result, timed in turns, and their ratio."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
HEAD = ("| what | ours, s | the other way, s | ratio | |", "|---|---|---|---|---|")


@dataclass(frozen=True)
class Ratio:
    """Seconds of each run of ours and of the other way; how many times the other way takes."""

    part: str  # the section that it belongs to
    what: str
    ours: list[float]
    other: list[float]
    note: str = ""

    @property
    def line(self) -> str:
        """A row under `HEAD`: medians, and the ratio of the medians with that of the extremes."""
        ours, other = (
            f"{statistics.median(s):.3g} ({min(s):.3g} to {max(s):.3g})" for s in (self.ours, self.other)
        )
        middle = statistics.median(self.other) / statistics.median(self.ours)
        low, high = min(self.other) / max(self.ours), max(self.other) / min(self.ours)
        return f"| {self.what} | {ours} | {other} | {middle:.3g}x ({low:.3g} to {high:.3g}) | {self.note} |"


def in_turns(
    ours: Callable[[], object],
    other: Callable[[], object],
    repeats: int,
    others: int | None = None,
    scale: float = 1.0,
    clock: Clock = time.perf_counter,
) -> tuple[list[float], list[float]]:
    """Seconds of each of `repeats` runs of ours and, in turns with the first of them, of `others` of the other way.

    A part of the other way may stand for all of it: its seconds are multiplied by `scale`. Ours is run once untimed.
    """
    ours()
    fast, slow = [], []
    for n in range(repeats):
        fast.append(seconds(ours, clock))
        if n < (repeats if others is None else others):
            slow.append(scale * seconds(other, clock))
    return fast, slow


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """How long `work` takes."""
    began = clock()
    work()
    return clock() - began
