"""Attackers who trained their shadow models with another defence: victims by shadow models, as matrices."""

from dataclasses import dataclass, replace

from ...core.results import BEST, Row
from ..numbers import finite, metric_title
from ..view import BASELINE, View, distinct
from .tables import Cell, Column, Table

MOST_MATRICES = 60


@dataclass(frozen=True)
class Matrix:
    """One metric of one attack: one line per target, one column per defence of the shadow models."""

    attack: str
    metric: str
    table: Table


def matrices(view: View) -> list[Matrix]:
    """The strongest attack first, then each; AUC first, then TPR at the lowest FPR resolved."""
    attacks = distinct([BEST, *(str(r.attack) for r in view.cross)])
    known = {r.metric for r in view.cross}
    metrics = [m for m in ("auc", view.low_tpr) if m in known]
    cells = _cells(view)
    made = [
        Matrix("strongest attack" if a == BEST else a, metric_title(m), _matrix(view, cells, a, m))
        for a in attacks
        for m in metrics
        if m
    ]
    return made[:MOST_MATRICES]


Cells = dict[tuple[str, str], list[Row]]  # by victim and defence of the shadow models


def _cells(view: View) -> Cells:
    """The rows of every pair: shadow models with the target's defence, with none, and with another one."""
    victims = {r.defence for r in view.cross}
    found: Cells = {}
    for r in [*view.leakage, *view.cross]:
        if r.defence in victims and r.slice == "all":
            naive = r.shadows or BASELINE
            found.setdefault((r.defence, naive if r.adaptive is False else r.defence), []).append(r)
    return found


def _matrix(view: View, cells: Cells, attack: str, metric: str) -> Table:
    victims, shadows = (_ordered(view, {pair[k] for pair in cells}) for k in (0, 1))
    lines = [
        [Cell(v), *(_cell(cells.get((v, s), []), attack, metric, v == s) for s in shadows)] for v in victims
    ]
    columns = [Column("Victim", numeric=False), *(Column(s) for s in shadows)]
    level = next((r.chance for rows in cells.values() for r in rows if r.metric == metric), None)
    return Table(columns, _warmed(lines, level or 0.0))


def _ordered(view: View, names: set[str]) -> list[str]:
    return [d for d in view.defences if d in names] + sorted(names - set(view.defences))


def _cell(rows: list[Row], attack: str, metric: str, own: bool) -> Cell:
    found = [r for r in rows if r.metric == metric and finite(r.value)]
    of_attack = [r for r in found if r.attack == attack]
    if attack == BEST and not of_attack:
        of_attack = sorted(found, key=lambda r: -r.value)
    return replace(Cell.of(next(iter(of_attack), None)), marked=own)


def _warmed(lines: list[list[Cell]], level: float) -> list[list[Cell]]:
    """With the share that each number reaches of the way from chance to the highest."""
    highest = max((c.order for line in lines for c in line if c.order is not None), default=level)
    span = max(highest - level, 1e-9)
    return [
        [
            c if c.order is None else replace(c, heat=min(1.0, max(0.0, (c.order - level) / span)))
            for c in line
        ]
        for line in lines
    ]
