"""What the bounds on epsilon from guesses share: which guesses to count, and how trainings and splits combine."""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import betaincinv

from ..core.checks import within
from ..core.errors import InputError
from ..core.seeds import stream
from ..signals.types import Bools
from .base import Estimate, Metric
from .statistics.sample import Ints, Sample, missing_group

SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)  # of the canaries, guessed at either end


class Guesses(NamedTuple):
    """Which shares of the canaries are guessed: the highest scores as members, the lowest as non-members."""

    top: float
    bottom: float


CANDIDATES = [Guesses(top, bottom) for top in SHARES for bottom in SHARES if 0 < top + bottom <= 1]


class Counted(NamedTuple):
    """The guesses of one training: of m canaries r are guessed, v rightly."""

    m: int
    r: int
    v: int


@dataclass(frozen=True)
class GuessingMetric(Metric):
    r"""A lower bound on epsilon from how many guesses are right.

    In each training as many members as non-members are canaries; the records that are too many are left out at random.
    `strategy` fixes the guesses before the canaries that they are counted on are looked at:
    "split" chooses them where thresholds are chosen (`Sample.choosing`) and counts on the rest;
    "multi_split" does so for `splits` random halves of the records; "bonferroni" counts every candidate, each at its
    share of the error; and `guesses` = (top, bottom), two shares of the canaries, are counted as they are.
    Several trainings or splits give one bound each, at half the error; at least half of them reach the bound that is
    reported, which fails no more often than stated however they depend on each other (Markov).
    """

    delta: float = 1e-5  # the delta of differential privacy
    strategy: Literal["split", "multi_split", "bonferroni"] = "split"  # how the numbers of guesses are chosen
    guesses: tuple[float, float] | None = None  # shares guessed IN and OUT; None: by `strategy`
    splits: int = 100  # of "multi_split"

    def __post_init__(self) -> None:
        within("delta", self.delta, 0.0, 1.0)
        if self.guesses is not None and not (min(self.guesses) >= 0 and 0 < sum(self.guesses) <= 1):
            raise InputError(
                f"guesses must be two shares of the canaries (highest, lowest scores) with a sum above 0 and at most "
                f"1, got {self.guesses}"
            )

    @property
    def chance(self) -> float:
        """No lower bound on epsilon is above 0 without leakage."""
        return 0.0

    @property
    def label(self) -> str:
        return f"{self.name}@delta={self.delta:g}"

    def applies(self, sample: Sample) -> str | None:
        """Members and non-members are needed, in both halves where one chooses the guesses."""
        if self._splits:
            return missing_group(sample.choosing, " in the half that chooses the guesses") or missing_group(
                sample.rest, " in the half that is counted"
            )
        return missing_group(sample)

    def applies_to_halves(self, sample: Sample) -> bool:
        """Whether both halves have members and non-members."""
        return not (missing_group(sample.choosing) or missing_group(sample.rest))

    def value(self, sample: Sample) -> float:
        """The largest promise of the candidates, for the choice of an attack: a share of right guesses, no bound."""
        return _promising(_trainings(_ranked(sample)))[0]

    def unchosen(self, sample: Sample) -> Sample:
        """All of it where the guesses, too, are chosen on the half that chose the attack."""
        return sample if self._splits else sample.rest

    @property
    def _splits(self) -> bool:
        return self.guesses is None and self.strategy == "split"

    def bound(self, counted: Counted, beta: float) -> float:
        """The epsilon that the guesses of one training refute at error `beta`."""
        raise NotImplementedError

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        """The bound; its interval reaches from it to infinity, at one-sided confidence `level`."""
        beta, ranked = 1 - level, _ranked(sample)
        if self.guesses is None and self.strategy == "bonferroni":
            trainings, share = _trainings(ranked), beta / len(CANDIDATES)
            found = [
                self._combined([_counted(t, guesses) for t in trainings], share) for guesses in CANDIDATES
            ]
            epsilon, counted = max(found)
        else:
            epsilon, counted = self._combined(self._counts(ranked), beta)
        rest = sample.rest if self._splits else sample
        detail: dict[str, Any] = {"delta": self.delta, "level": level}
        detail |= {"canaries": counted.m, "guesses": counted.r, "right": counted.v}
        return Estimate(epsilon, epsilon, math.inf, rest.n_members, rest.n_nonmembers, detail)

    def _counts(self, ranked: Sample) -> list[Counted]:
        """The guesses of every training, and of every split, counted where they were not chosen."""
        if self.guesses is not None:
            return [_counted(training, Guesses(*self.guesses)) for training in _trainings(ranked)]
        found = []
        for half in [ranked.select] if self.strategy == "split" else _random_halves(ranked, self.splits):
            _, guesses = _promising(_trainings(ranked.at(half)))
            found += [_counted(training, guesses) for training in _trainings(ranked.at(~half))]
        return found

    def _combined(self, counts: list[Counted], beta: float) -> tuple[float, Counted]:
        several = len(counts) > 1
        bounds = sorted(((self.bound(c, beta / 2 if several else beta), c) for c in counts), reverse=True)
        return bounds[math.ceil(len(bounds) / 2) - 1]


