from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..core.errors import InputError
from ..signals.models import Shadows, Target
from ..signals.statistics import LABEL_CORRECT
from ..signals.types import Array, Bools
from ._references import References
from .base import Access, InOutAttack

AT_ONCE = 2**22  # numbers of one array while fits run side by side
STEPS, TOLERANCE = 50, 1e-9  # Newton steps, and the log-odds' last change
SMALLEST = 1e-9  # p (1 - p), so that a step stays finite


@dataclass(frozen=True)
class LabelOnlyLogistic(InOutAttack):
    r"""Which views of x are classified correctly by models that saw x, and not by the others?

    Formula: b_m = (1[argmax_c f_c(x_v) = y])_v of model m; t_m = 1 where m trained on x, else -1;  for each record x
             w, w0 = argmin penalty |w|^2 / 2 + sum_m log(1 + exp(-t_m (w . b_m + w0)))  over the shadow models m;
             s(x) = w . b + w0 of the target, member where s >= 0
    Shapes:  `label_correct` [M, V + K, N], members [M, N] -> [N]
    Source:  Aerni et al. 2024, arXiv 2404.17399, code misleading-privacy-evals: `hamp.py`
    Differs: the log-odds, not the probability, which saturates. All records are solved at once in the dual, w = sum_m
             a_m b_m, by Newton steps. A record with shadow models on one side only has s = 0.
    """

    name: ClassVar[str] = "label_only_logistic"
    source: ClassVar[str] = "Aerni et al. 2024, arXiv 2404.17399"
    access: ClassVar[Access] = "labels"
    least_out: ClassVar[int] = 2
    penalty: float = 1.0  # C of scikit-learn: the inverse strength of the squared penalty

    def __post_init__(self) -> None:
        if not 0 < self.penalty < np.inf:
            raise InputError(f"penalty must be a positive number, got {self.penalty}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Predicted classes in several views."""
        return (LABEL_CORRECT,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The log-odds of membership [N]."""
        assert shadows is not None
        own = target.statistic(LABEL_CORRECT)
        bits = np.stack([b.astype(bool) for b in shadows.statistic(LABEL_CORRECT)])  # [S, V, N]
        kept = References.of(shadows, rng).kept
        inside, usable = shadows.members.T, (shadows.audited & kept).T  # [N, S]
        models = inside.shape[1]
        step = max(1, AT_ONCE // (models * max(models, len(own))))
        both = np.flatnonzero((inside & usable).any(axis=1) & (~inside & usable).any(axis=1))
        scores = np.zeros(len(inside))
        for p in np.array_split(both, max(1, -(-both.size // step))):
            of_models = bits[:, :, p].transpose(2, 0, 1)
            scores[p] = _log_odds(of_models, own[:, p].T, inside[p], usable[p], self.penalty)
        return scores


def _log_odds(bits: NDArray[np.bool_], own: Array, inside: Bools, usable: Bools, penalty: float) -> Array:
    """w . b + w0 of each record [n], from the shadow models' bits [n, S, V], the target's [n, V], and who is `inside`.

    Newton's step is a weighted ridge regression of z = eta + (1[IN] - p) / (p (1 - p)) on the bits, p = sigmoid(eta),
    with weights p (1 - p). In the dual, with K = B B^T, it solves K a + penalty a / (p (1 - p)) + w0 = z, sum a = 0.
    """
    b = bits * usable[:, :, None].astype(np.float64)
    kernel = b @ b.transpose(0, 2, 1)  # [n, S, S]
    n, models = inside.shape
    system = np.zeros((n, models + 1, models + 1))  # bordered by the intercept
    system[:, :-1, -1] = system[:, -1, :-1] = usable
    diagonal = np.arange(models)
    eta, right = np.zeros((n, models)), np.zeros((n, models + 1))
    for _ in range(STEPS):
        p = expit(eta)
        weight = np.maximum(p * (1 - p), SMALLEST)
        system[:, :-1, :-1] = kernel
        system[:, diagonal, diagonal] += np.where(usable, penalty / weight, 1.0)
        right[:, :-1] = np.where(usable, eta + (inside - p) / weight, 0.0)
        solved = np.linalg.solve(system, right[:, :, None])[:, :, 0]
        a, w0 = solved[:, :-1], solved[:, -1]
        before, eta = eta, np.einsum("nst,nt->ns", kernel, a) + w0[:, None]
        if np.abs(eta - before).max(initial=0.0) < TOLERANCE:
            break
    return np.asarray(np.einsum("nsv,ns,nv->n", b, a, own, optimize=True) + w0)
