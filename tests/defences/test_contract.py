"""What every defence promises, over all of them."""

import contextlib
import json
from dataclasses import fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from leakbench.core.content_key import canonical
from leakbench.core.errors import InputError
from leakbench.defences import DEFENCES, Defence
from leakbench.defences.defender import Defender, Records
from leakbench.defences.output_approximation import Kind
from leakbench.defences.parameters import Parameters
from leakbench.generators import GENERATORS, Generator
from leakbench.signals.statistics import log_softmax
from leakbench.train.recipe import Architecture, CodeRecipe, Ensemble, Finetune, PythonTrainer, Recipe, Train
from leakbench.train.recipe.settings import Augment

OFF = {  # parameters at which a defence does nothing
    "none": {},
    "label_smoothing": {"smoothing": 0.0},
    "weight_decay": {"weight_decay": 0.0},
    "temperature": {"temperature": 1.0},
    "ppb": {"weight": 0.0},
    "adversarial_regularization": {"weight": 0.0},
    "fewer_epochs": {"epochs": 1000},
    "uniform_mixing": {"weight": 0.0},
    "top_k": {"k": 10},
    "laplace_noise": {"scale": 0.0},
    "gaussian_noise": {"scale": 0.0},
    "logit_clipping": {"tau": 1e6},
    "memguard": {"epsilon": 0.0, "epochs": 1, "steps": 1},
    "entropy_regularization": {"weight": 0.0},
    "focal_loss": {"gamma": 0.0},
    "relaxloss": {"alpha": 0.0},
    "convex_concave": {"alpha": 1.0, "beta": 1.0},
    "hamp_training": {"gamma": 0.0, "alpha": 0.0},
    "mixup": {"alpha": 0.0},
    "dropout": {"rate": 0.0},
    "parameters": {"values": {}},
}
CODE = CodeRecipe(trainer=PythonTrainer(function="own:fit", version="1"))
names = pytest.mark.parametrize("name", DEFENCES.names())
QUICK = {"memguard": {"epochs": 3, "steps": 20}}
MAPS = [
    {"name": name, **QUICK.get(name, {})} for name in DEFENCES.names() if DEFENCES.get(name).changes_output
]
MAPS += [{"name": "output_approximation", "kind": kind} for kind in get_args(Kind)]
MAPS += [{"name": "top_k", "k": 1}, {"name": "gaussian_noise", "memoised": False}]
maps = pytest.mark.parametrize("table", MAPS, ids=lambda table: "-".join(map(str, table.values())))


def _defender(c: int, seed: int = 0) -> Defender:
    """The owner of a linear model on records of 6 features."""
    rng = np.random.default_rng(1)
    weight, x = rng.normal(0, 2, (6, c)), rng.uniform(-1, 1, (80, 6)).astype(np.float32)
    y = rng.integers(0, c, 80)
    sides = (Records(x[:50], y[:50]), Records(x[50:], y[50:]))
    return Defender(seed, lambda x: x @ weight, lambda: sides[0], lambda: sides[1])


def _logits(c: int = 10) -> np.ndarray:
    logits = np.random.default_rng(0).normal(0, 4, (3, 1, 40, c))
    logits[0, 0, 0] = 0.0  # all tied
    logits[0, 0, 1, 0] = 500.0  # one-hot
    logits.setflags(write=False)
    return logits


@names
@pytest.mark.parametrize("c", [2, 10])
def test_output_is_finite_and_keeps_the_prediction(name: str, c: int) -> None:
    defence, logits = DEFENCES.make({"name": name, **QUICK.get(name, {})}), _logits(c)
    out = defence.release(_defender(c))(logits)
    assert out.shape == logits.shape
    assert np.isfinite(out).all()
    if defence.keeps_argmax:
        np.testing.assert_array_equal(out.argmax(-1), logits.argmax(-1))
    assert np.isfinite(defence.inverse(out)).all()


