"""What goes into the tables of the page and of the terminal."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...core.printable import printable
from ...core.results import BEST, BEST_WHITE_BOX, BLIND, WORST, Row
from ..comparison import changes
from ..numbers import (
    COSTS,
    DIFFERENCE,
    EPSILON,
    MISSING,
    SIZES,
    attacker_title,
    count,
    finite,
    metric_title,
    show,
    slice_title,
    strongest_title,
)
from ..view import Standing, View, crossed, distinct, is_thin

if TYPE_CHECKING:
    from rich.table import Table as RichTable

MOST_LINES = 1000
EVIDENCE = "Evidence"  # the column of grades, which a terminal shows below the defence
STRONGEST = (BEST, BEST_WHITE_BOX)
USUAL = ("auc", "balanced_accuracy")  # columns shown before the reader selects others


@dataclass(frozen=True)
class Cell:
    """A text with a smaller note (the interval); `order` is what a numeric column sorts by."""

    text: str
    note: str = ""
    order: float | None = None
    thin: bool = False  # few records stand behind it
    heat: float | None = None  # 0 to 1: how strongly the cell is coloured
    marked: bool = False
    ends: tuple[float, float] | None = None  # the interval
    image: str | None = None  # a data: URI that was admitted

    def attributes(self, numeric: bool) -> Markup:
        """What the page's element says of the cell: its look, and its number for sorting and for CSV."""
        look = ["n"] * (numeric and self.order is None) + ["thin"] * self.thin + ["own"] * self.marked
        if self.heat is not None:
            look.append(f"heat-{round(9 * self.heat)}")
        text = f' class="{" ".join(look)}"' if look else ""
        if self.order is not None:
            text += f' data-v="{self.order:.6g}"'
        if self.ends is not None:
            text += f' data-ci="{self.ends[0]:.5g} {self.ends[1]:.5g}"'
        return Markup(text)

    @classmethod
    def of(cls, row: Row | None) -> "Cell":
        """A row's value and interval."""
        if row is not None and row.metric == EPSILON:
            return cls._of_epsilon(row)
        if row is None or not finite(row.value):
            return cls(MISSING)
        number = show(row)
        ends = (row.lo, row.hi) if finite(row.lo) and finite(row.hi) else None
        return cls(number.value + number.suffix, number.interval, row.value, is_thin(row), ends=ends)

    @classmethod
    def _of_epsilon(cls, row: Row) -> "Cell":
        """With its delta; an infinite one sorts as the largest."""
        delta = row.detail.get("delta")
        note = f"δ = {delta:g}" if isinstance(delta, float | int) else ""
        return cls(show(row).value, note, row.value if finite(row.value) else sys.float_info.max)


@dataclass(frozen=True)
class Column:
    """A column's head; columns that are not `usual` are shown on request, or where there is room for them."""

    title: str
    numeric: bool = True
    usual: bool = True
    start: str = ""  # what a filter on the column is first set to


@dataclass(frozen=True)
class Table:
    """Columns and lines; the first columns that are not numeric name the line."""

    columns: list[Column]
    lines: list[list[Cell]] = field(default_factory=list)
    left_out: int = 0

    @property
    def names(self) -> list[tuple[int, Column, list[str]]]:
        """The columns that name a line, with the texts to filter by."""
        return [
            (i, c, distinct(line[i].text for line in self.lines))
            for i, c in enumerate(self.columns)
            if not c.numeric
        ]


def glance(view: View) -> Table:
    """One line per defence; one line per attack where there is a single model."""
    return _by_attack(view) if view.results.kind == "audit" else _by_defence(view)


def headline(view: View) -> Table:
    """The numbers that decide, in at most six columns: the defences that are drawn first, or every attack."""
    if view.results.kind == "audit":
        return _by_attack(view)
    rows = [
        (d, next(iter(view.standings[d]), None)) for d in distinct([*view.drawn_by_leakage, *view.defences])
    ]
    columns = {
        "Defence": [Cell(d, f"by {s.attack_title}" if s else "") for d, s in rows],
        EVIDENCE: [_evidence(view, s) for _, s in rows],
        metric_title(view.low_tpr or ""): [Cell.of(s.tpr if s else None) for _, s in rows],
        metric_title("auc"): [Cell.of(s.auc if s else None) for _, s in rows],
        metric_title("accuracy"): [Cell.of(view.row("accuracy", d)) for d, _ in rows],
        metric_title("train_cost_ratio"): [Cell.of(view.row("train_cost_ratio", d)) for d, _ in rows],
    }
    kept = {
        k: v for k, v in columns.items() if k in ("Defence", EVIDENCE) or any(c.order is not None for c in v)
    }
    heads = [Column(title, numeric=title not in ("Defence", EVIDENCE)) for title in kept]
    return Table(heads, list(map(list, zip(*kept.values(), strict=True))))


