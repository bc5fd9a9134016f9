"""The flags of a report: each kind once, with a list of its cases, those of most weight first."""

from dataclasses import dataclass

from ..core.results import Flag, ResultData
from .view import SPLIT_DIFFERS, distinct

MOST_PLACES = 6  # that a case names
GROUPS = {  # by weight, and in each group by weight: what a flag means for the numbers
    "Numbers can be wrong": (SPLIT_DIFFERS, "F07", "F03", "F16", "F10", "F05"),
    "Leakage can be higher than shown": ("F19", "F06", "F04", "F18", "F14", "F15", "F09", "F02"),
    "Defences do not do what they promise": ("F13", "F11", "F12"),
    "Good to know": ("F01", "F08"),
}
OTHERS = "Good to know"  # where a kind belongs that is not named above


@dataclass(frozen=True)
class KindOfFlag:
    """A kind of flag with its cases: each message, and the attacks and defences that it concerns."""

    code: str
    title: str
    cases: list[tuple[str, str]]


def flag_groups(results: ResultData) -> list[tuple[str, list[KindOfFlag]]]:
    """The kinds of flag that were raised, by group."""
    by_code: dict[str, list[Flag]] = {}
    for flag in results.flags:
        by_code.setdefault(flag.code, []).append(flag)
    weights = {code: k for k, code in enumerate(code for codes in GROUPS.values() for code in codes)}
    found: dict[str, list[KindOfFlag]] = {group: [] for group in GROUPS}
    for code in sorted(by_code, key=lambda code: weights.get(code, len(weights))):
        group = next((group for group, codes in GROUPS.items() if code in codes), OTHERS)
        found[group].append(KindOfFlag(code, by_code[code][0].title, _cases(by_code[code], results.kind)))
    return [(group, kinds) for group, kinds in found.items() if kinds]


def _cases(flags: list[Flag], kind: str) -> list[tuple[str, str]]:
    places: dict[str, list[str]] = {}
    for f in flags:
        where = " on ".join(name for name in (f.attack, f.defence if kind == "run" else None) if name)
        places.setdefault(f.message, []).append(where)
    return [(message, _some(distinct(filter(None, each)))) for message, each in places.items()]


def _some(places: list[str]) -> str:
    more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
    return ", ".join(places[:MOST_PLACES]) + more
