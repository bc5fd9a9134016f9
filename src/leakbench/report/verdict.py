"""The verdict: how strong the evidence of leakage is, what it rests on, which defence reduces it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.results import BEST, Row
from .comparison import LESS, MORE, Comparison, changes, comparisons
from .notes import listed
from .numbers import attacker_title, metric_title, percent, rate, show, strongest_title
from .view import BASELINE, Standing, View

OF_THOSE_WORTH_IT = "Of the defences that leak less than the baseline at their accuracy, "
NONE_WORTH_IT = "No defence is shown to leak less than the baseline at its accuracy."
PLURALS = {"leaks": "leak", "is": "are"}


@dataclass(frozen=True)
class Graded:
    """How strong the evidence of leakage is under one defence, and the number that it rests on."""

    defence: str  # the study's label
    grade: str  # "no evidence", "weak", "clear" or "severe"; docs/verdicts.md has the limits
    attack: str | None  # the attack whose number it is
    adaptive: bool | None  # as in Row
    metric: str  # "auc", or "tpr@fpr=" at the lowest FPR that the data resolve
    value: float  # of the metric
    lo: float | None  # the lower limit of its 95 % interval
    hi: float | None  # the upper limit
    gap_only: bool  # no attack is shown to find more than the accuracy gap lets one find


@dataclass(frozen=True)
class Verdict:
    """What the results say in a few sentences, and the grade of every defence."""

    text: str  # the verdict of the report
    grades: list[Graded]  # empty where members and non-members differ by themselves


def verdict(view: View) -> Verdict:
    """The head of the page."""
    mains = main_standings(view)
    if not mains:
        return Verdict("No attack was measured.", [])
    if view.void:
        return Verdict(void(view), [])
    graded = [_graded(standing, row) for standing in mains.values() if (row := standing.basis) is not None]
    first = mains.get(BASELINE) or next(iter(mains.values()))
    if len(mains) == 1:
        text = capitalised(finding(first))
    elif first.defence != BASELINE:
        text = _most(mains)
    else:
        text = " ".join([capitalised(finding(first, True)), *_worse(mains), *_reduced(view, mains)])
    return Verdict(text, graded)


def main_standings(view: View) -> dict[str, Standing]:
    """Per defence the strongest attack of the better informed attacker."""
    return {d: each[0] for d, each in view.standings.items() if each}


def _graded(standing: Standing, row: Row) -> Graded:
    return Graded(
        standing.defence,
        standing.grade.label,
        strongest_title(row) or row.attack,
        row.adaptive,
        row.metric,
        row.value,
        row.lo,
        row.hi,
        standing.gap_only,
    )


def void(view: View) -> str:
    """Why no grade is given."""
    row = view.blind
    shown = f": an attack that sees nothing of the model has an AUC of {show(row).phrase}" if row else ""
    return (
        f"Members and non-members differ by themselves{shown}. The attacks measure how they were split and not the"
        " model, so no grade is given."
    )


def finding(standing: Standing, one_of_many: bool = False) -> str:
    """The grade, the defence where there are several, and the number: a sentence that begins with a small letter."""
    row = standing.basis
    rests = "" if row is None else reached(row)
    where = "without a defence" if standing.defence == BASELINE else f"with {standing.defence}"
    graded = f"{standing.grade.words} {where}" if one_of_many else standing.grade.words
    if not standing.gap_only:
        return f"{graded}: {rests}."
    return (
        f"{graded}, from the accuracy gap alone: members are classified correctly more often than"
        f" non-members, and no attack is shown to find more ({rests})."
    )


def capitalised(text: str) -> str:
    """With a capital as its first letter."""
    return text[:1].upper() + text[1:]


def reached(row: Row) -> str:
    """What an attack finds, with its interval and chance."""
    title = strongest_title(row) or row.attack or "the attack"
    known = row.adaptive is not None and row.defence != BASELINE
    who = f"the {attacker_title(row.adaptive)} attack {title}" if known else title
    fpr = rate(row.metric)
    if fpr is None:
        return f"{who} has an {metric_title(row.metric)} of {show(row).phrase}; chance is 0.5"
    found = f"{show(row).phrase} of the members"
    return f"{who} finds {found} at a false-positive rate of {percent(fpr)}; chance is {percent(fpr)}"


def _most(mains: dict[str, Standing]) -> str:
    """The finding on models of which none is undefended."""
    worst = max(mains.values(), key=lambda standing: standing.grade)
    if not worst.leaks:
        return f"No evidence of leakage from any of the {len(mains)} models compared."
    return f"{capitalised(finding(worst, True))} No other model has a higher grade."


def _worse(mains: dict[str, Standing]) -> Iterator[str]:
    """The defence with the highest grade, where that is higher than without a defence."""
    worst = max(mains.values(), key=lambda standing: standing.grade)
    if worst.grade > mains[BASELINE].grade:
        yield f"The highest grade is {finding(worst, True)}"


def _reduced(view: View, mains: dict[str, Standing]) -> Iterator[str]:
    """Which defences leak more, which one reduces leakage most, and whether any beats the baseline at its accuracy."""
    matched, changed = {c.defence: c for c in comparisons(view)}, changes(view)
    worth = [d for d, c in matched.items() if c.verdict == LESS]
    reduced = {d: c for d, c in changed.items() if c.verdict == LESS and d not in view.baselines}
    if raised := [d for d, c in changed.items() if c.verdict == MORE]:
        yield f"{all_of(raised, 'leaks more than no defence')}."
    helpful = {d: c for d, c in reduced.items() if d in worth}
    lead = OF_THOSE_WORTH_IT if helpful else ""
    if matched and not worth:
        yield NONE_WORTH_IT
    elif worth and not helpful:
        yield f"{beside_baseline(worth, 'leaks less than')}."
    if not reduced:
        yield f"No defence{' but the baselines' if view.baselines else ''} is shown to leak less than no defence."
        return
    best = _largest(helpful or reduced)
    instead = f": {_instead(best)}" if None not in best.pair else ""
    yield f"{lead}{best.defence} reduces leakage most{instead}."
    yield f"{capitalised(mains[best.defence].grade.words)} remains."
    if best.defence in matched:
        c = matched[best.defence]
        yield f"Compared with {c.against}, the baseline at its accuracy, it {c.words}."


def _largest(reduced: dict[str, Comparison]) -> Comparison:
    """The defence that reduces leakage most, by the TPR where that was measured on all of them."""
    by_tpr = all(None not in c.tprs for c in reduced.values())

    def change(c: Comparison) -> float:
        before, after = c.tprs if by_tpr else c.aucs
        if before is None or after is None:
            return c.auc.value if c.auc is not None else 0.0
        return after.value - before.value

    return min(reduced.values(), key=change)


def _instead(comparison: Comparison) -> str:
    before, after = comparison.pair
    assert before is not None and after is not None
    old, new = (f"{n.value}{n.suffix}" for n in (show(before), show(after)))
    who = "the strongest attack" if before.attack != after.attack or after.attack == BEST else after.attack
    fpr = rate(after.metric)
    if fpr is None:
        return f"{who} reaches an {metric_title(after.metric)} of {new} instead of {old}"
    return f"{who} finds {new} of its members instead of {old}, at a false-positive rate of {percent(fpr)}"


def all_of(names: list[str], words: str) -> str:
    """The names and what is true of each: `a and b leak less`."""
    verb, _, rest = words.partition(" ")
    return f"{names[0]} {words}" if len(names) == 1 else f"{listed(names)} {PLURALS[verb]} {rest}"


def beside_baseline(names: list[str], words: str) -> str:
    """What is true of defences beside the baselines that are as accurate."""
    return f"{all_of(names, words)} the baseline at {'its' if len(names) == 1 else 'their'} accuracy"
