"""A leaderboard of defences from reports and earlier leaderboards: what an entry must be, and its numbers."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...attacks import ATTACKS
from ...attacks.suite import SUITES, make_attacks
from ...core.config import build
from ...core.errors import InputError, unknown
from ...core.regular_files import read_regular
from ...core.results import UNDEFENDED, CaseScores, Flag, Row
from ...metrics.auc import Auc
from ...report.comparison import Comparison, comparisons
from ...report.leaderboard import (
    FEWEST_TARGETS,
    Attacked,
    Entry,
    Leaderboard,
    Matched,
    Measured,
    Note,
    Reported,
    StudyFacts,
)
from ...report.numbers import finite
from ...report.results import Results
from ...report.study_toml import toml_text
from ...report.view import View
from ..kept_scores import kept_sample, row_case
from .saved import folder_of, whole
from .verify import again, same_numbers

SUITE = "standard-2027"  # the strongest attacks known; what an entry lacks of them is a note
NOTED = ("F09", "F11", "F12", "F13", "F14", "F15", "F19")  # flags that a note names too
FEW_TARGETS = 8  # below which intervals contain the true value less often than they say (docs/coverage.md)
UNDERSTATED = (
    "F06",
    "F07",
    "F10",
    "F16",
    "F17",
    "F18",
)  # flags by which leakage is understated, or not measured


@dataclass(frozen=True)
class Unreliable:
    """A reason why a number must not be relied on that no flag tells."""

    defence: str  # the study's label
    reason: str  # one sentence


@dataclass(frozen=True)
class EntryFile:
    """What a report does not tell: where an entry is from, what others reported, and known faults."""

    report: str  # the folder of the report, relative to this file
    source: str = ""  # who made the entry, or where it was published
    reported: tuple[Reported, ...] = ()  # numbers that a publication gives
    unreliable: tuple[Unreliable, ...] = ()  # reasons beside the flags of the report

    @classmethod
    def load(cls, path: Path) -> "EntryFile":
        """Read a TOML file. Raises InputError, naming the key that is not as it must be."""
        try:
            table = tomllib.loads(read_regular(path.resolve()).decode())
        except OSError as error:
            raise InputError(
                f"cannot read {path}: {error.strerror}; give a report or an entry file"
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} must be an entry in TOML; {error}") from None
        entry = build(cls, table, str(path))
        return replace(entry, report=str(path.parent / entry.report))


def leaderboard(
    *entries: str | Path, suite: str | None = None, title: str = "Leaderboard of defences"
) -> Leaderboard:
    """A leaderboard of the defences of several studies; `save` writes it as a static site.

    Args:
        entries: Folders of reports of studies; entry files, which name one and add what was reported elsewhere; and
            files leaderboard.json of earlier leaderboards, whose entries are taken as they are.
        suite: The suite of attacks that every entry must have. None: any attacks; a note names those of the newest
            suite that an entry lacks.
        title: The title of the page.

    Raises InputError for a report that is no entry: of an audit, changed after it was written, without scores, whose
    numbers do not follow from its scores, with too few target models, without the suite, or given twice; and for a
    leaderboard.json that leakbench did not write, or wrote in another schema.
    """
    if not entries:
        raise InputError("a leaderboard needs at least one report, got none; give the folders of reports")
    if suite is not None:
        make_attacks(suite)  # an unknown name is refused
    places, rows = dict[str, str](), list[Entry]()
    for path in map(Path, entries):
        for study, found in _studies(path):
            if suite is not None and suite not in study.attacks:
                raise InputError(
                    f"entries must have the suite {suite}, but {path} has other attacks; "
                    f"`leakbench rescore REPORT --attacks {suite} --out NEW` measures them on the models in the store"
                )
            if study.run in places:
                raise InputError(
                    f"each report may be given once, but {path} has the same as {places[study.run]}"
                )
            places[study.run] = str(path)
            rows += found
    return Leaderboard(title, suite or "", sorted(rows, key=lambda e: e.order))


def _studies(path: Path) -> list[tuple[StudyFacts, list[Entry]]]:
    """The studies of a report, an entry file or a leaderboard.json, each with its entries."""
    if path.suffix == ".json" and path.name != "report.json":
        board = Leaderboard.load(path)
        return [(study, [e for e in board.entries if e.study is study]) for study in board.studies]
    file = EntryFile.load(path) if path.suffix == ".toml" else EntryFile(str(path))
    results, scores = whole(file.report)
    place = str(folder_of(file.report))
    _require(results, scores, place)
    study = _facts(results)
    return [(study, list(_entries(study, results, scores, file, place)))]


def _facts(results: Results) -> StudyFacts:
    about = results.provenance
    return StudyFacts(
        title=results.title,
        run=results.identity,
        data=about.get("data", {}),
        attacks=about.get("attacks", []),
        started=str(about.get("started", "")),
        versions={name: str(version) for name, version in about.get("versions", {}).items()},
        file=toml_text(results.study),
    )


def _require(results: Results, scores: Sequence[CaseScores], place: str) -> None:
    """Raise InputError for a report that is no entry of a leaderboard."""
    if results.kind != "run":
        raise InputError(
            f"an entry must be the report of a study, got that of an audit in {place}; give others"
        )
    if not scores:
        raise InputError(
            f"an entry must hold its scores, but {place} has no scores.parquet; run the study again"
        )
    fewest = min(len(case.target) for case in scores)
    if fewest < FEWEST_TARGETS:
        raise InputError(
            f"an entry must have at least {FEWEST_TARGETS} models that are targets, got {fewest} in {place}; "
            "run the study with more models"
        )


def _entries(
    study: StudyFacts, results: Results, scores: Sequence[CaseScores], file: EntryFile, place: str
) -> Iterator[Entry]:
    view = View(results)
    matched = {c.defence: c for c in comparisons(view)}
    for named in [*(r.defence for r in file.reported), *(u.defence for u in file.unreliable)]:
        if named not in view.standings:
            raise unknown(f"defence in the entry file of {place}:", named, view.standings)
    missing = _missing(results)
    for defence, standings in view.standings.items():
        main = next(iter(standings), None)
        if main is None or main.auc is None or not finite(main.auc.value):
            continue
        known = {s.adaptive: _finite(s.auc) for s in standings}
        shown = [row for row in (main.auc, main.tpr, known.get(False)) if row is not None]
        _require_recomputed(shown, scores, place)
        reported = [r for r in file.reported if r.defence == defence]
        tpr = _finite(main.tpr)
        yield Entry(
            study=study,
            defence=defence,
            accuracy=_finite(view.row("accuracy", defence)),
            auc=main.auc,
            tpr=tpr,
            non_adaptive=known.get(False) if main.adaptive else None,
            labels_only=_finite(_labels_only(view, scores, defence)),
            matched=_matched(matched.get(defence)),
            cost=_finite(view.row("train_cost_ratio", defence)),
            source=file.source or _source(results, defence),
            incomplete=bool(missing),
            reported=[
                Measured(**vars(r), measured=_finite(_measured(view, defence, r, main.auc))) for r in reported
            ],
            notes=[*_doubts(view, scores, file, defence, main.adaptive), *missing],
            by_attack=_by_attack(view, defence, tpr),
        )


def _finite(row: Row | None) -> Row | None:
    """The row if its value is finite."""
    return row if row is not None and finite(row.value) else None


def _matched(c: Comparison | None) -> Matched | None:
    return None if c is None else Matched(c.against, c.verdict, c.unmatched)


def _by_attack(view: View, defence: str, tpr: Row | None) -> list[Attacked]:
    """Every attack on a defence, the highest AUC first."""
    rows = [r for r in view.leakage if (r.metric, r.defence, r.slice) == ("auc", defence, "all")]
    rows = sorted(filter(_finite, rows), key=lambda r: -r.value)
    return [
        Attacked(r, _finite(view.row(tpr.metric, defence, r.attack, r.adaptive)) if tpr else None)
        for r in rows
    ]


def _require_recomputed(rows: Sequence[Row], scores: Sequence[CaseScores], place: str) -> None:
    """Raise InputError if a number does not follow from the scores that are kept for it."""
    for row in rows:
        found = again(row, scores)
        if found is not None and not same_numbers(found, row):
            raise InputError(
                f"{row.metric} of {row.defence} in {place} is {row.value:.6g}, but its scores give {found.value:.6g}; "
                f"see `leakbench verify {place}`"
            )


def _labels_only(view: View, scores: Sequence[CaseScores], defence: str) -> Row | None:
    """The AUC of the strongest attack that reads predicted classes alone.

    It is chosen on one half and measured on the other. Large studies do not keep the scores of all attacks; there it is
    the highest AUC, whose interval is not corrected for the choice.
    """
    labels = [str(m["label"]) for m in view.results.methods if m.get("access") == "labels"]
    rows = [row for attack in labels if (row := view.known("auc", defence, attack)) is not None]
    if len(rows) < 2:
        return next(iter(rows), None)
    case, metric = row_case(scores, rows[0]), Auc()
    kept = [(kept_sample(case, row.attack), row) for row in rows if case and row.attack in case.ranks]
    if len(kept) < len(rows) or not all(metric.applies_to_halves(sample) for sample, _ in kept):
        return max(rows, key=lambda row: row.value)
    sample, chosen = max(kept, key=lambda each: metric.value(each[0].choosing))
    found = metric.estimate(metric.unchosen(sample))
    return replace(chosen, value=found.value, lo=found.lo, hi=found.hi)


def _missing(results: Results) -> list[Note]:
    """The attacks of the newest suite that an entry did not try, and those of an earlier version."""
    tried = {_label(spec) for each in results.provenance.get("attacks", []) for spec in _in_suite(each)}
    lacking = [label for label in make_attacks(SUITE) if label not in tried]
    notes = [Note(f"not attacked by {', '.join(lacking)} of {SUITE}")] if lacking else []
    attacks = [m for m in _methods(results, "attack") if m["name"] in ATTACKS.names()]
    old = [str(m["label"]) for m in attacks if m.get("version") != _version(m)]
    return notes + ([Note(f"earlier versions of {', '.join(old)}")] if old else [])


def _in_suite(named: Any) -> Sequence[Any]:
    """The attacks that a name or a table in a study stands for."""
    return SUITES.get(named, (named,)) if isinstance(named, str) else (named,)


def _version(method: dict[str, Any]) -> int:
    return ATTACKS.get(str(method["name"])).version


def _doubts(
    view: View, scores: Sequence[CaseScores], file: EntryFile, defence: str, adaptive: bool | None
) -> Iterator[Note]:
    """Why a number may be too low, and what else a reader of it must know."""
    targets = next(len(case.target) for case in scores if case.defence == defence)
    if targets < FEW_TARGETS:
        yield Note(f"only {targets} models are targets, so that intervals are too narrow", True)
    if adaptive is False or (adaptive is None and defence != UNDEFENDED):
        yield Note("no adaptive attacker was measured", True)
    yield from (Note(each.reason, True) for each in file.unreliable if each.defence == defence)
    found: dict[str, Flag] = {}
    for flag in view.results.flags:
        if flag.defence in (defence, None) and flag.code in (*UNDERSTATED, *NOTED):
            found.setdefault(flag.code, flag)
    yield from (Note(f"{f.code} {f.title}", f.code in UNDERSTATED) for f in found.values())


def _source(results: Results, defence: str) -> str:
    """The publications of the methods that a defence is made of, as the study names them."""
    specs = [spec for spec in results.study.get("defences", []) if _label(spec) == defence]
    names = {name for spec in specs for name in _names(spec)}
    found = (
        str(m.get("source"))
        for m in _methods(results, "defence")
        if any(m["name"] == name or str(m["name"]).startswith(f"{name}_") for name in names)
    )
    return "; ".join(dict.fromkeys(found))


def _names(spec: Any) -> list[str]:
    """The names of the methods in the spec of a defence."""
    if isinstance(spec, str):
        return [spec]
    return (
        [name for part in spec["chain"] for name in _names(part)] if "chain" in spec else [str(spec["name"])]
    )


def _label(spec: Any) -> str:
    return spec if isinstance(spec, str) else str(spec.get("label", "+".join(_names(spec))))


def _methods(results: Results, kind: str) -> list[dict[str, Any]]:
    return [m for m in results.methods if m.get("kind") == kind]


def _measured(view: View, defence: str, reported: Reported, auc: Row) -> Row | None:
    """The row beside a reported number: of the accuracy, or of the strongest attack."""
    if reported.metric == "auc":
        return auc
    attack = None if reported.metric == "accuracy" else auc.attack
    return view.known(reported.metric, defence, attack)
