"""What an attacker finds who has the model's parameters, beside the one who queries it."""

from ...core.results import BEST_WHITE_BOX, Row
from ..numbers import finite, metric_title, show, strongest_title
from ..view import View
from .tables import Table, leakage

MOST = 8  # defences that are named in a line


def white_box(view: View) -> Table:
    """The table of leakage on all records, of these attacks."""
    return leakage(view, [r for r in view.white_box if (r.slice, r.against) == ("all", None)])


def white_box_line(view: View) -> str | None:
    """What the strongest of these attacks finds on each defence; None where there is none."""
    found = [row for defence in view.defences if (row := _strongest(view, defence)) is not None]
    if not found:
        return None
    named = "; ".join(_told(view, row) for row in found[:MOST])
    more = f"; and {len(found) - MOST} more defences, in the report" if len(found) > MOST else ""
    return f"with the model's parameters, {metric_title('auc')}: {named}{more}"


def _strongest(view: View, defence: str) -> Row | None:
    """The AUC of the attack that was chosen as the strongest by an adaptive attacker, else the highest AUC."""
    rows = [r for r in view.white_box if (r.metric, r.slice, r.defence) == ("auc", "all", defence)]
    rows = [r for r in rows if r.adaptive is not False and finite(r.value)]
    return max(rows, key=lambda r: (r.attack == BEST_WHITE_BOX, r.value), default=None)


def _told(view: View, row: Row) -> str:
    where = f"{row.defence} " if view.results.kind == "run" else ""
    return f"{where}{show(row)} by {strongest_title(row) or row.attack}"
