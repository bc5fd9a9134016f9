"""The FPR that single records have at one threshold for all of them."""

from ..numbers import MISSING, percent, rate
from ..overlap import share_of
from ..view import View
from .tables import Cell, Column, Table

MOST_LINES = 120
SPREAD, CLAIMED = "per_record_fpr@", "tpr_at_claimed_fpr@"  # begin the names of metrics


def per_record(view: View) -> Table:
    """One line for each defence and attack, who accuses the same records most often first."""
    spreads = [r for r in view.leakage if r.metric.startswith(SPREAD) and r.adaptive is not False]
    fpr = percent(rate(spreads[0].metric) or 0.0) if spreads else ""
    columns = [
        *([Column("Defence", numeric=False)] if view.results.kind == "run" else []),
        Column("Attack", numeric=False),
        *(Column(title) for title in ("TPR", "FPR of the accused", "Median FPR", "5 % to 95 %")),
        Column(f"Records over twice {fpr}"),
        *(Column(title) for title in (f"TPR where p ≤ {fpr}", f"FPR where p ≤ {fpr}")),
    ]
    lines = []
    for r in sorted(spreads, key=lambda r: -r.value)[:MOST_LINES]:
        rest = r.metric.removeprefix(SPREAD)
        claimed = view.known(CLAIMED + rest, r.defence, r.attack)
        named = [Cell(r.defence)] if view.results.kind == "run" else []
        range_ = [share_of(r.detail, key).text.removesuffix(" %") for key in ("p5", "p95")]
        lines.append(
            [
                *named,
                Cell(r.attack or MISSING),
                Cell.of(view.known(f"tpr@{rest}", r.defence, r.attack)),
                Cell.of(r),
                share_of(r.detail, "median"),
                Cell(f"{' to '.join(range_)} %", order=r.detail.get("p95")),
                share_of(r.detail, "over_twice"),
                Cell.of(claimed),
                share_of(claimed.detail, "fpr") if claimed else Cell(MISSING),
            ]
        )
    return Table(columns, lines, left_out=max(0, len(spreads) - MOST_LINES))
