"""The findings in plain words, computed from the rows. Nothing is escaped here; the page's template does that."""

from collections.abc import Iterator

from ..results import BEST, Row
from .matched import LESS, MIXED, MORE, UNTOLD, comparisons
from .numbers import DIFFERENCE, count, finite, metric_title, percent, rate, show
from .view import BASELINE, Standing, View, leaks

MOST_TOLD = 8  # defences with a sentence of their own
CHANGES = {
    -1: "leaks less than no defence",
    1: "leaks more than no defence",
    0: "is not shown to leak less or more than no defence",
}
BESIDE = {
    LESS: "leaks less than",
    MORE: "leaks more than",
    MIXED: "leaks less by one measure and more by the other than",
    UNTOLD: "is not told apart from",
}
OF_THOSE_WORTH_IT = "Of the defences that leak less than the baseline at their accuracy, "
NONE_WORTH_IT = "No defence is shown to leak less than the baseline at its accuracy. "
PLURALS = {"leaks": "leak", "is": "are"}


def verdict(view: View) -> str:
    """One sentence or two for the head of the page."""
    mains = _mains(view)
    if not mains:
        return "No attack was measured."
    if view.results.kind == "audit" or len(mains) == 1:
        if any(s.leaks for s in mains.values()):
            return "This model gives away who was in its training set."
        return "No evidence that this model gives away who was in its training set."
    if not any(s.leaks for s in mains.values()):
        return f"No evidence of leakage from any of the {len(mains)} models compared."
    if BASELINE not in mains:
        return "At least one of the models compared gives away who was in its training set."
    helpful = {d: comparison(view, d) for d in mains if change(view, d) < 0 and d not in view.baselines}
    reduced = {d: found for d, found in helpful.items() if found is not None}
    if not reduced:
        return "No defence is shown to reduce what the undefended model gives away."
    matched = {c.defence: c for c in comparisons(view)}
    worth = [d for d in reduced if d in matched and matched[d].verdict == LESS]
    best = min(worth or reduced, key=lambda d: reduced[d][1].value - reduced[d][0].value)
    lead = ""
    if matched:
        lead = OF_THOSE_WORTH_IT if worth else NONE_WORTH_IT
    still = "It still leaks." if mains[best].leaks else "No attack is shown to beat chance on it."
    beside = [
        f"Beside {c.against}, the baseline at its accuracy, it {c.words}."
        for d, c in matched.items()
        if d == best
    ]
    return " ".join([f"{lead}{best} reduces leakage most: {_instead(*reduced[best])}. {still}", *beside])


def summary(view: View) -> list[str]:
    """The findings, one paragraph each."""
    if not _mains(view):
        return ["The results hold no attack with an AUC or a TPR, so they say nothing about leakage."]
    told = _defences if len(_mains(view)) <= MOST_TOLD + 1 else _groups
    return [*_leakage(view), *told(view), *_matched(view), *_misled(view), *_conditions(view)]


def change(view: View, defence: str) -> int:
    """-1 if the defence leaks less than the undefended model, 1 if more, 0 if the data cannot tell.

    By the paired difference where it is measured, else by whether the two intervals are apart.
    """
    paired = view.difference(defence)
    if paired is not None and finite(paired.lo) and finite(paired.hi):
        return int(paired.lo > 0) - int(paired.hi < 0)
    ours, theirs = (next(iter(view.standings.get(d, [])), None) for d in (defence, BASELINE))
    if defence == BASELINE or ours is None or theirs is None:
        return 0
    return int(_below(theirs.main, ours.main)) - int(_below(ours.main, theirs.main))


def comparison(view: View, defence: str) -> tuple[Row, Row] | None:
    """The two rows, undefended and defended, of which `change` judges the difference."""
    ours, theirs = (next(iter(view.standings.get(d, [])), None) for d in (defence, BASELINE))
    if ours is None or theirs is None:
        return None
    before, after, paired = theirs.main, ours.main, view.difference(defence)
    if paired is not None:
        metric = paired.metric.removesuffix(DIFFERENCE)
        before = view.row(metric, BASELINE, paired.attack, theirs.adaptive)
        after = view.row(metric, defence, paired.attack, ours.adaptive)
    return None if before is None or after is None else (before, after)


def _mains(view: View) -> dict[str, Standing]:
    """Per defence the strongest attack of the better informed attacker."""
    return {d: each[0] for d, each in view.standings.items() if each and each[0].main is not None}


def _below(a: Row | None, b: Row | None) -> bool:
    """Whether the interval of a lies below that of b."""
    return a is not None and b is not None and finite(a.hi) and finite(b.lo) and a.hi < b.lo


def _instead(before: Row, after: Row) -> str:
    old, new = (f"{n.value}{n.suffix}" for n in (show(before), show(after)))
    who = "the strongest attack" if before.attack != after.attack or after.attack == BEST else after.attack
    fpr = rate(after.metric)
    if fpr is None:
        return f"{who} reaches an {metric_title(after.metric)} of {new} instead of {old}"
    return f"{who} finds {new} of its members instead of {old}, at a false-positive rate of {percent(fpr)}"


def _reaches(row: Row) -> str:
    return f"an AUC of {show(row).phrase}" if row.metric == "auc" else f"{show(row).phrase} of members found"


