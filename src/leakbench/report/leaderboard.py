"""A leaderboard of defences as a static site: one page with a row per defence and study, and a page for each row."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..core.atomic_files import save_together
from ..core.errors import LeakbenchError
from ..core.regular_files import open_regular
from ..core.results import UNDEFENDED, ResultData, Row
from .comparison import Comparison
from .figures.board import study_plot
from .numbers import MISSING, attacker_title, finite, metric_title, percent, rate, show, strongest_title
from .page import package_file, page_template
from .study_toml import toml_text
from .tables.tables import Cell, Column, Table
from .view import View, distinct

SCHEMA = "leakbench-leaderboard/1"
INDEX, PLAIN = "index.html", "leaderboard.json"
MARK = b'<meta name="leakbench-leaderboard"'
HEAD = 4096  # bytes of a page in which its mark is
TEXTS = "td.text { white-space: normal; min-width: 13em; }\n"  # added to the style of a report
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
class Note:
    """A footnote of an entry; `doubt` says that the leakage may be higher than the number."""

    text: str
    doubt: bool = False


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of the leaderboard: a defence on a data set."""

    results: ResultData  # of the study
    defence: str  # the study's label
    accuracy: Row | None
    auc: Row  # of the strongest attack, of an adaptive attacker where there is one
    tpr: Row | None  # of the same at the lowest FPR that the study resolves
    non_adaptive: Row | None  # the AUC that a non-adaptive attacker reaches; None without a defence
    labels_only: Row | None  # the AUC of the strongest attack that reads predicted classes alone
    matched: Comparison | None  # beside the baseline at its accuracy, where the study has one
    cost: Row | None  # training time relative to no defence
    source: str  # publications
    incomplete: bool = (
        False  # whether attacks of the newest suite were not tried, or are of an earlier version
    )
    reported: list[tuple[Reported, Row | None]] = field(default_factory=list)  # beside what was measured
    notes: list[Note] = field(default_factory=list)

    @property
    def data(self) -> str:
        """The name of the data set."""
        return str(self.results.provenance.get("data", {}).get("name", "unknown"))

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
        digest = hashlib.sha256(f"{self.results.identity} {self.defence}".encode()).hexdigest()[:8]
        return f"entry-{name}-{digest}.html"

    @property
    def order(self) -> tuple[str, str, float]:
        """By data set and study, the lowest leakage first."""
        return self.data, self.results.title, self.auc.value

    @property
    def footnotes(self) -> list[str]:
        """The notes, and how reported numbers differ from measured ones."""
        return [
            *(note.text for note in self.notes),
            *filter(None, (_differs(*each) for each in self.reported)),
        ]

    @property
    def verdict(self) -> str:
        """Whether it leaks less than the baseline at its accuracy; empty where that was not measured."""
        return ", ".join(filter(None, self.beside))

    @property
    def beside(self) -> tuple[str, str]:
        """The verdict at matched accuracy, and what the defence was compared with."""
        c = self.matched
        if c is None:
            return "", ""
        return c.verdict, ", ".join(filter(None, [f"beside {c.against}", c.unmatched]))

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
    def attacks(self) -> Table:
        """Every attack on the defence: AUC, and the TPR at the FPR of the entry."""
        view = View(self.results)
        rows = [r for r in view.leakage if (r.metric, r.defence, r.slice) == ("auc", self.defence, "all")]
        columns = [Column("Attack", numeric=False), Column("Attacker", numeric=False), Column("AUC")]
        columns += [Column(metric_title(self.tpr.metric))] if self.tpr else []
        lines = [list(_attack_line(view, self, r)) for r in sorted(rows, key=lambda r: -r.value)]
        return Table(columns, lines)

    @property
    def beside_reported(self) -> Table:
        """What publications report, and what was measured."""
        columns = [Column("Number", numeric=False), Column("Reported"), Column("Measured")]
        lines = [
            [Cell(metric_title(r.metric)), Cell.of(Row(r.metric, r.value)), Cell.of(row), Cell(r.source)]
            for r, row in self.reported
        ]
        return Table([*columns, Column("Source", numeric=False)], lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        names = ("accuracy", "auc", "tpr", "non_adaptive", "labels_only", "cost")
        rows = {name: _plain(getattr(self, name)) for name in names}
        reported = [{**asdict(r), "measured": _plain(row)} for r, row in self.reported]
        about = {
            "defence": self.defence,
            "data": self.results.provenance.get("data", {}),
            "study": self.results.title,
        }
        return {
            **about,
            "run": self.results.identity,
            "attacks": self.results.provenance.get("attacks", []),
            **rows,
            "at_matched_accuracy": self.verdict,
            "evaluation": self.evaluation,
            "source": self.source,
            "reported": reported,
            "notes": [asdict(note) for note in self.notes],
            "page": self.file,
        }


def _plain(row: Row | None) -> dict[str, Any] | None:
    names = ("metric", "value", "lo", "hi", "attack", "selected", "adaptive", "n_members", "n_nonmembers")
    return None if row is None else {n: _finite(getattr(row, n)) for n in names}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not finite(value) else value


def _differs(reported: Reported, row: Row | None) -> str:
    """How a reported number differs from the measured one; empty where it lies in the interval."""
    name, there = metric_title(reported.metric), show(Row(reported.metric, reported.value))
    told = f"{name} reported as {there} ({reported.source})"
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

    @cached_property
    def footnotes(self) -> list[str]:
        """The footnotes of all entries, each once."""
        return distinct(text for entry in self.entries for text in entry.footnotes)

    @property
    def table(self) -> Table:
        """The table of all entries."""
        columns = [
            Column("Defence", numeric=False),
            Column("AUC"),
            Column("TPR"),
            Column("Accuracy"),
            Column("At its accuracy", numeric=False),
            Column("Data", numeric=False),
            Column("AUC, labels only"),
            Column("AUC, non-adaptive"),
            Column("Training cost"),
            Column("Evaluation", numeric=False),
            Column("Source", numeric=False),
        ]
        return Table(columns, [self._line(entry) for entry in self.entries])

    def _line(self, e: Entry) -> list[Cell]:
        tpr = Cell.of(e.tpr)
        at = f"{tpr.note} at {percent(rate(e.tpr.metric) or 0)} FPR" if e.tpr else ""
        numbers = ", ".join(str(self.footnotes.index(text) + 1) for text in e.footnotes)
        return [
            Cell(e.defence, f"by {strongest_title(e.auc) or e.auc.attack}"),
            Cell.of(e.auc),
            replace(tpr, note=at),
            Cell.of(e.accuracy),
            Cell(e.beside[0] or MISSING, e.beside[1]),
            Cell(e.data, e.results.title),
            Cell.of(e.labels_only),
            Cell.of(e.non_adaptive),
            Cell.of(e.cost),
            Cell(e.evaluation, f"notes {numbers}" if numbers else ""),
            Cell(e.source),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        entries = [entry.to_dict() for entry in self.entries]
        return {"schema": SCHEMA, "title": self.title, "suite": self.suite, "entries": entries}

    def pages(self) -> dict[str, str]:
        """The pages of the site by file name."""
        script, template = package_file("page.js"), page_template("leaderboard.html")
        common = {
            "board": self,
            "css": Markup(package_file("page.css") + TEXTS),
            "script": Markup(script),
            "show": show,
            "fewest": FEWEST_TARGETS,
        }
        index = template.render(**common, entry=None, figures=list(self._figures()))
        return {INDEX: index} | {
            e.file: template.render(**common, entry=e, study=toml_text(e.results.study)) for e in self.entries
        }

    def _figures(self) -> Iterator[tuple[str, Markup]]:
        """Accuracy against leakage in each study, with its title."""
        for study in distinct(e.results.identity for e in self.entries):
            entries = [e for e in self.entries if e.results.identity == study]
            points = [(e.defence, e.auc, e.accuracy, not e.unreliable) for e in entries if e.accuracy]
            if points:
                yield f"{entries[0].results.title} ({entries[0].data})", study_plot(points)

    def save(self, folder: str | Path) -> Path:
        """Write the site into a folder, in place of an earlier one; returns the path of its first page.

        Raises InputError rather than replace a file that leakbench did not write, LeakbenchError where the folder
        cannot be written.
        """
        place = Path(folder)
        contents = {name: text.encode("utf-8", "replace") for name, text in self.pages().items()}
        plain = json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False, indent=1)
        contents[PLAIN] = plain.encode("utf-8", "replace")

        def made() -> dict[str, bytes | None]:
            earlier = (path.name for path in place.glob("entry-*.html") if is_ours(path))
            return dict.fromkeys(earlier) | contents

        try:
            save_together(made, place, PREFIX, is_ours)
        except OSError as error:
            raise LeakbenchError(
                f"the leaderboard needs a folder that can be written, got {place}: {error.strerror or error}; "
                "free some space or choose another folder"
            ) from None
        return place / INDEX


def is_ours(path: Path) -> bool:
    """Whether leakbench wrote a file of a leaderboard."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return (SCHEMA.encode() if path.name == PLAIN else MARK) in head


def _attack_line(view: View, e: Entry, row: Row) -> Iterator[Cell]:
    yield Cell(str(row.attack), f"chose {row.selected}" if row.selected else "")
    yield Cell(attacker_title(row.adaptive) if e.defence != UNDEFENDED else "no defence")
    yield Cell.of(row)
    if e.tpr:
        yield Cell.of(view.row(e.tpr.metric, e.defence, row.attack, row.adaptive))
