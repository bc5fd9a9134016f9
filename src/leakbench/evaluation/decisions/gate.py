"""Does a report meet a policy? Every ceiling is passed, failed, or not decided by the data."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from ...core.errors import InputError, unknown
from ...core.results import BLIND, CaseScores, ResultData, Row
from ...report.numbers import attacker_title, finite, metric_title, percent, show, slice_title
from ...report.results import Results
from ...report.view import SPLIT_DIFFERS, crossed, distinct
from ..kept_scores import row_case, row_sample
from .more_data import more_data
from .policy import Ceiling, Policy
from .saved import whole

Status = Literal["pass", "fail", "undecided"]
SCHEMA = "leakbench-decision/1"
PASS, FAIL, UNDECIDED = "pass", "fail", "undecided"
REPORTED = 0.95  # the confidence level of the intervals in a report


@dataclass(frozen=True)
class Check:
    """One requirement of a policy, and what the report shows."""

    subject: str  # what is checked
    required: str  # what must be
    found: str  # what the report shows
    status: Status  # pass, fail or undecided
    row: Row | None = None  # the number, with the interval of the decision; None for other requirements
    at_most: float | None = None  # the ceiling
    records: int | None = None  # that would decide an undecided number; None: no number of records would
    models: int | None = None  # targets on the same records that would
    both: tuple[int, int] | None = None  # records and targets that would together, in the same proportion


@dataclass(frozen=True)
class Decision:
    """Whether a report meets a policy."""

    title: str  # of the report
    identity: str  # of the run
    confidence: float  # of all intervals together
    comparisons: int  # numbers that are compared with a ceiling
    checks: list[Check]  # every requirement

    @property
    def status(self) -> Status:
        """Fail if any check fails; else undecided if any is; else pass."""
        found = {check.status for check in self.checks}
        return "fail" if FAIL in found else "undecided" if UNDECIDED in found else "pass"

    @property
    def level(self) -> float:
        """The confidence level of each interval (Bonferroni): 1 - (1 - confidence) / comparisons."""
        return 1 - (1 - self.confidence) / self.comparisons

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        checks = [
            {**vars(check), "row": check.row and {k: v for k, v in vars(check.row).items() if k != "detail"}}
            for check in self.checks
        ]
        about = {"schema": SCHEMA, "status": self.status, "level": self.level}
        return {**about, **vars(self), "checks": checks}


def needed(check: Check) -> str:
    """How many records or models would decide an undecided check, as the end of a sentence; empty for others."""
    if check.status != UNDECIDED:
        return ""
    counts = [f"{n:,} {what}" for what, n in (("records", check.records), ("models", check.models)) if n]
    if not counts and check.both is not None:
        counts = [f"{check.both[0]:,} records with {check.both[1]:,} models"]
    return f"; about {' or '.join(counts)} would decide" if counts else ""


def gate(report: str | Path | Results, policy: str | Path | Policy) -> Decision:
    r"""Whether a report meets a policy.

    Formula: with k comparisons of a number and a ceiling, each interval has the level 1 - (1 - confidence) / k. It is
        computed again from the scores. A number passes if the upper end is at most the ceiling, fails if the lower end
        is above it, and is undecided otherwise. So a model that exceeds a ceiling passes with a probability of at most
        1 - confidence, and with the same probability any statement is wrong.
    Source:  Bonferroni 1936

    Args:
        report: The folder of a report, or results as they were measured.
        policy: A policy, or the TOML file of one.

    Raises InputError for a policy that is not as it must be, for a report that was changed after it was written, that
    has another suite of attacks, or that lacks a number or the scores that a ceiling is about.
    """
    rules = policy if isinstance(policy, Policy) else Policy.load(policy)
    results, scores = whole(report)
    _require_suite(results, rules.suite)
    judged = [(ceiling, row) for ceiling in rules.ceilings for row in _rows(results, ceiling)]
    decision = Decision(results.title, results.identity, rules.confidence, len(judged), [])
    checks = [_judged(ceiling, row, scores, decision.level) for ceiling, row in judged]
    checks += _requirements(rules, results, scores, [row for _, row in judged])
    return replace(decision, checks=checks)


def _require_suite(results: ResultData, suite: str | None) -> None:
    named = results.provenance.get("attacks", [])
    if suite is not None and suite not in named:
        got = ", ".join(each if isinstance(each, str) else str(each.get("name")) for each in named) or "none"
        raise InputError(
            f"the policy requires the suite {suite}, but the attacks of this report are {got[:300]}; run the audit or "
            f"the study again with attacks = {suite!r}, or change the policy"
        )


def _rows(results: ResultData, ceiling: Ceiling) -> list[Row]:
    """The rows that a ceiling describes. Raises InputError if there is none, or one without an upper end."""
    label = ceiling.measured.label
    known = [
        r
        for r in results.rows
        if r.attack is not None and r.target == "all" and r.against is None and not crossed(r)
        and (r.adaptive is not False) == ceiling.adaptive
    ]  # fmt: skip
    for what, wanted, own in (
        ("metric", label, "metric"),
        ("attack", ceiling.attack, "attack"),
        ("defence", ceiling.defence, "defence"),
        ("slice", ceiling.slice, "slice"),
    ):
        found = [r for r in known if _matches(getattr(r, own), wanted, own in ("defence", "slice"))]
        if not found:
            who = "" if ceiling.adaptive else " of the non-adaptive attacker"
            raise unknown(
                f"{what}{who} in this report:", wanted, distinct(str(getattr(r, own)) for r in known)
            )
        known = found
    if any(not finite(r.hi) for r in known):
        raise InputError(
            f"a ceiling needs a metric whose interval has an upper end, got {label}; choose another one"
        )
    return known


def _matches(text: str, wanted: str, pattern: bool) -> bool:
    return text == wanted or (pattern and fnmatchcase(text, wanted))


def _judged(ceiling: Ceiling, row: Row, scores: Sequence[CaseScores], level: float) -> Check:
    """The row at the level of the decision, beside its ceiling."""
    metric = ceiling.measured
    sample = row_sample(scores, row, metric)
    if sample is not None:
        found = metric.estimate(sample, level)
        row = replace(row, lo=found.lo, hi=found.hi)
    elif not math.isclose(level, REPORTED):
        raise InputError(
            f"the report holds no scores of {row.attack} on {row.defence} ({row.slice}), so its interval cannot be "
            f"computed at the level {level:.6g}; use best, or a single ceiling that describes one row"
        )
    status = decided(row, ceiling.at_most)
    check = Check(
        _subject(row), f"≤ {_limit(row, ceiling.at_most)}", str(show(row)), status, row, ceiling.at_most
    )
    case = row_case(scores, row)
    if status != UNDECIDED or sample is None or case is None:
        return check
    more = more_data(metric, sample, found, level, ceiling.at_most)
    records, models = len(case.record), len(case.target)
    pair = _rounded(more.both, records), _rounded(more.both, models)
    return replace(
        check,
        records=_rounded(more.records, records),
        models=_rounded(more.models, models),
        both=None if pair[0] is None or pair[1] is None else (pair[0], pair[1]),
    )


def _rounded(times: float | None, n: int) -> int | None:
    """So many times n, upward to two digits: 2588 becomes 2600."""
    if times is None:
        return None
    unit = int(10 ** max(0, math.floor(math.log10(times * n)) - 1))
    return math.ceil(times * n / unit) * unit


def decided(row: Row, at_most: float) -> Status:
    """Whether the row's interval lies at or below a ceiling, above it, or on both sides."""
    assert row.lo is not None and row.hi is not None
    return "pass" if row.hi <= at_most else "fail" if row.lo > at_most else "undecided"


