"""Paired differences: what a case keeps for them, and their rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .evaluate import BY_LABEL, CURVE_FPR, CURVE_RESAMPLES, Attacked, suffices
from .metrics import Sample
from .metrics.bootstrap import Difference, Resampled, paired_differences, resample
from .results import BEST, Row
from .types import Array

DIFFERENCE_FPR = (0.01, 0.001)
DIFFERENCES = ("auc", *(f"tpr@fpr={fpr:g}" for fpr in DIFFERENCE_FPR))
COMPARED_RESAMPLES = 400
Key = TypeVar("Key")


def resamples(attacked: Attacked, seed: int) -> dict[str, Resampled]:
    """Every attack's sample resampled, for its curve; more often if it is to be compared with other defences'."""
    often = COMPARED_RESAMPLES if attacked.case.adaptive else CURVE_RESAMPLES
    return _resampled(attacked.in_detail, np.array([*DIFFERENCE_FPR, *CURVE_FPR]), often, seed)


def _resampled(samples: Mapping[Key, Sample], fpr: Array, often: int, seed: int) -> dict[Key, Resampled]:
    """One stream for all: samples of the same pairs are resampled alike, within a case and between cases."""
    return dict(zip(samples, resample(list(samples.values()), fpr, often, seed), strict=True))


@dataclass(frozen=True, eq=False)
class Best:
    """The strongest attack by a metric, resampled where it was not chosen."""

    attack: str
    shadows: str | None  # as in Row
    resampled: Resampled


@dataclass(frozen=True, eq=False)
class Comparable:
    """What a case keeps for paired differences: AUC and the TPR that its samples can resolve, in every resample."""

    attacks: dict[str, Resampled]
    best: dict[str, Best]  # by metric


def comparable(attacked: Attacked, resampled: Mapping[str, Resampled], seed: int) -> Comparable:
    """Of every attack, and of those that are strongest by a metric of which differences are told."""
    kept = {a: s for a, s in attacked.samples.items() if suffices(BY_LABEL["auc"], s)}
    attacks = {
        a: resampled[a].at(*(f for f in DIFFERENCE_FPR if suffices(BY_LABEL[f"tpr@fpr={f:g}"], sample)))
        for a, sample in kept.items()
    }
    best = {m: b for m, b in attacked.strongest.items() if m in DIFFERENCES}
    rests = {(b.attack, b.shadows): b.sample.rest for b in best.values()}
    rest = _resampled(rests, np.array(DIFFERENCE_FPR), COMPARED_RESAMPLES, seed)
    chosen = {m: Best(b.attack, b.shadows, rest[b.attack, b.shadows]) for m, b in best.items()}
    return Comparable(attacks, chosen)


def differences(defence: str, defended: Comparable, baseline: Comparable) -> Iterator[Row]:
    """Paired differences of a defence from another, or from none: the same records, members and seeds.

    Of every attack that both were met with; and of the strongest attack on the one from the strongest on the other,
    where these two score the same records.
    """
    for attack in (a for a in defended.attacks if a in baseline.attacks):
        sample = defended.attacks[attack]
        found = paired_differences(sample, baseline.attacks[attack])
        for metric in (m for m in DIFFERENCES if m in found):
            yield _difference(defence, metric, found[metric], sample, attack=attack)
    for metric in (m for m in defended.best if m in baseline.best):
        best, other = defended.best[metric], baseline.best[metric]
        if best.resampled.pairs == other.resampled.pairs:
            found = paired_differences(best.resampled, other.resampled)
            about = {"attack": BEST, "selected": best.attack, "shadows": best.shadows}
            detail = {"baseline_attack": other.attack, "baseline_shadows": other.shadows}
            yield _difference(defence, metric, found[metric], best.resampled, **about, detail=detail)


def _difference(defence: str, metric: str, found: Difference, sample: Resampled, **about: Any) -> Row:
    return Row(
        metric=f"{metric}-difference",
        value=found.value,
        lo=found.lo,
        hi=found.hi,
        n_members=sample.n_members,
        n_nonmembers=sample.n_nonmembers,
        defence=defence,
        adaptive=True,
        **about,
    )
