"""Do the intervals hold? Simulated studies with known truth; `python -m leakbench.metrics.coverage` prints the table.

A score is d for a member, plus its model's offset, plus its record's offset, plus noise, all Gaussian and of total
variance 1; a `step` rounds it to multiples, which makes ties. Several targets come in pairs trained on complementary
halves of the records.
"""

import argparse
import dataclasses
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from scipy import special

from ..seeds import stream
from ..types import Array, Bools
from .advantage import Advantage
from .auc import Auc
from .balanced_accuracy import BalancedAccuracy
from .base import Estimate, Metric, Sample
from .bootstrap import paired_differences, resample
from .intervals import Limits, clopper_pearson
from .tpr_at_fpr import TprAtFpr

NOMINAL, REQUIRED = 0.95, 0.93
RESAMPLES = 200
METRICS_SHOWN: tuple[Metric, ...] = (
    Auc(),
    Advantage(),
    BalancedAccuracy(),
    *(TprAtFpr(fpr) for fpr in (0.1, 0.01, 0.001, 0.0)),
)  # the other standard metrics are monotone functions of these, and so are their intervals


@dataclass(frozen=True)
class Study:
    """A kind of study: one target with n1 members and n0 non-members, or several targets on the same records."""

    d: float
    n1: int = 1000
    n0: int = 1000
    step: float = 0.0
    targets: int = 1
    records: int = 400
    of_model: float = 0.0  # share of the variance that is the model's offset
    of_record: float = 0.0  # ... and the record's
    paired: bool = False  # the difference from a second defence instead of the metrics themselves

    @property
    def label(self) -> str:
        """One line that says it all."""
        if self.targets == 1:
            ties = f", rounded to {self.step:g}" if self.step else ""
            return f"1 target, {self.n1}/{self.n0}{ties}, d = {self.d:g}"
        shares = f"model {self.of_model:.0%}, record {self.of_record:.0%}"
        return f"{self.targets} targets x {self.records}, {shares}, d = {self.d:g}"

    def draw(self, rng: np.random.Generator) -> Sample:
        """The scores of one study."""
        members = self._membership(rng)
        model, record = np.indices(members.shape)
        scores = self._scores(members, rng)
        select = rng.random(members.shape) < 0.5 if self.targets == 1 else model % 4 < 2
        decided = scores >= self.d / 2
        return Sample(
            scores.ravel(), members.ravel(), model.ravel(), record.ravel(), select.ravel(), decided.ravel()
        )

    def _membership(self, rng: np.random.Generator) -> Bools:
        if self.targets == 1:
            return (np.arange(self.n1 + self.n0) < self.n1)[None]
        half = np.tile(np.arange(self.records) % 2 == 0, (self.targets // 2, 1))
        firsts = rng.permuted(half, axis=1)
        return np.stack([firsts, ~firsts], axis=1).reshape(self.targets, self.records)

    def _scores(self, members: Bools, rng: np.random.Generator) -> Array:
        t, n = members.shape
        noise = np.sqrt(self.of_model) * rng.standard_normal((t, 1))
        noise = noise + np.sqrt(self.of_record) * rng.standard_normal((1, n))
        noise = noise + np.sqrt(1 - self.of_model - self.of_record) * rng.standard_normal((t, n))
        scores = self.d * members + noise
        return np.asarray(np.round(scores / self.step) * self.step if self.step else scores)

    def above(self, threshold: float, member: bool) -> float:
        """P(score >= threshold)."""
        if self.step:
            threshold = (np.ceil(threshold / self.step - 1e-9) - 0.5) * self.step
        return float(special.ndtr(self.d * member - threshold))

    def auc(self) -> float:
        """P(a member's score is above a non-member's) + P(equal) / 2."""
        if not self.step:
            return float(special.ndtr(self.d / np.sqrt(2)))
        edges = (np.arange(-round(9 / self.step), round(12 / self.step)) + 0.5) * self.step
        below = special.ndtr(edges)
        return float(np.diff(special.ndtr(edges - self.d)) @ (below[1:] + below[:-1]) / 2)

    def truth(self, metric: Metric, estimate: Estimate, sample: Sample) -> float:
        """What the metric is on infinitely many models and records, at the estimate's threshold if it has one."""
        if isinstance(metric, Auc):
            return self.auc()
        if isinstance(metric, TprAtFpr):
            if metric.fpr == 0:
                return self.above(sample.scores[~sample.members].max() + (self.step or 0.0), True)
            return self.above(-special.ndtri(metric.fpr) + self.step / 2, True)
        t = estimate.detail.get("threshold", self.d / 2)
        difference = self.above(t, True) - self.above(t, False)
        return difference if isinstance(metric, Advantage) else (1 + difference) / 2


SHARES = ((0.0, 0.0), (0.0, 0.5), (0.0, 0.9), (0.1, 0.0), (0.1, 0.5), (0.2, 0.0), (0.3, 0.3))
STUDIES: tuple[Study, ...] = (
    *(Study(d, n1, n0) for n1, n0 in ((500, 500), (1000, 1000), (2000, 10_000)) for d in (0, 0.5, 2)),
    *(Study(d, n, n, step) for n, step in ((500, 0.5), (1000, 0.1)) for d in (0, 0.5, 2)),
    *(Study(d, targets=16, of_model=m, of_record=r) for m, r in SHARES for d in (0, 0.5, 2)),
    *(Study(d, targets=4, of_model=m, of_record=r) for m, r in ((0, 0.5), (0.1, 0.3)) for d in (0, 0.5, 2)),
    Study(0.5, paired=True),
    *(Study(2, targets=16, of_model=m, of_record=0.5, paired=True) for m in (0, 0.1)),
)


@dataclass(frozen=True)
class Coverage:
    """How often the intervals of one metric held the truth, in one kind of study."""

    study: Study
    metric: str
    studies: int
    hits: int
    width: float  # median

    @property
    def limits(self) -> Limits:
        """The coverage's own 95 % interval, from the number of simulated studies."""
        return clopper_pearson(self.hits, self.studies)


def _checks(study: Study, rng: np.random.Generator) -> Iterator[tuple[str, float, float, float]]:
    """Name, lower limit, truth and upper limit of every interval of one simulated study."""
    sample = study.draw(rng)
    if study.paired:
        weaker = dataclasses.replace(study, d=study.d / 2)
        noise = 0.8 * (sample.scores - study.d * sample.members) + 0.6 * rng.standard_normal(
            sample.scores.size
        )
        other = dataclasses.replace(sample, scores=weaker.d * sample.members + noise)
        by_tpr = study.above(-special.ndtri(0.1), True) - weaker.above(-special.ndtri(0.1), True)
        seed = int(rng.integers(2**63))
        first, second = resample([sample, other], np.array([0.1]), RESAMPLES, seed)
        truths = {"auc": study.auc() - weaker.auc(), "tpr@fpr=0.1": by_tpr}
        for name, difference in paired_differences(first, second, NOMINAL).items():
            yield f"{name}, paired", difference.lo, truths[name], difference.hi
        return
    for metric in METRICS_SHOWN:
        if metric.applies(sample) is None:
            estimate = metric.estimate(sample, NOMINAL)
            yield metric.label, estimate.lo, study.truth(metric, estimate, sample), estimate.hi


def coverage_table(studies: int = 500, kinds: tuple[Study, ...] = STUDIES, seed: int = 0) -> list[Coverage]:
    """The coverage of every interval over so many simulated studies of each kind."""
    table = []
    for study in kinds:
        found = defaultdict(list)
        for index in range(studies):
            for name, lo, truth, hi in _checks(study, stream(seed, "coverage", study, index)):
                found[name].append((lo <= truth <= hi, hi - lo))
        for name, outcomes in found.items():
            hits, widths = zip(*outcomes, strict=True)
            table.append(Coverage(study, name, len(hits), sum(hits), float(np.median(widths))))
    return table


def markdown(table: list[Coverage]) -> str:
    """One line a kind of study: coverage in percent, its own interval, and the median width of the intervals."""
    blocks = []
    for paired in (False, True):
        rows = [c for c in table if c.study.paired == paired]
        names = list(dict.fromkeys(c.metric for c in rows))
        lines = ["| study | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for study in dict.fromkeys(c.study for c in rows):
            cells = {c.metric: c for c in rows if c.study == study}
            lines.append(f"| {study.label} | " + " | ".join(_cell(cells.get(name)) for name in names) + " |")
        blocks.append("\n".join(lines) if rows else "")
    return "\n\n".join(b for b in blocks if b)


def _cell(c: Coverage | None) -> str:
    if c is None:
        return "refused"
    lo, hi = c.limits
    return f"{100 * c.hits / c.studies:.1f} [{100 * lo:.1f}, {100 * hi:.1f}], {c.width:.3g}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of every interval over simulated studies.")
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(markdown(coverage_table(given.studies, seed=given.seed)))
    print(f"\nPython {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}")


if __name__ == "__main__":
    main()
