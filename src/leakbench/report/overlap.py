"""How attacks differ: which members they find together, and what a second attack adds to the strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..core.results import FoundBy, Overlap, Row
from .figures.point_labels import LETTER
from .figures.svg import FAINT, FONT, INK, MUTED, colour, figure, inline, place, plain
from .numbers import MISSING, count, percent
from .tables.tables import Cell, Column, Table
from .view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    return Table([Column("", numeric=False), *(Column(title) for title in titles)], lines)


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
    number, across = view.defences.index(overlap.defence), max(12, len(shown))
    left, bars, rows = 70 + LETTER * max(len(_name(g)) for g in groups), 150.0, ROW * len(groups)
    width, height = left + across * BAR + 10, bars + rows + 34
    made, axes = figure(width, height)
    place(axes, width, height, left, right=10, top=18, bottom=rows + 16)
    axes.set_xlim(-0.6, across - 0.4)
    _bars(axes, overlap, shown, colour(number))
    matrix = plain(made.add_axes((0, 0, 1, 1)))
    place(matrix, width, height, left, right=10, top=bars + 26, bottom=8)
    matrix.set_xlim(*axes.get_xlim())
    _matrix(matrix, overlap, groups, shown, colour(number))
    told = "; ".join(f"{', '.join(p.attacks)}: {count(p.members)} members" for p in shown[:6])
    return inline(
        made, f"upset-{number}", f"Members found by combinations of attacks on {overlap.defence}: {told}"
    )


def _bars(axes: "Axes", overlap: Overlap, shown: Sequence[FoundBy], tone: str) -> None:
    """The share of the members that each combination finds, and a dash at that of the non-members."""
    x, shares = np.arange(len(shown)), [100 * p.members / overlap.members for p in shown]
    wrong = [100 * p.nonmembers / max(overlap.nonmembers, 1) for p in shown]
    axes.bar(x, shares, width=0.62, color=tone)
    axes.hlines(wrong, x - 0.42, x + 0.42, color=INK, linewidth=1.4)
    axes.set_xticks([])
    axes.set_ylabel("% of members", color=MUTED, fontsize=FONT)
    key: dict[str, Any] = {
        "color": MUTED,
        "fontsize": FONT,
        "va": "top",
        "ha": "right",
        "transform": axes.transAxes,
    }
    axes.text(0.99, 0.97, "bar: members\ndash: non-members", **key)


def _matrix(
    axes: "Axes", overlap: Overlap, groups: Sequence[Sequence[str]], shown: Sequence[FoundBy], tone: str
) -> None:
    """A row for each group of attacks that find the same, with a dot in each combination that it takes part in."""
    axes.spines[:].set_visible(False)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    sizes = dict(zip(overlap.attacks, np.diagonal(overlap.common), strict=True))
    there = np.array([[group[0] in p.attacks for p in shown] for group in groups])  # [groups, combinations]
    at: dict[str, Any] = {"va": "center", "ha": "right", "fontsize": FONT, "parse_math": False}
    for y, group in enumerate(groups):
        ink = tone if overlap.strongest in group else INK
        inside, outside = np.flatnonzero(there[y]), np.flatnonzero(~there[y])
        axes.text(-0.8, y, f"{100 * sizes[group[0]] / overlap.members:.1f} %", color=MUTED, **at)
        axes.text(-0.8 - 52 / BAR, y, _name(group), color=ink, **at)
        axes.plot(outside, np.full(outside.size, y), "o", color=FAINT, markersize=3, alpha=0.5)
        axes.plot(inside, np.full(inside.size, y), "o", color=ink, markersize=6.5)
    for k, column in enumerate(there.T):
        axes.plot([k, k], np.flatnonzero(column)[[0, -1]], color=MUTED, linewidth=1.2, zorder=0)
