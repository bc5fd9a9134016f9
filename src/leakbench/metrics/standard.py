"""The metrics that are reported unless others are asked for; a fixed set, so that reports compare."""

from .advantage import Advantage
from .auc import Auc
from .balanced_accuracy import BalancedAccuracy
from .base import Metric
from .best_balanced_accuracy import BestBalancedAccuracy
from .precision import Precision
from .tpr_at_fpr import TprAtFpr

STANDARD: tuple[Metric, ...] = (
    Auc(),
    Advantage(),
    BalancedAccuracy(),
    BestBalancedAccuracy(),
    *(TprAtFpr(fpr) for fpr in (0.1, 0.01, 0.001, 0.0)),
    Precision(0.01),
    Precision(0.01, prior=0.1),
)