@names
def test_a_declared_output_map_is_one(name: str) -> None:
    defence, logits = DEFENCES.make(name), _logits()
    changed = not np.allclose(log_softmax(defence.release(_defender(10))(logits)), log_softmax(logits))
    assert changed == defence.changes_output


@maps
@pytest.mark.parametrize("c", [2, 3, 10])
def test_released_answers_are_distributions(table: dict, c: int) -> None:
    defence, logits = DEFENCES.make(table), _logits(c)
    released = defence.release(_defender(c))(logits)
    np.testing.assert_allclose(np.exp(log_softmax(released)).sum(axis=-1), 1.0, atol=1e-9)
    assert np.isfinite(released).all() and released.shape == logits.shape
    if defence.keeps_argmax:
        np.testing.assert_array_equal(released.argmax(-1), logits.argmax(-1))


@maps
def test_an_answer_without_views_is_released_as_well(table: dict) -> None:
    """As one batch [B, C] of the measured latency."""
    released = DEFENCES.make(table).release(_defender(4))(_logits(4)[0, 0])
    assert released.shape == (40, 4) and np.isfinite(released).all()


@maps
def test_the_same_question_has_the_same_answer(table: dict) -> None:
    defence, logits, defender = DEFENCES.make(table), _logits(), _defender(10)
    first = defence.release(defender)(logits)
    np.testing.assert_array_equal(first, defence.release(defender)(logits))
    again = defence.release(defender.again(1))(logits)
    assert np.array_equal(first, again) == (defence.queries_per_record == 1)


@maps
def test_each_answer_is_released_by_itself(table: dict) -> None:
    """A pure map of one record does not depend on the records beside it."""
    defence, logits = DEFENCES.make(table), _logits()
    if not DEFENCES.make(table).cached_per_model or table["name"] == "output_approximation":
        np.testing.assert_allclose(defence.output(logits[:1, :, 3:4]), defence.output(logits)[:1, :, 3:4])


@maps
def test_a_monotone_map_is_undone(table: dict) -> None:
    defence = DEFENCES.make(table)
    logits = np.random.default_rng(0).normal(0, 2, (2, 1, 50, 10))
    back = log_softmax(defence.inverse(defence.release(_defender(10))(logits)))
    exact = np.abs(back - log_softmax(logits)).max() < 1e-9
    assert exact == (defence.monotone or table.get("kind") == "taylor")


@names
def test_either_the_recipe_or_the_output_changes(name: str) -> None:
    defence, base = DEFENCES.make(name), Recipe()
    changed = defence.recipe(base) != base
    assert changed != defence.changes_output or name in ("none", "parameters")  # which changes code


@names
def test_a_recipe_that_is_only_edited_may_be_edited_again(name: str) -> None:
    defence, base = DEFENCES.make(name), Recipe()
    once = defence.recipe(base)
    if len(once.stages) == len(base.stages):
        assert defence.recipe(once) == once
    else:  # stages are added, never taken away, and the added ones are new; an ensemble trains as its stage did
        trained = [s.training if isinstance(s, Ensemble) else s for s in once.training]
        assert [s for s in trained if s.stage == "train"] == [
            replace(s, on=t.on) for s, t in zip(base.stages, once.training, strict=False)
        ]


@names
def test_the_table_of_a_defence_makes_it_again(name: str) -> None:
    defence = DEFENCES.make(name)
    assert DEFENCES.make(defence.spec()) == defence
    assert json.dumps(defence.describe())


@names
def test_what_changes_the_recipe_changes_the_key(name: str) -> None:
    defence, base = DEFENCES.make(name), Recipe()
    changed = canonical(defence.recipe(base).describe()) != canonical(base.describe())
    assert changed == (defence.recipe(base) != base)


def _others(kind: type, value: object) -> list[object]:
    """Other values of a parameter, of which some may be out of its range."""
    if get_origin(kind) is Literal:
        return [v for v in get_args(kind) if v != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float) or value is None:
        return [0.5 * (value or 0.1) + 0.01, (value or 0.1) + 0.1, (value or 0.0) + 2]
    if isinstance(value, dict):
        return [{"max_depth": 3}]
    if isinstance(value, Generator):
        return [GENERATORS.make("bootstrap")]
    assert isinstance(value, Augment), f"say here what else a {kind} may be"
    return [Augment(shift=3)]


