"""How large the models are, whole and layer by layer."""

from ...core.results import LayerSize, ResultData, Row
from ..numbers import MISSING, SIZES, finite
from ..view import View
from .tables import Cell, Column, Table, by_defence


def sizes(view: View) -> Table:
    """One line per defence, one column per measure of size."""
    return by_defence(view, [m for m in SIZES if any(r.metric == m for r in view.utility)])


def layers(results: ResultData) -> list[tuple[str, str, Table]]:
    """For each defence how much of its weights is left, and a table of its layers."""
    found: dict[str, list[LayerSize]] = {}
    for layer in results.layers:
        found.setdefault(layer.defence, []).append(layer)
    return [(defence, _left(group), _table(group)) for defence, group in found.items()]


def _left(group: list[LayerSize]) -> str:
    before, left = sum(s.weights_before for s in group), sum(s.weights - s.zeros for s in group)
    return f"{_number(left)} of {_number(before)} weights left"


def _table(group: list[LayerSize]) -> Table:
    columns = [
        Column("Layer", numeric=False),
        Column("Kind", numeric=False),
        Column("Weights, undefended"),
        Column("Weights"),
        Column("Zeros"),
        Column("Sparsity"),
    ]
    return Table(columns, [_line(layer) for layer in group])


def _line(layer: LayerSize) -> list[Cell]:
    counts = (layer.weights_before, layer.weights, layer.zeros)
    sparsity = Row("sparsity", layer.zeros / layer.weights if layer.weights else float("nan"))
    return [
        Cell(layer.layer),
        Cell(layer.kind),
        *(Cell(_number(n), order=n) for n in counts),
        Cell.of(sparsity),
    ]


def _number(n: float) -> str:
    return f"{n:,.0f}" if finite(n) else MISSING
