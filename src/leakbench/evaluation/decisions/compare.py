"""How reports differ: paired by record where they have the same records and memberships, unpaired otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.results import BEST, BLIND, CaseScores, ResultData, Row
from ...metrics import Sample
from ...metrics.auc import Auc
from ...metrics.statistics.differences import paired_differences, paired_sample
from ...metrics.tpr_at_fpr import TprAtFpr
from ...report.numbers import DIFFERENCE, finite
from ...report.report_pairs import ReportComparison, ReportPair
from ...report.results import Results
from ...report.view import crossed, distinct
from ..kept_scores import row_case, row_sample
from .saved import whole

METRICS = {metric.label: metric for metric in (Auc(), TprAtFpr(0.01), TprAtFpr(0.001))}
UNPAIRED = "unpaired: it takes the two numbers as independent, which is cautious where they share records"
Rows = dict[tuple[str, str | None, str], Row]  # by defence, attack and metric
MOST_KEYS = 8  # of two studies that differ, which are named


@dataclass(frozen=True)
class _Report:
    """A report, its scores, and where it is."""

    results: Results
    scores: list[CaseScores]
    place: str

    @property
    def definitions(self) -> dict[str, tuple[Any, ...]]:
        """Name, version and parameters of each attack, by its label."""
        keys = ("name", "version", "parameters")
        attacks = (m for m in self.results.methods if m.get("kind") == "attack")
        return {str(m.get("label")): tuple(m.get(key) for key in keys) for m in attacks}

    @property
    def rows(self) -> Rows:
        """The numbers that are compared, by defence, attack and metric."""
        found = {}
        for r in self.results.rows:
            usual = (r.slice, r.target, r.against) == ("all", "all", None) and not crossed(r)
            known = r.metric == "accuracy" if r.attack is None else r.metric in METRICS and r.attack != BLIND
            if usual and known and r.adaptive is not False:
                found[r.defence, r.attack, r.metric] = r
        return found


def compare(*reports: str | Path | Results) -> ReportComparison:
    """Compare reports with the first of them: the strongest attack, every attack that they share, and the accuracy.

    Formula: D = other - reference. Where both have the same records and memberships, the interval is that of the paired
        difference of two defences of one study (`paired_differences`). Otherwise it is MOVER of the two intervals,
        lo = D - sqrt((b - b_lo)^2 + (a_hi - a)^2), and hi with the other two arms.
    Source:  Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach"

    Args:
        reports: Two or more folders of reports, or results as they were measured.

    Raises InputError for reports that cannot be compared: of an audit and a study, of other data, without a common
    defence, or without an attack that is defined alike; and for a report that was changed after it was written.
    """
    if len(reports) < 2:
        raise InputError(f"compare needs two reports or more, got {len(reports)}")
    read = [_Report(*whole(r), "" if isinstance(r, Results) else str(r)) for r in reports]
    pairs, notes = list[ReportPair](), list[str]()
    for number, other in enumerate(read[1:], 1):
        _require_same_data(read[0], other)
        found = list(_pairs(read[0], other, number, notes))
        pairs += found
        if not all(pair.paired for pair in found if pair.reference.attack):
            notes.append(f"the intervals of {_letter(number)} are {UNPAIRED}")
        notes += _other_settings(read[0].results, other.results, number)
    return ReportComparison([r.results.title for r in read], [r.place for r in read], pairs, distinct(notes))


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _require_same_data(one: _Report, other: _Report) -> None:
    kinds = [each.results.kind for each in (one, other)]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"an audit and a study cannot be compared, got {kinds[0]!r} and {kinds[1]!r}; compare two of a kind"
        )
    data = [each.results.provenance.get("data", {}) for each in (one, other)]
    if kinds[0] == "run" and data[0].get("fingerprint") != data[1].get("fingerprint"):
        told = " and ".join(
            f"{d.get('name')} ({d.get('records')} records, {d.get('fingerprint')})" for d in data
        )
        raise InputError(f"studies of other data cannot be compared, got {told}; run both on the same data")


def _pairs(one: _Report, other: _Report, number: int, notes: list[str]) -> Iterator[ReportPair]:
    """Every number that both reports have, under attacks that are defined alike."""
    rows, others = one.rows, other.rows
    attacks = _alike(one, other, number, notes)
    for defence, match in _defences(rows, others, number).items():
        for (own, attack, metric), row in rows.items():
            compared = others.get((match, attack, metric))
            if own == defence and compared is not None and (attack is None or attack in attacks):
                name = defence if defence == match else f"{defence} and {match}"
                yield _pair(name, number, (one, row), (other, compared))


def _alike(one: _Report, other: _Report, number: int, notes: list[str]) -> set[str]:
    """The attacks that both reports define alike; the strongest among them if they are all that there are.

    Raises InputError if there is none.
    """
    mine, theirs = one.definitions, other.definitions
    shared = {a for a in mine if theirs.get(a) == mine[a]}
    if not shared:
        got = " and ".join(", ".join(each) or "none" for each in (mine, theirs))
        raise InputError(f"reports need an attack with the same version and parameters in both, got {got}")
    unlike = [a for a in mine if a in theirs and a not in shared]
    if unlike:
        notes.append(
            f"{', '.join(unlike)} of {_letter(number)} is not compared: its version or parameters are others"
        )
    if mine == theirs:
        return shared | {BEST}
    alone = sorted(set(mine) ^ set(theirs))
    which = f"only one report has {', '.join(alone)}" if alone else "an attack is defined otherwise"
    notes.append(f"the strongest attack of {_letter(number)} is not compared: {which}")
    return shared


def _defences(rows: Rows, others: Rows, number: int) -> dict[str, str]:
    """The defence of the other report for each one of the reference: of the same label, or the only one."""
    mine, theirs = (distinct(key[0] for key, row in each.items() if row.attack) for each in (rows, others))
    found = {d: d for d in mine if d in theirs}
    if not found and len(mine) == len(theirs) == 1:
        return {mine[0]: theirs[0]}
    if not found:
        raise InputError(
            f"reports need a defence in common, or one each, got {', '.join(mine)} and {', '.join(theirs)} "
            f"({_letter(number)})"
        )
    return found


def _pair(name: str, number: int, reference: tuple[_Report, Row], other: tuple[_Report, Row]) -> ReportPair:
    (one, a), (two, b) = reference, other
    samples = _samples(reference), _samples(other)
    found = None
    if None not in samples and _same_records(one, a, two, b):
        found = _paired(a.metric, samples[1], samples[0])
    value, lo, hi = found or _mover(a, b)
    difference = replace(
        b,
        metric=a.metric + DIFFERENCE,
        value=value,
        lo=lo,
        hi=hi,
        chance=None if a.attack is None else 0.0,
        detail={},
    )
    return ReportPair(name, number, a, b, difference, found is not None)


def _samples(of: tuple[_Report, Row]) -> Sample | None:
    report, row = of
    return row_sample(report.scores, row, METRICS[row.metric]) if row.attack is not None else None


def _same_records(one: _Report, a: Row, two: _Report, b: Row) -> bool:
    """Whether both numbers are about the same records: of audits, those with the same numbers and classes."""
    first, second = row_case(one.scores, a), row_case(two.scores, b)
    assert first is not None and second is not None
    classes = [
        {name: m for name, m in case.slices.items() if name.startswith("class=")} for case in (first, second)
    ]
    return (
        np.array_equal(first.record, second.record)
        and classes[0].keys() == classes[1].keys()
        and all(np.array_equal(mask, classes[1][name]) for name, mask in classes[0].items())
    )


def _paired(
    metric: str, sample: Sample | None, reference: Sample | None
) -> tuple[float, float, float] | None:
    """The paired difference; None where the samples have other models, records or members."""
    assert sample is not None and reference is not None
    sample, reference = sample.paired_with(reference)
    if sample.pairs != reference.pairs:
        return None
    fpr = [m.fpr for m in [METRICS[metric]] if isinstance(m, TprAtFpr)]
    found = paired_differences(paired_sample(sample, fpr), paired_sample(reference, fpr))[metric]
    return found.value, found.lo, found.hi


def _mover(a: Row, b: Row) -> tuple[float, float | None, float | None]:
    """b - a with MOVER's limits; without limits where a number has none."""
    difference = b.value - a.value
    if not (finite(a.lo) and finite(a.hi) and finite(b.lo) and finite(b.hi)):
        return difference, None, None
    below, above = np.hypot(b.value - b.lo, a.hi - a.value), np.hypot(b.hi - b.value, a.value - a.lo)
    return difference, float(difference - below), float(difference + above)


def _other_settings(one: ResultData, other: ResultData, number: int) -> Iterator[str]:
    """What else differs: the keys of the studies, and the versions of leakbench."""
    keys = sorted(_differing(one.study, other.study))
    if keys:
        more = f" and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
        yield f"the settings of {_letter(number)} differ in {', '.join(keys[:MOST_KEYS])}{more}"
    versions = [each.provenance.get("versions", {}).get("leakbench") for each in (one, other)]
    if versions[0] != versions[1]:
        yield f"{_letter(number)} was measured by leakbench {versions[1]}, A by {versions[0]}"


def _differing(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """The paths of the keys whose values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differing(one.get(key), other.get(key), f"{where}.{key}" if where else str(key))
    elif one != other:
        yield where
