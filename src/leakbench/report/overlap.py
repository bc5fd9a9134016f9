"""How attacks differ: which members they find together, and what a second attack adds to the strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..core.results import FoundBy, Overlap, Row
from .figures.point_labels import LETTER
from .figures.svg import FAINT, INK, MUTED, Plot, even_ticks, plain_number, tone
from .numbers import MISSING, count, percent
from .tables.tables import Cell, Column, Table
from .view import View

MOST_DEFENCES = 8  # with a section of their own
MOST_BARS = 24
ROW, BAR = 16.0, 22.0  # pixels of an attack's row, and of a bar
LONGEST = 46  # letters of a name


@dataclass(frozen=True)
class Section:
    """The overlap of the attacks on one defence."""

    defence: str
    words: str
    plot: Markup | None  # the UpSet plot
    added: Table
    similarity: list[tuple[str, Table]]  # Jaccard indices, of what is found at an FPR and of the lists


def sections(view: View) -> list[Section]:
    """One for each defence of which overlaps are known."""
    by_defence: dict[str, list[Overlap]] = {}
    for overlap in view.results.overlaps:
        by_defence.setdefault(overlap.defence, []).append(overlap)
    return [
        Section(
            defence,
            _words(first),
            upset(view, first),
            added(view, first),
            [(_found(o), similarity(o)) for o in (first, *others) if len(_finding(o)) > 1],
        )
        for defence, (first, *others) in list(by_defence.items())[:MOST_DEFENCES]
    ]


def _found(overlap: Overlap) -> str:
    """What it means that an attack finds a record."""
    kind, _, value = overlap.criterion.partition("=")
    if kind == "fdr":
        return f"on the attack's list with at most {percent(float(value))} wrong"
    return f"found at {percent(float(value))} FPR"


def _words(overlap: Overlap) -> str:
    own = overlap.common[overlap.attacks.index(overlap.strongest)][overlap.attacks.index(overlap.strongest)]
    text = f"{overlap.strongest} finds {_share(own, overlap.members)} of the members, all attacks together "
    text += f"{_share(overlap.union, overlap.members)}."
    idle = [a for k, a in enumerate(overlap.attacks) if k not in _finding(overlap)]
    if idle:
        text += f" No member is {_found(overlap)} by {', '.join(idle)}."
    if overlap.left_out:
        text += f" Not compared, because they score other records: {', '.join(overlap.left_out)}."
    return text


def _share(n: int, of: int) -> str:
    return f"{100 * n / max(of, 1):.1f} %"


def added(view: View, overlap: Overlap) -> Table:
    """The strongest attack, then what each of the others adds to it, who adds most first."""
    rate = overlap.criterion

    def known(metric: str, attack: str) -> Row | None:
        return view.known(f"{metric}@{rate}", overlap.defence, attack)

    columns = [
        Column("Attack", numeric=False),
        *(
            Column(title)
            for title in ("TPR", "Adds of the members", "Adds of the non-members", "Jaccard index")
        ),
        *(Column(title) for title in ("Stability", "Found in a model", "Found in all")),
    ]
    lines = []
    for attack in overlap.attacks:
        more, stable = known("added_tpr", attack), known("stability", attack)
        wrong = more.detail if more else {}
        lines.append(
            [
                Cell(attack),
                Cell.of(known("tpr", attack)),
                Cell.of(more),
                share_of(wrong, "added_fpr"),
                Cell(f"{wrong['jaccard']:.2f}", order=wrong["jaccard"])
                if "jaccard" in wrong
                else Cell(MISSING),
                Cell.of(stable),
                *(share_of(stable.detail if stable else {}, key) for key in ("coverage", "always")),
            ]
        )
    rank = {
        a: (a != overlap.strongest, -(line[2].order or 0.0))
        for a, line in zip(overlap.attacks, lines, strict=True)
    }
    lines.sort(key=lambda line: rank[line[0].text])
    return Table(columns, lines)


def share_of(detail: Mapping[str, float], key: str) -> Cell:
    """A share of a row's detail, with its interval where that has one."""
    if key not in detail:
        return Cell(MISSING)
    limits = [detail.get(f"{key}_{end}") for end in ("lo", "hi")]
    note = f"[{', '.join(f'{100 * v:.1f}' for v in limits if v is not None)}]" if None not in limits else ""
    return Cell(f"{100 * detail[key]:.1f} %", note, detail[key])


def _finding(overlap: Overlap) -> list[int]:
    """The places of the attacks that find any member."""
    return [k for k, counts in enumerate(overlap.common) if counts[k]]


