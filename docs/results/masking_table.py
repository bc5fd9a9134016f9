"""Print, for each defence of some studies, what LiRA, labels alone and `stacked` find, all adaptive.

Run: python docs/results/masking_table.py FOLDER [FOLDER ...]
"""

import sys

from pages import cell, head, line
from table import provenance_line

from leakbench.core.results import Row
from leakbench.report.results import Results
from leakbench.report.view import View

LABELS_ALONE = "label_only_boosted"
SHOWN = (("lira", "auc"), (LABELS_ALONE, "auc"), ("stacked", "auc"))
LOW = "tpr@fpr=0.001"


def section(results: Results) -> str:
    """Title, provenance and one row for each defence, the lowest AUC of the strongest attack first."""
    columns = [*SHOWN, ("best", "auc"), ("lira", LOW), (LABELS_ALONE, LOW), ("stacked", LOW)]
    names = [f"{'strongest' if attack == 'best' else attack}: {'AUC' if metric == 'auc' else 'TPR at 0.1 % FPR'}"
             for attack, metric in columns]  # fmt: skip
    rows = head("defence", "accuracy", *names)
    for defence in sorted(View(results).defences, key=lambda d: _found(results, d, "best", "auc")[0].value):
        accuracy = results.find(metric="accuracy", defence=defence)
        rows.append(line(defence, cell(accuracy), *(cell(_found(results, defence, *c)) for c in columns)))
    return "\n".join([f"## {results.title}", "", provenance_line(results), "", *rows, ""])


def _found(results: Results, defence: str, attack: str, metric: str) -> list[Row]:
    return results.find(
        metric=metric, attack=attack, defence=defence, slice="all", target="all", adaptive=True
    )


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(section(Results.load(folder)))
