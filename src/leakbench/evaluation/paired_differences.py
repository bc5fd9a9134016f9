"""Paired differences: what a case keeps for them, and their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core.results import BEST, Row
from ..metrics import Sample
from ..metrics.statistics.differences import Difference, PairedSample, paired_differences, paired_sample
from .measure import BY_LABEL, AttackScores, suffices

DIFFERENCE_FPR = (0.01, 0.001)
DIFFERENCES = ("auc", *(f"tpr@fpr={fpr:g}" for fpr in DIFFERENCE_FPR))


@dataclass(frozen=True, eq=False)
class StrongestSample:
    """The strongest attack by a metric, where it was not chosen."""

    attack: str
    shadows: str | None  # as in Row
    sample: PairedSample


@dataclass(frozen=True, eq=False)
class PairedSamples:
    """What a case keeps for paired differences: AUC and the TPR that its samples can resolve."""

    attacks: dict[str, PairedSample]
    best: dict[str, StrongestSample]  # by metric


def comparable(attacked: AttackScores) -> PairedSamples:
    """Of every attack, and of those that are strongest by a metric of which differences are told."""
    kept = {a: s for a, s in attacked.samples.items() if suffices(BY_LABEL["auc"], s)}
    best = {m: b for m, b in attacked.strongest.items() if m in DIFFERENCES}
    return PairedSamples(
        {a: of_sample(sample) for a, sample in kept.items()},
        {m: StrongestSample(b.attack, b.shadows, of_sample(b.sample.rest)) for m, b in best.items()},
    )


def of_sample(sample: Sample) -> PairedSample:
    """What is kept of a sample, with the TPRs that it can resolve."""
    return paired_sample(sample, [f for f in DIFFERENCE_FPR if suffices(BY_LABEL[f"tpr@fpr={f:g}"], sample)])


def differences(defence: str, defended: PairedSamples, baseline: PairedSamples) -> Iterator[Row]:
    """Paired differences of a defence from another, or from none: the same records, members and seeds.

    Of every attack that both were met with; and of the strongest attack on the one from the strongest on the other,
    where these two score the same records.
    """
    for attack in (a for a in defended.attacks if a in baseline.attacks):
        sample = defended.attacks[attack]
        for metric, found in paired_differences(sample, baseline.attacks[attack]).items():
            yield _difference(defence, metric, found, sample, attack=attack)
    for metric in (m for m in defended.best if m in baseline.best):
        best, other = defended.best[metric], baseline.best[metric]
        if best.sample.pairs == other.sample.pairs:
            found = paired_differences(best.sample, other.sample)[metric]
            about = {"attack": BEST, "selected": best.attack, "shadows": best.shadows}
            detail = {"baseline_attack": other.attack, "baseline_shadows": other.shadows}
            yield _difference(defence, metric, found, best.sample, **about, detail=detail)


def _difference(defence: str, metric: str, found: Difference, sample: PairedSample, **about: Any) -> Row:
    return Row(
        metric=f"{metric}-difference",
        value=found.value,
        lo=found.lo,
        hi=found.hi,
        n_members=sample.n_members,
        n_nonmembers=sample.n_nonmembers,
        defence=defence,
        adaptive=True,
        chance=0.0,
        **about,
    )
