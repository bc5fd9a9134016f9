"""Print a results page section from the folders that `leakbench run` wrote.

Run: python docs/results/table.py FOLDER [FOLDER ...]
"""

import sys

from leakbench.core.results import Row
from leakbench.report.numbers import strongest_title
from leakbench.report.results import Results

ATTACKS = ("lira", "rmia", "base", "loss", "gap")


def section(results: Results) -> str:
    """Title, provenance and one line for each defence."""
    return "\n".join([f"## {results.title}", "", provenance_line(results), "", *table(results), ""])


def provenance_line(results: Results) -> str:
    """Command, seed, data, versions, hardware and time."""
    p, data = results.provenance, results.provenance["data"]
    versions = ", ".join(f"{name} {version}" for name, version in p["versions"].items())
    hardware = f"{p['hardware']['cpu']}, {p['hardware']['cores']} cores"
    return (
        f"`{p['command']}` · seed {p['seed']} · {data['parts']['pool']} candidate records · data fingerprint "
        f"`{data['fingerprint']}` · {versions} · {hardware} · {p['seconds']:.0f} s"
    )


def table(results: Results) -> list[str]:
    """Accuracy, the strongest attack adaptive and not, and a few attacks by name, with intervals."""
    low = _lowest_fpr(results)
    heads = ["defence", "accuracy", "strongest: AUC", f"strongest: {low}", f"not adaptive: {low}"]
    heads += [f"{attack}: AUC" for attack in ATTACKS]
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for defence in dict.fromkeys(row.defence for row in results.find(attack="best")):
        cells = [defence, _cell(results, defence=defence, metric="accuracy")]
        for metric, adaptive in (("auc", True), (low, True), (low, False)):
            cells.append(_cell(results, defence=defence, attack="best", metric=metric, adaptive=adaptive))
        for attack in ATTACKS:
            cells.append(_cell(results, defence=defence, attack=attack, metric="auc", adaptive=True))
        out.append("| " + " | ".join(cells) + " |")
    return out


def _lowest_fpr(results: Results) -> str:
    found = {r.metric for r in results.find(attack="best", slice="all") if r.metric.startswith("tpr@")}
    found = {metric for metric in found if not metric.endswith("-difference")}
    return min(found, key=lambda metric: float(metric.partition("=")[2]))


def _cell(results: Results, **where: object) -> str:
    rows: list[Row] = results.find(slice="all", target="all", **where)
    if not rows:
        return "–"
    row = rows[0]
    which = f" ({strongest_title(row)})" if row.selected else ""
    return f"{row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]{which}"


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(section(Results.load(folder)))
