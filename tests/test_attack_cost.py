"""How long attacks take: from which samples it is told, what of it grows, and that nothing of the case is read."""

from dataclasses import replace

import numpy as np
import pytest

import leakbench
from attacks.worlds import world
from leakbench.attacks import ATTACKS
from leakbench.evaluation import attack_cost as told
from leakbench.evaluation.attack_cost import AttackCost, attack_cost, made_up, worth_telling
from leakbench.evaluation.measure import AttackScores, Case, attack_all
from leakbench.metrics.standard import STANDARD
from leakbench.signals.models import Models
from leakbench.signals.types import PerModel

NAMES = ("loss", "lira", "logistic_regression", "samia")


@pytest.fixture
def case() -> Case:
    models = world(m=8, n=300, v=2)
    return Case("none", models, tuple(range(8)), adaptive=True)


def test_made_up_models_have_arrays_of_the_same_kinds_and_every_attack_runs_on_them(case: Case) -> None:
    made = made_up(case.models, 100, 0)
    assert made.members.shape == (8, 100)
    for name in ("logits", "losses", "scores", "noisy", "predicted", "gradients"):
        given, drawn = getattr(case.models.signals, name), getattr(made.signals, name)
        assert (given is None) == (drawn is None)
        if given is not None:
            assert drawn.shape == (*given.shape[:2], 100, *given.shape[3:])
            assert drawn[3].shape == drawn.shape[1:]
            assert drawn[3].dtype == given.dtype
    names = ("stacked", "label_only_count", "lira", "rmia", "scores", "attack_p")
    attacks = {
        name: ATTACKS.make({"name": name, **({"trees": 2} if name == "stacked" else {})}) for name in names
    }
    assert set(attack_all(replace(case, models=made), attacks, 0).samples) == set(names)


def test_no_number_of_the_case_is_read(case: Case) -> None:
    def refuse(m: int) -> np.ndarray:
        raise AssertionError("the predictions were read")

    shape = case.models.signals.logits.shape
    hidden = replace(
        case.models.signals, logits=PerModel(shape, refuse), noisy=None, scores=None, predicted=None
    )
    models = Models(hidden, case.models.members, case.models.audited)
    attacks = {name: ATTACKS.make(name) for name in ("loss", "gap", "entropy", "calibration", "base", "lira")}
    cost = attack_cost(replace(case, models=models), attacks, STANDARD, 0)
    assert min(cost.attacks.values()) > 0


def test_what_takes_as_long_for_each_target_and_record_is_multiplied(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of eight targets, samples of 100 and 200 of 300 records; one attack is fitted twice for all targets."""

    def sample(case: Case, n: int, *_: object) -> tuple[AttackCost, float]:
        return AttackCost({"lira": 0.1 + 0.01 * n, "samia": 5.0}, 2.0 + 0.02 * n), 3.0

    monkeypatch.setattr(told, "_sample", sample)
    monkeypatch.setattr(told, "SIZES", (100, 200))
    attacks = {name: ATTACKS.make(name) for name in ("lira", "samia")}
    cost = attack_cost(case, attacks, STANDARD, 0)
    assert cost.attacks["lira"] == pytest.approx(4 * (0.1 + 0.01 * 300))
    assert cost.attacks["samia"] == pytest.approx(2 * 5.0)
    pairs = 8 * 6 / 2  # of targets, for the FPR of single records
    assert cost.measuring == pytest.approx(3.0 + 4 * (8.0 - 3.0) + pairs * (0.1 + 0.01 * 300))
    ignored = attack_cost(replace(case, adaptive=False), attacks, STANDARD, 0)
    assert ignored.measuring == pytest.approx(3.0 + 4 * (8.0 - 3.0))
    assert cost.in_threads(2) == pytest.approx(max((12.4 + 10) / 2, 12.4) + cost.measuring)


def test_a_fit_is_measured_on_few_passes_and_continued_to_all(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sampled fits of 2 and 8 of 100 epochs, of 3 s and of half a second for each epoch."""
    clock, fitted = [0.0], []

    def attack_all_for(case: Case, attacks: dict, seed: int) -> AttackScores:
        for attack in attacks.values():
            clock[0] += 3 + attack.epochs / 2 if attack.name == "nn" else 1.0
            fitted.append(getattr(attack, "epochs", None))
        return AttackScores(case, {}, {}, [], attacks=attacks)

    monkeypatch.setattr(told, "attack_all", attack_all_for)
    monkeypatch.setattr("time.process_time", lambda: clock[0])
    cost = attack_cost(case, {name: ATTACKS.make(name) for name in ("nn", "lira")}, STANDARD, 0)
    assert cost.attacks["nn"] == pytest.approx(2 * (3 + 100 / 2))  # fitted once for each fold
    assert cost.attacks["lira"] == pytest.approx(4 * 1.0) and [n for n in fitted if n] == [2, 2, 8]


def test_it_is_told_only_where_the_samples_are_little_beside_the_work(case: Case) -> None:
    assert not worth_telling(case)
    shape = np.zeros((64, 5000), dtype=bool)
    many = replace(case, models=Models(case.models.signals, shape, ~shape), targets=tuple(range(64)))
    assert worth_telling(many)
    assert not worth_telling(replace(many, targets=(0,)))


def test_an_audit_tells_it_to_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class Heard:
        def stage(self, name: str, total: int) -> None: ...
        def advance(self, n: int = 1) -> None: ...
        def done(self) -> None: ...
        def say(self, line: str) -> None:
            lines.append(line)

    monkeypatch.setattr("leakbench.evaluation.attack_cost.WORTH", 1)
    w = world(m=4, n=300)
    arrays = {"logits": w.signals.logits[:, 0], "members": w.members, "labels": w.signals.labels}
    leakbench.audit(attacks=["loss", "lira"], progress=Heard(), **arrays)
    (line,) = lines
    assert line.startswith("2 attacks on 4 targets x 300 records: about ")
