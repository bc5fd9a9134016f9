"""The pairs of defences to compare: at the same accuracy, and with the twin whose generator is public."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.results import UNDEFENDED, Row
from ..train.recipe import Generate, Recipe
from .defended_models import DefendedModels

TOLERANCE = 0.01  # of accuracy by which a match may fall short


def matched_in_accuracy(all_defended: Sequence[DefendedModels], frontier: Sequence[str]) -> dict[str, str]:
    """For each defence outside the frontier, the first in it that is as accurate within TOLERANCE, or else the nearest.

    The frontier is ordered from the least to the most training, so this is the cheapest way to that accuracy. The
    choice does not depend on leakage.
    """
    accuracy = {defended.defence.label: float(np.mean(defended.test_correct)) for defended in all_defended}
    found = {}
    for label in (label for label in accuracy if frontier and label not in frontier and label != UNDEFENDED):
        enough = [other for other in frontier if accuracy[other] >= accuracy[label] - TOLERANCE]
        found[label] = (
            enough[0] if enough else min(frontier, key=lambda o: abs(accuracy[o] - accuracy[label]))
        )
    return found


def public_twins(all_defended: Sequence[DefendedModels]) -> dict[str, str]:
    """For each defence whose generator saw the members, the same one with the generator fitted on public records."""
    by_recipe = {defended.recipe: defended.defence.label for defended in all_defended}
    found = {
        defended.defence.label: by_recipe.get(_public(defended.recipe))
        for defended in all_defended
        if any(isinstance(s, Generate) and s.depends_on_members for s in defended.recipe.stages)
    }
    return {label: twin for label, twin in found.items() if twin is not None and twin != label}


def origin_of_leakage(rows: Sequence[Row], twin: Sequence[Row]) -> list[Row]:
    """The part of a defence's AUC that is due to its generator, and the part that is due to the weights.

    `rows` are its paired differences from the twin, whose generator never saw a member. So the leakage of the twin
    (AUC - 1/2, from the `twin`'s own rows) is that of its weights.
    """
    whole = {r.attack: r for r in twin if (r.metric, r.slice, r.target) == ("auc", "all", "all")}
    found = []
    for row in rows:
        if row.metric != "auc-difference" or row.attack is None:
            continue
        auc = whole[row.attack]
        generator = replace(row, metric="leakage_from_generator", against=None, detail={"twin": auc.defence})
        lo, hi = (None if limit is None else limit - 0.5 for limit in (auc.lo, auc.hi))
        found += [
            generator,
            replace(generator, metric="leakage_in_weights", value=auc.value - 0.5, lo=lo, hi=hi),
        ]
    return found


def _public(recipe: Recipe) -> Recipe:
    stages = (replace(s, fitted_on="public") if isinstance(s, Generate) else s for s in recipe.stages)
    return replace(recipe, stages=tuple(stages))
