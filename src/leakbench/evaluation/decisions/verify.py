"""Is a report as it was written, and do its numbers follow from its scores?"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.errors import InputError
from ...core.progress import NullProgress, Progress
from ...core.provenance import versions
from ...core.regular_files import parse_json, read_regular
from ...core.results import BLIND, CaseScores, ResultData, Row
from ...metrics import METRICS, Metric
from ...metrics.base import Estimate
from ...metrics.standard import RATES
from ...report.array_tables import ROWS, TABLES, read_rows, read_scores
from ...report.identity import FILES, changed, run_of
from ...report.json_form import to_plain
from ...report.numbers import DIFFERENCE
from ...report.results import Results
from ..kept_scores import row_sample
from .saved import folder_of

TOLERANCE = 1e-9  # relative, and absolute: versions of numpy and scipy round differently
NAMED = 3  # rows that are named where they differ


@dataclass(frozen=True)
class Finding:
    """One part of a report, and whether it is as it must be."""

    part: str  # what was looked at
    status: Literal["ok", "differs", "note"]  # note: it cannot be checked, or explains a difference
    text: str  # what was found


def verify(report: str | Path, progress: Progress | None = None) -> list[Finding]:
    """Check a saved report: its files, its digests, its tables, and every number that its scores give.

    Args:
        report: The folder of a report.
        progress: Receives the rows that were computed again. Default: nothing is shown.

    Returns a finding for each part; those with the status "differs" name what differs. Raises InputError for a folder
    that holds no report.json of leakbench.
    """
    folder = folder_of(report)
    path = folder / "report.json"
    results = Results.load_alone(path, [])
    shown = progress or NullProgress()
    found = [*_files(folder, results), *_digests(folder), *_versions(results)]
    try:
        rows = read_rows(folder / ROWS)
        results = Results.load_alone(path, rows)
        if ROWS not in results.tables:  # of an earlier version
            same = rows == to_plain(results)["results"]
            told = f"{ROWS} and report.json hold {'the same' if same else 'other'} rows"
            found.append(Finding("rows", "ok" if same else "differs", told))
    except InputError as error:
        found.append(Finding("rows", "differs", str(error)))
        if ROWS in results.tables:
            return found
    found.append(_verdict(folder, results))
    try:
        scores = read_scores(folder)
    except InputError as error:
        return [*found, Finding("numbers", "differs", str(error))]
    return [*found, *_numbers(results, scores, shown)]


def _files(folder: Path, results: ResultData) -> Iterator[Finding]:
    """Whether each file is there and of the same run."""
    for name in FILES:
        run = run_of(folder / name)
        if not (folder / name).exists():
            missing = name in results.tables or name not in TABLES
            yield Finding(
                name, "differs" if missing else "note", "missing" if missing else "this report has none"
            )
        elif run != results.identity:
            yield Finding(
                name, "differs", "no file of leakbench" if run is None else f"of another run, {run}"
            )
        else:
            yield Finding(name, "ok", f"of run {results.identity}")


def _digests(folder: Path) -> Iterator[Finding]:
    """Whether the contents have the digests that were written with them."""
    files = changed(folder)
    for name in files:
        yield Finding(
            "digest", "differs", f"{name} was changed after it was written, or by an earlier version"
        )
    if not files:
        yield Finding("digest", "ok", "report.json and its tables are as they were written")


def _versions(results: ResultData) -> Iterator[Finding]:
    """Which packages have another version here than where the report was made."""
    then, now = results.provenance.get("versions", {}), versions()
    others = [
        f"{name} {then[name]}, here {now.get(name, 'none')}" for name in then if then[name] != now.get(name)
    ]
    yield Finding("versions", "note" if others else "ok", "; ".join(others) or "the same packages as here")


def _verdict(folder: Path, results: Results) -> Finding:
    """Whether the verdict follows from the rows."""
    stored = parse_json(read_regular(folder / "report.json")).get("verdict")
    if stored == json.loads(json.dumps(asdict(results.verdict))):
        return Finding("verdict", "ok", "it follows from the rows")
    return Finding("verdict", "differs", "the rows give another verdict, or an earlier version wrote it")


def _numbers(results: ResultData, scores: list[CaseScores], progress: Progress) -> Iterator[Finding]:
    """Whether the scores give the values and intervals of the rows."""
    if not scores:
        yield Finding("numbers", "note", "the report holds no scores, from which to compute them again")
        return
    same, differing, left = 0, list[str](), Counter[str]()
    progress.stage("numbers", len(results.rows))
    for row in results.rows:
        progress.advance()
        found = again(row, scores)
        if found is None:
            left[_kind(row)] += 1
        elif same_numbers(found, row):
            same += 1
        else:
            told = f"{row.metric} of {row.attack} on {row.defence}, {row.slice}: {row.value:.6g} [{row.lo}, {row.hi}]"
            differing.append(f"{told}, the scores give {found.value:.6g} [{found.lo:.6g}, {found.hi:.6g}]")
    for each in differing[:NAMED]:
        yield Finding("numbers", "differs", each)
    if len(differing) > NAMED:
        yield Finding("numbers", "differs", f"and {len(differing) - NAMED:,} more rows")
    yield Finding("numbers", "ok", f"{same:,} of {len(results.rows):,} rows follow from the scores")
    if left:
        names = ", ".join(sorted(left))
        yield Finding(
            "numbers", "note", f"{left.total():,} rows do not follow from the scores alone: {names}"
        )


def again(row: Row, scores: Sequence[CaseScores]) -> Estimate | None:
    """The number of a row, computed from the scores; None where it does not follow from them alone."""
    metric = None if row.attack is None else _metric(row.metric)
    sample = None if metric is None else row_sample(scores, row, metric)
    return None if metric is None or sample is None or metric.applies(sample) else metric.estimate(sample)


def same_numbers(found: Estimate, row: Row) -> bool:
    """Whether a row has this value and this interval, but for the rounding of another version of numpy or scipy."""
    return all(_close(getattr(found, name), getattr(row, name)) for name in ("value", "lo", "hi"))


def _kind(row: Row) -> str:
    """What a row that does not follow from the scores is about."""
    if row.attack is None:
        return "accuracy, cost and outputs"
    if row.metric.endswith(DIFFERENCE):
        return "differences of defences"
    return "blind baseline" if row.attack == BLIND else row.metric.partition("@")[0]


def _close(one: float, other: float | None) -> bool:
    return other is None or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _metric(label: str) -> Metric | None:
    """The metric of a label, such as tpr@fpr=0.02; None where its parameters are not all in the label."""
    known = {metric.label: metric for metric in RATES}
    if label in known:
        return known[label]
    name, _, arguments = label.partition("@")
    given: dict[str, Any] = dict(part.partition("=")[::2] for part in arguments.split(",") if part)
    try:
        made = METRICS.make({"name": name, **given})
    except InputError:
        return None
    return made if made.label == label and not label.startswith("epsilon") else None
