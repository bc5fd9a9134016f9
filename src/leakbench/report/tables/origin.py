"""Where the leakage of a defence that trains on synthetic records comes from."""

from ...core.results import Row
from ..numbers import metric_title, strongest_title
from ..view import ORIGINS, View, distinct
from .tables import Cell, Column, Table


def origins(view: View) -> Table:
    """The AUC from the generator and from the weights: one line per defence, for its strongest attack."""
    columns = [
        Column("Defence", numeric=False),
        Column("Twin", numeric=False),
        Column("AUC"),
        *(Column(metric_title(m)) for m in ORIGINS),
    ]
    defences = distinct(r.defence for r in view.origins)
    return Table(columns, [_line(view, d, view.strongest(d, view.origins)) for d in defences])


def _line(view: View, defence: str, rows: list[Row]) -> list[Cell]:
    parts = {r.metric: r for r in rows}
    attack = rows[0].attack
    who = strongest_title(rows[0]) or attack
    twin = next((str(r.detail["twin"]) for r in rows if r.detail.get("twin")), "")
    return [
        Cell(defence, f"by {who}" if who else ""),
        Cell(twin),
        Cell.of(view.known("auc", defence, attack)),
        *(Cell.of(parts.get(m)) for m in ORIGINS),
    ]


def generators(view: View) -> Table:
    """Attacks on the synthetic records alone: one line per defence and attack."""
    metrics = distinct(r.metric for r in view.generators)
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for r in view.generators:
        lines.setdefault((r.defence, str(r.attack)), {}).setdefault(r.metric, r)
    columns = [Column("Defence", numeric=False), Column("Attack", numeric=False)]
    return Table(
        [*columns, *(Column(metric_title(m)) for m in metrics)],
        [[Cell(d), Cell(a), *(Cell.of(line.get(m)) for m in metrics)] for (d, a), line in lines.items()],
    )
