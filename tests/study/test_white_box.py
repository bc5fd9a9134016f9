"""Attacks that have the model's parameters: what they compute, and that no other number takes them in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.attacks.worlds import auc, frozen, world

from leakbench import audit
from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.core.progress import NullProgress
from leakbench.core.results import BEST, BEST_WHITE_BOX
from leakbench.data.audit_file.read import from_arrays
from leakbench.evaluation.findings import method_boxes
from leakbench.evaluation.measure import Case, attack_all, measure
from leakbench.evaluation.scoring import score_targets
from leakbench.pipeline.defended_models import DefendedModels
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import Study
from leakbench.report.page import render
from leakbench.report.results import Results
from leakbench.report.tables.white_box import white_box, white_box_line
from leakbench.report.view import View
from leakbench.signals.models import Models

N = 1000
WHITE_BOX = ("gradient_norm", "gradient_norm_last", "lira_gradient_norm", "lira_gradient_norm_last")
ASKED = ("gradient_norm_last", "lira_gradient_norm")
TABLE = {
    "data": {"name": "digits", "records": 160},
    "design": {"name": "random_half", "models": 6},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 40, "optimiser": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}],
    "defences": ["label_only", {"name": "ensemble", "size": 2}],
    "attacks": ["loss", "lira", *ASKED],
    "non_adaptive": False,
}


def leaking_through_gradients(leak: float) -> Models:
    """Predictions that tell nothing, and gradients of members that are smaller by a factor e^leak."""
    models = world(n=N, leak=0.0, population=0)
    g = models.signals.gradients - leak * models.members[:, None]
    return replace(models, signals=frozen(replace(models.signals, gradients=g)))


def test_scores_are_those_of_the_formulas() -> None:
    """Each model with the others but its partner as shadow models, in plain loops."""
    models = leaking_through_gradients(0.5)
    g, target = models.signals.gradients[:, 0], 2
    others = [m for m in range(8) if m not in (2, 3)]
    squares, freedom, sides = {True: 0.0, False: 0.0}, {True: 0, False: 0}, {True: [], False: []}
    for n in range(g.shape[1]):
        for side in (True, False):
            own = np.array([g[m, n] for m in others if models.members[m, n] == side])
            sides[side].append((own.mean(), ((own - own.mean()) ** 2).sum(), own.size - 1))
            squares[side] += sides[side][-1][1]
            freedom[side] += own.size - 1
    logs = {}
    for side in (True, False):
        mean, square, free = map(np.array, zip(*sides[side], strict=True))
        v = (8 * squares[side] / freedom[side] + square) / (8 + free)
        logs[side] = -((g[target] - mean) ** 2) / (2 * v) - np.log(v) / 2
    shadows = models.shadows(2, 3)
    found = {
        name: ATTACKS.make(name).score(models.target(2), shadows, np.random.default_rng(0))
        for name in WHITE_BOX
    }
    np.testing.assert_allclose(found["lira_gradient_norm"], logs[True] - logs[False], rtol=1e-9)
    np.testing.assert_allclose(found["gradient_norm"], -g[target])
    np.testing.assert_allclose(found["gradient_norm_last"], -models.signals.gradients[target, 1])


@pytest.mark.parametrize("name", [*WHITE_BOX, {"name": "lira_gradient_norm", "online": False}], ids=str)
def test_smaller_gradients_of_members_are_found(name: str | dict) -> None:
    attack, found = ATTACKS.make(name), []
    for leak in (0.0, 0.3, 1.0):
        models = leaking_through_gradients(leak)
        found.append(auc(score_targets(attack, models, range(8), seed=0).scores, models.members))
    assert abs(found[0] - 0.5) < 0.02
    assert found[0] + 0.02 < found[1] < found[2] - 0.02


def test_the_strongest_attack_that_queries_the_model_is_never_one_with_its_parameters() -> None:
    models = leaking_through_gradients(2.0)
    attacks = {name: ATTACKS.make(name) for name in ("loss", "entropy", *WHITE_BOX)}
    attacked = attack_all(Case("none", models, tuple(range(8))), attacks, 0)
    rows = list(measure(attacked, {"all": np.ones((8, N), dtype=bool)}))
    by = {
        name: [r for r in rows if r.attack == name and r.target == "all"] for name in (BEST, BEST_WHITE_BOX)
    }
    assert {r.selected for r in by[BEST]} <= {"loss", "entropy"}
    assert {r.selected for r in by[BEST_WHITE_BOX]} <= set(WHITE_BOX)
    assert {r.metric for r in by[BEST]} == {r.metric for r in by[BEST_WHITE_BOX]} > {"auc"}
    aucs = {name: next(r.value for r in found if r.metric == "auc") for name, found in by.items()}
    assert aucs[BEST] < 0.55 and aucs[BEST_WHITE_BOX] > 0.8
    assert set(attacked.strongest) and {s.attack for s in attacked.strongest.values()} <= {"loss", "entropy"}


def all_defended(store: Path, *attacks: str) -> dict[str, DefendedModels]:
    study = Study.of({**TABLE, "attacks": list(attacks)})
    trainer = open_trainer(study, store)
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    made = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    return {defended.defence.label: defended for defended in made}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def found(store: Path) -> Results:
    """The rows and notes of the study, without its curves and costs."""
    attacks = {name: ATTACKS.make(name) for name in ("loss", "lira", *ASKED)}
    rows, notes = [], []
    for label, defended in all_defended(store, *attacks).items():
        models = defended.adversary_view()
        attacked = attack_all(Case(label, models, tuple(range(6)), adaptive=True), attacks, 0)
        rows += measure(attacked, {"all": np.ones(models.members.shape, dtype=bool)})
        notes += attacked.notes
    return Results("run", "white box", rows, methods=method_boxes(attacks), notes=notes)


def test_a_study_computes_gradients_once_and_only_where_they_are_asked_for(
    store: Path, found: Results
) -> None:
    entries = {path.name: path.stat().st_mtime_ns for path in (store / "gradients").iterdir()}
    assert len(entries) == 12  # six networks and six ensembles: `label_only` shares the former
    for attacks, there in ((["loss", "gradient_norm"], True), (["loss", "gap"], False)):
        assert [defended.gradients is not None for defended in all_defended(store, *attacks).values()] == [
            there
        ] * 3
        assert {path.name: path.stat().st_mtime_ns for path in (store / "gradients").iterdir()} == entries


def test_no_output_transform_protects_and_an_ensemble_has_no_last_layer(found: Results) -> None:
    rows = {(r.defence, r.attack): r.value for r in found.find(metric="auc", slice="all", target="all")}
    for attack in ASKED:
        assert rows["label_only", attack] == rows["none", attack]
    assert rows["label_only", "lira"] < rows["none", "lira"]
    assert ("ensemble", "lira_gradient_norm") in rows and ("ensemble", "gradient_norm_last") not in rows
    assert any(note.startswith("gradient_norm_last was left out: it needs the norms") for note in found.notes)


def test_an_audit_takes_norms_that_were_saved() -> None:
    rng = np.random.default_rng(0)
    members = rng.random((6, 300)) < 0.5
    norms = np.exp(rng.normal(size=(6, 300)) - members)
    norms[:, 7] = 0.0
    arrays = {"members": members[:2], "shadow_members": members[2:]}
    arrays |= {"losses": rng.exponential(size=(2, 300)), "shadow_losses": rng.exponential(size=(4, 300))}
    both = arrays | {"gradient_norms": norms[:2], "shadow_gradient_norms": norms[2:]}
    read = from_arrays(**both).models.signals
    assert read.gradients is not None and read.gradients.shape == (6, 1, 300)
    assert np.exp(read.statistic("log_gradient_norm", 5)[0, 7]) == pytest.approx(norms[norms > 0].min() / 2)
    results = audit(**both, attacks=["loss", "gradient_norm", "gradient_norm_last"])
    assert results.find(attack="gradient_norm", metric="auc", slice="all")[0].value > 0.7
    assert any(note.startswith("gradient_norm_last was left out") for note in results.notes)
    single = from_arrays(members=members[0], losses=norms[0], gradient_norm=norms[0]).models.signals
    assert single.gradients is not None and single.gradients.shape == (1, 1, 300)
    for wrong, message in (
        ({"shadow_gradient_norms": None}, "shadow_gradient_norms must be given where others are"),
        ({"gradient_norms": -norms[:2]}, "gradient_norms must be norms >= 0"),
        ({"gradient_norms": norms[:2, :5]}, "gradient_norms must be .* N = 300"),
    ):
        with pytest.raises(InputError, match=message):
            from_arrays(**(both | wrong))


def test_a_report_shows_them_apart(found: Results) -> None:
    view = View(found)
    assert not {*ASKED, BEST_WHITE_BOX} & set(view.attacks)
    assert {r.attack for r in view.white_box} == {*ASKED, BEST_WHITE_BOX}
    assert all(s.attack_name in ("loss", "lira") for each in view.standings.values() for s in each)
    line = white_box_line(view)
    assert (
        line is not None
        and line.startswith("with the model's parameters, AUC: none 0.")
        and "label_only 0." in line
    )
    page = render(replace(found, rows=[r for r in found.rows if r.defence == "none" and r.metric == "auc"]))
    assert 'id="white-box-section"' in page and "lira_gradient_norm" in page
    without = View(replace(found, rows=[r for r in found.rows if r.attack not in view.white_box_attacks]))
    assert white_box_line(without) is None and not white_box(without).lines
    assert without.standings == view.standings
