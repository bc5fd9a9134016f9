"""The metrics that are reported unless others are chosen; a fixed set, so that reports compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import InputError
from . import METRICS
from .advantage import Advantage
from .auc import Auc
from .balanced_accuracy import BalancedAccuracy
from .base import Metric
from .best_balanced_accuracy import BestBalancedAccuracy
from .epsilon_bound import EpsilonBound
from .epsilon_bound_gaussian import GaussianEpsilonBound
from .epsilon_bound_models import ManyModelsEpsilonBound
from .listed import Listed
from .precision import Precision
from .stability import Stability
from .tpr_at_fpr import TprAtFpr
from .tpr_at_shadow_threshold import TprAtShadowThreshold

DELTA = 1e-5  # of the bounds on epsilon, unless another is chosen
RATES: tuple[Metric, ...] = (
    Auc(),
    Advantage(),
    BalancedAccuracy(),
    BestBalancedAccuracy(),
    *(TprAtFpr(fpr) for fpr in (0.1, 0.01, 0.001, 0.0)),
    Precision(0.01),
    *(Precision(0.01, prior=prior) for prior in (0.01, 0.1, 0.5)),
    *(TprAtShadowThreshold(fpr) for fpr in (0.01, 0.001)),
    Listed(0.05),
    Stability(0.01),
)


def standard(delta: float = DELTA, guesses: tuple[float, float] | None = None) -> tuple[Metric, ...]:
    """The rates, and lower bounds on epsilon at `delta`; the shares of `guesses` are fixed, or chosen on one half."""
    return *RATES, EpsilonBound(delta, guesses=guesses), ManyModelsEpsilonBound(delta)


def one_run(delta: float = DELTA, guesses: tuple[float, float] | None = None) -> tuple[Metric, ...]:
    """The rates, and the bounds on epsilon of one training whose members fair coins drew."""
    bounds = (kind(delta, "multi_split", guesses) for kind in (EpsilonBound, GaussianEpsilonBound))
    return *RATES, *bounds


STANDARD = standard()


def make_metrics(
    specs: str | Sequence[str | Mapping[str, Any]], fixed: Sequence[Metric]
) -> tuple[Metric, ...]:
    """Metrics from names and tables; the name "standard" stands for the `fixed` ones.

    Raises InputError for an unknown name or parameter, for two metrics of one label, and for an empty list.
    """
    made = [
        m for spec in METRICS.listed(specs) for m in (fixed if spec == "standard" else [METRICS.make(spec)])
    ]
    labels = [metric.label for metric in made]
    if not made:
        raise InputError(
            'metrics must name at least one metric, got none; "standard" stands for the usual ones'
        )
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputError(f"the metric {twice!r} is listed twice; leave one out, or give it another parameter")
    return tuple(made)
