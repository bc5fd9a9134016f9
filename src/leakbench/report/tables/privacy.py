"""Which epsilon the attacks refute, beside the one that DP-SGD promises."""

from ...core.results import BEST, Row
from ..numbers import BOUNDS, EPSILON, MISSING, attack_title, bound_title, count, show, strongest_title
from ..view import View, distinct
from .tables import Cell, Column, Table

MOST_LINES = 60


def bounds(view: View) -> Table:
    """One line for each defence and attack, the strongest attack alone where it was chosen; the highest bound first."""
    study, rows = view.results.kind == "run", _bounds(view)
    if study:
        rows = [r for r in rows if r.attack == BEST and r.adaptive is not False] or rows
    lines: dict[tuple[object, ...], dict[str, Row]] = {}
    for r in rows:
        lines.setdefault((r.defence, r.attack, r.adaptive), {})[r.metric] = r
    metrics = distinct(r.metric for r in rows)
    promised = any(view.row(EPSILON, d) for d in view.defences)
    columns = [
        *([Column("Defence", numeric=False)] if study else []),
        Column("Attack", numeric=False),
        *(Column(bound_title(metric)) for metric in metrics),
        Column("Guesses right", usual=False),
        *([Column("Promised ε")] if promised else []),
    ]
    table = Table(columns, left_out=max(0, len(lines) - MOST_LINES))
    order = {d: k for k, d in enumerate(view.defences)}
    ranked = sorted(lines.values(), key=lambda line: max(-r.value for r in line.values()))
    for line in sorted(ranked[:MOST_LINES], key=lambda line: order.get(_first(line).defence, 0)):
        first = _first(line)
        chosen = first.attack == BEST
        attack = strongest_title(first) if chosen else attack_title(first.attack or MISSING, False)
        table.lines.append(
            [
                *([Cell(first.defence)] if study else []),
                Cell(attack),
                *(Cell.of(line.get(metric)) for metric in metrics),
                _guesses(line),
                *([Cell.of(view.row(EPSILON, first.defence))] if promised else []),
            ]
        )
    return table


def bounds_line(view: View) -> str | None:
    """The bounds of an audit in a line: those of the strongest attack, or of the only one; None where there are none.

    The largest bound of several attacks is not a bound, unless another half chose the attack.
    """
    rows = _bounds(view)
    attacks = distinct(r.attack for r in rows)
    if view.results.kind != "audit" or not (BEST in attacks or len(attacks) == 1):
        return None
    told = [r for r in rows if r.attack == (BEST if BEST in attacks else attacks[0])]
    limits = "; ".join(f"{show(r).value} ({bound_title(r.metric).partition(', ')[2]})" for r in told)
    return f"epsilon: {limits}, by {strongest_title(told[0]) or told[0].attack}, with 95 % confidence"


def _bounds(view: View) -> list[Row]:
    return [r for r in view.leakage if r.metric.startswith(BOUNDS) and (r.slice, r.target) == ("all", "all")]


def _first(line: dict[str, Row]) -> Row:
    return next(iter(line.values()))


def _guesses(line: dict[str, Row]) -> Cell:
    """What the first bound rests on: right guesses, guesses and canaries."""
    detail = next((r.detail for r in line.values() if "guesses" in r.detail), None)
    if detail is None:
        return Cell(MISSING)
    return Cell(
        f"{count(detail['right'])} of {count(detail['guesses'])}", f"{count(detail['canaries'])} canaries"
    )