def _leakage(view: View) -> Iterator[str]:
    mains = _mains(view)
    defence = BASELINE if BASELINE in mains else next(iter(mains))
    who = "without a defence" if defence == BASELINE else defence
    text = _finds(view, mains[defence]) if len(mains) == 1 else f"{who}: {_finds(view, mains[defence])}"
    accuracy = view.row("accuracy", defence)
    told = f" Its accuracy is {show(accuracy).phrase}." if accuracy is not None else ""
    yield text[:1].upper() + text[1:] + told


def _finds(view: View, standing: Standing) -> str:
    """What the strongest attack finds on one model; if that is nothing, what another does."""
    if standing.single is not None:
        return (
            f"{standing.single.attack} reaches an AUC of {show(standing.single).phrase}, above chance, .5, even if its"
            " interval is widened to allow for the number of attacks; the attack that was chosen as the strongest on"
            f" one half of the data ({standing.attack_title}) is not shown to beat chance on the other."
        )
    kind = "strongest attack that ignores the defence" if standing.adaptive is False else "strongest attack"
    who = f"the {kind} ({standing.attack_title})"
    auc = f"an AUC of {show(standing.auc).phrase}" if standing.auc is not None else ""
    if standing.tpr is None or view.low_fpr is None:
        if standing.leaks:
            return f"{who} reaches {auc}; .5 would be chance."
        return f"no evidence of leakage: {who} reaches {auc}; the interval does not lie above chance, .5."
    fpr = percent(view.low_fpr)
    finds = f"{show(standing.tpr).phrase} of the training records"
    if leaks(standing.tpr):
        return f"at a false-positive rate of {fpr}, {who} finds {finds}; {fpr} would be chance."
    if leaks(standing.auc):
        return (
            f"{who} reaches {auc}, above chance, .5; but at a false-positive rate of {fpr} it finds {finds},"
            " which is not shown to be more than chance."
        )
    also = f" and reaches {auc}; neither interval lies" if auc else "; the interval does not lie"
    return (
        f"no evidence of leakage: at a false-positive rate of {fpr}, {who} finds {finds}{also} above chance."
    )


def _defences(view: View) -> Iterator[str]:
    mains = _mains(view)
    for defence, standing in mains.items():
        if defence == BASELINE or BASELINE not in mains or standing.main is None:
            continue
        parts = [f"{defence} {CHANGES[change(view, defence)]}: {_reaches(standing.main)}"]
        paired, accuracy = view.difference(defence), view.row("accuracy", defence)
        if paired is not None:
            where = (
                ""
                if paired.metric == standing.main.metric + DIFFERENCE
                else f" in {metric_title(str(view.paired))}"
            )
            by = "" if paired.attack == BEST else f" under {paired.attack}"
            parts.append(f"a change of {show(paired).phrase}{where}{by}")
        if accuracy is not None:
            parts.append(f"at an accuracy of {show(accuracy).phrase}")
        yield ", ".join(parts) + "."


def _groups(view: View) -> Iterator[str]:
    """The defences by whether they help; the numbers of so many are left to the table."""
    mains = _mains(view)
    if BASELINE not in mains:
        return
    for sign, words in CHANGES.items():
        names = [d for d in mains if d != BASELINE and change(view, d) == sign]
        if names:
            yield f"{_all(names, words)}."


def _all(names: list[str], words: str) -> str:
    """The names and what is true of each: `a and b leak less`."""
    verb, _, rest = words.partition(" ")
    if len(names) == 1:
        return f"{names[0]} {words}"
    return f"{', '.join(names[:-1])} and {names[-1]} {PLURALS[verb]} {rest}"


def _matched(view: View) -> Iterator[str]:
    """Whether the defences beat the baselines that are as accurate."""
    found = comparisons(view)
    groups = {verdict: [c.defence for c in found if c.verdict == verdict] for verdict in BESIDE}
    told = [
        f"{_all(names, BESIDE[verdict])} the baseline at their accuracy."
        for verdict, names in groups.items()
        if names
    ]
    if told:
        yield " ".join(told)


def _misled(view: View) -> Iterator[str]:
    for defence, each in view.standings.items():
        adaptive = next((s.main for s in each if s.adaptive is True), None)
        naive = next((s.main for s in each if s.adaptive is False), None)
        if adaptive is not None and naive is not None and _below(naive, adaptive):
            yield (
                f"A non-adaptive attack would have misled about {defence}: an attacker who ignores the"
                f" defence gets {show(naive).phrase}, one who reckons with it {show(adaptive).phrase}."
            )


def _conditions(view: View) -> Iterator[str]:
    mains = list(_mains(view).values())
    attacks = [a for a in view.attacks if a != BEST]
    if all(s.corrected for s in mains):
        yield (
            "The strongest attack is chosen on one half and measured on the other, so that being chosen does"
            " not raise its number."
        )
    elif len(attacks) > 1:
        yield (
            f"The strongest attack is the highest of {len(attacks)} on the same records; its interval does not"
            " allow for that choice."
        )
    quiet = next((s for s in mains if not s.leaks), None)
    if quiet is not None:
        yield (
            f"No evidence is not proof: it covers {_attacks(len(attacks))}{_sizes(quiet.main)}. A leak smaller"
            " than the upper ends of the intervals, or one that another attack would find, is not excluded."
        )
    if view.low_tpr is None:
        yield "There are too few non-members to say how many members are found at a low false-positive rate."


def _attacks(n: int) -> str:
    return "the one attack run" if n == 1 else f"the {n} attacks run"


def _sizes(row: Row | None) -> str:
    if row is None or row.n_members is None or row.n_nonmembers is None:
        return ""
    return f" on {count(row.n_members)} members and {count(row.n_nonmembers)} non-members"
