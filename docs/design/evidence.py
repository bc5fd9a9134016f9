"""Print the figures that docs/design and docs/flags.md quote beside docs/coverage.md: simulated, with intervals.

Run: python docs/design/evidence.py   (a few seconds)
"""

import numpy as np

from leakbench.attacks import ATTACKS
from leakbench.metrics.intervals import clopper_pearson
from leakbench.metrics.roc import Roc
from leakbench.scoring import score_targets
from leakbench.seeds import stream
from leakbench.types import Models, Signals

RECORDS = 2000


def noise(n_models: int, paired: bool, rng: np.random.Generator) -> Models:
    """Models that leak nothing; each record is a member of exactly half of them, in pairs or not."""
    if paired:
        half = rng.random((n_models // 2, RECORDS)) < 0.5
        members = np.stack([half, ~half], axis=1).reshape(n_models, RECORDS)
    else:
        members = np.argsort(rng.random((n_models, RECORDS)), axis=0) < n_models // 2
    logits = rng.normal(size=(n_models, 1, RECORDS, 3))
    return Models(Signals(rng.integers(3, size=RECORDS), logits), members, np.ones_like(members))


def lira_auc(models: Models, partner: bool, seed: int) -> float:
    """The pooled AUC of online LiRA; with `partner`, by plain leave one out."""
    attack, targets = ATTACKS.make("lira"), range(len(models.members))
    if partner:
        scores = np.stack([attack.score(models.target(m), models.shadows(m), stream(seed)) for m in targets])
    else:
        scores = score_targets(attack, models, targets, seed).scores
    return Roc.of(scores.ravel(), models.members.ravel()).auc


def bias(repeats: int = 12) -> None:
    """What online LiRA reads on noise."""
    print("online LiRA on noise, AUC (mean +- 2 standard errors)")
    designs = (
        ("pairs, partner among the shadow models", True, True),
        ("pairs, partner left out (leakbench)", True, False),
        ("exact halves, no pairs", False, False),
    )
    for title, paired, partner in designs:
        for n_models in (8, 16, 64):
            worlds = (noise(n_models, paired, stream(r, title, n_models)) for r in range(repeats))
            values = np.array([lira_auc(world, partner, 0) for world in worlds])
            error = 2 * values.std(ddof=1) / np.sqrt(repeats)
            print(f"  {title}, {n_models} models: {values.mean():.4f} +- {error:.4f}")


def plain_clopper_pearson(studies: int = 500, d: float = 2.0) -> None:
    """How often Clopper-Pearson on the TPR alone covers, as if the threshold were known."""
    from scipy.special import ndtr, ndtri

    print(f"plain Clopper-Pearson on the TPR, d = {d:g}, {studies} studies: coverage")
    for n1, n0, fpr in ((2000, 10_000, 0.001), (2000, 2000, 0.01)):
        rng, truth, hits = stream(0, "plain", n0, fpr), ndtr(d - ndtri(1 - fpr)), 0
        members = np.arange(n1 + n0) < n1
        for _ in range(studies):
            point = Roc.of(rng.normal(size=n1 + n0) + d * members, members).at_fpr(fpr)
            low, high = clopper_pearson(point.tp, n1)
            hits += low <= truth <= high
        low, high = clopper_pearson(hits, studies)
        print(f"  {n1}/{n0} at FPR {fpr:g}: {hits / studies:.3f} [{low:.3f}, {high:.3f}]")


def unequal_shares(repeats: int = 20) -> None:
    """Raw scores pooled over targets with 20 % and 80 % members whose models differ in level by 2 sd."""
    values, level = [], np.array([[0.0], [2.0]])
    for r in range(repeats):
        rng = stream(r, "shares")
        members = rng.random((2, RECORDS)) < np.array([[0.2], [0.8]])
        values.append(Roc.of((rng.normal(size=(2, RECORDS)) + level).ravel(), members.ravel()).auc)
    print(f"pooled raw scores of noise, shares .2 and .8, levels 2 sd apart: AUC {np.mean(values):.3f}")


if __name__ == "__main__":
    bias()
    plain_clopper_pearson()
    unequal_shares()
