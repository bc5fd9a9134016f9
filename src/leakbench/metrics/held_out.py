"""What advantage and the best balanced accuracy share: a threshold from one half, measured on the other."""

from .base import Metric
from .statistics.intervals import Rates, difference_interval, rate_clusters
from .statistics.sample import Sample, missing_group


class HeldOutThreshold(Metric):
    """A metric at the threshold that is best on `sample.select`, measured where it was not chosen.

    The maximum of TPR - FPR over all thresholds of the same scores is positive on pure noise (about 0.03 at 1,000 a
    side) and cannot fall below 0; it is not an estimate of anything, so it is not reported.
    """

    def applies(self, sample: Sample) -> str | None:
        """Both halves must have members and non-members."""
        return missing_group(sample.choosing, " in the half that chooses the threshold") or missing_group(
            sample.rest, " in the half that is measured"
        )

    def rates(self, sample: Sample, level: float) -> tuple[Rates, Sample, float]:
        """TPR, FPR and their difference with its interval, the half that they rest on, and the threshold."""
        rest, threshold = sample.rest, sample.choosing.roc.best().threshold
        own = rate_clusters(rest, rest.scores >= threshold)
        whole = rate_clusters(sample, sample.scores >= threshold)
        if (
            whole.models > own.models and whole.independent > 0
        ):  # how much models differ is seen on all of them
            by_model = whole.by_model / whole.independent * own.independent
            own = own._replace(by_model=by_model, furthest=whole.furthest, models=whole.models)
        return difference_interval(rest, rest.scores >= threshold, level, own), rest, threshold
