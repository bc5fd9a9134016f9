"""The leaderboard of our own studies, from the files that `leakbench leaderboard` wrote: a site, and its page."""

import re
from html import escape
from pathlib import Path

from leakbench import leaderboard
from leakbench.report.leaderboard import Entry, Leaderboard
from leakbench.report.numbers import MISSING, Number, metric_title, show
from leakbench.report.view import distinct

FILES = Path(__file__).parent / "results" / "board"
LEAD = """
[**The leaderboard as a site**](board) can be sorted and filtered. It has a figure of accuracy against leakage, the AUC
on labels alone, the training cost, the sources, and a page for each entry.

The tables below hold its main columns. Each row is a defence, the lowest AUC first. The AUC and the TPR are those of
the strongest attack by each measure. The attacker is adaptive. Brackets hold 95 % intervals. Rows of one study can be
compared with each other. [A leaderboard of defences](../leaderboard.md#what-a-row-shows) explains the columns.
"""
RULE = """
## Add an entry

1. Run the study: `leakbench run STUDY.toml --out REPORT`. Its file must be in `studies/`, for others to run again.
2. Check the report: `leakbench verify REPORT` must find no difference.
3. Make its leaderboard: `leakbench leaderboard REPORT --out BOARD`. The command refuses what breaks the
   [rules for entries](../leaderboard.md#rules-for-entries).
4. Copy `BOARD/leaderboard.json` to `docs/results/board/NAME.json`, and run `make docs`. This page and the site take
   their numbers from the files in that folder.
"""
HEAD = "| Defence | Accuracy | AUC | TPR | At its accuracy |"


def our_board() -> Leaderboard:
    """The leaderboard of all files."""
    return leaderboard(*sorted(FILES.glob("*.json")), title="Leaderboard of our studies")


def board_page() -> str:
    """A table for each study; its notes follow it, each once."""
    board = our_board()
    studies = ([entry for entry in board.entries if entry.study is study] for study in board.studies)
    return f"\n# {board.title}\n{LEAD}" + "".join(map(section, studies)) + RULE


def section(entries: list[Entry]) -> str:
    """The table of one study."""
    study = entries[0].study
    notes = distinct(text for entry in entries for text in entry.footnotes)
    low = distinct(metric_title(entry.tpr.metric) for entry in entries if entry.tpr)
    lines = [
        f"\n## {study.title}\n",
        f"Data: {study.data['name']} ({study.data['source']}), fingerprint `{study.data['fingerprint']}`.",
        f"The column TPR is the {', '.join(low)}. Small numbers name notes.\n",
        HEAD,
        "|---" * (HEAD.count("|") - 1) + "|",
        *(_line(entry, notes) for entry in entries),
        "\nNotes:\n",
        *(f"{n}. {_plain(note)}" for n, note in enumerate(notes, 1)),
    ]
    return "\n".join(lines) + "\n"


def _line(entry: Entry, notes: list[str]) -> str:
    numbers = [_unbroken(show(row)) for row in (entry.accuracy, entry.auc, entry.tpr)]
    own = ", ".join(str(n) for n, note in enumerate(notes, 1) if note in entry.footnotes)
    name = _plain(entry.defence) + (f"<sup>{own}</sup>" if own else "")
    doubt = ", unreliable" if entry.unreliable else ""
    return f"| {' | '.join([name + doubt, *numbers, _plain(entry.verdict) or MISSING])} |"


def _plain(text: str) -> str:
    """Text in which Markdown finds no marks."""
    return escape(re.sub(r"([\\`*_\[\]|])", r"\\\1", text))


def _unbroken(number: Number) -> str:
    """A number that breaks only before its interval."""
    parts = (number.value + number.suffix, number.interval)
    return " ".join(part.replace(" ", "\u00a0") for part in parts if part)
