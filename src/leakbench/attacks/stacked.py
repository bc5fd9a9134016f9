from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.checks import positive
from ..signals.models import Moments, Shadows, Target
from ..signals.types import Array, Bools
from ._references import References
from ._stacked_features import features, statistics
from .base import InOutAttack, Scorer, balanced
from .base_score import Base

ONE_THREAD = partial(
    threadpool_limits, 1, user_api="openmp"
)  # where cores are busy, its threads wait for one another
BINS = 64  # of a feature; 255 take longer and find no more


@dataclass(frozen=True)
class Stacked(InOutAttack):
    r"""What do boosted trees, fitted on shadow models, make of all that those models tell about x?

    Formula: s(x) = g(h(x; target, S)),  g fitted on h(x; k, S_k) and [x IN k] over the records x and the shadow
             models k in S;  S_k = S without k and every model whose membership is that of k or its complement
             h = for each statistic t: log N(t; mu_in, v_in) - log N(t; mu_out, v_out) with v shrunken as in LiRA and
             with one v for all records, t - mu_out, t;  for phi also mu_in, mu_out, v_in, v_out, their difference
             and (t - mu) / sqrt v;  log p - log mean_k p and log p - 0.33 log mean_{k: x OUT} p
             t = phi;  t' - mean_{x: y = c} t' for t' = phi, margin, entropy, modified entropy, the three largest log f,
             the largest log f of the other classes, the sd of phi over views (where there are views)
             g = the log-odds of histogram gradient boosting; member where s >= 0
    Shapes:  logits [M, V, N, C] or loss [M, V, N], members [M, N] -> [N];  t are means over views
    Source:  leakbench; stacking: Wolpert 1992, doi 10.1016/S0893-6080(05)80023-1; features: Carlini et al. 2022,
             arXiv 2112.03570, and Lassila et al. 2025 (BASE)
    Differs: LiRA's ratio is one feature among others. Where no shadow model can play target, as with four models in
             pairs, s(x) is the score of `base`, and flag F18 says so. Losses alone give phi, and no other statistic.
    """

    name: ClassVar[str] = "stacked"
    source: ClassVar[str] = "leakbench; stacking: Wolpert 1992, doi 10.1016/S0893-6080(05)80023-1"
    imports: ClassVar[str | None] = "sklearn.ensemble"
    passes: ClassVar[str | None] = "trees"
    trained: ClassVar[bool] = True
    max_examples: int = 100_000  # examples that fit the trees, balanced
    prior_models: float = 8.0  # as LiRA's
    trees: int = 75  # boosted trees
    learning_rate: float = 0.1  # shrinkage of each tree
    leaves: int = 15  # of a tree
    leaf: int = 30  # examples that a leaf must hold

    def __post_init__(self) -> None:
        positive(self.parameters())

    @property
    def needs(self) -> tuple[str, ...]:
        """The loss; the logits are read where they are."""
        return ("loss",)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Log-odds of membership [N]."""
        assert shadows is not None
        references = References.of(shadows, rng)
        if not references.teach:
            return Base().score(target, shadows, rng)
        members, n = shadows.members, target.n_records
        drawn = np.isin(np.arange(len(members)), rng.permutation(len(members))[: -(-self.max_examples // n)])
        chosen = balanced(members, references.examples & drawn[:, None], self.max_examples, rng)
        values = [statistics(shadows.models.target(int(j))) for j in shadows.indices]
        sides = [side & references.kept for side in (members, ~members)]
        moments = [Moments.over(values, side) for side in sides]
        rows = []
        for s in map(int, np.flatnonzero(chosen.any(axis=1))):
            left_out = references.left_out(s)
            rest = [
                _without(part, values, side & left_out) for part, side in zip(moments, sides, strict=True)
            ]
            rows.append(features(values[s], rest[0], rest[1], self.prior_models)[chosen[s]])
        own = features(statistics(target), moments[0], moments[1], self.prior_models)
        return self.fit(np.concatenate(rows), members[chosen], rng)(own)

    def fit(self, examples: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The log-odds by gradient boosting, fitted on examples [n, D]."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.leaf,
            max_bins=BINS,
            early_stopping=False,
            random_state=int(rng.integers(2**31)),
        )
        with ONE_THREAD():
            model.fit(examples, members)
        return partial(_log_odds, model)


def _log_odds(model: Any, features: Array) -> Array:
    with ONE_THREAD():
        return np.asarray(model.decision_function(features))


def _without(moments: Moments, values: Sequence[Array], which: Bools) -> Moments:
    """The moments after taking out of each record the models `which` [S, N]."""
    for s in map(int, np.flatnonzero(which.any(axis=1))):
        moments = moments.without(values[s], which[s])
    return moments
