"""The false-positive rate that a single record has at one threshold for all records, and at the one it is promised."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..attacks import Attack
from ..core.results import Row
from ..core.seeds import stream
from ..metrics import Sample
from ..metrics.statistics.clusters import clustered_variance
from ..metrics.statistics.intervals import Limits, clopper_pearson, rate_interval
from ..metrics.statistics.roc import allowed
from ..signals.types import Array, Bools
from .measure import FEWEST, AttackScores, Case
from .scoring import score_pair

FPR = 0.01
CLAIMED = 0.01, 0.001  # FPRs at which p-values are taken at their word
PAIRS = 8, 64  # of targets, drawn at random, at least and at most: each takes two scores of every record
ENOUGH = 320_000  # records of pairs
GRID = 33  # values within an interval at which the share of records is computed
TINY = 1e-9  # in place of 0, which is no parameter of a Beta distribution


@dataclass(frozen=True, eq=False)
class Accused:
    """Which records both targets of a pair accuse wrongly, by one threshold, each pair with shadow models of its own.

    A target that is a shadow model of the other would bias the rate downwards: a record whose score in one target is
    high by chance has wider OUT scores for the other, so that both accuse it less often than chance alone would.
    """

    pairs: NDArray[np.intp]  # [P, 2] targets
    known: Bools  # [P, N] no member of either
    called: Bools  # [P, 2, N]; False where not known

    @property
    def rate(self) -> float:
        """The share of accusations among the non-members."""
        return float(self.called.sum() / (2 * self.known.sum()))

    def again(self, copy_of: NDArray[np.intp], level: float = 0.95) -> tuple[float, Limits]:
        r"""E[p^2] / E[p], p the FPR of a record: who is accused by one target is accused by the other; its interval.

        Formula: R = A / B,  A = 2 sum c c',  B = sum (c + c') over pairs and records, c and c' the two accusations.
            Clopper and Pearson's limits at R n_eff of n_eff,  n_eff = R (1 - R) / V,  V = V_record + max(0, V_model -
            V_cell) of the influence values (A - R B) / sum B, which count for either model of a pair. R = 0 or 1:
            n_eff = the records that are accused at all.
        """
        both, either = 2 * self.called.all(axis=1), self.called.sum(axis=1)
        rate, accused = float(both.sum() / either.sum()), int(either.any(axis=0).sum())
        if rate in (0.0, 1.0):
            return rate, clopper_pearson(rate * accused, accused, level)
        pair, record = np.nonzero(either)
        psi = ((both - rate * either) / either.sum())[pair, record]
        one = clustered_variance(psi, self.pairs[pair, 0], copy_of[record])
        twice = clustered_variance(
            np.tile(psi, 2), self.pairs[pair].T.ravel(), np.tile(copy_of[record], 2)
        )._replace(by_record=one.by_record, n=accused)
        unseen = (rate**2 + (1 - rate) ** 2) / accused**2
        n = rate * (1 - rate) / (twice.effective_variance(level) + unseen)
        return rate, clopper_pearson(rate * n, n, level)


def per_record_rows(attacked: AttackScores, seed: int) -> Iterator[Row]:
    """How far the FPR of single records lies from that of all, and what p-values find that are taken at their word.

    An attack that is fitted to the shadow models has not the first: it would be fitted anew for each pair of targets.
    """
    pairs = target_pairs(attacked.case, seed)
    for label, sample in attacked.samples.items():
        attack = attacked.attacks[label]
        accused = accusations(attacked.case, attack, pairs, seed) if is_fast(attack) else None
        if accused is not None and accused.called.sum() >= FEWEST:
            yield _spread(attacked.case, label, accused)
        if attack.p_values:
            yield from _claimed(attacked.case, label, sample)


def is_fast(attack: Attack) -> bool:
    """Whether it takes no fit to score a target."""
    return not attack.trained and (attack.shadows == "none" or attack.access != "labels")


def target_pairs(case: Case, seed: int) -> NDArray[np.intp]:
    """Pairs of targets [P, 2], neither of which tells the membership of the other."""
    most = int(np.clip(ENOUGH // case.members.shape[1], *PAIRS))
    telling = case.models.telling_each_other
    found = [(t, u) for i, t in enumerate(case.targets) for u in case.targets[:i] if not telling[t, u]]
    drawn = stream(seed, "pairs of targets").permutation(len(found))[:most]
    return np.array([found[k] for k in sorted(drawn)], dtype=np.intp).reshape(-1, 2)


def accusations(
    case: Case, attack: Attack, pairs: NDArray[np.intp], seed: int, fpr: float = FPR
) -> Accused | None:
    """Who is accused wrongly at an FPR over all records of all pairs; None where no pair can be scored."""
    scored = {tuple(pair): score_pair(attack, case.models, pair, seed, case.reference) for pair in pairs}
    scores = [each for each in scored.values() if each is not None]
    if not scores:
        return None
    chosen = np.array([pair for pair, each in scored.items() if each is not None])
    outside = case.models.audited & ~case.models.members & case.average
    values = np.stack(scores)
    known = outside[chosen].all(axis=1) & np.isfinite(values).all(axis=1)
    own = np.sort(values[np.broadcast_to(known[:, None], values.shape)])[::-1]
    highest_left_alone = own[allowed(fpr, own.size)] if own.size else np.inf
    return Accused(chosen, known, (values > highest_left_alone) & known[:, None])


def _spread(case: Case, attack: str, accused: Accused) -> Row:
    value, limits = accused.again(case.models.copy_of)
    mean = accused.rate
    share, over = (_above(2 * FPR, mean, np.array(r)) for r in (value, np.linspace(*limits, GRID)))
    quantiles = special.betaincinv(*_beta(mean, np.array(value)), [0.05, 0.5, 0.95])
    detail = {"fpr": mean, **dict(zip(("p5", "median", "p95"), quantiles, strict=True)), "over_twice": share}
    detail |= {
        "over_twice_lo": min(share, *over),
        "over_twice_hi": max(share, *over),
        "pairs": len(accused.pairs),
    }
    return _row(
        case, attack, f"per_record_fpr@fpr={FPR:g}", value, limits, 0, int(2 * accused.known.sum()), detail
    )


def _claimed(case: Case, attack: str, sample: Sample) -> Iterator[Row]:
    """The TPR of p <= fpr, and the FPR that this has."""
    for fpr in CLAIMED:
        called = sample.scores >= -np.log(fpr)
        sides = [(called[side], sample.at(side)) for side in (sample.members, ~sample.members)]
        (tpr, tprs), (wrong, wrongs) = ((hits.mean(), rate_interval(hits, part)) for hits, part in sides)
        detail = {"fpr": wrong, "fpr_lo": wrongs.lo, "fpr_hi": wrongs.hi}
        counts = sample.n_members, sample.n_nonmembers
        yield _row(case, attack, f"tpr_at_claimed_fpr@fpr={fpr:g}", tpr, tprs, *counts, detail)


def _row(
    case: Case,
    attack: str,
    metric: str,
    value: float,
    limits: Limits,
    members: int,
    nonmembers: int,
    detail: Mapping[str, float],
) -> Row:
    return Row(
        metric,
        float(value),
        *limits,
        n_members=members or None,
        n_nonmembers=nonmembers,
        attack=attack,
        defence=case.defence,
        adaptive=case.adaptive,
        shadows=case.shadows,
        detail={key: float(each) for key, each in detail.items()},
    )


def _beta(mean: float, again: Array) -> tuple[Array, Array]:
    """The parameters of the Beta distribution of this mean, and of this E[p^2] / E[p]."""
    m = np.clip(mean, TINY, 1 - TINY)
    r = np.clip((again - m) / (1 - m), TINY, 1 - TINY)
    return m * (1 - r) / r, (1 - m) * (1 - r) / r


def _above(limit: float, mean: float, again: Array) -> Array:
    """The share of records whose p is above a limit."""
    return np.asarray(1 - special.betainc(*_beta(mean, again), limit))
