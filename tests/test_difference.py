"""The difference of any two attacks or defences is the paired difference of their scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import leakbench
from leakbench import InputError, Results
from leakbench.attacks import ATTACKS
from leakbench.evaluation.findings import Names, findings
from leakbench.evaluation.measure import Case, attack_all
from leakbench.evaluation.paired_differences import comparable, differences
from leakbench.metrics.statistics.differences import paired_differences
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

N, TARGETS = 300, 4


@pytest.fixture(scope="module")
def attacked() -> list:
    """Two defences on the same records with the same members, of which one leaks more."""
    rng = np.random.default_rng(0)
    firsts = [rng.permutation(np.arange(N) % 2 == 0) for _ in range(TARGETS // 2)]
    members = np.array([half for first in firsts for half in (first, ~first)])
    labels, noise = np.arange(N) % 3, rng.normal(size=(TARGETS, 1, N, 3))
    found = []
    for defence, strength in (("none", 2.0), ("soft", 1.0)):
        logits = noise.copy()
        logits[..., np.arange(N), labels] += 1 + strength * members[:, None]
        models = Models(Signals(labels, logits=logits), members, np.ones_like(members))
        case = Case(defence, models, tuple(range(TARGETS)), None if defence == "none" else True)
        found.append(attack_all(case, {name: ATTACKS.make(name) for name in ("loss", "rmia", "gap")}, 0))
    return found


@pytest.fixture(scope="module")
def results(attacked: list) -> Results:
    each = [findings(one, Names(), 0) for one in attacked]
    return Results("run", "t", [r for f in each for r in f.rows], scores=[s for f in each for s in f.scores])


def test_of_two_defences_it_is_the_row_of_the_study(attacked: list, results: Results) -> None:
    rows = list(differences("soft", comparable(attacked[1]), comparable(attacked[0])))
    for fpr, label in ((None, "auc-difference"), (0.01, "tpr@fpr=0.01-difference")):
        for attack in ("loss", "rmia"):
            (row,) = [r for r in rows if (r.metric, r.attack) == (label, attack)]
            found = leakbench.difference(results, attack=attack, defence=("soft", "none"), fpr=fpr)
            assert found == replace(row, detail={"second_attack": attack, "second_defence": "none"})
            assert fpr is not None or found.hi < 0  # `soft` leaks less


def test_of_two_attacks_it_is_the_paired_difference(attacked: list, results: Results) -> None:
    kept = comparable(attacked[0]).attacks
    expected = paired_differences(kept["rmia"], kept["gap"])["auc"]
    found = leakbench.difference(results, attack=("rmia", "gap"))
    assert (found.value, found.lo, found.hi) == pytest.approx(tuple(expected))
    aucs = [
        r.value
        for a in ("rmia", "gap")
        for r in results.find(metric="auc", attack=a, slice="all", defence="none", target="all")
    ]
    assert found.value == pytest.approx(aucs[0] - aucs[1])
    reverse = leakbench.difference(results, attack=("gap", "rmia"))
    assert (reverse.value, reverse.lo, reverse.hi) == pytest.approx((-found.value, -found.hi, -found.lo))


def test_of_a_report_on_disk(tmp_path: Path, results: Results) -> None:
    results.save(tmp_path)
    assert leakbench.difference(tmp_path, attack=("loss", "rmia")) == leakbench.difference(
        results, attack=("loss", "rmia")
    )
    with pytest.raises(InputError, match=r"give the folder of a report with scores\.parquet"):
        leakbench.difference(Results.load(tmp_path), attack=("loss", "rmia"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"attack": "loss"}, "needs two attacks or two defences"),
        ({"attack": ("loss", "rmiia")}, "did you mean 'rmia'"),
        ({"attack": "loss", "defence": ("none", "hard")}, "unknown defence 'hard'"),
        ({"attack": ("loss", "rmia"), "part": "class=9"}, "unknown slice 'class=9'"),
        ({"attack": ("loss", "rmia"), "fpr": 0.0}, "needs an FPR above 0"),
        ({"attack": ("loss", "rmia"), "fpr": 0.0001}, "needs at least 10000 non-members"),
        ({"attack": ("loss", "rmia"), "fpr": 2.0}, "fpr must be in"),
        ({"attack": ("loss", "rmia"), "fpr": "x"}, "fpr"),
        ({"attack": ("loss", "rmia"), "fpr": float("nan")}, "fpr must be in"),
        ({"attack": ("loss", "rmia"), "part": 3}, "part must be the name of a slice, got 3"),
        ({"attack": 3}, r"attack must be a label or a pair of labels, got 3"),
        ({"attack": ("loss",)}, r"attack must be a label or a pair"),
        ({"attack": ("loss", "rmia", "gap")}, r"attack must be a label or a pair"),
        ({"attack": ("loss", 3)}, r"attack must be a label or a pair"),
        ({"attack": ("loss", "rmia"), "defence": ""}, "unknown defence ''"),
        ({"attack": "loss", "defence": 0}, r"defence must be a label or a pair"),
        ({"attack": "loss", "defence": ()}, r"defence must be a label or a pair"),
    ],
)
def test_what_cannot_be_compared_is_refused(results: Results, given: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        leakbench.difference(results, **given)


def test_a_slice_without_a_record_of_both_attacks_is_refused(results: Results) -> None:
    first = results.scores[0]
    unscored = {name: np.where(np.arange(N) % 2 == (name == "loss"), r, 0) for name, r in first.ranks.items()}
    apart = replace(results, scores=[replace(first, ranks=unscored)])
    with pytest.raises(InputError, match="records of slice 'all' that both attacks score, got none"):
        leakbench.difference(apart, attack=("loss", "rmia"))
    nobody = replace(first, slices={**first.slices, "none of them": np.zeros(N, dtype=bool)})
    with pytest.raises(InputError, match="records of slice 'none of them' that both attacks score, got none"):
        leakbench.difference(replace(results, scores=[nobody]), attack=("loss", "rmia"), part="none of them")


def test_results_of_another_type_are_refused() -> None:
    with pytest.raises(InputError, match="results must be Results or the folder of a report, got int"):
        leakbench.difference(3, attack=("loss", "rmia"))  # type: ignore[arg-type]


def test_other_members_are_no_pairs(results: Results) -> None:
    first, second = results.scores
    other = replace(second, member=~second.member)
    with pytest.raises(InputError, match="the same models, records and members"):
        leakbench.difference(replace(results, scores=[first, other]), attack="loss", defence=("none", "soft"))
