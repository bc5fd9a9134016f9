"""One method of each kind, as the package of a third party has them. The tests install it as such a package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.stats import ks_2samp

from leakbench.attacks import Attack
from leakbench.data import Dataset, Design, Split
from leakbench.data.canaries import Canaries, CanaryKind
from leakbench.data.formats import Format, Raw
from leakbench.data.sets import KnownSet
from leakbench.defences import Defence
from leakbench.generators import Generator
from leakbench.metrics import Estimate, Metric, Sample
from leakbench.train.losses import Loss


@dataclass(frozen=True)
class Margin(Attack):
    """Is the margin of the true class large?

    Formula: s(x) = z_y - max_{c != y} z_c
    Source:  this test
    """

    name: ClassVar[str] = "third_party_margin"
    source: ClassVar[str] = "this test"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("hinge",)

    def score(self, target, shadows, rng):
        return target.statistic("hinge").mean(axis=0)


@dataclass(frozen=True)
class Soften(Defence):
    """Divide the logits.

    Formula: z / by
    Source:  this test
    Limits:  undone by multiplication
    """

    name: ClassVar[str] = "third_party_soften"
    source: ClassVar[str] = "this test"
    changes_output: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    by: float = 3.0

    def output(self, logits):
        return logits / self.by

    def inverse(self, released):
        return released * self.by


@dataclass(frozen=True)
class KolmogorovSmirnov(Metric):
    """How far apart are the distributions of the scores?

    Formula: max_t |F_members(t) - F_nonmembers(t)|
    Source:  Kolmogorov 1933
    """

    name: ClassVar[str] = "third_party_ks"
    source: ClassVar[str] = "Kolmogorov 1933"
    above: float = 0.0  # what is taken from it

    @property
    def label(self) -> str:
        return f"third_party_ks@above={self.above:g}"

    @property
    def chance(self) -> float:
        return -self.above

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        found = ks_2samp(sample.scores[sample.members], sample.scores[~sample.members]).statistic - self.above
        return Estimate(found, found - 0.1, found + 0.1, sample.n_members, sample.n_nonmembers, {})


@dataclass(frozen=True)
class SquaredCrossEntropy(Loss):
    """The square of the cross-entropy.

    Formula: CE^2, mean over the batch
    Source:  this test
    """

    name: ClassVar[str] = "third_party_squared"
    source: ClassVar[str] = "this test"

    def __call__(self, logits, targets):
        own = logits.log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0]
        return (own**2).mean(dim=-1)


@dataclass(frozen=True)
class Grey(Generator):
    """Grey images.

    Formula: x = 1/2
    Source:  this test
    """

    name: ClassVar[str] = "third_party_grey"
    source: ClassVar[str] = "this test"

    def fit(self, x, y, classes: Sequence[str], rng: np.random.Generator):
        return lambda labels, rng: np.full((len(labels), *x.shape[1:]), 0.5, np.float32)


@dataclass(frozen=True)
class Alternating(Design):
    """Two models, on the records of even and of odd places.

    Source: this test
    """

    name: ClassVar[str] = "third_party_alternating"
    source: ClassVar[str] = "this test"

    def split(self, dataset: Dataset, seed: int) -> Split:
        records = dataset.parts["pool"]
        even = np.arange(len(records)) % 2 == 0
        members = np.array([even, ~even])
        return Split(records, members, np.ones_like(members), (np.empty(0, np.int64),) * 2, (0, 1)).check(
            dataset
        )


@dataclass(frozen=True)
class Dots(Format):
    """A file whose name ends in .dots.

    Source: this test
    """

    name: ClassVar[str] = "third_party_dots"
    source: ClassVar[str] = "this test"

    def accepts(self, path: Path) -> bool:
        return path.suffix == ".dots"

    def read(self, path: Path, label: str | None = None) -> Raw:
        return dots()


@dataclass(frozen=True)
class DotsByName(KnownSet):
    """Dots.

    Source: this test
    """

    name: ClassVar[str] = "third_party_set"
    source: ClassVar[str] = "this test"

    def read(self, root: Path | None, label: str | None) -> Raw:
        return dots()


@dataclass(frozen=True)
class Inverted(CanaryKind):
    """Records in inverse video.

    Formula: 1 - x
    Source:  this test
    """

    name: ClassVar[str] = "third_party_inverted"
    source: ClassVar[str] = "this test"

    def make(self, dataset: Dataset, rows, rng: np.random.Generator) -> Canaries:
        return Canaries(1 - dataset.x[rows], dataset.y[rows])


def dots() -> Raw:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 3
    x = (rng.random((400, 8)) / 2 + labels[:, None] / 6).astype(np.float32)
    return Raw(labels, lambda rows: x[rows], np.arange(400) >= 300)
