"""Recipes that begin alike are trained after their common beginning, and only then."""

from hypothesis import given
from hypothesis import strategies as st

from leakbench.train.recipe import Finetune, Prune, Recipe, Train
from leakbench.train.recipe.waves import waves

TRAIN, OTHER = Train(epochs=2), Train(epochs=3)
PRUNE, FINETUNE = Prune(), Finetune(epochs=1)
PLAIN = Recipe(stages=(TRAIN,))
PRUNED = Recipe(stages=(TRAIN, PRUNE))
TUNED = Recipe(stages=(TRAIN, PRUNE, FINETUNE))


def test_a_beginning_that_is_asked_for_comes_first() -> None:
    assert waves([TUNED, PLAIN, PRUNED]) == [[PLAIN], [TUNED, PRUNED]]


def test_a_beginning_that_two_share_is_trained_though_nobody_asks_for_it() -> None:
    twice = Recipe(stages=(TRAIN, PRUNE, FINETUNE, FINETUNE))
    assert waves([TUNED, PRUNED]) == [[PLAIN], [TUNED, PRUNED]]
    assert waves([twice, TUNED]) == [[PLAIN], [TUNED], [twice]]


def test_what_nobody_shares_is_one_piece() -> None:
    alone = Recipe(stages=(OTHER,))
    assert waves([TUNED, alone, TUNED]) == [[TUNED, alone]]
    assert waves([]) == []


@given(
    st.lists(
        st.lists(st.sampled_from([TRAIN, OTHER, FINETUNE]), min_size=1, max_size=4).map(
            lambda stages: Recipe(stages=(TRAIN, *stages))
        ),
        max_size=6,
    )
)
def test_every_recipe_is_there_once_and_nothing_is_trained_twice(recipes: list[Recipe]) -> None:
    found = waves(recipes)
    order = [recipe for wave in found for recipe in wave]
    assert len(order) == len(set(order)) and set(recipes) <= set(order)
    at = {recipe: depth for depth, wave in enumerate(found) for recipe in wave}
    begun: dict[Recipe, Recipe] = {}  # by what is trained newly: who trains it
    for recipe in order:
        steps = [recipe.until(n) for n in recipe.kept]
        had = max((n for n, step in enumerate(steps[:-1]) if step in at), default=-1)
        assert all(at[step] < at[recipe] for step in steps[:-1] if step in at)
        for step in steps[had + 1 :]:
            assert begun.setdefault(step, recipe) == recipe
