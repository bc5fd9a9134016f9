"""The harness: it alone holds the targets' membership, and lets no attack see it.

Every model is target once, attacked with the other models as shadow models. A threshold that decides is fixed
before the target is looked at: by the method itself, or on shadow models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks._statistic import mid_quantile
from ..attacks.base import Attack, NonMemberAttack, Scorer, TrainedAttack
from ..core.errors import InputError
from ..core.seeds import stream
from ..metrics.statistics.pooled_threshold import PooledScores
from ..metrics.statistics.roc import best_threshold
from ..signals.models import Models, Shadows, Target
from ..signals.statistics import TRAJECTORY
from ..signals.types import Array, Bools

SCORING_VERSION = 2  # raised whenever a score changes though its attack, its version and the outputs do not

FEWEST_NON_MEMBERS = 40  # from which an attacker can learn what is usual

FEWEST_IN_FOLDS = 4  # models below which two folds would leave an attacker a single one to learn from

UNLIKE = 0.1  # difference of the share of members between targets from which raw scores are not pooled


@dataclass(frozen=True, eq=False)
class Scores:
    """What one attack scored on T targets, and what it decided with a threshold that was fixed beforehand."""

    scores: Array  # [T, N], NaN = not scored
    decided: Bools | None  # [T, N] called a member; None where there is nothing to fix a threshold on
    attack: dict[str, Any]  # name, version, parameters


def applicable(
    attack: Attack, models: Models, targets: Sequence[int], reference: Models | None = None
) -> str | None:
    """None if the attack can score the targets, else the reason why not in plain words."""
    source = models if reference is None else reference
    for statistic in attack.needs:
        if not (models.signals.offers(statistic) and source.signals.offers(statistic)):
            return _missing(statistic, models)
    if attack.population and (models.population is None or source.population is None):
        return "it needs a population: records that no model was trained on"
    shadows = _shadows_of(attack, models, source, targets)
    reasons = (_lacking(attack, each, models, m) for each, m in zip(shadows, targets, strict=True))
    reason = next((reason for reason in reasons if reason is not None), None)
    if reason is None and attack.imports == "torch" and find_spec("torch") is None:
        return "it needs torch; install leakbench[train]"
    return reason


def _missing(statistic: str, models: Models) -> str:
    if statistic.endswith("gradient_norm"):
        layer = ", in a last layer that is linear" if "last" in statistic else ""
        return f"it needs the norms of the records' gradients{layer}"
    if models.signals.labels is None and (statistic == "labels" or models.signals.logits is not None):
        return "it needs the records' labels"
    if statistic == "score":
        return "it needs ready scores"
    if statistic == TRAJECTORY:
        return "it needs students of the models, which a study distils on public records"
    if statistic == "features":
        return "it needs features of the records"
    if statistic == "sensitivity":
        return "it needs outputs for noisy copies of the records (`noise` in a study's queries)"
    if statistic == "label_correct" and models.signals.offers("correct"):
        return "it needs several views of each record, such as noise (`views` in a study's queries or an audit file)"
    purpose = "" if statistic == "logits" else f", to compute {statistic.replace('_', ' ')}"
    return f"it needs logits or probabilities{purpose}"


def _lacking(attack: Attack, shadows: Shadows, models: Models, m: int) -> str | None:
    """What the shadow models lack for an attack on model m, or None."""
    members, usable = shadows.members, shadows.audited
    if isinstance(attack, TrainedAttack):
        if not len(members):
            members, usable = models.members[m], models.audited[m]
        few = min((members & usable).sum(), (~members & usable).sum()) < 2
        return "it needs members and non-members to learn from" if few else None
    if isinstance(attack, NonMemberAttack):
        others = int((~models.members[m] & models.audited[m]).sum()) // 2
        population = models.population if _knows_population(attack, models) else None
        known = others if population is None else population.members.shape[1]
        few = known < FEWEST_NON_MEMBERS
        return f"it needs {FEWEST_NON_MEMBERS} non-members to learn from, and has {known}" if few else None
    if attack.shadows == "none":
        return None
    if shadows.models.other_records:
        return "it needs shadow models that were queried with the target's records"
    if not len(members):
        return "it needs shadow models whose membership is neither the target's nor its complement"
    inside, outside = members.sum(axis=0), (~members).sum(axis=0)
    audited = models.audited[m]
    if not (audited & (outside >= attack.least_out)).any():
        return f"it needs records that {attack.least_out} or more shadow models did not train on"
    if attack.shadows == "in+out" and not (audited & (inside > 0) & (outside > 0)).any():
        return "it needs records that some shadow models trained on and others did not"
    return None


def shadow_models(models: Models, source: Models, m: int) -> Shadows:
    """The models of `source` that an attacker of model m of `models` may use.

    Left out are model m itself and every model whose membership is that of m or its complement: their membership
    reveals that of m. In a design of complementary pairs this takes m's partner out. With the partner, a
    record would have one OUT model more than IN models if it is a member and one fewer if it is not, and on pure
    noise LiRA has AUC 0.475 with 8 models, 0.494 with 16.
    """
    if source.other_records:
        return source.shadows()
    telling = source.telling(models.members[m], models.audited[m])
    telling[m] = True
    return source.shadows(*map(int, np.flatnonzero(telling)))


def _shadows_of(attack: Attack, models: Models, source: Models, targets: Sequence[int]) -> list[Shadows]:
    """The shadow models of each target.

    An attack in folds takes those of the other fold alone, so that all targets of a fold share one attacker:
    two fits in place of one per target, and still no attacker has seen its target.
    """
    shadows = [shadow_models(models, source, m) for m in targets]
    in_folds = isinstance(attack, TrainedAttack) and attack.in_folds
    if not in_folds or len(targets) == 1 or len(source.members) < FEWEST_IN_FOLDS or source.other_records:
        return shadows
    fold = _folds(source)
    own = [np.flatnonzero(fold == fold[m]) for m in targets]
    return [source.shadows(*sorted({*s.exclude, *map(int, f)})) for s, f in zip(shadows, own, strict=True)]


def _folds(source: Models) -> NDArray[np.intp]:
    """0 or 1 for each model [M]. Models of telling membership, such as a complementary pair, share a fold."""
    groups = [shadow_models(source, source, m).exclude[0] for m in range(len(source.members))]
    return np.asarray(np.unique(groups, return_inverse=True)[1] % 2)


def score_targets(
    attack: Attack, models: Models, targets: Sequence[int], seed: int, reference: Models | None = None
) -> Scores:
    """Score the records of every target. The attack must be `applicable`.

    The shadow models of a target are the others of `models`; or those of `reference`, for a non-adaptive
    attacker. A record is not scored (NaN) where the target is not audited, where no shadow model
    is OUT though the attack needs one, and where it served to fit an attacker on the target's own records.
    Scores of different trained attackers have no common scale, so with several targets they become ranks
    within the target, in 0..1. So do all scores where the targets' shares of members differ: pooled raw, the
    level of a target's scores would tell how many of its records are members.
    """
    source = models if reference is None else reference
    shadows_of = _shadows_of(attack, models, source, targets)
    score = _Shared(attack, seed) if isinstance(attack, TrainedAttack) and attack.in_folds else attack.score
    thresholds = _Thresholds(attack, source, seed)
    scores = np.full((len(targets), models.members.shape[1]), np.nan)
    decided = np.zeros(scores.shape, dtype=bool)
    fixed = True
    for t, (m, shadows) in enumerate(zip(targets, shadows_of, strict=True)):
        scores[t] = _score(attack, score, models, m, shadows, stream(seed, attack.name, m))
        threshold = thresholds.fixed_for(m, shadows)
        fixed &= threshold is not None
        if threshold is not None:
            decided[t] = scores[t] >= threshold  # NaN passes no threshold
    if len(targets) > 1 and (attack.trained or _unlike(models, targets)):
        scores = ranks_within(models, targets, scores, seed, attack.name)
    return Scores(scores, decided if fixed else None, attack.describe())


def score_pair(
    attack: Attack, models: Models, pair: Sequence[int], seed: int, reference: Models | None = None
) -> Array | None:
    """Scores [2, N] of two targets by an attacker whose shadow models are the same for both, and neither of the two.

    NaN where a record is not scored; None where the shadow models that are left do not suffice.
    """
    source = models if reference is None else reference
    left_out = {m for target in pair for m in shadow_models(models, source, target).exclude}
    shadows = source.shadows(*sorted(left_out))
    if any(_lacking(attack, shadows, models, m) is not None for m in pair):
        return None
    try:
        rows = [_score(attack, attack.score, models, m, shadows, stream(seed, attack.name, m)) for m in pair]
    except InputError:  # the models lack what the attack needs, which only it can tell
        return None
    return np.stack(rows)


Ints = NDArray[np.intp]
Score = Callable[[Target, Shadows | None, np.random.Generator], Array]  # as `Attack.score`


class _Shared:
    """The score of an attack that is fitted once for each set of shadow models, whoever is the target."""

    def __init__(self, attack: TrainedAttack, seed: int) -> None:
        self.attack, self.seed = attack, seed
        self._learned: dict[tuple[int, ...], Scorer] = {}

    def __call__(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """As `Attack.score`; the fit's random numbers do not depend on the target, so `rng` is not drawn from."""
        assert shadows is not None
        those = tuple(map(int, shadows.indices))
        if those not in self._learned:
            self._learned[those] = self.attack.learned(shadows, stream(self.seed, self.attack.name, *those))
        return self._learned[those](self.attack.features(target))