def _key(defence: Defence) -> str:
    """What the defended recipe's key is made from; of one with a single stage where two are refused."""
    if isinstance(defence, Parameters):
        return canonical(defence.code_recipe(CODE).describe())
    try:
        return canonical(defence.recipe(Recipe(stages=(Train(), Finetune()))).describe())
    except InputError:
        return canonical(defence.recipe(Recipe()).describe())


@names
def test_training_parameters_change_the_key_and_output_parameters_do_not(name: str) -> None:
    used = {"surrogate_head": {"finetune": "mse"}}  # or finetune_lr would have no use
    defence = DEFENCES.make({"name": name, **used.get(name, {})})
    for field in fields(defence):
        kind, value = get_type_hints(type(defence))[field.name], getattr(defence, field.name)
        keys = []
        for other in _others(kind, value):
            with contextlib.suppress(InputError):
                keys.append(_key(replace(defence, **{field.name: other})))
        assert keys, field.name
        assert {key != _key(defence) for key in keys} == {not defence.changes_output}, field.name


@pytest.mark.parametrize("name", OFF)
def test_off_is_the_undefended_model(name: str) -> None:
    defence, base, logits = DEFENCES.make({"name": name, **OFF[name]}), Recipe(), _logits()
    assert defence.recipe(base) == base
    released = defence.release(_defender(10))(logits)
    np.testing.assert_allclose(np.exp(log_softmax(released)), np.exp(log_softmax(logits)), atol=1e-12)


@names
def test_a_defence_applies_to_code_or_is_refused(name: str) -> None:
    """Output transforms and the defences that say how do; what edits a network's training is refused."""
    defence = DEFENCES.make(name)
    edits_networks = type(defence).recipe is not Defence.recipe
    if edits_networks and type(defence).code_recipe is Defence.code_recipe:
        with pytest.raises(InputError, match="does not apply"):
            defence.code_recipe(CODE)
    else:
        once = defence.code_recipe(CODE)
        assert defence.code_recipe(once) == once and (once == CODE) == (name != "ensemble")


def test_temperature_is_undone_by_who_knows_it() -> None:
    defence = DEFENCES.make("temperature")
    np.testing.assert_allclose(defence.inverse(defence.output(_logits())), _logits(), rtol=1e-12)


def test_rounding_releases_rounded_probabilities() -> None:
    defence: Defence = DEFENCES.make({"name": "rounding", "decimals": 1})
    released = np.exp(defence.output(np.log(np.array([[0.44, 0.31, 0.25], [0.96, 0.03, 0.01]]))))
    np.testing.assert_allclose(released, [[0.4, 0.3, 0.2], [1.0, 0.0, 0.0]], atol=1e-9)


def test_rounding_breaks_a_tie_towards_the_prediction() -> None:
    released = np.exp(DEFENCES.make({"name": "rounding", "decimals": 1}).output(np.log([[0.34, 0.33, 0.33]])))
    np.testing.assert_allclose(released, [[0.4, 0.3, 0.3]], atol=1e-9)


def _stages(table: dict, base: Recipe) -> list[str]:
    return [stage.stage for stage in DEFENCES.make(table).recipe(base).stages]


def test_the_founders_defences_are_short_compositions() -> None:
    base = Recipe(stages=(Train(epochs=20),))
    assert _stages({"name": "synthshield"}, base) == ["train", "prune", "generate", "finetune"]
    assert _stages({"name": "synthetic_only"}, base) == ["generate", "train"]
    assert _stages({"name": "dmp"}, base) == ["train", "generate", "distill"]
    pruned = DEFENCES.make("pruning").recipe(base)
    assert [s.stage for s in pruned.stages] == ["train", "prune", "finetune"]
    assert pruned.stages[2].epochs == 10 and pruned.stages[2].on == "members"
    ppb = DEFENCES.make({"name": "ppb", "stages": "last"}).recipe(pruned)
    assert [s.loss.name for s in ppb.training] == ["cross_entropy", "ppb"]