def similarity(overlap: Overlap) -> Table:
    """The Jaccard index of what each two attacks find, attacks that find the same side by side."""
    names = _finding(overlap)
    common = np.array(overlap.common, dtype=np.float64)[np.ix_(names, names)]
    own = np.diagonal(common)
    jaccard = common / (own[:, None] + own[None] - common)
    order = _side_by_side(jaccard)
    titles = [overlap.attacks[names[k]] for k in order]
    lines = [
        [Cell(title), *(Cell(f"{jaccard[a, b]:.2f}", heat=jaccard[a, b], order=jaccard[a, b]) for b in order)]
        for a, title in zip(order, titles, strict=True)
    ]
    return Table([Column("Attack", numeric=False), *(Column(title) for title in titles)], lines)


def _side_by_side(jaccard: NDArray[np.float64]) -> list[int]:
    """An order in which neighbours are alike: the leaves of average-linkage clustering."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(jaccard) < 3:
        return list(range(len(jaccard)))
    far = squareform(1 - jaccard, checks=False)
    return [int(k) for k in leaves_list(linkage(far, "average", optimal_ordering=True))]


def _alike(overlap: Overlap) -> list[list[str]]:
    """The attacks that find any member, those that find the same ones together, who finds most first."""
    groups: list[list[int]] = []
    for a in sorted(range(len(overlap.attacks)), key=lambda a: -overlap.common[a][a]):
        common = overlap.common[a]
        group = next((g for g in groups if common[g[0]] == common[a] == overlap.common[g[0]][g[0]]), None)
        if group is not None:
            group.append(a)
        elif common[a]:
            groups.append([a])
    return [[overlap.attacks[a] for a in group] for group in groups]


def _name(group: Sequence[str]) -> str:
    text = ", ".join(group)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def upset(view: View, overlap: Overlap) -> Markup | None:
    """Bars of the combinations of attacks that find most members, over a matrix of who takes part; None for no member.

    A dash is the share of the non-members that the same attacks accuse.
    """
    groups, shown = _alike(overlap), [p for p in overlap.patterns[:MOST_BARS] if p.members]
    if not shown:
        return None
    ink = tone(view.series(overlap.defence))
    left, bars, across = 70 + LETTER * max(len(_name(g)) for g in groups), 150.0, max(12, len(shown))
    below = 16 + ROW * len(groups)
    plot = Plot(left + across * BAR + 10, bars + 18 + below, left, right=10, top=18, bottom=below)
    plot.across(-0.6, across - 0.4)
    _bars(plot, overlap, shown, ink)
    _matrix(plot, overlap, groups, shown, ink)
    told = "; ".join(f"{', '.join(p.attacks)}: {count(p.members)} members" for p in shown[:6])
    return plot.svg(f"Members found by combinations of attacks on {overlap.defence}: {told}")


def _bars(plot: Plot, overlap: Overlap, shown: Sequence[FoundBy], ink: str) -> None:
    """The share of the members that each combination finds, and a dash at that of the non-members."""
    shares = [100 * p.members / overlap.members for p in shown]
    wrong = [100 * p.nonmembers / max(overlap.nonmembers, 1) for p in shown]
    highest = 1.05 * max(*shares, *wrong)
    plot.up(0.0, highest)
    plot.axes([], even_ticks(0.0, highest, plain_number), y_title="% of members")
    for x, (p, share, accused) in enumerate(zip(shown, shares, wrong, strict=True)):
        told = f"{', '.join(p.attacks)}: {share:.2g} % of the members, {accused:.2g} % of the non-members"
        plot.box(x - 0.31, 0.0, x + 0.31, share, ink, 1.0, told)
        plot.line([(x - 0.42, accused), (x + 0.42, accused)], INK, 1.4, title=told)
    for k, text in enumerate(("bar: members", "dash: non-members")):
        plot.text(plot.frame[2], plot.frame[1] + 10 + 14 * k, text, anchor="end")


def _matrix(
    plot: Plot, overlap: Overlap, groups: Sequence[Sequence[str]], shown: Sequence[FoundBy], ink: str
) -> None:
    """A row for each group of attacks that find the same, with a dot in each combination that it takes part in."""
    sizes = dict(zip(overlap.attacks, np.diagonal(overlap.common), strict=True))
    there = np.array([[group[0] in p.attacks for p in shown] for group in groups])  # [groups, combinations]
    left, *_, bottom = plot.frame
    rows = [bottom + 16 + ROW * k for k in range(len(groups))]
    for column, k in zip(there.T, range(len(shown)), strict=True):
        first, last = np.flatnonzero(column)[[0, -1]]
        plot.join((plot.x(k), rows[first]), (plot.x(k), rows[last]), MUTED)
    for y, group, row in zip(rows, groups, there, strict=True):
        tint = ink if overlap.strongest in group else INK
        share = f"{100 * sizes[group[0]] / overlap.members:.1f} %"
        plot.text(left - 8, y + 4, share, anchor="end")
        plot.text(left - 60, y + 4, _name(group), tint, anchor="end")
        for k, inside in enumerate(row):
            plot.dot((plot.x(k), y), tint if inside else FAINT, 3.2 if inside else 1.5)
