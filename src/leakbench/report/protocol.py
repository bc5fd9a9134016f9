"""How the numbers were made, for a referee: what they rest on, and how to check them."""

from ..core.results import NO_SINGLE_ATTACK
from .array_tables import SCORES
from .numbers import count
from .verdict import main_standings
from .view import BASELINE, View


def rests_on(view: View) -> str:
    """What the first sentence rests on, in a line; empty where nothing was attacked."""
    mains = main_standings(view)
    first = mains.get(BASELINE) or next(iter(mains.values()), None)
    row = None if first is None else first.basis
    if row is None or row.n_members is None or row.n_nonmembers is None:
        return ""
    models = f" of {targets} models" if (targets := _targets(view)) > 1 else ""
    attacks = len([a for a in view.attacks if a not in NO_SINGLE_ATTACK])
    of = f"{attacks} attacks" if attacks > 1 else "one attack"
    return f"Rests on {of} and on {count(row.n_members)} members and {count(row.n_nonmembers)} non-members{models}."


def _targets(view: View) -> int:
    return len({r.target for r in view.results.rows} - {"all"})


def protocol(view: View) -> list[tuple[str, str]]:
    """A name and a text for each step."""
    results, mains = view.results, main_standings(view)
    attacks = [a for a in view.attacks if a not in NO_SINGLE_ATTACK]
    told = {"What it rests on": rests_on(view) or "No attack was measured."}
    if results.kind == "run":
        design = results.study.get("design")
        drawn = f" by the design {design.get('name')}" if isinstance(design, dict) else ""
        told["Members"] = (
            f"Each model is trained on a part of the records, drawn{drawn}; the others are its non-members."
        )
        told["Attacker"] = (
            "The shadow models of an adaptive attacker go through the same training, defence and output transform as"
            " the target. Non-adaptive attackers are shown beside them, and no grade rests on them."
        )
    if attacks:
        told["Attacks"] = ", ".join(attacks)
    if mains:
        chosen = all(s.corrected for s in mains.values())
        told["Strongest attack"] = (
            "It is chosen on one half of the data and measured on the other, so the choice does not bias its number."
            if chosen
            else "It is the highest on the same records. The grade is corrected for that choice, the interval is not."
        )
    told["Intervals"] = (
        "95 %, over records and models, with copies of a record together (docs/design/statistics.md). Simulations show"
        " how often they contain the true value (docs/coverage.md)."
    )
    if results.flags:
        told["Flags"] = ", ".join(sorted({f.code for f in results.flags})) + " (docs/flags.md)"
    told["Check"] = (
        "leakbench verify FOLDER recomputes these numbers from scores.parquet and compares the digests of all files."
        if SCORES in results.tables or results.scores
        else "This report was saved without scores, so its numbers cannot be recomputed."
    )
    return list(told.items())