def test_defences_by_aggregation_and_distillation_are_short_compositions() -> None:
    base = Recipe(stages=(Train(epochs=20),))
    assert _stages({"name": "ensemble"}, base) == ["ensemble"]
    assert _stages({"name": "selena"}, base) == ["ensemble", "distill"]
    assert _stages({"name": "knowledge_distillation"}, base) == ["train", "distill"]
    assert _stages({"name": "repeated_distillation"}, base) == ["train", *["distill"] * 3]
    assert _stages({"name": "mc_dropout"}, base) == ["train", "monte_carlo"]
    ensemble, student = DEFENCES.make("selena").recipe(base).training
    assert (ensemble.size, ensemble.leaves_out) == (25, 10)
    assert student.epochs == ensemble.epochs == 20 and student.on == "members"


def test_mc_dropout_sets_the_rate_of_every_architecture() -> None:
    for name in ("mlp", "cnn", "column_fc"):
        made = DEFENCES.make({"name": "mc_dropout", "rate": 0.3}).recipe(Recipe(Architecture(name)))
        assert made.architecture.dropout == 0.3


@pytest.mark.parametrize("name", ["ensemble", "selena"])
def test_an_ensemble_takes_the_place_of_one_stage(name: str) -> None:
    with pytest.raises(InputError, match="one train stage, got a recipe with train and finetune"):
        DEFENCES.make(name).recipe(DEFENCES.make("pruning").recipe(Recipe()))
    with pytest.raises(InputError, match="needs a single network"):
        DEFENCES.make("pruning").recipe(DEFENCES.make("ensemble").recipe(Recipe()))


