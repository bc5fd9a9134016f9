"""The most exposed records of each defence, with their exposure under each attack: a table to search and sort."""

import numpy as np

from ..core.results import ExposedRecord, Exposure
from .images import Album
from .numbers import MISSING, finite
from .tables.tables import Cell, Column, Table
from .view import View, distinct

MOST_RECORDS, MOST_ATTACKS = 40, 12  # of a defence


def browser(view: View) -> Table:
    """One line for each defence and record: what it is, how exposed it is, and its exposure under each attack."""
    run, album = view.results.kind == "run", Album()
    exposures: dict[str, list[Exposure]] = {}
    for e in view.results.exposures:
        exposures.setdefault(e.defence, []).append(e)
    drawn = view.drawn or distinct(r.defence for r in view.results.records)
    shown = {d: _records(view, d, exposures.get(d, [])) for d in drawn}
    attacks = distinct(e.attack for d in shown for e in exposures.get(d, []))[:MOST_ATTACKS]
    columns = [
        *([Column("Defence", numeric=False)] if run else []),
        *(Column(title, numeric=False) for title in ("Record", "Label")),
        *(Column(title) for title in ("Exposure", "Found in")),
        *(Column(attack) for attack in attacks),
    ]
    lines = []
    for defence, records in shown.items():
        under = _under(
            {e.attack: e for e in exposures.get(defence, [])}, attacks, [r.record for r in records]
        )
        for r in records:
            named = Cell(str(r.record), image=album.admit(r.image))
            found = (
                Cell(MISSING)
                if r.tpr is None or not finite(r.tpr)
                else Cell(f"{100 * r.tpr:.0f} %", order=r.tpr)
            )
            values = [_score(r.vulnerability), found, *(_score(u.get(r.record)) for u in under)]
            lines.append([*([Cell(defence)] if run else []), named, Cell(r.label or MISSING), *values])
    return Table(columns, lines)


def _records(view: View, defence: str, exposures: list[Exposure]) -> list[ExposedRecord]:
    """Those that the results name, then the next ones by the same attack, which is the first."""
    found = [r for r in view.results.records if r.defence == defence][:MOST_RECORDS]
    known = {r.record for r in found}
    for e in exposures[:1]:
        value = np.where(e.member > 0, e.vulnerability, np.nan)
        order = np.argsort(np.where(np.isfinite(value), -value, np.inf), kind="stable")[:MOST_RECORDS]
        found += [
            ExposedRecord(
                defence,
                int(e.record[n]),
                None if e.label is None else e.label[n],
                float(value[n]),
                float(e.tpr[n]),
            )
            for n in order
            if np.isfinite(value[n]) and int(e.record[n]) not in known
        ]
    return found[:MOST_RECORDS]


def _under(exposures: dict[str, Exposure], attacks: list[str], records: list[int]) -> list[dict[int, float]]:
    """By attack the exposure of each of the records."""
    found: list[dict[int, float]] = []
    for attack in attacks:
        e = exposures.get(attack)
        places = [] if e is None else np.flatnonzero(np.isin(e.record, records)).tolist()
        found.append({int(e.record[n]): float(e.vulnerability[n]) for n in places} if e is not None else {})
    return found


def _score(value: float | None) -> Cell:
    return Cell(f"{value:.2f}".replace("-", "−"), order=value) if finite(value) else Cell(MISSING)


def by_chance(view: View) -> list[str]:
    """For each defence the largest exposure under random membership, where that was measured."""
    largest = {r.defence: r.by_chance for r in view.results.records if finite(r.by_chance)}
    named = view.results.kind == "run"
    return [
        f"{d}: {_score(v).text}" if named else _score(v).text for d, v in largest.items() if d in view.drawn
    ]
