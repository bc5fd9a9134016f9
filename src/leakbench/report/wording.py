"""The findings as sentences, computed from the rows. The page's template escapes them."""

from collections.abc import Iterator

from ..core.results import BEST, NO_SINGLE_ATTACK, Row
from . import worst_case
from .comparison import LESS, MIXED, MORE, UNTOLD, below, changes, comparisons
from .grades import leaks
from .numbers import DIFFERENCE, count, metric_title, percent, rate, show, strongest_title
from .verdict import all_of, beside_baseline, capitalised, finding, main_standings, void
from .view import BASELINE, Standing, View

MOST_TOLD = 8  # defences with a sentence of their own
CHANGES = {
    LESS: "leaks less than no defence",
    MORE: "leaks more than no defence",
    MIXED: "leaks less by one measure and more by the other than no defence",
    UNTOLD: "is not significantly different from no defence",
}
BESIDE = {
    LESS: "leaks less than",
    MORE: "leaks more than",
    MIXED: "leaks less by one measure and more by the other than",
    UNTOLD: "is not significantly different from",
}


def summary(view: View) -> list[str]:
    """The findings, one paragraph each."""
    mains = main_standings(view)
    if not mains:
        return ["The results hold no attack with an AUC or a TPR, so they say nothing about leakage."]
    if view.void:
        return [void(view)]
    told = _defences if len(mains) <= MOST_TOLD + 1 else _groups
    worst = filter(None, [worst_case.finding(view)])
    return [*_leakage(view), *told(view), *_matched(view), *worst, *_misled(view), *_conditions(view)]


def _leakage(view: View) -> Iterator[str]:
    """What the attacks find without a defence, or on the first model."""
    mains = main_standings(view)
    standing = mains.get(BASELINE) or next(iter(mains.values()))
    parts = [capitalised(finding(standing, len(mains) > 1)), *_beside(view, standing)]
    accuracy = view.row("accuracy", standing.defence)
    if accuracy is not None:
        parts.append(f"The accuracy is {show(accuracy).phrase}.")
    yield " ".join(parts)


def _beside(view: View, standing: Standing) -> Iterator[str]:
    """The strongest attack by the measure that the grade does not rest on."""
    basis = standing.basis
    if standing.single is not None and standing.attacks > 1:
        yield f"The grade is corrected for the number of attacks, {standing.attacks}."
    for row in (standing.tpr, standing.auc):
        if row is not None and row is not basis:
            shown = "" if leaks(row) else ", which is not shown to be more than chance"
            title = strongest_title(row) or row.attack
            fpr = rate(row.metric)
            if fpr is None:
                yield f"The AUC of {title} is {show(row).phrase}{shown}."
            else:
                yield f"At a false-positive rate of {percent(fpr)}, {title} finds {show(row).phrase}{shown}."


def _defences(view: View) -> Iterator[str]:
    """A sentence on each defence: compared with no defence, its grade, its accuracy."""
    mains = main_standings(view)
    for defence, c in changes(view).items():
        standing = mains.get(defence)
        if standing is None or standing.main is None:
            continue
        parts = [f"{defence} {CHANGES[c.verdict]}: {standing.grade.words}", _reaches(standing.main)]
        difference, accuracy = c.difference, view.row("accuracy", defence)
        if difference is not None:
            where = "" if difference.metric == standing.main.metric + DIFFERENCE else _in(difference)
            by = "" if difference.attack == BEST else f" under {difference.attack}"
            parts.append(f"a change of {show(difference).phrase}{where}{by}")
        if accuracy is not None:
            parts.append(f"at an accuracy of {show(accuracy).phrase}")
        yield ", ".join(parts) + "."


def _in(difference: Row) -> str:
    return f" in {metric_title(difference.metric.removesuffix(DIFFERENCE))}"


def _reaches(row: Row) -> str:
    return f"an AUC of {show(row).phrase}" if row.metric == "auc" else f"{show(row).phrase} of members found"


def _groups(view: View) -> Iterator[str]:
    """The defences by whether they help; the numbers of so many are left to the table."""
    found = changes(view)
    for verdict, words in CHANGES.items():
        names = [d for d, c in found.items() if c.verdict == verdict]
        if names:
            yield f"{all_of(names, words)}."


def _matched(view: View) -> Iterator[str]:
    """Whether the defences leak less than the baselines of the same accuracy."""
    found = comparisons(view)
    groups = {verdict: [c.defence for c in found if c.verdict == verdict] for verdict in BESIDE}
    told = [f"{beside_baseline(names, BESIDE[verdict])}." for verdict, names in groups.items() if names]
    if told:
        yield " ".join(told)


def _misled(view: View) -> Iterator[str]:
    for defence, each in view.standings.items():
        adaptive = next((s.main for s in each if s.adaptive is True), None)
        naive = next((s.main for s in each if s.adaptive is False), None)
        if adaptive is not None and naive is not None and below(naive, adaptive):
            yield (
                f"A non-adaptive attack makes {defence} look safer than it is: {_reaches(naive)}, against"
                f" {show(adaptive).phrase} under an adaptive attack."
            )


def list_of(view: View, defence: str) -> str | None:
    """How many members the strongest attack lists, at a stated share of errors; None where that was not measured."""
    rows = [
        r for r in view.leakage if r.metric.startswith("listed@") and (r.slice, r.target) == ("all", "all")
    ]
    row = next(iter(view.strongest(defence, (r for r in rows if r.adaptive is not False))), None)
    if row is None:
        return None
    fdr, listed, wrong = (
        percent(float(row.metric.partition("=")[2])),
        row.detail["listed"],
        row.detail["wrong"],
    )
    each = " of a model on average" if row.detail["models"] > 1 else ""
    if not listed:
        return f"{row.attack} cannot list any record with at most {fdr} of the list wrong."
    return (
        f"{row.attack} lists {listed:,.0f} records{each}, at most {fdr} of them wrong in expectation "
        f"({wrong:,.0f} are): {show(row).phrase} of the members."
    )


def _conditions(view: View) -> Iterator[str]:
    mains = list(main_standings(view).values())
    attacks = [a for a in view.attacks if a not in NO_SINGLE_ATTACK]
    if all(s.corrected for s in mains):
        yield (
            "The strongest attack is chosen on one half of the data and measured on the other, so the choice does"
            " not bias its number."
        )
    elif len(attacks) > 1:
        yield (
            f"The strongest attack is the highest of {len(attacks)} on the same records. The grade is corrected for"
            " that choice; the interval is not."
        )
    quiet = next((s for s in mains if not s.leaks), None)
    if quiet is not None:
        yield (
            f"No evidence of leakage is no proof of safety. It covers {_attacks(len(attacks))}{_sizes(quiet.main)}. A"
            " smaller leak than the upper ends of the intervals, or one that only another attack finds, is possible."
        )
    if view.low_tpr is None:
        yield "There are too few non-members to measure the TPR at a low false-positive rate."


def _attacks(n: int) -> str:
    return "the one attack run" if n == 1 else f"the {n} attacks run"


def _sizes(row: Row | None) -> str:
    if row is None or row.n_members is None or row.n_nonmembers is None:
        return ""
    return f" on {count(row.n_members)} members and {count(row.n_nonmembers)} non-members"
