"""What a data-protection authority requires of a claim that a model is anonymous, beside what a report measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from ..core.results import CANARY, ResultData
from .numbers import attacker_title, count, finite, metric_title, show
from .page import package_file, page_template
from .verdict import main_standings, verdict
from .view import View, distinct

Status = Literal["measured", "partly measured", "not measured"]
MEASURED: Status = "measured"
PARTLY: Status = "partly measured"
OPEN: Status = "not measured"
PAGE_MARK = '<meta name="leakbench-bundle" content="checklist">'
SOURCE = "EDPB Opinion 28/2024 on personal data in AI models, adopted on 17 December 2024"
CONTROLLER = "to be documented by the controller"
NOT_MEASURED = {
    "Is the model tested against attribute inference?": "leakbench tests membership inference",
    "Is it tested against exfiltration and regurgitation of training data?": "a classifier releases no records, but "
    "a generative model would have to be tested",
    "Is it tested against model inversion and reconstruction?": "leakbench tests membership inference",
    "Were the sources of the data chosen, minimised and filtered for the purpose?": CONTROLLER,
    "Is there a data-protection impact assessment, and the advice of the officer?": CONTROLLER,
    "Who made the tests?": CONTROLLER,
    "How is the release governed, and access to the model limited?": CONTROLLER,
}


@dataclass(frozen=True)
class Item:
    """One question of an authority, whether the report speaks to it, and what was found."""

    question: str
    status: Status
    found: str


def checklist(results: ResultData) -> list[Item]:
    """The questions in the words of this project, after the opinion; it is no legal advice.

    Source: EDPB Opinion 28/2024, on when a model is anonymous, how it is tested, and what is documented
    """
    view = View(results)
    return [
        *_tests(view),
        *_likelihoods(view),
        *_documents(view),
        *(Item(q, OPEN, found) for q, found in NOT_MEASURED.items()),
    ]


def _tests(view: View) -> Iterator[Item]:
    """What was tested, and with which means."""
    mains = main_standings(view).values()
    told = verdict(view).text
    yield Item("Is the model tested against membership inference?", MEASURED if mains else OPEN, told)
    attacks = [m for m in view.results.methods if m.get("kind") == "attack"]
    means = {"labels": "labels alone", "white_box": "the parameters"}
    kinds = distinct(means.get(str(m.get("access")), "released values") for m in attacks)
    attackers = distinct(attacker_title(s.adaptive) for s in mains if s.adaptive is not None)
    found = f"{len(attacks)} attacks, with {', '.join(kinds)}; {', '.join(attackers) or 'no defence named'}"
    status = PARTLY if attacks else OPEN
    yield Item("Do the tests cover the means that are reasonably likely to be used?", status, found)


def _likelihoods(view: View) -> Iterator[Item]:
    """How likely it is that membership is found, for the most exposed persons and on average."""
    mains = main_standings(view).values()
    tpr = max((s.tpr for s in mains if s.tpr is not None), key=lambda row: row.value, default=None)
    found = [f"{metric_title(tpr.metric)}, {tpr.defence}: {show(tpr)}"] if tpr else []
    found += ["canaries"] if any(row.slice.startswith(CANARY) for row in view.results.rows) else []
    status = PARTLY if found else OPEN
    told = "; ".join(found) or "averages only"
    yield Item("Is the likelihood insignificant for every person, not on average?", status, told)
    auc = max((s.auc for s in mains if s.auc is not None), key=lambda row: row.value, default=None)
    told = f"AUC of the strongest attack, {auc.defence}: {show(auc)}; chance is 0.5" if auc else "no attack"
    yield Item("Is the likelihood measured by the state of the art?", MEASURED if auc else OPEN, told)


def _documents(view: View) -> Iterator[Item]:
    """What must be documented of the model and of its tests."""
    rows, results = view.results.rows, view.results
    yield Item("How many training records and parameters does the model have?", *_sizes(results))
    epsilons = [
        f"{row.defence}: ε = {show(row)}" for row in rows if row.metric == "epsilon" and finite(row.value)
    ]
    told = "; ".join(epsilons) or "no finite epsilon"
    status = MEASURED if epsilons else OPEN
    yield Item("Is privacy guaranteed by the training (differential privacy)?", status, told)
    sizes = max(((r.n_members or 0, r.n_nonmembers or 0) for r in view.leakage), default=(0, 0))
    started = str(results.provenance.get("started", "an unknown day"))[:10]
    told = f"on {started}, with {count(sizes[0])} scores of members and {count(sizes[1])} of non-members"
    yield Item("When was it tested, and to what extent?", MEASURED if sizes[0] else OPEN, told)
    flags = distinct(f"{flag.code} {flag.title}" for flag in results.flags)
    yield Item("What limits the tests?", MEASURED, "; ".join(flags) or "no flag was raised")


def _sizes(results: ResultData) -> tuple[Status, str]:
    """Parameters of the models, and members of one, where the report holds both."""
    parameters = [row for row in results.rows if row.metric == "parameters"]
    targets = {row.target for row in results.rows if row.target != "all"}
    members = [
        row.n_members
        for row in results.rows
        if row.target in targets and row.n_members and row.slice == "all"
    ]
    if not parameters or not members:
        return OPEN, "the report does not hold both"
    each = (f"{row.defence} {show(row)}" for row in parameters)
    return MEASURED, f"{count(max(members))} records; parameters: {', '.join(each)}"


def checklist_page(results: ResultData) -> str:
    """The checklist as a page to print, without a script."""
    return page_template("checklist.html").render(
        results=results,
        items=checklist(results),
        source=SOURCE,
        mark=Markup(PAGE_MARK),
        css=Markup(package_file("page.css")),
    )
