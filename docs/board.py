"""The leaderboard of our own studies: the files that `leakbench leaderboard` wrote, as one page."""

import json
from pathlib import Path
from typing import Any

from leakbench.core.results import Row
from leakbench.report.leaderboard import SCHEMA
from leakbench.report.numbers import MISSING, metric_title, show, strongest_title
from leakbench.report.view import distinct

BOARDS = Path(__file__).parent / "results" / "boards"
LEAD = """
Each row is a defence, the lowest AUC first. The AUC and the TPR are those of the strongest attack by each measure; `by`
names the attack of the AUC. The attacker is adaptive. Brackets hold 95 % intervals. Rows of one study can be compared
with each other. [A leaderboard of defences](../leaderboard.md#what-a-row-shows) explains the columns.
"""
RULE = """
## Add an entry

1. Run the study: `leakbench run STUDY.toml --out REPORT`. Its file must be in `studies/`, for others to run again.
2. Check the report: `leakbench verify REPORT` must find no difference.
3. Make its board: `leakbench leaderboard REPORT --out BOARD`. The command refuses what breaks the
   [rules for entries](../leaderboard.md#rules-for-entries).
4. Copy `BOARD/leaderboard.json` to `docs/results/boards/NAME.json`, and run `make docs`. The page takes its numbers
   from that file.
"""
HEAD = "| Defence | Accuracy | AUC | by | TPR | At its accuracy | AUC, labels only | Training cost | Notes |"


def board_page() -> str:
    """A table for each study of the files; its notes follow it, each once."""
    studies = [study for path in sorted(BOARDS.glob("*.json")) for study in studies_of(path)]
    return f"\n# Leaderboard of our studies\n{LEAD}" + "".join(map(section, studies)) + RULE


def studies_of(path: Path) -> list[list[dict[str, Any]]]:
    """The entries of a file, those of one run together."""
    board = json.loads(path.read_text(encoding="utf-8"))
    if board["schema"] != SCHEMA:
        raise ValueError(f"{path.name} must be {SCHEMA}, got {board['schema']}; make the board again")
    runs = distinct(entry["run"] for entry in board["entries"])
    return [[entry for entry in board["entries"] if entry["run"] == run] for run in runs]


def section(entries: list[dict[str, Any]]) -> str:
    """The table of one study."""
    notes = distinct(note["text"] for entry in entries for note in entry["notes"])
    low = distinct(metric_title(entry["tpr"]["metric"]) for entry in entries if entry["tpr"])
    data = entries[0]["data"]
    lines = [
        f"\n## {entries[0]['study']}\n",
        f"Data: {data['name']} ({data['source']}), fingerprint `{data['fingerprint']}`.",
        f"The column TPR is the {', '.join(low)}.\n",
        HEAD,
        "|---" * (HEAD.count("|") - 1) + "|",
        *(_line(entry, notes) for entry in entries),
        "\nNotes:\n",
        *(f"{n}. {note.replace('_', chr(92) + '_')}" for n, note in enumerate(notes, 1)),
    ]
    return "\n".join(lines) + "\n"


def _line(entry: dict[str, Any], notes: list[str]) -> str:
    rows = {
        name: entry[name] and Row(**entry[name]) for name in ("accuracy", "auc", "tpr", "labels_only", "cost")
    }
    shown = {name: str(show(row)) for name, row in rows.items()}
    own = ", ".join(str(notes.index(note["text"]) + 1) for note in entry["notes"])
    evaluation = f"{entry['evaluation']}: {own}" if own else entry["evaluation"]
    cells = [
        f"`{entry['defence']}`",
        shown["accuracy"],
        shown["auc"],
        strongest_title(rows["auc"]),
        shown["tpr"],
    ]
    cells += [entry["at_matched_accuracy"] or MISSING, shown["labels_only"], shown["cost"], evaluation]
    return f"| {' | '.join(cells)} |"
