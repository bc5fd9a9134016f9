"""Do the intervals hold? Simulated studies with known truth.

`python -m leakbench.evaluation.coverage` prints the tables.

A score is d for a member, plus its model's offset, plus its record's offset, plus noise, all Gaussian and of total
variance 1; a member's score has its model's `gain` besides, Gaussian too; a `step` rounds it to multiples, which makes
ties. Several targets come in pairs trained on complementary halves of the records. A second defence (`other_d`) has the
same records and offsets of records, noise of its own, and offsets and gains of its models that are correlated (`alike`)
with the first's or not.
"""

import argparse
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy
from scipy import special

from ..core.seeds import stream
from ..metrics.advantage import Advantage
from ..metrics.auc import Auc
from ..metrics.balanced_accuracy import BalancedAccuracy
from ..metrics.base import Estimate, Metric
from ..metrics.statistics.differences import paired_differences, paired_sample
from ..metrics.statistics.intervals import Limits, clopper_pearson
from ..metrics.statistics.sample import Sample
from ..metrics.tpr_at_fpr import TprAtFpr
from ..signals.types import Array, Bools

NOMINAL, REQUIRED = 0.95, 0.93
COMPARED_FPR = (0.01, 0.001)
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
    gain: float = 0.0  # standard deviation, between models, of what members score more
    other_d: float | None = None  # d of a second defence; its difference is looked at instead of the metrics
    alike: float = 0.0  # correlation of the two defences' offsets and gains of models

    @property
    def label(self) -> str:
        """One line that says it all."""
        d = f"d = {self.d:g}" + ("" if self.other_d is None else f" and {self.other_d:g}")
        if self.targets == 1:
            ties = f", rounded to {self.step:g}" if self.step else ""
            shared = f", record {self.of_record:.0%}" if self.of_record else ""
            return f"1 target, {self.n1}/{self.n0}{ties}{shared}, {d}"
        shares = f"model {self.of_model:.0%}, record {self.of_record:.0%}"
        gain = f", gain {self.gain:g}" if self.gain else ""
        alike = f", alike {self.alike:g}" if self.alike else ""
        return f"{self.targets} targets x {self.records}, {shares}{gain}{alike}, {d}"

    @property
    def other(self) -> "Study":
        """The second defence."""
        assert self.other_d is not None
        return replace(self, d=self.other_d)

    def draw(self, rng: np.random.Generator) -> Sample:
        """The scores of one study."""
        return self.draw_both(rng)[0]

    def draw_both(self, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """The scores of one study on the first defence, and on the second."""
        members = self._membership(rng)
        t, n = members.shape
        model, record = np.indices(members.shape)
        select = rng.random(members.shape) < 0.5 if self.targets == 1 else model % 4 < 2
        of_models, of_record = rng.standard_normal((2, 2, t, 1)), rng.standard_normal((1, n))
        of_models[1] = self.alike * of_models[0] + np.sqrt(1 - self.alike**2) * of_models[1]
        first, second = (
            Sample(
                x.ravel(), members.ravel(), model.ravel(), record.ravel(), select.ravel(), x.ravel() >= d / 2
            )
            for d, own in ((self.d, of_models[0]), (self.other_d or 0.0, of_models[1]))
            for x in [self._scores(d, members, own, of_record, rng)]
        )
        return first, second

    def _membership(self, rng: np.random.Generator) -> Bools:
        if self.targets == 1:
            return (np.arange(self.n1 + self.n0) < self.n1)[None]
        half = np.tile(np.arange(self.records) % 2 == 0, (self.targets // 2, 1))
        firsts = rng.permuted(half, axis=1)
        return np.stack([firsts, ~firsts], axis=1).reshape(self.targets, self.records)

    def _scores(
        self, d: float, members: Bools, of_models: Array, of_record: Array, rng: np.random.Generator
    ) -> Array:
        offset, gain = of_models
        noise = np.sqrt(1 - self.of_model - self.of_record) * rng.standard_normal(members.shape)
        noise += np.sqrt(self.of_model) * offset + np.sqrt(self.of_record) * of_record
        scores = (d + self.gain * gain) * members + noise
        return np.asarray(np.round(scores / self.step) * self.step if self.step else scores)

    def above(self, threshold: float, member: bool) -> float:
        """P(score >= threshold)."""
        if self.step:
            threshold = (np.ceil(threshold / self.step - 1e-9) - 0.5) * self.step
        return float(special.ndtr((self.d - threshold) / self._spread if member else -threshold))

    @property
    def _spread(self) -> float:
        """The standard deviation of members' scores."""
        return float(np.hypot(1.0, self.gain))

    def auc(self) -> float:
        """P(a member's score is above a non-member's) + P(equal) / 2."""
        if not self.step:
            return float(special.ndtr(self.d / np.hypot(1.0, self._spread)))
        edges = (np.arange(-round(9 / self.step), round(12 / self.step)) + 0.5) * self.step
        below = special.ndtr(edges)
        return float(np.diff(special.ndtr((edges - self.d) / self._spread)) @ (below[1:] + below[:-1]) / 2)

    def tpr(self, fpr: float) -> float:
        """The TPR at an FPR above 0."""
        return self.above(-special.ndtri(fpr) + self.step / 2, True)

    def truth(self, metric: Metric, estimate: Estimate, sample: Sample) -> float:
        """What the metric is on infinitely many models and records, at the estimate's threshold if it has one."""
        if isinstance(metric, Auc):
            return self.auc()
        if isinstance(metric, TprAtFpr):
            if metric.fpr == 0:
                return self.above(sample.scores[~sample.members].max() + (self.step or 0.0), True)
            return self.tpr(metric.fpr)
        t = estimate.detail.get("threshold", self.d / 2)
        difference = self.above(t, True) - self.above(t, False)
        return difference if isinstance(metric, Advantage) else (1 + difference) / 2


SIZES = (4, 8, 16, 64)
SHARES = ((0.0, 0.0), (0.0, 0.5), (0.0, 0.9), (0.1, 0.0), (0.1, 0.5), (0.2, 0.0), (0.3, 0.3))
STUDIES: tuple[Study, ...] = (
    *(Study(d, n1, n0) for n1, n0 in ((500, 500), (1000, 1000), (2000, 10_000)) for d in (0, 0.5, 2)),
    *(Study(d, n, n, step) for n, step in ((500, 0.5), (1000, 0.1)) for d in (0, 0.5, 2)),
    *(Study(d, targets=16, of_model=m, of_record=r) for m, r in SHARES for d in (0, 0.5, 2)),
    *(Study(d, targets=4, of_model=m, of_record=r) for m, r in ((0, 0.5), (0.1, 0.3)) for d in (0, 0.5, 2)),
    *(
        Study(d, targets=t, of_model=0.1, of_record=0.3, gain=g)
        for t in SIZES
        for g, d in ((0.1, 0.5), (0.4, 2))
    ),
    *(Study(0.5, targets=t, of_model=0.01, of_record=0.98, gain=0.3) for t in SIZES),
)
DIFFERENCES: tuple[Study, ...] = (
    *(Study(0.5, n, n, of_record=0.6, other_d=other) for n in (300, 2000) for other in (0.5, 2)),
    *(
        Study(d, targets=t, of_model=m, of_record=r, gain=g, alike=alike, other_d=other)
        for t in SIZES
        for m, r, g, alike, d, other in (
            (0.0, 0.5, 0.0, 0.0, 0.5, 0.0),
            (0.01, 0.01, 0.05, 0.0, 0.5, 0.8),
            (0.01, 0.98, 0.3, 0.0, 0.5, 0.5),
            (0.01, 0.98, 0.3, 0.0, 0.5, 0.8),
            (0.08, 0.84, 0.1, 0.0, 0.5, 0.8),
            (0.04, 0.88, 0.2, 0.5, 0.5, 0.8),
            (0.1, 0.3, 0.0, 0.0, 1.0, 2.0),
            (0.0, 0.3, 0.5, 1.0, 1.0, 2.0),
            (0.2, 0.4, 0.3, 0.8, 2.0, 1.0),
        )
    ),
)


@dataclass(frozen=True)
class Coverage:
    """How often the intervals of one metric held the truth, in one kind of study."""

    study: Study
    metric: str
    studies: int
    hits: int
    width: float  # median
    relative: (
        float  # mean width over that of an ideal interval, 3.92 standard deviations of the estimate's error
    )

    @property
    def limits(self) -> Limits:
        """The coverage's own 95 % interval, from the number of simulated studies."""
        return clopper_pearson(self.hits, self.studies)


class Check(NamedTuple):
    """An interval of one simulated study, with the estimate and the truth."""

    name: str
    value: float
    lo: float
    hi: float
    truth: float


def _checks(study: Study, rng: np.random.Generator) -> Iterator[Check]:
    """Every interval of one simulated study."""
    if study.other_d is not None:
        both = study.draw_both(rng)
        fpr = [f for f in COMPARED_FPR if all(TprAtFpr(f).applies(sample) is None for sample in both)]
        truths = {"auc": study.auc() - study.other.auc()}
        truths |= {f"tpr@fpr={f:g}": study.tpr(f) - study.other.tpr(f) for f in fpr}
        for name, found in paired_differences(*(paired_sample(sample, fpr) for sample in both)).items():
            yield Check(f"{name}, difference", *found, truths[name])
        return
    sample = study.draw(rng)
    for metric in METRICS_SHOWN:
        if metric.applies(sample) is None:
            e = metric.estimate(sample, NOMINAL)
            yield Check(metric.label, e.value, e.lo, e.hi, study.truth(metric, e, sample))


def coverage_table(
    studies: int = 500, kinds: tuple[Study, ...] = STUDIES + DIFFERENCES, seed: int = 0
) -> list[Coverage]:
    """The coverage of every interval over so many simulated studies of each kind."""
    table = []
    for study in kinds:
        found = defaultdict(list)
        for index in range(studies):
            for check in _checks(study, stream(seed, "coverage", study, index)):
                found[check.name].append(check[1:])
        for name, checks in found.items():
            value, lo, hi, truth = np.transpose(checks)
            ideal = 2 * special.ndtri((1 + NOMINAL) / 2) * np.std(value - truth)
            hits, relative = int(((lo <= truth) & (truth <= hi)).sum()), float(np.mean(hi - lo) / ideal)
            table.append(Coverage(study, name, len(checks), hits, float(np.median(hi - lo)), relative))
    return table


def markdown(table: list[Coverage]) -> str:
    """One line a kind of study: coverage in percent, its own interval, median width, and width over an ideal one's."""
    blocks = []
    for paired in (False, True):
        rows = [c for c in table if (c.study.other_d is not None) == paired]
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
    return (
        f"{100 * c.hits / c.studies:.1f} [{100 * lo:.1f}, {100 * hi:.1f}], {c.width:.3g}, x{c.relative:.2f}"
    )


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
