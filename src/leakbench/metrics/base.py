"""What a metric reads and gives: scores with membership in, a value with its interval out."""

from dataclasses import dataclass
from typing import Any

from ..core.registry import Plugin
from .statistics.sample import Sample, missing_group


@dataclass(frozen=True)
class Estimate:
    """A value, its interval, the counts behind it, and what else a reader must know (realised FPR, threshold)."""

    value: float
    lo: float
    hi: float
    n_members: int
    n_nonmembers: int
    detail: dict[str, Any]


class Metric(Plugin):
    """A number that says how much a set of scores leaks; larger = more."""

    @property
    def chance(self) -> float | None:
        """The value without leakage; None where it depends on the sample."""
        return None

    @property
    def label(self) -> str:
        """The name in results, parameters included, such as `tpr@fpr=0.001`."""
        return self.name

    def applies(self, sample: Sample) -> str | None:
        """None if the metric can be computed, else the reason why not (it goes into the report)."""
        return missing_group(sample)

    def applies_to_halves(self, sample: Sample) -> bool:
        """Whether the metric can choose an attack on `sample.choosing` and be measured where it chose none."""
        return self.applies(sample.choosing) is None and self.applies(sample.rest) is None

    def value(self, sample: Sample) -> float:
        """The value alone, which may be had without the work of its interval."""
        return self.estimate(sample).value

    def unchosen(self, sample: Sample) -> Sample:
        """What the metric may be measured on after `sample.choosing` chose the attack."""
        return sample.rest

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        """The value with an interval of the given confidence level."""
        raise NotImplementedError
