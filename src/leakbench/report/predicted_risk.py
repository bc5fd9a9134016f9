"""What the released outputs alone leak: a table, histograms, and predictors of leakage."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from ..core.results import BEST, OUTPUTS, Distribution, Row
from .figures.scatter import number, numbered, scattered
from .figures.svg import MUTED, PAPER, Plot, even_ticks, plain_number, tone
from .numbers import MISSING, finite, metric_title, percent, show
from .tables.tables import Cell, Column, Table
from .view import BASELINE, View, distinct

WIDTH, HEIGHT = 330.0, 190.0
ENTROPY_ATTACK = "entropy"
STATISTICS = {"entropy": "entropy of the outputs, nats", "loss": "cross-entropy of the label, nats"}


def outputs(view: View) -> Table:
    """One line per defence: every number of the released outputs, and the AUC of the attack on their entropy."""
    metrics = [m for m in OUTPUTS if any(r.metric == m for r in view.outputs)]
    rows = {(r.defence, r.metric): r for r in view.outputs}
    named = [d for d in view.defences if any(defence == d for defence, _ in rows)]
    aucs = {d: released_auc(view, d) for d in named}
    attacked = any(aucs.values())
    columns = [Column("Model" if view.results.kind == "audit" else "Defence", numeric=False)]
    columns += [Column(metric_title(m)) for m in metrics]
    columns += [Column("AUC of −entropy")] if attacked else []
    lines = []
    for d in named:
        head = "the model" if view.results.kind == "audit" else d
        line = [Cell(head, f"no. {number(view, d)}" if numbered(view) else "")]
        line += [Cell.of(rows.get((d, m))) for m in metrics]
        lines.append(line + ([Cell.of(aucs[d])] if attacked else []))
    return Table(columns, lines)


def released_auc(view: View, defence: str) -> Row | None:
    """The attack on the entropy of the outputs as released; attackers who invert the defence come last."""
    kinds = (False, None, True) if defence != BASELINE else (None, True)
    rows = (view.row("auc", defence, ENTROPY_ATTACK, kind) for kind in kinds)
    return next((r for r in rows if r is not None), None)


def histogram(view: View, shown: Distribution, highest: float) -> Markup:
    """Members filled, non-members as a line; the height is a share of records, up to `highest`, on a root scale."""
    plot = Plot(WIDTH, HEIGHT, left=44, right=14, top=8, bottom=40)
    edges, loss = shown.edges, shown.statistic == "loss"
    plot.across(edges[0], edges[-1], math.log10 if loss else float)
    plot.up(0.0, highest, math.sqrt)
    members, nonmembers = (np.clip(np.nan_to_num(s), 0.0, 1.0) for s in (shown.members, shown.nonmembers))
    heights, ink = np.append(members, members[-1:]), tone(view.series(shown.defence))
    plot.band(edges, np.zeros(len(edges)), heights, ink)  # type: ignore[arg-type]
    plot.steps(edges, heights, ink, 1.2)  # type: ignore[arg-type]
    plot.steps(edges, np.append(nonmembers, nonmembers[-1:]), MUTED, 1.4, dash="3 1.5")  # type: ignore[arg-type]
    for (low, high), inside, outside in zip(pairwise(edges), members, nonmembers, strict=True):
        told = f"{plain_number(low)} to {plain_number(high)}: {_share(inside)} of the members, {_share(outside)} of the"
        plot.box(low, 0.0, high, highest, PAPER, 0.0, title=f"{told} non-members")
    shares = [t for t in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if t <= highest]
    ticks = [(v, f"{v:g}") for v in (10.0**k for k in range(-12, 5, 2)) if edges[0] <= v <= edges[-1]]
    plot.axes(
        ticks if loss else even_ticks(edges[0], edges[-1], plain_number),
        [(t, percent(t)) for t in shares],
        STATISTICS.get(shown.statistic, shown.statistic),
    )
    told = ", ".join(
        f"{metric_title(r.metric)} {show(r).phrase}"
        for r in view.outputs
        if r.defence == shown.defence and shown.statistic.replace("loss", "cross_entropy") in r.metric
    )
    return plot.svg(f"{shown.statistic} of members and non-members, {shown.defence}: {told}")


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def histograms(view: View, statistic: str) -> list[tuple[str, Markup]]:
    """One picture per defence, in the order of the defences, all with the same axes."""
    chosen = {
        d.defence: d for d in view.results.distributions if d.statistic == statistic and len(d.edges) > 1
    }
    named = [d for d in view.drawn if d in chosen]
    shares = [v for d in named for v in (*chosen[d].members, *chosen[d].nonmembers) if finite(v)]
    highest = min(1.0, 1.05 * max(shares, default=1.0)) or 1.0
    return [(d, histogram(view, chosen[d], highest)) for d in named]


@dataclass(frozen=True)
class Predictor:
    """The correlation of one number of the outputs with one measure of leakage."""

    name: str
    leakage: str
    spearman: Row
    kendall: Row | None

    @property
    def strength(self) -> float:
        """|rho|."""
        return abs(self.spearman.value)


def predictors(view: View, leakage: str) -> list[Predictor]:
    """The predictors of a leakage metric, the closest first."""
    found: dict[str, dict[str, Row]] = {}
    for r in view.correlations:
        kind, _, rest = r.metric.partition("[")
        name, _, of = rest.removesuffix("]").partition(",")
        if of == leakage and finite(r.value):
            found.setdefault(name, {})[kind] = r
    made = [
        Predictor(name, leakage, by["rank_correlation"], by.get("rank_correlation_kendall"))
        for name, by in found.items()
        if "rank_correlation" in by
    ]
    return sorted(made, key=lambda p: -p.strength)


def measures(view: View) -> list[str]:
    """The measures of leakage that predictors are compared with."""
    return distinct(r.metric.partition(",")[2].removesuffix("]") for r in view.correlations)


def correlations(view: View) -> Table:
    """Spearman's and Kendall's correlation with each measure of leakage: one line per predictor."""
    given = measures(view)
    found = {m: {p.name: p for p in predictors(view, m)} for m in given}
    titles = [f"{k}, {metric_title(m)}" for m in given for k in ("Spearman", "Kendall")]
    columns = [Column("Predictor", numeric=False), *(Column(t) for t in titles)]
    lines = []
    for name in distinct(name for each in found.values() for name in each):
        line = [Cell(metric_title(name))]
        for m in given:
            p = found[m].get(name)
            line += [Cell.of(p.spearman if p else None), Cell.of(p.kendall if p else None)]
        lines.append(line)
    return Table(columns, lines)


def predictor_words(view: View) -> list[str]:
    """Which predictor follows leakage best, and whether the data can tell."""
    told = []
    for measure in measures(view):
        found = predictors(view, measure)
        if not found:
            continue
        best, n = found[0], found[0].spearman.detail.get("defences", 0)
        of = f"{metric_title(measure)} of {_attack(best.spearman)}"
        text = f"Across {n} defences, {_lower(best.name)} follows the {of} most closely:"
        text += f" Spearman {_rho(best.spearman)}."
        told.append(f"{text} {_certainty(best, found[1:], n)}")
    return told


def _certainty(best: Predictor, others: list[Predictor], n: int) -> str:
    if not finite(best.spearman.lo):
        return f"{n} defences are too few for an interval, or to say which predictor is best."
    if best.spearman.lo <= 0 <= (best.spearman.hi or 0.0):
        return "The interval contains 0, so the correlation is not significant."
    weaker = set(best.spearman.detail.get("weaker", []))
    beaten = [_lower(p.name) for p in others if p.name in weaker]
    rest = [f"{_lower(p.name)}, {_rho(p.spearman)}" for p in others if p.name not in weaker]
    told = [f"It does so significantly more closely than {_and(beaten)}."] if beaten else []
    told += [f"It is not significantly different from {_and(rest)}."] if rest else []
    return " ".join(told)


def _attack(row: Row) -> str:
    return "the strongest attack" if row.attack == BEST else str(row.attack)


def _rho(row: Row) -> str:
    return show(row).phrase


def _lower(metric: str) -> str:
    title = metric_title(metric)
    return title if title.startswith("JS ") else title[:1].lower() + title[1:]


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def scatters(view: View) -> list[tuple[str, str, Markup]]:
    """For each predictor of the first measure of leakage its title, its correlation, and the picture."""
    given = measures(view)
    return [
        (metric_title(p.name), f"Spearman {_rho(p.spearman)}", plot)
        for p in (predictors(view, given[0]) if given else [])
        if (plot := scatter(view, p)) is not None
    ]


def scatter(view: View, predictor: Predictor) -> Markup | None:
    """Predictor against leakage, one mark per defence, with both intervals."""
    points = _points(view, predictor)
    if not points:
        return None
    leakage = metric_title(predictor.leakage)
    titles = (
        _axis(metric_title(predictor.name), points[0][1]),
        f"{leakage} of {_attack(predictor.spearman)}",
    )
    told = "; ".join(f"{d}: {show(x)}, {leakage} {show(y)}" for d, x, y in points)
    return scattered(view, points, titles).svg(f"{metric_title(predictor.name)} against {leakage}. {told}.")


def _points(view: View, predictor: Predictor) -> list[tuple[str, Row, Row]]:
    by = {(r.defence, r.metric): r for r in [*view.utility, *view.outputs]}
    found = []
    for d in view.defences:
        x, y = by.get((d, predictor.name)), view.known(predictor.leakage, d, predictor.spearman.attack)
        if x is not None and y is not None and finite(x.value) and finite(y.value):
            found.append((d, x, y))
    return found


def _axis(title: str, row: Row) -> str:
    return f"{title}, {row.unit}" if row.unit else title


def risk(view: View) -> list[str]:
    """Predicted risk of the undefended model (or the first): what it is from, then its facts; empty without any."""
    defence = next(iter(distinct(r.defence for r in view.outputs)), None)
    rows = {r.metric: r for r in view.outputs if r.defence == defence}
    words = {
        "js_cross_entropy": "the losses of members and non-members are {} apart (Jensen-Shannon distance, corrected for"
        " chance: 0 is no difference, 1 no overlap)",
        "js_entropy": "the entropies of their outputs are {} apart",
        "tnr@fnr=0.01": "{} of the non-members have a loss that only 1 % of the members reach (1 % if the tails are"
        " equal)",
        "loss_trace_iqr_p99": "the losses of 1 % of the members moved by {} or more in training",
    }
    facts = [text.format(show(rows[metric]).phrase) for metric, text in words.items() if metric in rows]
    if not facts:
        return []
    of = (
        ""
        if view.results.kind == "audit"
        else " without a defence"
        if defence == BASELINE
        else f" for {defence}"
    )
    return [f"Predicted risk{of}, from the outputs alone, without shadow models:", *facts]


def risk_line(view: View) -> str | None:
    """Predicted risk as one line of a terminal."""
    defence = next(iter(distinct(r.defence for r in view.outputs)), None)
    shown = ("js_cross_entropy", "js_entropy", "tnr@fnr=0.01", "loss_trace_iqr_p99")
    rows = {r.metric: r for r in view.outputs if r.defence == defence}
    told = [
        f"{metric_title(m)} {show(rows[m])}" for m in shown if m in rows and show(rows[m]).value != MISSING
    ]
    if not told:
        return None
    which = f" ({defence})" if view.results.kind != "audit" else ""
    return f"predicted risk{which}, without shadow models: {'; '.join(told)}"