def _by_defence(view: View) -> Table:
    standings = [{s.adaptive: s for s in view.standings[d]} for d in view.defences]
    first = [next(iter(each.values()), None) for each in standings]
    named = [Cell(d, f"by {s.attack_title}" if s else "") for d, s in zip(view.defences, first, strict=True)]
    compared = list(map(changes(view).get, view.defences))
    tpr_change = next((c.tpr.metric for c in compared if c and c.tpr), None)
    columns = [
        (Column("Defence", numeric=False), named),
        (Column(EVIDENCE, numeric=False, usual=False), [_evidence(view, s) for s in first]),
    ]

    def add(title: str, rows: Iterable[Row | None], usual: bool = True) -> None:
        columns.append((Column(title, usual=usual), list(map(Cell.of, rows))))

    add("Accuracy", [view.row("accuracy", d) for d in view.defences])
    kinds = [kind for kind in (True, None, False) if any(kind in each for each in standings)]
    for name, metric in (("auc", "auc"), ("tpr", view.low_tpr or "")):
        for kind in kinds if metric else []:
            attacker = "" if kind is None else f", {attacker_title(kind)}"
            add(metric_title(metric) + attacker, [getattr(each.get(kind), name, None) for each in standings])
    for name, metric in (("auc", f"auc{DIFFERENCE}"), ("tpr", tpr_change or "")):
        if metric:
            add(metric_title(metric), [getattr(c, name, None) for c in compared], usual=False)
    add("Training cost", [view.row("train_cost_ratio", d) for d in view.defences])
    if any(r.metric == EPSILON for r in view.utility):
        add(metric_title(EPSILON), [view.row(EPSILON, d) for d in view.defences], usual=False)
    return Table(
        [column for column, _ in columns], list(map(list, zip(*(c for _, c in columns), strict=True)))
    )


def _evidence(view: View, standing: Standing | None) -> Cell:
    """How strong the evidence of leakage is, and the attack that it rests on where the line shows another."""
    if standing is None or view.void:
        return Cell(MISSING)
    return Cell(standing.grade.label, f"by {standing.single.attack}" if standing.single else "")


def _by_attack(view: View) -> Table:
    low = [view.low_tpr] if view.low_tpr else []
    metrics = [m for m in ("auc", *low, "balanced_accuracy", "advantage") if m in view.metrics]
    lines: dict[tuple[object, ...], dict[str, Row]] = {}
    for r in view.leakage:
        if r.slice == "all":
            lines.setdefault((r.attack, r.defence, r.adaptive), {}).setdefault(r.metric, r)
    ordered = sorted(lines.values(), key=lambda line: _strength(line, view.low_tpr or "auc"))
    columns = [Column("Attack", numeric=False), *(Column(metric_title(m)) for m in metrics)]
    return Table(
        columns, [[_attack_cell(line), *(Cell.of(line.get(m)) for m in metrics)] for line in ordered]
    )


def _strength(line: dict[str, Row], metric: str) -> tuple[bool, bool, float]:
    """Sorts the best first, then by the metric; the blind baseline, which attacks no model, last."""
    row = line.get(metric)
    first = next(iter(line.values()))
    return (
        first.attack != BEST,
        first.attack == BLIND,
        -row.value if row is not None and finite(row.value) else 1.0,
    )


def _attack_cell(line: dict[str, Row]) -> Cell:
    """The attack's name, and below it what was chosen as the best: one attack for each metric."""
    row = next(iter(line.values()))
    if row.attack == BLIND:
        return Cell(BLIND, "without the model")
    chosen = (
        distinct(strongest_title(r) for r in line.values() if r.selected) if row.attack in STRONGEST else []
    )
    return Cell(row.attack or MISSING, ", ".join(chosen) if row.slice != WORST else "")


def _slice_cell(row: Row) -> Cell:
    chosen = row.detail.get("slice", row.selected) if row.slice == WORST else None
    return Cell(slice_title(row.slice), slice_title(str(chosen)) if chosen else "")


def leakage(view: View, of: Sequence[Row] | None = None) -> Table:
    """One line for each defence, attack, attacker and slice of the rows `of`, or of all, what matters most first."""
    rows = [*view.leakage, *view.cross, *view.canaries] if of is None else of
    metrics = distinct(r.metric for r in rows)
    lines: dict[tuple[object, ...], dict[str, Row]] = {}
    for r in rows:
        lines.setdefault(
            (r.defence, r.attack, r.adaptive, r.shadows if crossed(r) else None, r.slice, r.target), {}
        )[r.metric] = r
    ranks = {
        name: k for names in (view.defences, [BEST, *view.attacks]) for k, name in enumerate(distinct(names))
    }
    parts = {name: k for k, name in enumerate(distinct(["all", *(r.slice for r in rows)]))}

    def importance(row: Row) -> tuple[object, ...]:
        aside = crossed(row) or row.slice != "all"
        return (
            aside,
            row.attack not in STRONGEST and aside,
            crossed(row),
            parts[row.slice],
            ranks[row.defence],
            row.adaptive is False,
            row.attack not in STRONGEST,
        )

    ordered = sorted(lines.values(), key=lambda line: importance(next(iter(line.values()))))
    shown = ordered[:MOST_LINES]
    columns = [
        Column("Defence", numeric=False), Column("Attack", numeric=False), 
        Column("Attacker", numeric=False, start=attacker_title(True)),
        Column("Slice", numeric=False, start=slice_title("all")),
        Column("Target", numeric=False),
        Column("Members", usual=False), Column("Non-members", usual=False),
        *(Column(metric_title(m), usual=m in USUAL or m in view.tprs) for m in metrics),
    ]  # fmt: skip
    table = Table(columns, [_leakage_line(line, metrics) for line in shown], len(ordered) - len(shown))
    return _without_constant_names(table)