def _score(
    attack: Attack, score: Score, models: Models, m: int, shadows: Shadows, rng: np.random.Generator
) -> Array:
    """Scores of model m [N], NaN where it is not scored."""
    has_shadows = shadows.indices.size > 0
    if isinstance(attack, TrainedAttack) and not has_shadows:
        return held_out(attack, models, m, rng)
    if isinstance(attack, NonMemberAttack) and not _knows_population(attack, models):
        return cross_fitted(attack, models, m, rng)
    known = models.audited[m]
    if attack.shadows != "none":
        known = known & ~shadows.members.all(axis=0)
    raw = score(models.target(m), shadows if has_shadows else None, rng)
    return np.where(known, raw, np.nan)


def held_out(attack: TrainedAttack, models: Models, m: int, rng: np.random.Generator) -> Array:
    """Fitted on a random half of the target's members and non-members, scored on the other half."""
    members, audited = models.members[m], models.audited[m]
    half = _random_half(models.alike, members, audited, rng)
    features = attack.features(models.target(m))
    chosen = attack.draw(members, half, rng)
    scorer = attack.fit(features[chosen], members[chosen], rng)
    scores = np.full(members.size, np.nan)
    scores[audited & ~half] = scorer(features[audited & ~half])
    return scores


def _knows_population(attack: NonMemberAttack, models: Models) -> bool:
    """Whether the population has all that the attack reads."""
    return models.population is not None and all(map(models.population.signals.offers, attack.needs))


