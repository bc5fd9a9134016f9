"""What holds for every attack there is, third-party ones included."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from leakbench.attacks import ATTACKS, Attack
from leakbench.attacks._network import NetworkAttack
from leakbench.attacks.suite import SUITES, make_attacks
from leakbench.core.array_cache import Recent
from leakbench.core.errors import InputError
from leakbench.evaluation.scoring import applicable, score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, frozen, noise_sd, quick, with_members, world

NAMES = ATTACKS.names()
PUBLISHED = {  # the parameters of standard-2026
    "confidence_per_class": {"statistic": "confidence"},
    "entropy_per_class": {"statistic": "entropy"},
    "modified_entropy_per_class": {"statistic": "modified_entropy"},
    "attack_p": {"statistic": "loss"},
    "attack_r": {"statistic": "loss"},
    "calibration": {"statistic": "logodds"},
    "mast": {"statistic": "loss"},
    "base": {"online": True, "offline_scale": 0.33},
    "base_offline": {"online": False, "offline_scale": 0.33},
    "rmia": {"online": True, "gamma": 2.0, "offline_a": 0.3},
    "rmia_offline": {"online": False, "gamma": 2.0, "offline_a": 0.3},
    "lira": {"online": True, "variance": "auto", "statistic": "logodds", "prior_models": 8.0},
    "lira_offline": {"online": False, "variance": "auto", "statistic": "logodds", "prior_models": 8.0},
    "logistic_regression": {"max_examples": 2000, "penalty": 1.0},
    "mlp": {"max_examples": 2000, "hidden": [64], "alpha": 0.001, "epochs": 40},
    "random_forest": {"max_examples": 2000, "trees": 50, "leaf": 20},
    "knn": {"max_examples": 2000, "neighbours": 25},
}


@pytest.fixture(params=NAMES)
def attack(request) -> Attack:
    return quick(request.param)


@pytest.fixture(scope="module")
def models() -> Models:
    return world(v=2)


def score(attack: Attack, models: Models, m: int = 0) -> np.ndarray:
    return attack.score(models.target(m), models.shadows(m), np.random.default_rng(5))


@pytest.fixture(scope="module")
def scored(models: Models) -> Callable[[Attack], np.ndarray]:
    """The scores of `models` by an attack, computed once."""
    return cache(lambda attack: score(attack, models))


def test_finite_scores_of_read_only_arrays(
    attack: Attack, models: Models, scored: Callable[[Attack], np.ndarray]
) -> None:
    got = scored(attack)
    assert got.shape == (models.members.shape[1],)
    assert got.dtype == np.float64
    assert np.isfinite(got).all()


def test_same_seed_same_scores(
    attack: Attack, models: Models, scored: Callable[[Attack], np.ndarray]
) -> None:
    again = world(v=models.signals.shape[1])
    assert np.array_equal(scored(attack), score(attack, again))


def test_the_targets_membership_is_not_seen(
    attack: Attack, models: Models, scored: Callable[[Attack], np.ndarray]
) -> None:
    flipped = models.members.copy()
    flipped[0] = ~flipped[0]
    np.testing.assert_allclose(score(attack, with_members(models, flipped)), scored(attack), rtol=1e-9)


def test_members_score_higher_where_models_leak(attack: Attack, models: Models) -> None:
    got, members = score_targets(attack, models, range(2), seed=0), models.members[:2]
    assert auc(got.scores, members) > 0.53
    assert got.decided is not None
    assert got.decided[members].mean() > got.decided[~members].mean()


@pytest.fixture(scope="module")
def noise() -> Models:
    return world(seed=7, n=600, leak=0.0)


@pytest.mark.parametrize("targets", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_noise_reads_as_chance(attack: Attack, noise: Models, targets: int) -> None:
    members = noise.members[:targets]
    got = score_targets(attack, noise, range(targets), seed=0)
    assert np.isfinite(got.scores).all()  # with one view, too
    band = 4 * noise_sd(members.sum(), (~members).sum())
    assert abs(auc(got.scores, members) - 0.5) < band


def test_order_of_records_does_not_matter(
    attack: Attack, models: Models, scored: Callable[[Attack], np.ndarray]
) -> None:
    if attack.trained:
        pytest.skip("draws its examples by their place")
    order = np.random.default_rng(3).permutation(models.members.shape[1])
    signals = models.signals
    moved = {name: getattr(signals, name)[:, :, order] for name in ("scores", "predicted", "gradients")}
    shuffled = Models(
        frozen(
            Signals(
                signals.labels[order],
                signals.logits[:, :, order],
                **moved,
                features=signals.features[order],
                views=signals.views,
            )
        ),
        models.members[:, order],
        models.audited,
        models.population,
    )
    np.testing.assert_allclose(score(attack, shuffled), scored(attack)[order], rtol=1e-9, atol=1e-12)


def test_a_constant_added_to_the_logits_changes_nothing(
    attack: Attack, models: Models, scored: Callable[[Attack], np.ndarray]
) -> None:
    def shifted(m: Models) -> Models:
        s = m.signals
        noisy = None if s.noisy is None else s.noisy + 512.0
        signals = replace(s, logits=s.logits + 512.0, noisy=noisy, _recent=Recent())
        return Models(signals, m.members, m.audited, m.population and shifted(m.population))

    assert np.array_equal(score(attack, shifted(models)), scored(attack))


def test_losses_alone_suffice_where_the_attack_reads_only_the_loss(attack: Attack) -> None:
    models = world()
    bare = Models(Signals(losses=models.signals.statistics("loss")), models.members, models.audited)
    reason = applicable(attack, bare, range(len(bare.members)))
    if set(attack.needs) <= {"loss", "confidence", "logodds"} and not attack.population:
        assert reason is None
        assert auc(score_targets(attack, bare, range(2), seed=0).scores, bare.members[:2]) > 0.53
    else:
        assert reason is not None and reason.startswith("it needs ")


def test_says_what_it_is(attack: Attack) -> None:
    assert {"Formula:", "Shapes:", "Source:", "Differs:"} <= set(attack.doc().split())
    assert attack.shadows in ("none", "out", "in+out")
    assert attack.access in ("labels", "scores", "white_box")
    assert attack.passes is None or attack.passes in attack.parameters()
    assert all(statistic in ("labels", "score") or statistic.isidentifier() for statistic in attack.needs)


def test_the_latest_standard_suite_holds_every_attack_of_ours_that_reads_saved_outputs_but_the_networks() -> (
    None
):
    students = ["loss_trajectory", "seqmia"]
    networks = [
        name for name in NAMES if issubclass(ATTACKS.get(name), NetworkAttack) and name not in students
    ]
    white_box = [name for name in NAMES if ATTACKS.get(name).access == "white_box"]
    assert sorted([*make_attacks("standard-2027"), *white_box, *networks, *students]) == NAMES
    assert list(make_attacks("full-2027")) == [*make_attacks("standard-2027"), *white_box, *students]
    assert set(make_attacks("standard-2026")) < set(make_attacks("standard-2027"))
    assert set(networks) <= set(SUITES["mia-prune"]) <= set(NAMES)
    assert len(set(SUITES["mia-prune"])) == len(SUITES["mia-prune"]) == 12


def test_the_standard_suite_keeps_its_parameters_whatever_the_defaults_are() -> None:
    """Literal values: a default that changes must be held in the suite, so that published numbers stay comparable."""
    held = {label: attack.parameters() for label, attack in make_attacks("standard-2026").items()}
    assert {label: values for label, values in held.items() if values} == PUBLISHED
    for label in ("lira", "lira_offline", "rmia", "rmia_offline"):
        assert ATTACKS.make(label).parameters() != PUBLISHED[label]
    with pytest.raises(InputError, match="the attack label 'lira' is taken"):
        make_attacks(["standard-2026", "lira"])
    both = make_attacks(["standard-2026", {"name": "lira", "label": "lira-shrunken"}])
    assert (both["lira"].variance, both["lira-shrunken"].variance) == ("auto", "shrunken")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "rmia", "gamma": 0},
        {"name": "rmia_offline", "offline_a": 1.5},
        {"name": "base_offline", "offline_scale": -0.1},
        {"name": "lira", "prior_models": 0},
        {"name": "lira", "variance": "median"},
        {"name": "knn", "neighbours": 0},
        {"name": "label_only_boosted", "leaves": 1},
        {"name": "label_only_boosted", "max_examples": 0},
        {"name": "label_only_logistic", "penalty": float("inf")},
        {"name": "mlp", "hidden": (8, 0)},
        {"name": "loss_trajectory", "epochs": 0},
        {"name": "seqmia", "units": 0},
        {"name": "nn", "epochs": 1},
        {"name": "nn_top3", "dropout": 1.0},
        {"name": "nn_cls", "batch_size": 1},
        {"name": "samia", "lr": 0.0},
        {"name": "samia", "max_examples": 3},
        {"name": "samia", "weight_decay": float("nan")},
        {"name": "quantile_regression", "quantile": 1.0},
        {"name": "quantile_regression", "leaf": 0},
    ],
    ids=lambda spec: list(spec)[1],
)
def test_parameters_out_of_range_are_refused(spec: dict) -> None:
    from leakbench.core.errors import InputError

    with pytest.raises(InputError, match=list(spec)[1]):
        ATTACKS.make(spec)


@pytest.mark.parametrize("name", ATTACKS.names())
def test_what_a_fit_imports_is_declared(name: str) -> None:
    """It is imported before there are threads: two that begin to import scikit-learn at once find it half made."""
    attack = ATTACKS.get(name)
    files = {inspect.getfile(cls) for cls in attack.__mro__ if cls.__module__.startswith("leakbench.attacks")}
    trees = [ast.parse(Path(file).read_text()) for file in files]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    late = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
    }
    declared = attack.imports or ""
    assert all(module == declared or module.startswith(f"{declared}.") for module in late), late
    assert bool(late) == bool(declared)


def test_it_is_imported_before_there_are_threads() -> None:
    code = (
        "import sys, numpy as np, leakbench\n"
        "from leakbench.core.threads import Workers\n"
        "def alone(self, work, items):\n"
        "    there.append({'sklearn.ensemble', 'sklearn.neighbors'} <= {*sys.modules})\n"
        "    return [work(item) for item in items]\n"
        "Workers.map, there = alone, []\n"
        "rng = np.random.default_rng(0); members = np.arange(200) < 100\n"
        "assert 'sklearn' not in sys.modules\n"
        "leakbench.audit(losses=rng.exponential(1 + ~members), members=members, attacks=['knn', 'random_forest'])\n"
        "assert there and all(there)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
