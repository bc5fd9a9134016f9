import json
from dataclasses import fields

import numpy as np
import pytest

from leakbench.core.content_key import canonical, content_key
from leakbench.core.errors import InputError
from leakbench.generators import GENERATORS
from leakbench.train.job import Job
from leakbench.train.losses import CrossEntropy
from leakbench.train.recipe import (
    Architecture,
    Distill,
    Ensemble,
    Finetune,
    Generate,
    MonteCarlo,
    Prune,
    Recipe,
    Train,
)
from leakbench.train.recipe.settings import Adversary, Augment, Optimiser, Privacy, Schedule

NONE = np.empty(0, np.int64)
ROWS = np.arange(10)
COPIES = Generate(generator=GENERATORS.make("bootstrap"))
DROPOUT = Architecture(dropout=0.5)
JOB = {"recipe": Recipe(), "members": ROWS, "dev": np.array([20, 21]), "seed": 7}


def key(data="fingerprint", **changes):
    return content_key(Job(**(JOB | changes)).describe(data))


def test_any_change_changes_the_key():
    changed = [
        key(),
        key(seed=8),
        key(data="other"),
        key(members=ROWS[:9]),
        key(members=ROWS[::-1]),
        key(dev=NONE),
        key(dev=np.array([20, 22])),
        key(recipe=Recipe(stages=(Train(), Train()))),
        key(recipe=Recipe(Architecture(hidden=(128, 65)))),
        key(recipe=Recipe(stages=(Train(augment=Augment(flip=True)),))),
        key(recipe=Recipe(stages=(Train(optimiser=Optimiser(lr=0.051)),))),
    ]
    assert len(set(changed)) == len(changed)


def changed_leaves(plain):
    """The plain data with each of its values changed, one at a time, by the path to the value."""
    if not isinstance(plain, dict | list):
        return {(): "another"}
    parts = plain.items() if isinstance(plain, dict) else enumerate(plain)
    found = {}
    for name, part in parts:
        for path, made in changed_leaves(part).items():
            found[(name, *path)] = plain | {name: made} if isinstance(plain, dict) else [
                made if n == name else other for n, other in enumerate(plain)
            ]  # fmt: skip
    return found


def test_no_setting_is_left_out_of_the_key():
    against, private = Train(adversary=Adversary()), Train(privacy=Privacy())
    stages = (against, private, COPIES, Prune(), Distill())
    settings = (against.adversary, private.privacy, private.optimiser, private.schedule, private.augment)
    plain = Job(**JOB | {"recipe": Recipe(DROPOUT, stages)}).describe("fingerprint")
    others = changed_leaves(json.loads(canonical(plain)))
    keys = {content_key(other) for other in others.values()}
    assert len(keys) == len(others) and content_key(plain) not in keys
    told = {name for path in others for name in path}
    for each in (DROPOUT, *stages, *settings):
        assert {field.name for field in fields(each)} <= told, each


def test_the_key_is_that_of_the_content_alone():
    assert key(members=ROWS.astype(np.int32)) == key(members=np.repeat(ROWS, 2)[::2]) == key()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": NONE}, "at least one row"),
        ({"members": ROWS[None]}, r"whole row numbers \[n\], got int64 \[1, 10\]"),
        ({"members": ROWS / 2}, "whole row numbers"),
        ({"members": np.ones(30, bool)}, "whole row numbers"),
        ({"members": np.array([1, 1])}, "none twice"),
        ({"members": np.array([-1, 1])}, "none negative"),
        ({"dev": np.array([3])}, "different rows"),
        ({"dev": NONE, "recipe": Recipe(stages=(Train(patience=2),))}, "needs dev records"),
        ({"recipe": Recipe(stages=(Ensemble(size=11, leaves_out=1),))}, "needs as many members, got 10"),
    ],
)
def test_wrong_indices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        key(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optimiser("sgdd"), "unknown optimiser 'sgdd'; did you mean 'sgd'"),
        (lambda: Optimiser(lr=0.0), "lr must be above 0"),
        (lambda: Optimiser(lr=float("nan")), "lr must be above 0"),
        (lambda: Optimiser(momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: Optimiser(weight_decay=-1.0), "weight_decay"),
        (lambda: Schedule("cos"), "unknown schedule"),
        (lambda: Schedule("steps", (1.5,)), "milestone"),
        (lambda: CrossEntropy(smoothing=1.0), "smoothing"),
        (lambda: Augment(shift=-1), "shift"),
        (lambda: Train(epochs=0), "epochs"),
        (lambda: Train(batch_size=0), "batch_size"),
        (lambda: Train(patience=0), "patience"),
        (lambda: Architecture("resnet"), "unknown architecture"),
        (lambda: Prune(sparsity=1.0), "sparsity must be at least 0 and below 1"),
        (lambda: Prune(sparsity=-0.1), "sparsity"),
        (lambda: Recipe(stages=(Train(), Finetune(on="synthetic"))), "no stage before makes any"),
        (lambda: Recipe(stages=(Distill(),)), "needs a teacher"),
        (lambda: Generate(), "must name its generator"),
        (lambda: Architecture(hidden=(8, 0)), "width"),
        (lambda: Architecture(dropout=1.0), "dropout"),
        (lambda: Architecture(channels=(1, 2, 3)), "two numbers"),
        (lambda: Recipe(stages=()), "a stage that trains"),
        (lambda: Ensemble(size=0), "size must be at least 1"),
        (lambda: Ensemble(size=4, leaves_out=4), "leaves_out must be at least 0 and below size = 4, got 4"),
        (lambda: Ensemble(leaves_out=-1), "leaves_out"),
        (lambda: Ensemble(on="public"), "an ensemble must train on members, got 'public'"),
        (lambda: Ensemble(privacy=Privacy()), "no privacy"),
        (lambda: Recipe(stages=(Ensemble(), Prune())), r"stage 1 \(prune\) needs a single network"),
        (lambda: Recipe(stages=(Ensemble(), Finetune())), r"stage 1 \(finetune\) needs a single network"),
        (lambda: Recipe(stages=(Ensemble(), Ensemble())), r"stage 1 \(ensemble\) needs a single network"),
        (lambda: Recipe(stages=(Ensemble(), COPIES, Train())), r"stage 2 \(train\) needs a single network"),
        (lambda: Recipe(stages=(Train(), Ensemble())), "the train stage before would have no effect"),
        (lambda: MonteCarlo(passes=0), "passes must be at least 1"),
        (lambda: Recipe(stages=(Train(), MonteCarlo())), "with dropout, got dropout = 0.0 after 1 stages"),
        (lambda: Recipe(DROPOUT, (MonteCarlo(), Train())), "a trained network"),
        (lambda: Recipe(DROPOUT, (Train(), MonteCarlo(), Prune())), r"stage 2 \(prune\) needs a single"),
    ],
)
def test_wrong_recipes_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_schedules():
    assert [Schedule().scale(e, 4) for e in range(4)] == [1.0] * 4
    assert [Schedule("steps", (0.5, 0.75), 0.1).scale(e, 4) for e in range(4)] == pytest.approx(
        [1, 1, 0.1, 0.01]
    )
    cosine = [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0]
    assert [Schedule("cosine").scale(e, 4) for e in range(5)] == pytest.approx(cosine)