def _limit(row: Row, at_most: float) -> str:
    """The ceiling in the unit of the row."""
    return percent(at_most) if show(row).suffix == " %" else f"{at_most:g}"


def _subject(row: Row) -> str:
    """The number in words: `AUC, best (stacked), hamp, class 3`."""
    attack = f"{row.attack} ({row.selected})" if row.selected and row.slice != "worst" else str(row.attack)
    where = [] if row.slice == "all" else [slice_title(row.slice)]
    who = [attacker_title(False)] if row.adaptive is False else []
    return ", ".join([metric_title(row.metric), attack, row.defence, *where, *who])


def _requirements(
    rules: Policy, results: ResultData, scores: Sequence[CaseScores], judged: Sequence[Row]
) -> Iterator[Check]:
    """What a policy requires of the report beside the ceilings."""
    defences = distinct(row.defence for row in judged)
    for attack in rules.attacks:
        ran = {r.defence for r in results.rows if r.attack == attack}
        lacking = [d for d in defences if d not in ran]
        found = f"not measured on {', '.join(lacking)}" if lacking else "measured"
        yield Check(f"attack {attack}", "measured", found, _passes(not lacking))
    if rules.nonmembers:
        fewest = min(row.n_nonmembers or 0 for row in judged)
        passes = fewest >= rules.nonmembers
        yield Check("non-members", f"≥ {rules.nonmembers:,}", f"{fewest:,}", _passes(passes))
    if rules.models:
        cases = [row_case(scores, row) for row in judged]
        least = min(1 if case is None else len(case.target) for case in cases)
        yield Check("models", f"≥ {rules.models:,}", f"{least:,}", _passes(least >= rules.models))
    if rules.blind_at_chance:
        yield from (_blind(results, defence) for defence in defences)


def _blind(results: ResultData, defence: str) -> Check:
    """Whether an attack that sees nothing of the model is at chance level."""
    rows = results.find(attack=BLIND, metric="auc", slice="all", defence=defence)
    differs = any(flag.code == SPLIT_DIFFERS for flag in results.flags)
    above = [row for row in rows if finite(row.lo) and row.lo > 0.5]
    found = str(show((above or rows)[0])) if rows else "not measured: labels, groups or features are needed"
    found += "; members and non-members differ by themselves" if differs else ""
    return Check(
        f"blind baseline, {defence}",
        "AUC at chance",
        found,
        _passes(bool(rows) and not above and not differs),
    )


def _passes(holds: bool) -> Status:
    return "pass" if holds else "fail"
