"""The report for a data-protection officer: what it means, how severe it is, what to do next."""

from dataclasses import dataclass

from ..core.results import Row
from .grades import LIMITS, Grade
from .numbers import MISSING, finite, metric_title, percent, rate, show
from .tables.tables import Cell, Column, Table
from .verdict import main_standings
from .view import BASELINE, Standing, View

MEANING = (
    "A membership inference attack decides from a model's outputs whether a person's record was used to train it."
    " Membership can be sensitive by itself, for example in a model that was trained on the patients of one clinic."
)
SEVERITY = {
    Grade.NONE: "No attack is shown to be better than guessing. A stronger one, or one on more records, can still be.",
    Grade.WEAK: "Weak: an attack is better than guessing, by little on average. Single records can leak far more.",
    Grade.CLEAR: "Clear: an attack is much better than guessing, and names some members with few mistakes.",
    Grade.SEVERE: "Severe: an attack names many members with few mistakes.",
}


@dataclass(frozen=True)
class Officer:
    """The texts, and the defences by cost with a question for the highest acceptable leakage."""

    meaning: list[str]
    severity: str
    steps: list[str]
    question: str
    ceiling: str  # the number that the question starts with
    unit: str
    ceilings: Table


def officer(view: View) -> Officer | None:
    """The section; None where no attack was measured, or members and non-members differ by themselves."""
    mains = main_standings(view)
    if not mains or view.void:
        return None
    first = mains.get(BASELINE) or next(iter(mains.values()))
    fpr = view.low_fpr
    clear = LIMITS[Grade.CLEAR]
    return Officer(
        [MEANING, *_meaning(first)],
        SEVERITY[first.grade],
        _steps(view, mains, first),
        f"Highest acceptable {'share of members found' if fpr else 'AUC'}",
        f"{100 * clear.times_fpr * fpr:.6g}" if fpr else f"{clear.auc:g}",
        f"% at {percent(fpr)} FPR" if fpr else "",
        _ceilings(view, mains),
    )


def _meaning(standing: Standing) -> list[str]:
    """The numbers of the strongest attack in words."""
    told = []
    where = "without a defence" if standing.defence == BASELINE else f"under {standing.defence}"
    if standing.tpr is not None and (fpr := rate(standing.tpr.metric)):
        half, few = (_share(c * standing.tpr.value, (1 - c) * fpr) for c in (0.5, 0.01))
        told.append(
            f"The strongest attack {where} finds {show(standing.tpr).phrase} of the members, and accuses"
            f" {percent(fpr)} of the other people by mistake. If half of the candidates are members, {half} of those it"
            f" accuses are members; if 1 % of the candidates are, {few}."
        )
    if standing.auc is not None and finite(standing.auc.value):
        told.append(
            f"Given one member and one other person, it picks the member with probability"
            f" {show(standing.auc).phrase}; guessing has 0.5."
        )
    return told


def _share(right: float, wrong: float) -> str:
    return f"{100 * right / (right + wrong or 1.0):.0f} %"


def _steps(view: View, mains: dict[str, Standing], first: Standing) -> list[str]:
    steps = []
    if view.results.flags:
        steps.append("Read the flags below: they say which numbers can be too low or wrong.")
    if first.grade >= Grade.CLEAR:
        steps.append("Do not release the model as it is where membership is sensitive.")
    if len(mains) > 1:
        steps.append(
            "Choose a defence: enter the leakage that you accept below, and read which is the cheapest defence with its"
            " whole interval under it. Check that its accuracy is enough."
        )
    elif first.grade > Grade.NONE:
        steps.append("Compare defences in a study, and release the model with the one that suffices.")
    steps.append(
        "Look at the most exposed records and at the slices: an average hides those who are found again and again."
    )
    steps.append("Write the ceiling into a policy, and check every new model with leakbench gate.")
    return steps


def _ceilings(view: View, mains: dict[str, Standing]) -> Table:
    """The defences by training cost, with the upper end of the interval."""
    metric = view.low_tpr or "auc"
    rows = {d: s.tpr if view.low_tpr else s.auc for d, s in mains.items()}
    kept = {d: row for d, row in rows.items() if row is not None and finite(row.hi)}
    if len(mains) < 2:
        kept = {}

    def cost(defence: str) -> tuple[float, float]:
        ratio, accuracy = view.row("train_cost_ratio", defence), view.row("accuracy", defence)
        return (
            ratio.value if ratio and finite(ratio.value) else float("inf"),
            -accuracy.value if accuracy else 0.0,
        )

    columns = [
        Column("Defence", numeric=False),
        Column("Training cost"),
        Column("Accuracy"),
        Column(f"{metric_title(metric)}, upper end"),
    ]
    lines = [
        [Cell(d), *(Cell.of(view.row(m, d)) for m in ("train_cost_ratio", "accuracy")), _upper(kept[d])]
        for d in sorted(kept, key=cost)
    ]
    return Table(columns, lines)


def _upper(row: Row) -> Cell:
    upper = Row(row.metric, row.hi if finite(row.hi) else float("nan"))
    shown = show(upper)
    return Cell(shown.value + shown.suffix if finite(row.hi) else MISSING, order=row.hi)
