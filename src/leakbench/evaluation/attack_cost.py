"""How long attacks will take, from a sample of the work here and now: two targets, and made-up predictions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..attacks import Attack
from ..attacks.base import TrainedAttack
from ..core.progress import duration
from ..core.seeds import stream
from ..metrics import Metric
from ..signals.axes import Numbers
from ..signals.models import Models
from ..signals.types import ByModel, PerModel, Signals
from .blind_baseline import blind
from .findings import Names, findings
from .measure import AttackScores, Case, attack_all, import_for
from .per_record_fpr import is_fast, target_pairs
from .scoring import applicable

SIZES = 8_000, 16_000  # records of the samples, from which on the examples of a fitted attack are no more
FEW = 1_000  # records of the first sample on which measuring takes what it takes however few there are
PASSES = 2, 6  # of a fit that samples have; of the last at least a twelfth of all passes
MEASURED = 4  # attacks whose metrics are sampled, for all of them
WORTH = 6  # times the work of the samples that there must be before it is told


@dataclass(frozen=True)
class AttackCost:
    """Seconds that one case takes in one thread."""

    attacks: dict[str, float]
    measuring: float  # metrics, intervals, curves

    @property
    def seconds(self) -> float:
        """All of it, one after the other."""
        return sum(self.attacks.values()) + self.measuring

    def in_threads(self, n: int) -> float:
        """With the attacks shared out among n threads."""
        return max(sum(self.attacks.values()) / n, *self.attacks.values(), 0.0) + self.measuring

    def told(self, case: Case, threads: int) -> str:
        """One line: what there is, how long it takes, and which attack takes longest."""
        longest = max(self.attacks, key=lambda label: self.attacks[label])
        what = (
            f"{len(self.attacks)} attacks on {len(case.targets)} targets x {case.members.shape[1]:,} records"
        )
        share = duration(self.attacks[longest])
        return f"{what}: about {duration(self.in_threads(threads))}; {longest} alone {share}"


def worth_telling(case: Case) -> bool:
    """Whether the samples take little beside the work itself."""
    n = case.members.shape[1]
    return case.members.size >= WORTH * len(_sampled(case)) * sum(_sizes(n))


def attack_cost(
    case: Case, attacks: Mapping[str, Attack], metrics: Sequence[Metric], seed: int
) -> AttackCost:
    """What all targets of the case take, of which nothing but the shapes of its arrays, and who is a member, is read.

    A target and its complementary partner are attacked, by fits of fewer passes. What grows with passes or with
    records, grows along the line through two samples, if there are more than in the second.
    """
    n = case.members.shape[1]
    sampled, sizes = _sampled(case), _sizes(n)
    share = len(case.targets) / len(sampled)
    found, (least, *_) = zip(*(_sample(case, size, attacks, metrics, seed) for size in sizes), strict=True)
    seconds = {
        label: continued(sizes, [each.attacks[label] for each in found], n) for label in found[0].attacks
    }
    measuring = least + share * max(0.0, continued(sizes, [each.measuring for each in found], n) - least)
    if case.adaptive is not False:
        fast = [seconds[label] for label in seconds if is_fast(attacks[label])]
        measuring += len(target_pairs(case, seed)) * sum(fast) * 2 / len(sampled)
    folds = {k for k, attack in attacks.items() if isinstance(attack, TrainedAttack) and attack.in_folds}
    fits = {label: min(share, 2.0) if label in folds else share for label in seconds}
    return AttackCost({label: fits[label] * each for label, each in seconds.items()}, measuring)


def _sizes(n: int) -> list[int]:
    return sorted({min(n, size) for size in SIZES})


def _sampled(case: Case) -> tuple[int, ...]:
    """The first target, and its complementary partner or another one."""
    first, *others = case.targets
    partner = sorted(others, key=lambda m: not case.models.telling_each_other[first, m])[:1]
    return (first, *partner)


def _sample(
    case: Case, n: int, attacks: Mapping[str, Attack], metrics: Sequence[Metric], seed: int
) -> tuple[AttackCost, float]:
    """The seconds of each attack on the sampled targets and n records, and those of measuring FEW of the records.

    Statistics and imports are there before an attack is timed, in CPU time, which other processes do not change.
    """
    reference = None if case.reference is None else made_up(case.reference, n, seed)
    models = made_up(case.models, n, seed)
    made = replace(
        case, models=models, reference=reference, targets=_sampled(case), numbers=(), canaries=None
    )
    attack_all(made, {label: a for label, a in attacks.items() if not a.trained}, seed)
    import_for(a for a in attacks.values() if not applicable(a, made.models, made.targets, made.reference))
    seconds, all_of_them = dict[str, float](), AttackScores(made, {}, {}, [], attacks=attacks)
    for label, attack in attacks.items():
        passes, shortened = fewer_passes(attack)
        if attack.passes:
            # the first fit imports what later ones find imported
            attack_all(made, {label: shortened[0]}, seed)
        timed = []
        for each in shortened:
            began = time.process_time()
            found = attack_all(made, {label: each}, seed)
            timed.append(time.process_time() - began)
        seconds[label] = continued(passes[:-1], timed, passes[-1])
        all_of_them.scores.update(found.scores)
        all_of_them.samples.update(found.samples)
    samples = dict(list(all_of_them.samples.items())[:MEASURED])
    began = time.process_time()
    list(blind(made, None, None, seed))
    blindly = time.process_time() - began
    scores = {label: all_of_them.scores[label] for label in samples}
    sampled = replace(all_of_them, scores=scores, samples=samples)
    times = len(all_of_them.samples) / max(1, len(samples))

    def measuring(attacked: AttackScores) -> float:
        began = time.process_time()
        findings(attacked, Names(), seed, metrics)  # which fits no blind baseline: that is remembered
        return times * (time.process_time() - began)

    few = measuring(sampled.at(np.arange(made.members.shape[1]) < FEW))
    return AttackCost(seconds, blindly + measuring(sampled)), few


def fewer_passes(attack: Attack) -> tuple[list[int], list[Attack]]:
    """The passes of the sampled fits, then of the attack itself, and the attacks with those fewer passes.

    The attack itself, if it has no more than a sample.
    """
    if attack.passes is None:
        return [1, 1], [attack]
    full = int(getattr(attack, attack.passes))
    few = [PASSES[0], max(PASSES[1], full // 12)]
    if full <= few[-1]:
        return [full, full], [attack]
    return [*few, full], [replace(attack, **{attack.passes: n}) for n in few]  # type: ignore[type-var]


def made_up(models: Models, n: int, seed: int) -> Models:
    """Models with arrays of the same kinds on n of the records, or on all, their numbers drawn at random."""
    s, members = models.signals, models.members
    rows = np.linspace(0, members.shape[1] - 1, min(n, members.shape[1])).astype(np.intp)
    size = rows.size

    def drawn(array: ByModel | None, low: float, high: float) -> ByModel | None:
        if array is None:
            return None
        shape = (*array.shape[:2], size, *array.shape[3:])

        def load(m: int) -> Numbers:
            values = stream(seed, "made up", m).random(shape[1:], dtype=np.float32)
            return np.asarray(low + (high - low) * values, dtype=array.dtype)

        return PerModel(shape, load, array.dtype)

    classes = 2 if s.logits is None else s.logits.shape[-1]
    labels = None if s.labels is None else stream(seed, "labels").integers(classes, size=size)
    signals = Signals(
        labels,
        drawn(s.logits, -4, 4),
        drawn(s.losses, 0, 4),
        drawn(s.scores, 0, 1),
        drawn(s.noisy, -4, 4),
        s.noise_scale,
        predicted=drawn(s.predicted, 0, classes),
        views=s.views,
        gradients=drawn(s.gradients, -4, 4),
        trajectories=drawn(s.trajectories, 0, 4),
        features=None
        if s.features is None
        else stream(seed, "features").normal(size=(size, s.features.shape[1])),
    )
    population = models.population
    outside = None
    if population is not None:
        share = population.members.shape[1] * size // members.shape[1]
        outside = made_up(population, max(1, share), seed)
    drawn_members, audited = members[:, rows], models.audited[:, rows]
    return Models(signals, drawn_members, audited, outside, other_records=models.other_records)


def continued(sizes: Sequence[int], values: Sequence[float], size: int) -> float:
    """The value at `size` on the line through the samples, of which the last may be of that size."""
    slope = max(0.0, (values[-1] - values[0]) / (sizes[-1] - sizes[0])) if len(sizes) > 1 else 0.0
    return values[-1] + slope * (size - sizes[-1])
