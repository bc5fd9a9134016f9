"""Noise is at chance level however the memberships of the models depend on each other."""

from dataclasses import replace

import numpy as np
import pytest

from leakbench.attacks import ATTACKS
from leakbench.evaluate import Case, attack_all
from leakbench.scoring import score_targets
from leakbench.types import Models

from .test_stacked import balanced_without_pairs, independent, lost, pairs, third, unequal
from .worlds import auc, noise_sd, with_members, world

ATTACKS_HERE = {
    "bavaria": {},
    "pmia": {},
    "label_only_logistic": {},
    "label_only_boosted": {"iterations": 20, "leaf": 30},
}


@pytest.mark.parametrize("design", [pairs, independent, balanced_without_pairs, third, lost, unequal])
@pytest.mark.parametrize("name", ATTACKS_HERE)
def test_models_that_are_blind_to_membership_are_at_chance_level(name, design) -> None:
    """Counts of IN models told membership: AUC 0.70 and 0.08 of labels alone with each record in half of the models."""
    found, band = [], []
    for seed in range(2):
        m = 7 if design is lost else 8
        members = design(np.random.default_rng(seed), m, 600)
        models = with_members(world(seed=seed, m=8, n=600, leak=0.0), members) if m == 8 else None
        if models is None:
            whole = world(seed=seed, m=8, n=600, leak=0.0)
            signals = replace(
                whole.signals, logits=whole.signals.logits[:m], predicted=whole.signals.predicted[:m]
            )
            models = Models(replace(signals, scores=None, noisy=None), members, np.ones_like(members))
        attack = ATTACKS.make({"name": name, **ATTACKS_HERE[name]})
        scores = score_targets(attack, models, range(m), seed=0).scores
        known = np.isfinite(scores)
        found.append(auc(scores, members))
        band.append(noise_sd((members & known).sum(), (~members & known).sum()))
    assert abs(np.mean(found) - 0.5) < 4 * np.mean(band) / np.sqrt(2), found


def test_an_attack_that_finds_its_models_wanting_is_left_out_with_the_reason() -> None:
    """None of the shadow models trained on any record, which PMIA alone cannot do without."""
    models = world(m=4, n=200)
    members = np.zeros((4, 200), dtype=bool)
    members[0] = models.members[0]
    attacks = {name: ATTACKS.make(name) for name in ("pmia", "lira_offline")}
    attacked = attack_all(Case("none", with_members(models, members), (0,)), attacks, 0)
    assert list(attacked.scores) == ["lira_offline"]
    assert [note.partition(":")[0] for note in attacked.notes] == ["pmia was left out"]
