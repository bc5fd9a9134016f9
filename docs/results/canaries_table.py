"""Print the section of docs/results/canaries.md about a study with canaries.

Run: python docs/results/canaries_table.py FOLDER [FOLDER ...]
"""

import sys

from table import provenance_line

from leakbench.report.results import Results
from leakbench.report.view import View
from leakbench.report.worst_case import finding, worst_case


def section(results: Results) -> str:
    """Title, provenance, and the table of the report's section "Worst case"."""
    view = View(results)
    table = worst_case(view)
    planted = next(note for note in results.notes if note.startswith("canaries: "))
    lines = [f"## {results.title}", "", provenance_line(results), "", f"{planted}. {finding(view)}", ""]
    lines += ["| " + " | ".join(column.title for column in table.columns) + " |"]
    lines += ["|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(f"{c.text} {c.note}".strip() for c in line) + " |" for line in table.lines]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(section(Results.load(folder)))