def cross_fitted(attack: NonMemberAttack, models: Models, m: int, rng: np.random.Generator) -> Array:
    """Each half of the target's records, scored by what was learned from the non-members of the other half.

    Scores become ranks within their half. Raw ones would be compared between halves, where a non-member has a
    part in the scores of the members that it is compared with.
    """
    members, audited, target = models.members[m], models.audited[m], models.target(m)
    half = _random_half(models.alike, members, audited, rng)
    scores = np.full(members.size, np.nan)
    for scored, other in ((audited & ~half, half), (half, audited & ~half)):
        score = attack.learned(target.at(np.flatnonzero(other & ~members)), rng)
        found = score(target.at(np.flatnonzero(scored)))
        scores[scored] = mid_quantile(found, found)
    return scores


def _random_half(alike: Ints, members: Bools, audited: Bools, rng: np.random.Generator) -> Bools:
    """Half of the audited members and half of the others [N]; records that are alike are all in it, or none is.

    Where that leaves a half without members or without others, each record stands for itself.
    """
    n = members.size
    inside, outside = (np.bincount(alike[audited & side], minlength=n) > 0 for side in (members, ~members))
    half = np.zeros(n, dtype=bool)
    for kind in (inside & ~outside, outside & ~inside, inside & outside):
        records = rng.permutation(np.flatnonzero(kind))
        half[records[: records.size // 2]] = True
    half = half[alike] & audited
    sides = [part & side for part in (half, audited & ~half) for side in (members, ~members)]
    if all(side.any() for side in sides) or np.array_equal(alike, np.arange(n)):
        return half
    return _random_half(np.arange(n), members, audited, rng)


def _unlike(models: Models, targets: Sequence[int]) -> bool:
    """Whether the share of members differs between the targets by more than `UNLIKE`."""
    return bool(np.ptp([models.members[m, models.audited[m]].mean() for m in targets]) > UNLIKE)


def ranks_within(models: Models, targets: Sequence[int], scores: Array, seed: int, name: str) -> Array:
    """For each score [T, N] of the attack `name` the share of lower ones of the same target; NaN stays NaN.

    Equal scores count half. Where the targets' shares of members differ, equal scores are spread evenly over their
    ranks instead, members and non-members alike: else the mid-rank of a target's ties, which depends on its accuracy,
    would tell how many of its records are members.
    """
    ranks = np.full(scores.shape, np.nan)
    spread = _unlike(models, targets)
    for m, row, found in zip(targets, scores, ranks, strict=True):
        known = np.isfinite(row)
        if spread:
            rng = stream(seed, name, m, "ties")
            found[known] = _spread_ranks(row[known], models.members[m][known], rng)
        else:
            found[known] = mid_quantile(row[known], row[known])
    return ranks


def _spread_ranks(row: Array, members: Bools, rng: np.random.Generator) -> Array:
    """Ranks [n] in 0..1; the k members with equal scores lie 1 / k of these ranks apart, and so do the non-members.

    Their order and the first one's place are random, so each side is uniform on the ranks of the tie.
    """
    _, tie, counts = np.unique(row, return_inverse=True, return_counts=True)
    side = 2 * tie + members
    sizes = np.bincount(side, minlength=2 * counts.size)
    order = np.lexsort((rng.random(row.size), side))
    place = np.empty(row.size)
    place[order] = np.arange(row.size) - (np.cumsum(sizes) - sizes)[side[order]]
    first = np.where(counts == 1, 0.5, rng.random((2, counts.size)))[members.astype(int), tie]
    within = (place + first) / sizes[side]
    return np.asarray(((np.cumsum(counts) - counts)[tie] + counts[tie] * within) / row.size)


class _Thresholds:
    """Thresholds that are fixed without looking at the target's membership, for one attack."""

    def __init__(self, attack: Attack, source: Models, seed: int) -> None:
        self.attack, self.source, self.seed = attack, source, seed
        self._own_scores = PooledScores(self._own, len(source.members))

    def fixed_for(self, m: int, shadows: Shadows) -> float | None:
        """The threshold for target m: the method's own, else the best on shadow models, else None."""
        if self.attack.decision is not None:
            return self.attack.decision
        if not shadows.indices.size:
            return None
        if self.attack.shadows == "none" and not isinstance(self.attack, TrainedAttack):
            return self._own_scores.best_threshold([int(j) for j in shadows.indices])
        return self._on_pseudo_target(m, shadows)

    def _own(self, j: int) -> tuple[Array, Bools]:
        """Scores of model j, which need no shadow models themselves, and its membership, where it is audited."""
        alone, audited = self.source.shadows(*range(len(self.source.members))), self.source.audited[j]
        scores = _score(self.attack, self.attack.score, self.source, j, alone, self._rng(j))
        return scores[audited], self.source.members[j][audited]

    def _on_pseudo_target(self, m: int, shadows: Shadows) -> float | None:
        """Best balanced accuracy on one shadow model, attacked with the rest of them."""
        j = int(stream(self.seed, self.attack.name, m, "pseudo-target").choice(shadows.indices))
        rest = shadows.attacking(j)
        if _lacking(self.attack, rest, self.source, j) is not None:
            return None
        scores = _score(self.attack, self.attack.score, self.source, j, rest, self._rng(j))
        known = np.isfinite(scores)
        members = self.source.members[j][known]
        return best_threshold(scores[known], members) if members.any() and not members.all() else None

    def _rng(self, j: int) -> np.random.Generator:
        return stream(self.seed, self.attack.name, j, "threshold")
