"""Named suites of attacks, fixed once published: two papers that name one report the same thing.

An entry that names a parameter holds it, whatever the attack's default becomes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import InputError, unknown
from ..core.results import NO_SINGLE_ATTACK
from ..signals.statistics import READABLE
from . import ATTACKS
from .base import Attack

Entry = str | Mapping[str, Any]  # as in a study's `attacks`

STANDARD: tuple[Entry, ...] = (
    "scores",
    "gap",
    "loss",
    "confidence",
    "entropy",
    "modified_entropy",
    "top_confidence",
    "confidence_per_class",
    "entropy_per_class",
    "modified_entropy_per_class",
    "attack_p",
    "attack_r",
    "calibration",
    "mast",
    "base",
    "base_offline",
    {"name": "rmia", "gamma": 2.0},
    {"name": "rmia_offline", "gamma": 2.0},
    {"name": "lira", "variance": "auto"},
    {"name": "lira_offline", "variance": "auto"},
    "logistic_regression",
    "mlp",
    "random_forest",
    "knn",
)  # an attack that the signals do not allow is left out with the reason

STANDARD_2027: tuple[Entry, ...] = (
    *(entry for entry in STANDARD if isinstance(entry, str)),
    {"name": "rmia", "gamma": 1.0},
    {"name": "rmia_offline", "gamma": 1.5},
    {"name": "lira", "variance": "shrunken"},
    {"name": "lira_offline", "variance": "shrunken"},
    "bavaria",
    "pmia",
    "lira_calibrated",
    "quantile_regression",
    "label_only_count",
    "label_only_logistic",
    "label_only_boosted",
    "stacked",
)

FULL_2027: tuple[Entry, ...] = (
    *STANDARD_2027,
    "gradient_norm",
    "gradient_norm_last",
    "lira_gradient_norm",
    "lira_gradient_norm_last",
    "loss_trajectory",
    "seqmia",
)  # what a study can afford beside: the parameters of its models, and students that are distilled from them

MIA_PRUNE: tuple[Entry, ...] = (
    "gap",
    "confidence",
    "top_confidence",
    "entropy",
    "modified_entropy",
    "confidence_per_class",
    "entropy_per_class",
    "modified_entropy_per_class",
    "nn",
    "nn_top3",
    "nn_cls",
    "samia",
)  # its thresholds Conf, Xent and Mentr are the three per class, its Top1-conf is `confidence`

SUITES: dict[str, tuple[Entry, ...]] = {
    "standard-2026": STANDARD,
    "standard-2027": STANDARD_2027,
    "full-2027": FULL_2027,
    "mia-prune": MIA_PRUNE,
}


def make_attacks(specs: str | Sequence[str | Mapping[str, Any]]) -> dict[str, Attack]:
    """Attacks by label, from names of suites and attacks and from tables (`label` names a variant)."""
    made: dict[str, Attack] = {}
    for spec in (
        one
        for each in ATTACKS.listed(specs)
        for one in (SUITES.get(each, (each,)) if isinstance(each, str) else (each,))
    ):
        table = {"name": spec} if isinstance(spec, str) else dict(spec)
        label = str(table.pop("label", table.get("name")))
        if label in made or label in NO_SINGLE_ATTACK:
            taken = "is taken" if label in made else "is that of rows about other than a single attack"
            raise InputError(f"the attack label {label!r} {taken}; give another `label`")
        made[label] = attack = ATTACKS.make(table)
        for statistic in attack.needs:
            if statistic not in READABLE:
                raise unknown(f"statistic that attack {label!r} needs:", statistic, READABLE)
    if not made:
        raise InputError(
            "attacks must name at least one attack, got none; leave it out for the standard suite"
        )
    return made
