"""Two or more reports side by side: the numbers of each, their differences, and a page of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from ..core.results import BEST, Row
from .comparison import LESS, MORE, UNTOLD
from .numbers import finite, metric_title, show
from .page import package_file, page_template

SCHEMA = "leakbench-comparison/1"
PAGE_MARK = '<meta name="generator" content="leakbench compare">'
ACCURATE = {-1: "less accurate", 0: UNTOLD, 1: "more accurate"}
LEAKS = {-1: LESS, 0: UNTOLD, 1: MORE}


@dataclass(frozen=True)
class ReportPair:
    """One number in two reports, and its difference."""

    defence: str  # its label in the reference; where the other report has another one, both
    other: int  # which report, from 1; the reference is 0
    reference: Row  # the number in the reference
    compared: Row  # the number in the other report
    difference: Row  # compared - reference, with its 95 % interval
    paired: bool  # whether the interval is of the differences by record

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval of the difference lies above or below 0, else 0."""
        lo, hi = self.difference.lo, self.difference.hi
        return int(finite(lo) and lo > 0) - int(finite(hi) and hi < 0)

    @property
    def verdict(self) -> str:
        """What the difference says about the other report."""
        return (ACCURATE if self.reference.attack is None else LEAKS)[self.sign]

    @property
    def title(self) -> str:
        """The number in words: `AUC, best`."""
        return metric_title(self.reference.metric) + (
            f", {self.reference.attack}" if self.reference.attack else ""
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of a table: reference, other, difference, and the verdict."""
        return *(str(show(row)) for row in (self.reference, self.compared, self.difference)), self.verdict

    @property
    def chosen(self) -> str:
        """The attacks that were chosen as the strongest; empty where none was."""
        names = [row.selected for row in (self.reference, self.compared) if row.selected]
        return " and ".join(dict.fromkeys(names))


@dataclass(frozen=True)
class ReportComparison:
    """Reports compared with the first of them."""

    titles: list[str]  # of the reports, the reference first
    places: list[str]  # their folders; empty for results in memory
    pairs: list[ReportPair]  # every number that was compared
    notes: list[str]  # what was not compared and why, and what the intervals assume

    @property
    def main(self) -> list[ReportPair]:
        """The strongest attack and the accuracy; every attack where no strongest one was compared."""
        found = [pair for pair in self.pairs if pair.reference.attack in (BEST, None)]
        return found if any(pair.reference.attack for pair in found) else self.pairs

    @property
    def letters(self) -> list[str]:
        """A, B, C, ... for the reports."""
        return [chr(ord("A") + i) for i in range(len(self.titles))]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        pairs = [asdict(pair) | {"verdict": pair.verdict} for pair in self.pairs]
        return {"schema": SCHEMA, **vars(self), "pairs": pairs}

    def page(self) -> str:
        """The page as HTML: no script, no network access."""
        others = [pair for pair in self.pairs if pair not in self.main]
        return page_template("comparison.html").render(
            comparison=self,
            mark=Markup(PAGE_MARK),
            show=show,
            css=Markup(package_file("page.css")),
            groups=[self.main, *([others] if others else [])],
        )


def reports_in_words(comparison: ReportComparison) -> Sequence[str]:
    """`A: title (folder)` for each report."""
    named = zip(comparison.letters, comparison.titles, comparison.places, strict=True)
    return [f"{letter}: {title}" + (f" ({place})" if place else "") for letter, title, place in named]
