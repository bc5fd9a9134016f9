"""Shadow models that were queried with other records than the target: attacks learn from them what they can."""

from typing import Any

import numpy as np
import pytest

import leakbench
from leakbench import InputError, Results

LEARNED = ["logistic_regression", "knn", "confidence_per_class"]


def world(n: int, seed: int, lift: float = 1.5, classes: int = 4) -> dict[str, Any]:
    """Outputs of one model; members have the larger probability for their label."""
    rng = np.random.default_rng(seed)
    members, labels = rng.permutation(n) < n // 2, rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), labels] += np.where(members, 1 + lift, 1.0)
    return {"logits": logits, "labels": labels, "members": members}


def shadows(*worlds: dict[str, Any]) -> dict[str, Any]:
    return {f"shadow_{name}": np.stack([world[name] for world in worlds]) for name in worlds[0]}


def audited(attacks: Any = ("loss", "lira", *LEARNED), **arrays: Any) -> Results:
    return leakbench.audit(attacks=list(attacks), **arrays)


def auc(results: Results, attack: str) -> Any:
    (row,) = results.find(metric="auc", attack=attack, slice="all", target="all")
    return row


def test_every_record_of_the_target_is_scored_by_what_other_records_taught() -> None:
    target = world(600, 0)
    results, alone = audited(**target, **shadows(world(500, 1), world(500, 2))), audited(**target)
    for attack in LEARNED:
        assert auc(results, attack).n_members == 300 and auc(alone, attack).n_members == 150
        assert auc(results, attack).value == pytest.approx(auc(results, "loss").value, abs=0.05)
    why = "lira was left out: it needs shadow models that were queried with the target's records"
    assert why in results.notes and not any("blind" in note for note in results.notes)
    assert auc(results, "loss").value == auc(alone, "loss").value
    assert results.find(attack="loss", metric="balanced_accuracy")  # by a threshold of the shadow models
    assert not alone.find(attack="loss", metric="balanced_accuracy")


def test_models_with_labels_of_their_own_are_as_one_model_of_all_their_records() -> None:
    target, own = world(300, 0), [world(200, seed) for seed in (1, 2, 3)]
    each = audited(**target, **shadows(*own))
    joined = {name: np.concatenate([one[name] for one in own]) for name in own[0]}
    as_one = audited(**target, **shadows(joined) | {"shadow_labels": joined["labels"]})
    assert each.rows == as_one.rows


def test_as_many_records_are_others_where_they_have_labels_of_their_own() -> None:
    target = world(300, 0)
    results = audited(**target, **shadows(world(300, 1)))
    assert auc(results, "knn").n_members == 150 and not results.find(attack="lira", metric="auc")


def test_without_labels_the_shadow_models_are_left_out_with_a_note() -> None:
    target, own = world(300, 0), shadows(world(200, 1))
    del own["shadow_labels"]
    results = audited(**target, **own)
    assert any("give shadow_labels" in note for note in results.notes)
    assert results.rows == audited(**target).rows
    losses = {"losses": np.abs(target["logits"][:, 0]), "members": target["members"]}
    learned = audited(
        ["logistic_regression"], **losses, shadow_losses=[[0.1, 0.2, 3.0, 4.0]], shadow_members=[[1, 1, 0, 0]]
    )
    assert auc(learned, "logistic_regression").n_members == 150


def test_noise_is_at_chance_whatever_the_shadow_models_show() -> None:
    noise = [world(2000, seed, lift=0.0) for seed in range(2)]
    for target, shadow in ((noise[0], world(1000, 5)), (noise[0], noise[1])):
        results = audited(**target, **shadows(shadow))
        for attack in LEARNED:
            row = auc(results, attack)
            assert abs(row.value - 0.5) < 0.04 and row.lo < 0.5 < row.hi


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda own: own | {"shadow_logits": own["shadow_logits"][..., :3]}, "of shadow|classes|labels"),
        (lambda own: own | {"shadow_members": own["shadow_members"][:, :50]}, "begin with the axes"),
        (
            lambda own: own | {"shadow_labels": own["shadow_labels"] + 9},
            "shadow models on other records: labels",
        ),
        (lambda own: own | {"shadow_members": own["shadow_members"] * 0}, "none of 200 marked"),
        (lambda own: {k: v for k, v in own.items() if k != "shadow_logits"}, "give at least one of"),
    ],
    ids=["classes", "members", "labels", "no member", "no outputs"],
)
def test_what_does_not_fit_is_told(changed: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audited(**world(300, 0), **changed(shadows(world(200, 1))))


def test_several_targets_share_the_attackers() -> None:
    targets = [world(300, seed) for seed in range(4)]
    arrays = {name: np.stack([one[name] for one in targets]) for name in ("logits", "members")}
    results = audited(
        ["mlp", "loss"], **arrays, labels=targets[0]["labels"], **shadows(world(200, 7), world(200, 8))
    )
    assert auc(results, "mlp").n_members == 600
