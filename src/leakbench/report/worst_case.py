"""Leakage of canaries compared with average records."""

from dataclasses import dataclass

from markupsafe import Markup

from ..core.results import BEST, Row
from .figures.scatter import number, numbered, scattered
from .figures.svg import DOTTED, MUTED
from .numbers import MISSING, finite, metric_title, rate, show, slice_title, strongest_title
from .tables.tables import Cell, Column, Table
from .view import BASELINE, View, is_thin


@dataclass(frozen=True)
class Contrast:
    """A defence's canaries of one kind, under the strongest attack on them, beside its average records under theirs."""

    defence: str
    part: str  # the slice of the canaries
    own: bool  # the defence is judged by canaries of this kind
    canaries: dict[str, Row]  # by metric
    average: dict[str, Row]

    @property
    def gap(self) -> float:
        """By how much the AUC of canaries lies above that of average records, between the ends of the intervals."""
        theirs, usual = self.canaries["auc"].lo, self.average["auc"].hi
        return theirs - usual if finite(theirs) and finite(usual) else 0.0


def contrasts(view: View) -> list[Contrast]:
    """One for each defence and kind, for an adaptive attacker; a defence's own kind comes first."""
    canaries: dict[tuple[str, str], dict[str, Row]] = {}
    for r in view.canaries:
        if r.adaptive is not False:
            best = canaries.setdefault((r.defence, r.slice), {})
            best[r.metric] = max(best.get(r.metric, r), r, key=lambda r: (r.attack == BEST, r.value))
    found = []
    for (defence, part), rows in canaries.items():
        standing = next(iter(view.standings.get(defence, [])), None)
        usual = (
            {m: view.row(m, defence, standing.attack, standing.adaptive) for m in rows} if standing else {}
        )
        average = {m: row for m, row in usual.items() if row is not None}
        if "auc" in rows and "auc" in average:
            found.append(Contrast(defence, part, bool(rows["auc"].detail.get("own_kind")), rows, average))
    return sorted(found, key=lambda c: (view.defences.index(c.defence), not c.own))


def worst_case(view: View) -> Table:
    """One line for each defence and kind: AUC and TPR of average records and of canaries, accuracy on clean records."""
    found = contrasts(view)
    metrics = ["auc", *_low_tpr(found)]
    audit = view.results.kind == "audit"
    columns = [Column("Model" if audit else "Defence", numeric=False), Column("Canaries", numeric=False)]
    columns += [] if audit else [Column("Accuracy")]
    columns += [Column(f"{metric_title(m)}, {who}") for m in metrics for who in ("average", "canaries")]
    lines = []
    for c in found:
        auc, mark = c.canaries["auc"], f"no. {number(view, c.defence)}, " if numbered(view) else ""
        line = [
            Cell(
                "the model" if audit else c.defence,
                f"{mark}by {strongest_title(auc) or auc.attack or MISSING}",
            ),
            Cell(slice_title(c.part).removesuffix(" canaries"), "it is judged by these" if c.own else ""),
            *([] if audit else [Cell.of(view.row("accuracy", c.defence))]),
        ]
        lines.append(line + [Cell.of(side[m]) for m in metrics for side in (c.average, c.canaries)])
    return Table(columns, lines)


def _low_tpr(found: list[Contrast]) -> list[str]:
    """The TPR at the lowest FPR at which all canaries have false positives enough to count, or else at the lowest."""
    shared = set.intersection(*({*c.canaries} & {*c.average} for c in found)) if found else set()
    rates = sorted((m for m in shared if rate(m)), key=lambda m: rate(m) or 1.0)
    solid = [m for m in rates if not any(is_thin(c.canaries[m]) for c in found)]
    return (solid or rates)[:1]


def worst_case_figure(view: View) -> Markup | None:
    """AUC of average records against that of the defence's own canaries, one mark per defence; None without any."""
    points = [(c.defence, c.average["auc"], c.canaries["auc"]) for c in contrasts(view) if c.own]
    if not points:
        return None
    plot = scattered(view, points, ("AUC of average records", "AUC of canaries"))
    ends = max(plot.x.low, plot.y.low), min(plot.x.high, plot.y.high)
    plot.line([(end, end) for end in ends] if ends[0] < ends[1] else [], MUTED, dash=DOTTED)
    told = "; ".join(f"{d}: average {show(x)}, canaries {show(y)}" for d, x, y in points)
    return plot.svg(f"AUC of canaries against that of average records. {told}.")


def finding(view: View) -> str | None:
    """The defence under which an average hides most, in a sentence; None without canaries."""
    found = [c for c in contrasts(view) if c.own] or contrasts(view)
    if not found or view.void:
        return None
    most = max(found, key=lambda c: c.gap)
    if most.gap <= 0:
        return "No model is shown to leak more about its canaries than about average records."
    where = "Without a defence, the" if most.defence == BASELINE else f"Under {most.defence}, the"
    where = "The" if view.results.kind == "audit" else where
    average, canaries = (show(side["auc"]).phrase for side in (most.average, most.canaries))
    of = f"AUC {average} on average records and {canaries} on {slice_title(most.part)}"
    return f"{where} strongest attack has {of}."
