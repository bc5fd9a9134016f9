"""The blind baseline: what labels, groups and features alone tell about membership, without a look at the model."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..attacks.base import Scorer, TrainedAttack
from ..core.array_cache import Recent
from ..core.results import BLIND, Row
from ..core.seeds import stream
from ..metrics import Sample
from ..metrics.auc import Auc
from ..signals.copies import alike
from ..signals.features import column, ranked
from ..signals.models import Models, Target
from ..signals.types import Array, Bools
from .measure import FEWEST, Case, import_for, suffices
from .scoring import held_out, ranks_within

MOST_TARGETS = 8  # of which each has an attacker; more would tell little more about the same design
MOST_COLUMNS = 64  # looked at in each split
FEWEST_IN_LEAF = 20
FITTED = Recent()  # scores by what determines them: defences of one study mostly share them


@dataclass(frozen=True, eq=False)
class _Blind(TrainedAttack):
    """Gradient-boosted trees on what is known of the records themselves."""

    name: ClassVar[str] = BLIND
    imports: ClassVar[str | None] = "sklearn.ensemble"
    columns: Array  # [N, D]; NaN where a number is missing
    categorical: Bools  # [D]
    max_examples: int | None = 10_000

    def features(self, target: Target) -> Array:
        """The same whatever the target predicts."""
        return self.columns

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The log-odds of membership by 50 trees of 8 leaves."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=50,
            max_leaf_nodes=8,
            min_samples_leaf=FEWEST_IN_LEAF,
            max_features=min(1.0, MOST_COLUMNS / features.shape[1]),
            categorical_features=self.categorical,
            early_stopping=False,
            random_state=int(rng.integers(2**31)),
        ).fit(features, members)
        return lambda features: np.asarray(model.decision_function(features))


def blind(
    case: Case, groups: Mapping[str, NDArray[Any]] | None, features: NDArray[Any] | None, seed: int
) -> Iterator[Row]:
    """The AUC of an attacker who sees the labels, the `groups` [N] and the `features` [N, D], and no prediction.

    Each target has an attacker of its own, fitted on one half of its records and measured on the other, as trained
    attackers are where there are no shadow models. Of several targets every other is taken, and MOST_TARGETS at most.
    There is no row where nothing is known of the records, or where they are too few.
    """
    labels = case.models.signals.labels
    categories = [*(groups or {}).values(), *([] if labels is None else [labels])]
    columns = [(ranked(values), True) for values in categories]
    columns += [] if features is None else [column(values) for values in features.T]
    if not columns:
        return
    few = min(
        (case.models.audited[m] & side).sum()
        for m in case.targets
        for side in (case.models.members[m], ~case.models.members[m])
    )
    if few < 2 * FEWEST:
        return
    attack = _Blind(
        np.stack([c for c, _ in columns], axis=1), np.array([is_category for _, is_category in columns])
    )
    import_for([attack])
    step = max(
        2, -(-len(case.targets) // MOST_TARGETS)
    )  # every other: what a pair's attackers learn is not independent
    targets = case.targets[::step]
    # records with equal predictions differ for who sees no prediction, unless all else that is known is equal, too
    copies = np.arange(len(attack.columns))
    if features is not None:
        copies = alike(case.models.alike, [attack.columns[None]], len(copies))
    models = replace(case.models, known_copies=copies)
    known = _determined_by(attack, models, seed)
    fits = [partial(held_out, attack, models, m, stream(seed, BLIND, m)) for m in targets]
    scores = np.stack([FITTED.get(known, m, fit) for m, fit in zip(targets, fits, strict=True)])
    scores[:, ~case.average] = np.nan
    sample = _sample(case, targets, scores, seed)
    if not suffices(Auc(), sample):
        return
    e = Auc().estimate(sample)
    yield Row(
        "auc",
        e.value,
        e.lo,
        e.hi,
        e.n_members,
        e.n_nonmembers,
        BLIND,
        defence=case.defence,
        adaptive=case.adaptive,
        chance=Auc().chance,
    )


def _determined_by(attack: _Blind, models: Models, seed: int) -> str:
    """A digest of all that the scores depend on; of the model's predictions only which records are copies."""
    digest = hashlib.sha256(str((attack.columns.shape, seed)).encode())
    for array in (attack.columns, attack.categorical, models.members, models.audited, models.alike):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sample(case: Case, targets: tuple[int, ...], scores: Array, seed: int) -> Sample:
    """Scores of several attackers have no common scale: they become ranks within each target."""
    scores = ranks_within(case.models, targets, scores, seed, BLIND) if len(targets) > 1 else scores
    scored = np.isfinite(scores)
    model, record = np.nonzero(scored)
    members = case.models.members[list(targets)][scored]
    return Sample(scores[scored], members, model, case.models.copy_of[record], np.zeros_like(members))
