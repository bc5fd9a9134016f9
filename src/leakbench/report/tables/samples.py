"""Synthetic records beside the real record most like each."""

from dataclasses import dataclass

import numpy as np

from ...core.results import ResultData, SyntheticSample
from ..images import Album
from ..numbers import MISSING, count, finite
from .tables import Cell, Column, Table

MOST_SAMPLES = 24  # per defence


@dataclass(frozen=True)
class Pair:
    """A synthetic image, and the nearest real one."""

    label: str
    distance: str
    image: str
    nearest: str | None


def pictures(results: ResultData) -> dict[tuple[str, str], list[Pair]]:
    """The pairs of each defence and generator that makes images."""
    album = Album()
    found: dict[tuple[str, str], list[Pair]] = {}
    for sample in results.samples:
        group = found.setdefault((sample.defence, sample.generator), [])
        if len(group) < MOST_SAMPLES and (image := album.admit(sample.image)):
            group.append(Pair(sample.label, _distance(sample.distance), image, album.admit(sample.nearest)))
    return {names: group for names, group in found.items() if group}


def distances(results: ResultData) -> Table:
    """The distances to the nearest real records: one line per defence and generator."""
    found: dict[tuple[str, str], list[SyntheticSample]] = {}
    for sample in results.samples:
        found.setdefault((sample.defence, sample.generator), []).append(sample)
    columns = [Column("Defence", numeric=False), Column("Generator", numeric=False), Column("Samples")]
    return Table(
        [*columns, *(Column(title) for title in ("Smallest", "Median", "Largest"))],
        [_line(defence, generator, group) for (defence, generator), group in found.items()],
    )


def _line(defence: str, generator: str, group: list[SyntheticSample]) -> list[Cell]:
    known = [s.distance for s in group if finite(s.distance)]
    levels = [float(v) for v in np.quantile(known, (0.0, 0.5, 1.0))] if known else [float("nan")] * 3
    return [
        Cell(defence),
        Cell(generator),
        Cell(count(len(group)), order=len(group)),
        *(Cell(_distance(v), order=v if finite(v) else None) for v in levels),
    ]


def _distance(value: float) -> str:
    return f"{value:.3g}" if finite(value) else MISSING
