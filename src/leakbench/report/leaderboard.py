"""A leaderboard of defences as a static site: one page with a row per defence and study, and a page for each row."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from markupsafe import Markup

from ..core.atomic_files import save_together, writing
from ..core.checks import checked
from ..core.config import refuse_endless
from ..core.errors import InputError, first_problem
from ..core.regular_files import open_regular, parse_json, read_regular
from ..core.results import UNDEFENDED, Row
from .figures.board import study_plot
from .numbers import MISSING, attacker_title, finite, metric_title, percent, rate, show, strongest_title
from .page import package_file, page_template
from .tables.tables import Cell, Column, Table
from .view import distinct

FAMILY = "leakbench-leaderboard/"  # how the schemas of all versions begin
SCHEMA = f"{FAMILY}2"
ROW_FIELDS = (  # of a number, that a site shows
    "metric", "value", "lo", "hi", "attack", "selected", "adaptive", "shadows", "n_members", "n_nonmembers",
)  # fmt: skip
INDEX, PLAIN = "index.html", "leaderboard.json"
MARK = b'<meta name="leakbench-leaderboard"'
HEAD = 4096  # bytes of a page in which its mark is
STYLE = """
header, main { max-width: 1400px; }
td.text { white-space: normal; min-width: 8.5em; overflow-wrap: anywhere; }
td.n small { white-space: pre; }
"""  # added to that of a report
PREFIX = ".leaderboard-"  # of the temporary folders
FEWEST_TARGETS = 4  # models that are the target, below which a study is no entry


@dataclass(frozen=True)
class Reported:
    """A number that a publication gives for a defence."""

    defence: str  # the study's label
    metric: str  # accuracy, auc, or a TPR such as tpr@fpr=0.001
    value: float  # rates are fractions
    source: str  # the publication, and the place in it


@dataclass(frozen=True)
class Measured(Reported):
    """A reported number beside the measured one."""

    measured: Row | None


@dataclass(frozen=True)
class Note:
    """A footnote of an entry; `doubt` says that the leakage may be higher than the number."""

    text: str
    doubt: bool = False


@dataclass(frozen=True)
class Attacked:
    """The numbers of one attack on all records."""

    auc: Row
    tpr: Row | None  # at the FPR of the entry


@dataclass(frozen=True)
class Matched:
    """A defence beside the baseline at its accuracy."""

    against: str  # the baseline's label
    verdict: str  # which of the two leaks less
    unmatched: str  # said where the accuracies differ significantly


@dataclass(frozen=True, eq=False)
class StudyFacts:
    """The study that entries are of. A fact that a file does not hold is empty."""

    title: str
    run: str  # the identity of its results
    data: dict[str, Any]  # name, source, fingerprint, ...
    attacks: list[Any]  # suites and attacks as the study names them
    started: str
    versions: dict[str, str]  # of leakbench and what it computes with
    file: str  # the study file in TOML


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of the leaderboard: a defence on a data set. Its numbers are finite."""

    study: StudyFacts
    defence: str  # the study's label
    accuracy: Row | None
    auc: Row  # of the strongest attack, of an adaptive attacker where there is one
    tpr: Row | None  # of the same at the lowest FPR that the study resolves
    non_adaptive: Row | None  # the AUC that a non-adaptive attacker reaches; None without a defence
    labels_only: Row | None  # the AUC of the strongest attack that reads predicted classes alone
    matched: Matched | None  # None where the study has no baseline at its accuracy
    cost: Row | None  # training time relative to no defence
    source: str  # publications
    incomplete: bool  # whether attacks of the newest suite were not tried, or are of an earlier version
    reported: list[Measured]
    notes: list[Note]
    by_attack: list[Attacked]  # the highest AUC first; empty where a file does not hold them

    @property
    def data(self) -> str:
        """The name of the data set."""
        return str(self.study.data.get("name", "unknown"))

    @property
    def unreliable(self) -> bool:
        """Whether a note says that the leakage may be higher than the number."""
        return any(note.doubt for note in self.notes)

    @property
    def evaluation(self) -> str:
        """Whether the numbers may be relied on, and whether every strong attack known was tried."""
        return "unreliable" if self.unreliable else "incomplete" if self.incomplete else "complete"

    @property
    def file(self) -> str:
        """The name of the entry's own page."""
        name = re.sub(r"[^a-z0-9]+", "-", f"{self.data}-{self.defence}".lower()).strip("-")[:60]
        digest = hashlib.sha256(f"{self.study.run} {self.defence}".encode("utf-8", "replace")).hexdigest()[:8]
        return f"entry-{name}-{digest}.html"

    @property
    def order(self) -> tuple[str, str, float]:
        """By data set and study, the lowest leakage first."""
        return self.data, self.study.title, self.auc.value

    @property
    def footnotes(self) -> list[str]:
        """The notes, and how reported numbers differ from measured ones."""
        return [
            *(note.text for note in self.notes),
            *filter(None, map(_differs, self.reported)),
        ]

    @property
    def verdict(self) -> str:
        """Whether it leaks less than the baseline at its accuracy; empty where that was not measured."""
        return ", ".join(filter(None, self.beside))

    @property
    def beside(self) -> tuple[str, str]:
        """The verdict at matched accuracy, and what the defence was compared with."""
        m = self.matched
        if m is None:
            return "", ""
        return m.verdict, ", ".join(filter(None, [f"beside {m.against}", m.unmatched]))

    @property
    def numbers(self) -> list[tuple[str, Row]]:
        """The numbers with their titles."""
        titled = [
            ("Accuracy", self.accuracy),
            (f"AUC of the strongest attack, {strongest_title(self.auc) or self.auc.attack}", self.auc),
            (f"{metric_title(self.tpr.metric)} of the strongest attack" if self.tpr else "", self.tpr),
            ("AUC of the strongest non-adaptive attack", self.non_adaptive),
            (f"AUC on labels alone, {self.labels_only.attack}" if self.labels_only else "", self.labels_only),
            ("Training cost relative to no defence", self.cost),
        ]
        return [(title, row) for title, row in titled if row is not None]

    @property
    def rates(self) -> list[Row]:
        """The numbers that are rates or areas, between 0 and 1."""
        rows = (self.accuracy, self.auc, self.tpr, self.non_adaptive, self.labels_only)
        return [row for row in rows if row is not None]

    @property
    def attacks(self) -> Table:
        """Every attack on the defence: AUC, and the TPR at the FPR of the entry."""
        columns = [Column("Attack", numeric=False), Column("Attacker", numeric=False), Column("AUC")]
        columns += [Column(metric_title(self.tpr.metric))] if self.tpr else []
        return Table(columns, [list(self._attack_line(each)) for each in self.by_attack])

    def _attack_line(self, each: Attacked) -> Iterator[Cell]:
        row = each.auc
        yield Cell(str(row.attack), f"chose {row.selected}" if row.selected else "")
        yield Cell(attacker_title(row.adaptive) if self.defence != UNDEFENDED else "no defence")
        yield Cell.of(row)
        if self.tpr:
            yield Cell.of(each.tpr)

    @property
    def beside_reported(self) -> Table:
        """What publications report, and what was measured."""
        columns = [Column("Number", numeric=False), Column("Reported"), Column("Measured")]
        lines = [
            [
                Cell(metric_title(r.metric)),
                Cell.of(Row(r.metric, r.value)),
                Cell.of(r.measured),
                Cell(r.source),
            ]
            for r in self.reported
        ]
        return Table([*columns, Column("Source", numeric=False)], lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the fields, the study by its run, and what follows from them."""
        plain = {name: _plain(value) for name, value in vars(self).items() if name != "study"}
        return {"run": self.study.run, **plain, "evaluation": self.evaluation, "page": self.file}


def _plain(value: Any) -> Any:
    """Plain data for JSON; of a row the fields that a leaderboard shows."""
    if isinstance(value, Row):
        shown = {name: getattr(value, name) for name in ROW_FIELDS}
        return {n: None if isinstance(v, float) and not finite(v) else v for n, v in shown.items()}
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _is_rate(row: Row) -> bool:
    """Whether a value lies between 0 and 1, and an interval near it."""
    return 0 <= row.value <= 1 and all(
        abs(end - row.value) <= 1 for end in (row.lo, row.hi) if end is not None
    )


def _differs(reported: Measured) -> str:
    """How a reported number differs from the measured one; empty where it lies in the interval."""
    row, there = reported.measured, show(Row(reported.metric, reported.value))
    told = f"{metric_title(reported.metric)} reported as {there} ({reported.source})"
    if row is None or not (finite(row.lo) and finite(row.hi)):
        return f"{told}, not measured here"
    if row.lo <= reported.value <= row.hi:
        return ""
    return f"{told}, measured {'higher' if row.lo > reported.value else 'lower'}: {show(row)}"


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The entries of a leaderboard, and the site that shows them."""

    title: str
    suite: str  # that every entry has; empty: none was required
    entries: list[Entry]

    @classmethod
    def load(cls, path: Path) -> "Leaderboard":
        """Read a leaderboard.json that `save` wrote, whatever its name.

        Raises InputError for a file of another kind or schema, and for one that was changed.
        """
        try:
            plain = parse_json(read_regular(path.resolve()))
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}; give a leaderboard.json") from None
        except ValueError as error:
            raise InputError(f"{path} must be a leaderboard.json; {error}") from None
        if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
            got = plain.get("schema") if isinstance(plain, dict) else type(plain).__name__
            raise InputError(
                f"{path} must be a leaderboard.json of schema {SCHEMA!r}, got {str(got)[:100]!r}; "
                "make it again from its reports"
            )
        from pydantic import ValidationError

        why = "its fields disagree, or one is unknown or was left out"
        try:
            refuse_endless(plain, str(path))
            studies = {study.run: study for study in checked(list[StudyFacts], plain["studies"])}
            entries = [{**entry, "study": studies[entry["run"]]} for entry in plain["entries"]]
            board = checked(cls, {**plain, "entries": entries})
            rates = [row for e in board.entries for row in e.rates]
            if not all(map(_is_rate, rates)):
                why = "accuracies, AUCs and TPRs must lie between 0 and 1"
            elif json.loads(board.text()) == plain and len({e.file for e in board.entries}) == len(entries):
                return cast(Leaderboard, board)
        except ValidationError as error:
            why = first_problem(error)
        except KeyError as error:
            why = f"{error.args[0]!r} is missing"
        except (TypeError, RecursionError) as error:
            why = str(error)
        raise InputError(f"{path} is not as leakbench wrote it: {why}; make it again from its reports")

    @property
    def studies(self) -> list[StudyFacts]:
        """The studies of the entries, in their order."""
        return distinct(entry.study for entry in self.entries)

    @cached_property
    def footnotes(self) -> list[str]:
        """The footnotes of all entries, each once."""
        return distinct(text for entry in self.entries for text in entry.footnotes)

    @property
    def table(self) -> Table:
        """The table of all entries, without columns that none of them fills."""
        rates = distinct(metric_title(e.tpr.metric) for e in self.entries if e.tpr)
        columns = [
            Column("Defence", numeric=False),
            Column("AUC"),
            Column(rates[0] if len(rates) == 1 else "TPR"),
            Column("Accuracy"),
            Column("At its accuracy", numeric=False),
            Column("Data", numeric=False),
            Column("AUC, labels only"),
            Column("AUC, non-adaptive"),
            Column("Training cost"),
            Column("Evaluation", numeric=False),
            Column("Source", numeric=False),
        ]
        lines = [self._line(entry, len(rates) > 1) for entry in self.entries]
        filled = [i for i in range(len(columns)) if any(line[i].text not in ("", MISSING) for line in lines)]
        return Table([columns[i] for i in filled], [[line[i] for i in filled] for line in lines])

    def _line(self, e: Entry, with_fpr: bool) -> list[Cell]:
        tpr = Cell.of(e.tpr)
        at = f"{tpr.note}\nat {percent(rate(e.tpr.metric) or 0)} FPR" if e.tpr and with_fpr else tpr.note
        numbers = ", ".join(str(n) for n, text in enumerate(self.footnotes, 1) if text in e.footnotes)
        return [
            Cell(e.defence, f"by {strongest_title(e.auc) or e.auc.attack}"),
            Cell.of(e.auc),
            replace(tpr, note=at),
            Cell.of(e.accuracy),
            Cell(e.beside[0] or MISSING, e.beside[1]),
            Cell(e.data, e.study.title),
            Cell.of(e.labels_only),
            Cell.of(e.non_adaptive),
            Cell.of(e.cost),
            Cell(e.evaluation, f"notes {numbers}" if numbers else ""),
            Cell(e.source),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, from which `load` makes the same leaderboard."""
        about = {"schema": SCHEMA, "title": self.title, "suite": self.suite, "studies": _plain(self.studies)}
        return about | {"entries": [entry.to_dict() for entry in self.entries]}

    def text(self) -> str:
        """The JSON text of `to_dict`."""
        return json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False, indent=1)

    def files(self) -> dict[str, str]:
        """The files of the site by name: its pages, and leaderboard.json."""
        script, template = package_file("page.js"), page_template("leaderboard.html")
        common = {
            "board": self,
            "css": Markup(package_file("page.css") + STYLE),
            "script": Markup(script),
            "show": show,
            "fewest": FEWEST_TARGETS,
        }
        index = template.render(**common, entry=None, figures=list(self._figures()))
        pages = {e.file: template.render(**common, entry=e) for e in self.entries}
        return {INDEX: index, **pages, PLAIN: self.text()}

    def _figures(self) -> Iterator[tuple[str, Markup, Markup]]:
        """Accuracy against leakage in each study: its title, a wide drawing, and one for narrow screens."""
        for study in self.studies:
            entries = [e for e in self.entries if e.study is study]
            points = [(e.defence, e.auc, e.accuracy, not e.unreliable) for e in entries if e.accuracy]
            if points:
                yield (
                    f"{study.title} ({entries[0].data})",
                    study_plot(points),
                    study_plot(points, narrow=True),
                )

    def save(self, folder: str | Path) -> Path:
        """Write the site into a folder, in place of an earlier one; returns the path of its first page.

        Raises InputError rather than replace a file that leakbench did not write, LeakbenchError where the folder
        cannot be written.
        """
        place = Path(folder)
        contents = {name: text.encode("utf-8", "replace") for name, text in self.files().items()}

        def made() -> dict[str, bytes | None]:
            earlier = (path.name for path in place.glob("entry-*.html") if is_ours(path))
            return dict.fromkeys(earlier) | contents

        with writing("leaderboard", place):
            save_together(made, place, PREFIX, is_ours)
        return place / INDEX


def is_ours(path: Path) -> bool:
    """Whether leakbench wrote a file of a leaderboard."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return (FAMILY.encode() if path.name == PLAIN else MARK) in head
