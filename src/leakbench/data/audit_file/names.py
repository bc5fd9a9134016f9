"""The names that an audit file may hold. Singular and plural mean the same: `loss` is `losses`."""

import difflib
import re
from collections.abc import Collection, Iterable

from ...core.errors import InputError

SCHEMA = "leakbench-audit/1"
TEXTS = ("group", "canary")  # begin the names of arrays of text
KINDS = ("logits", "probs", "losses", "scores")  # the outputs of a model, the most informative first
NAMES = frozenset(
    [prefix + kind for prefix in ("", "shadow_") for kind in KINDS]
    + [
        prefix + kind
        for prefix in ("population_", "shadow_population_")
        for kind in KINDS
        if kind != "scores"
    ]
    + [
        "members",
        "labels",
        "groups",
        "canary",
        "features",
        "class_names",
        "schema",
        "views",
        "gradient_norms",
        "shadow_gradient_norms",
        "shadow_members",
        "shadow_labels",
        "population_labels",
    ]
)

_SINGULAR = re.compile(r"(?:^|(?<=_))(logit|prob|loss|score|member|label|group|feature|view|gradient_norm)$")


def canonical(name: str) -> str | None:
    """The name in the audit file that `name` stands for; None if there is none.

    >>> canonical("shadow_loss"), canonical("group_site"), canonical("weather")
    ('shadow_losses', 'group_site', None)
    """
    plural = _SINGULAR.sub(lambda m: m[1] + ("es" if m[1] == "loss" else "s"), name)
    if plural in NAMES:
        return plural
    return name if name.startswith("group_") and len(name) > len("group_") else None


def listed(names: Iterable[str], most: int = 200) -> str:
    """The names in order, cut off after about so many printable characters.

    >>> listed(["probs", "logits"]), listed([])
    ('logits, probs', 'nothing')
    """
    text = ", ".join(n if n.isprintable() else ascii(n)[1:-1] for n in sorted(names)) or "nothing"
    return text if len(text) <= most else f"{text[:most]} ..."


def require_least(found: Iterable[str], names: Collection[str]) -> None:
    """Raise InputError unless members and the outputs of a model are `found` among the arrays of these names."""
    if "members" not in found:
        halves = any(re.fullmatch(r"(train|test)_\w+|\w+_(train|test)", name) for name in names)
        raise InputError(
            f"'members' is missing, got {listed(names)}; it says which records were trained on"
            + ("; name pairs of train and test logits_train and logits_test, and so on" if halves else "")
        )
    if not any(kind in found for kind in KINDS):
        raise InputError(f"give at least one of {', '.join(KINDS)}, got {listed(names)}")


def recognise(names: Iterable[str], where: str) -> tuple[dict[str, str], list[str]]:
    """The given names by their name in the audit file, and a note on those that are left out.

    Raises InputError for a name that is close to one of ours, or for one given twice.
    """
    found: dict[str, str] = {}
    strangers = []
    for name in names:
        ours = canonical(name)
        if ours is None:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
            if near:
                raise InputError(
                    f"{where}: unknown array {name!r}; did you mean {near[0]!r}? rename or remove it"
                )
            strangers.append(name)
        elif ours in found:
            raise InputError(f"{where}: {found[ours]!r} and {name!r} mean the same; keep one of them")
        else:
            found[ours] = name
    return found, [f"not used: {', '.join(sorted(strangers))}"] if strangers else []