def _ranked(sample: Sample) -> Sample:
    """The sample with the highest score first, ties in random order."""
    return sample.take(np.lexsort((_drawn(sample, "ties"), -sample.scores)))


def _drawn(sample: Sample, purpose: str) -> Ints:
    """A random number of each score's record [n], the same whatever the order of the scores."""
    return stream(0, "guesses", purpose).permutation(int(sample.row.max()) + 1)[sample.row]


def _random_halves(ranked: Sample, splits: int) -> list[Bools]:
    """Halves of the records [n], of which both sides have members and non-members."""
    records, of_record = np.unique(ranked.record, return_inverse=True)
    rng = stream(0, "guesses", "halves")
    halves = [(rng.permutation(records.size) < records.size // 2)[of_record] for _ in range(splits)]
    sides = [(ranked.members[half], ranked.members[~half]) for half in halves]
    return [
        half for half, side in zip(halves, sides, strict=True) if all(m.any() and not m.all() for m in side)
    ]


def _trainings(ranked: Sample) -> list[Bools]:
    """For each training the membership of its canaries [m], the highest score first.

    Which records are left out is drawn independently of the order of ties: else the first of a tie were members.
    """
    drawn, found = _drawn(ranked, "canaries"), []
    for model in np.unique(ranked.model):
        sides = [np.flatnonzero((ranked.model == model) & side) for side in (ranked.members, ~ranked.members)]
        m = min(side.size for side in sides)
        if m:
            kept = [side[np.argsort(drawn[side])[:m]] for side in sides]
            found.append(ranked.members[np.sort(np.concatenate(kept))])
    return found


def _counted(training: Bools, guesses: Guesses) -> Counted:
    m = training.size
    top = round(guesses.top * m)
    bottom = min(round(guesses.bottom * m), m - top)
    right = training[:top].sum() + (~training[m - bottom :]).sum()
    return Counted(m, top + bottom, int(right))


def _promising(trainings: list[Bools]) -> tuple[float, Guesses]:
    """The candidate with the highest lower limit of the share of right guesses, of counts averaged over trainings."""
    top, bottom = np.array(CANDIDATES).T
    r, v = np.zeros(top.size), np.zeros(top.size)
    for training in trainings:
        m, members = training.size, np.append(0, np.cumsum(training))
        first = np.round(top * m).astype(np.intp)
        last = np.minimum(np.round(bottom * m).astype(np.intp), m - first)
        r += (first + last) / len(trainings)
        v += (members[first] + last - (members[-1] - members[m - last])) / len(trainings)
    promise = np.where(v > 0, betaincinv(np.maximum(v, 1e-9), r - v + 1, 0.05), 0.0)  # Clopper and Pearson's
    best = int(np.argmax(promise))
    return float(promise[best]), CANDIDATES[best]
