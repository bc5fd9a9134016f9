"""The order in which recipes are trained, so that no stage is trained twice."""

from collections import Counter
from collections.abc import Sequence

from .recipe import Recipe


def waves(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    """The recipes, and the beginnings that two or more of them share, in waves: each needs only earlier waves.

    The recipes of one wave can be trained at the same time.
    """
    distinct = list(dict.fromkeys(recipes))
    beginnings = {recipe: [recipe.until(n) for n in recipe.kept] for recipe in distinct}
    uses = Counter(each for own in beginnings.values() for each in own)
    trained = {each for each, n in uses.items() if n > 1} | set(distinct)
    found: dict[int, dict[Recipe, None]] = {}
    for own in beginnings.values():
        steps = [each for each in own if each in trained]
        for depth, each in enumerate(steps):
            found.setdefault(depth, {})[each] = None
    return [list(found[depth]) for depth in sorted(found)]