def _leakage_line(line: dict[str, Row], metrics: Iterable[str]) -> list[Cell]:
    row = next(iter(line.values()))
    attacker = f"shadows: {row.shadows}" if crossed(row) else attacker_title(row.adaptive)
    return [
        Cell(row.defence), _attack_cell(line), Cell(attacker), _slice_cell(row), Cell(row.target),
        _count_cell(row.n_members), _count_cell(row.n_nonmembers), *(Cell.of(line.get(m)) for m in metrics),
    ]  # fmt: skip


def _count_cell(n: int | None) -> Cell:
    return Cell(MISSING) if n is None else Cell(count(n), order=n)


def _without_constant_names(table: Table) -> Table:
    """Without the defence, the attacker and the target where they are the same in every line."""
    same = {
        i
        for i, column, texts in table.names
        if column.title in ("Defence", "Attacker", "Target") and len(texts) < 2
    }
    keep = [i for i in range(len(table.columns)) if i not in same]
    return Table(
        [table.columns[i] for i in keep], [[line[i] for i in keep] for line in table.lines], table.left_out
    )


def utility(view: View) -> Table:
    """One line per defence, one column per utility; costs and sizes have tables of their own."""
    return by_defence(view, [m for m in _measures(view) if not m.startswith(COSTS)])


def costs(view: View) -> Table:
    """One line per defence, one column per cost in time and records."""
    return by_defence(view, [m for m in _measures(view) if m.startswith(COSTS)])


def _measures(view: View) -> list[str]:
    return distinct(r.metric for r in view.utility if r.slice == "all" and r.metric not in SIZES)


def by_defence(view: View, metrics: list[str]) -> Table:
    """One line per defence with any of the metrics, one column per metric."""
    named = [d for d in view.defences if any(r.defence == d and r.metric in metrics for r in view.utility)]
    audit = view.results.kind == "audit"
    lines = [[Cell("the model" if audit else d), *(Cell.of(view.row(m, d)) for m in metrics)] for d in named]
    return Table(
        [Column("Model" if audit else "Defence", numeric=False), *(Column(metric_title(m)) for m in metrics)],
        lines,
    )


def slice_table(view: View, metric: str = "auc") -> Table:
    """The strongest attack: one line per slice, one column per defence."""
    found = {d: {r.slice: r for r in view.sliced(d, metric)} for d in view.defences}
    parts = distinct(part for rows in found.values() for part in rows)
    columns = [Column("Slice", numeric=False), *(Column(d) for d in found)]
    lines = [[Cell(slice_title(p)), *(Cell.of(rows.get(p)) for rows in found.values())] for p in parts]
    return Table(columns, lines)


def terminal_table(view: View) -> "RichTable":
    """The glance table for a terminal of 80 columns: one line per defence of a study or per attack of an audit."""
    from rich.table import Table as RichTable
    from rich.text import Text

    table = glance(view)
    usual = [i for i, column in enumerate(table.columns) if column.usual]
    evidence = next((i for i, column in enumerate(table.columns) if column.title == EVIDENCE), None)
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i in usual:
        column = table.columns[i]
        title = printable(column.title).replace(", ", "\n").replace(" at ", " at\n").replace("non-", "non-\n")
        if i == 0 and evidence is not None:
            title += f"\n{EVIDENCE.lower()}"
        drawn.add_column(
            Text(title), justify="right" if column.numeric else "left", no_wrap=not column.numeric
        )
    for line in table.lines:
        below = [_below(printable(line[i].note)) for i in usual]
        if evidence is not None:
            below[0] += f"\n{line[evidence].text}"
        cells = zip((printable(line[i].text) for i in usual), below, strict=True)
        drawn.add_row(*(Text.assemble(text, (note, "dim")) for text, note in cells))
    return drawn


def _below(note: str) -> str:
    """A note on a line of its own; an interval without leading zeros, so that a study fits 80 columns: .751–.769."""
    dashed = (
        re.sub(r"\b0\.", ".", note.strip("[]")).replace(", ", "–")
        if note.startswith("[") and "−" not in note
        else note
    )
    return f"\n{dashed}" if note else ""