def test_rounds_of_pruning_end_at_the_asked_sparsity() -> None:
    stages = (
        DEFENCES.make({"name": "pruning", "sparsity": 0.875, "rounds": 3, "epochs": 7})
        .recipe(Recipe())
        .stages
    )
    pruned = [s.sparsity for s in stages if s.stage == "prune"]
    assert pruned == pytest.approx([0.5, 0.75, 0.875])
    assert [s.epochs for s in stages if s.stage == "finetune"] == [2, 2, 3]
    removed = DEFENCES.make({"name": "pruning", "pruner": "l1_structured", "sparsity": 0.75, "rounds": 2})
    assert [s.sparsity for s in removed.recipe(Recipe()).stages if s.stage == "prune"] == pytest.approx(
        [0.5, 0.5]
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "synthshield", "sparsity": 1.0}, "sparsity must be at least 0 and below 1"),
        ({"name": "pruning", "sparsity": -0.1}, "sparsity must be at least 0 and below 1"),
        ({"name": "pruning", "rounds": 0}, "rounds must be at least 1"),
        ({"name": "pruning", "rounds": 3, "epochs": 2}, "at least one a round"),
        ({"name": "synthshield", "generator": "vae"}, "unknown generator 'vae'; did you mean"),
        ({"name": "ppb", "weight": -1.0}, "must not be negative"),
        ({"name": "dp_sgd", "noise": -1.0}, "noise must be at least 0"),
        ({"name": "fewer_epochs", "epochs": 0}, "epochs must be at least 1"),
        ({"name": "top_k", "k": 0}, "k must be at least 1"),
        ({"name": "uniform_mixing", "weight": 1.0}, "at least 0 and below 1"),
        ({"name": "logit_normalisation", "scale": 0.0}, "scale must be positive"),
        ({"name": "logit_clipping", "p": 0.5}, "p at least 1"),
        ({"name": "laplace_noise", "scale": -1.0}, "scale must be at least 0"),
        ({"name": "gaussian_noise", "queries": 0}, "queries must be at least 1"),
        ({"name": "memguard", "epsilon": -1.0}, "epsilon must be at least 0"),
        ({"name": "output_approximation", "kind": "dm"}, "kind must be one of 'dmd'"),
        ({"name": "output_approximation", "rank": 0}, "rank must be at least 1"),
        ({"name": "ensemble", "size": 0}, "size must be at least 1"),
        ({"name": "selena", "leaves_out": 25}, "leaves_out must be at least 1 and below size = 25"),
        ({"name": "selena", "leaves_out": 0}, "leaves_out must be at least 1 and below size = 25"),
        ({"name": "knowledge_distillation", "generations": 0}, "generations must be at least 1"),
        ({"name": "knowledge_distillation", "temperature": 0.0}, "temperature must be above 0"),
        ({"name": "mc_dropout", "rate": 0.0}, "rate must be above 0 and below 1"),
        ({"name": "mc_dropout", "passes": 0}, "passes must be at least 1"),
        ({"name": "entropy_regularization", "form": "max"}, "form"),
        ({"name": "entropy_regularization", "weight": -1.0}, "weight must be at least 0"),
        ({"name": "focal_loss", "gamma": -1.0}, "gamma must be at least 0"),
        ({"name": "relaxloss", "alpha": -1.0}, "alpha must be at least 0"),
        ({"name": "relaxloss", "upper": 0.0}, "upper must be a probability above 0 and at most 1, got 0"),
        ({"name": "relaxloss", "upper": 30}, "upper must be a probability above 0 and at most 1, got 30"),
        ({"name": "convex_concave", "alpha": 1.5}, "alpha must be a share"),
        ({"name": "convex_concave", "beta": 0.0}, "beta must be above 0"),
        ({"name": "hamp_training", "gamma": 1.0}, "gamma must be at least 0 and below 1"),
        ({"name": "mixup", "alpha": -1.0}, "mixup .* must be at least 0"),
        ({"name": "dropout", "rate": 1.0}, "rate must be at least 0 and below 1"),
    ],
)
def test_wrong_parameters_are_refused(table: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DEFENCES.make(table).recipe(Recipe())


@pytest.mark.parametrize("second", ["ppb", "focal_loss", "relaxloss", "hamp_training", "label_smoothing"])
def test_no_defence_of_a_chain_loses_the_loss_of_another(second: str) -> None:
    once = DEFENCES.make("convex_concave").recipe(Recipe())
    with pytest.raises(InputError, match="take one of them"):
        DEFENCES.make(second).recipe(once)


def test_a_loss_may_be_that_of_the_last_stage_alone() -> None:
    pruned = DEFENCES.make("pruning").recipe(Recipe())
    for name in ("focal_loss", "relaxloss", "convex_concave", "hamp_training", "entropy_regularization"):
        first, last = DEFENCES.make({"name": name, "stages": "last"}).recipe(pruned).training
        assert first == pruned.training[0] and last.loss.name != "cross_entropy"
    first, last = DEFENCES.make({"name": "mixup", "stages": "last"}).recipe(pruned).training
    assert (first.augment.mixup, last.augment.mixup) == (0.0, 1.0)


@pytest.mark.parametrize("chain", [["mixup", "dp_sgd"], ["adversarial_regularization", "mixup"]])
def test_mixup_goes_with_no_method_about_single_records(chain: list[str]) -> None:
    recipe = Recipe()
    with pytest.raises(InputError, match="mixup must have no adversary and no privacy"):
        for name in chain:
            recipe = DEFENCES.make(name).recipe(recipe)


def test_dropout_replaces_that_of_the_architecture() -> None:
    for name, before in (("mlp", 0.0), ("column_fc", 0.1), ("cnn", 0.0)):
        base = Recipe(Architecture(name))
        assert base.architecture.dropout == before
        assert DEFENCES.make({"name": "dropout", "rate": 0.3}).recipe(base).architecture.dropout == 0.3
        assert DEFENCES.make({"name": "dropout", "rate": 0.0}).recipe(base) == base
    with pytest.raises(InputError, match=r"dropout must go with an architecture that has it .*got 'resnet9'"):
        DEFENCES.make("dropout").recipe(Recipe(Architecture("resnet9")))
