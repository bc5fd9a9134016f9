"""From attacked models to rows: every attack, metric and slice, with intervals, and the best of many corrected."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks import Attack
from ..core.errors import InputError
from ..core.results import BEST, BEST_WHITE_BOX, CANARY, UNDEFENDED, WORST, Curve, Row
from ..core.seeds import stream
from ..metrics import Metric, Sample
from ..metrics._guessing import GuessingMetric
from ..metrics.standard import RATES, STANDARD
from ..metrics.statistics.bootstrap import Resampled, resample
from ..metrics.statistics.sample import missing_group
from ..signals.models import Models
from ..signals.types import Array, Bools
from .scoring import Scores, applicable, score_targets

BY_LABEL = {metric.label: metric for metric in RATES}
SLICE_METRICS = ("auc", "advantage", "tpr@fpr=0.01")
RANKING_METRICS = (
    "auc",
    "tpr@fpr=0.1",
    "tpr@fpr=0.01",
    "tpr@fpr=0.001",
)  # by which a strongest attack is chosen
CURVE_FPR = np.unique(np.concatenate([[0.0], np.logspace(-5, 0, 81)]))
FEWEST = 20  # members and non-members below which a slice is not measured
CURVE_RESAMPLES = 100
MOST_SLICE_CURVES = 30  # drawn for each case


@dataclass(frozen=True, eq=False)
class Case:
    """One defence under an adaptive or a non-adaptive attacker; `adaptive` is None without a defence."""

    defence: str
    models: Models
    targets: tuple[int, ...]
    adaptive: bool | None = None
    reference: Models | None = None  # the shadow models of a non-adaptive attacker
    shadows: str | None = None  # the defence that these went through
    numbers: tuple[int, ...] = ()  # what the targets are called, where not by their place among the models
    canaries: NDArray[np.str_] | None = (
        None  # [N] the kind of canary of each record, empty for an average one
    )
    canary: str | None = None  # the kind by which the defence is judged

    @property
    def average(self) -> Bools:
        """Which records are no canaries [N]."""
        n = self.models.members.shape[1]
        return np.ones(n, dtype=bool) if self.canaries is None else self.canaries == ""

    @property
    def members(self) -> Bools:
        """Membership of the targets [T, N]."""
        return self.models.members[list(self.targets)]


@dataclass(frozen=True, eq=False)
class AttackScores:
    """A case and what each attack scored on it.

    An adaptive attacker may also train shadow models without the defence. That is sometimes stronger, because a defence
    that blurs the shadow models' outputs removes information from them. So `ignoring` may hold the strongest attack.

    Scores and samples are those of average records; the canaries of each kind are a case of their own. No attack is
    told which records these are: it learns and scores with all of them together.
    """

    case: Case
    scores: dict[str, Scores]
    samples: dict[str, Sample]
    notes: list[str]
    ignoring: Mapping[str, Sample] = field(
        default_factory=dict
    )  # of an adaptive attacker: the non-adaptive scores
    leading: Collection[str] = ()  # of a non-adaptive attacker: the attacks strongest of all
    white_box: Collection[str] = ()  # the attacks that read the target's parameters
    attacks: Mapping[str, Attack] = field(default_factory=dict)  # by label, those that scored and others
    canaries: Mapping[str, "AttackScores"] = field(default_factory=dict)  # by kind

    @property
    def in_detail(self) -> dict[str, Sample]:
        """The samples measured on slices and drawn: all adaptive ones, and the leading non-adaptive ones."""
        known = self.case.adaptive is not False
        return {a: s for a, s in self.samples.items() if known or a in self.leading}

    def at(self, records: Bools) -> "AttackScores":
        """The same on some of the records [N]."""
        scores = {a: replace(s, scores=np.where(records, s.scores, np.nan)) for a, s in self.scores.items()}
        return replace(
            self, scores=scores, samples={a: s.at(records[s.row]) for a, s in self.samples.items()}
        )

    @cached_property
    def strongest(self) -> dict[str, "Strongest"]:
        """By ranking metric the attack without parameters that is strongest on the half that chooses.

        None if there is no choice.
        """
        found = {label: self.strongest_by(BY_LABEL[label]) for label in RANKING_METRICS}
        return {label: best for label, best in found.items() if best is not None}

    def strongest_by(self, metric: Metric, white_box: bool = False) -> "Strongest | None":
        """The strongest attack by a metric, of those with or without the parameters.

        None unless at least two of the case's own attacks can be compared.
        """
        own, ignoring = (
            [Strongest(a, s, shadows) for a, s in samples.items() if (a in self.white_box) == white_box]
            for samples, shadows in ((self.samples, self.case.shadows), (self.ignoring, UNDEFENDED))
        )
        if sum(halves_suffice(metric, each.sample) for each in own) < 2:
            return None
        candidates = [each for each in (*own, *ignoring) if halves_suffice(metric, each.sample)]
        return max(candidates, key=lambda each: metric.value(each.sample.choosing))


@dataclass(frozen=True, eq=False)
class Strongest:
    """An attack that was chosen as the strongest, or might be."""

    attack: str
    sample: Sample
    shadows: str | None  # as in Row


Found = tuple[Scores, Sample] | str  # what an attack scored, or why it could not


def in_turn(work: Callable[[str], Found], labels: Sequence[str]) -> list[Found]:
    """One after the other."""
    return [work(label) for label in labels]


def attack_all(
    case: Case,
    attacks: Mapping[str, Attack],
    seed: int,
    advance: Callable[[], None] = lambda: None,
    score: Callable[..., Scores] = score_targets,
    over: Callable[[Callable[[str], Found], Sequence[str]], list[Found]] = in_turn,
) -> AttackScores:
    """Score every target of the case with every attack that applies; the others leave a note why not.

    `score` is `score_targets`, or a form of it that remembers. `over` calls a function on each attack; it may do so in
    threads.
    """
    half = select_half(case, seed)
    reasons = {k: applicable(a, case.models, case.targets, case.reference) for k, a in attacks.items()}
    import_for(attacks[label] for label, reason in reasons.items() if reason is None)

    def scored(label: str) -> Found:
        found = reasons[label] or _scored(case, attacks[label], seed, half, score)
        advance()
        return found

    white_box = [label for label, attack in attacks.items() if attack.access == "white_box"]
    attacked = AttackScores(case, {}, {}, [], white_box=white_box, attacks=attacks)
    for label, found in zip(attacks, over(scored, list(attacks)), strict=True):
        if isinstance(found, str):
            attacked.notes.append(f"{label} was left out: {found}")
        else:
            attacked.scores[label], attacked.samples[label] = found
    if case.canaries is None:
        return attacked
    kinds = np.unique(case.canaries[~case.average])
    canaries = {str(kind): attacked.at(case.canaries == kind) for kind in kinds}
    return replace(attacked.at(case.average), canaries=canaries)


_ONE_AT_A_TIME = Lock()


def import_for(attacks: Iterable[Attack]) -> None:
    """Import what the attacks are fitted with, one thread at a time, before there are more for each case.

    Modules that refer to each other, as scikit-learn's do, are not whole where two threads come to them at once.
    """
    with _ONE_AT_A_TIME:
        for attack in attacks:
            if attack.imports:
                import_module(attack.imports)


def _scored(case: Case, attack: Attack, seed: int, half: Bools, score: Callable[..., Scores]) -> Found:
    try:
        scores = score(attack, case.models, case.targets, seed, case.reference)
    except InputError as error:  # the models lack what the attack needs, which only it can tell
        return str(error)
    sample = _sample(case, scores, half)
    return missing_group(sample, " that it can score") or (scores, sample)


def select_half(case: Case, seed: int) -> Bools:
    """[T, N]: where thresholds and the strongest attack are chosen; what is so chosen is measured elsewhere.

    Whole complementary pairs of targets where there are two pairs or more, else half of the records; those that are
    alike stay together.
    """
    n_targets, n_records = case.members.shape
    if n_targets >= 4:
        return np.repeat(_unit(case) % 2 == 0, n_records).reshape(n_targets, n_records)
    distinct = np.unique(case.models.alike)
    chosen = np.zeros(n_records, dtype=bool)
    chosen[stream(seed, "select half").permutation(distinct)[: distinct.size // 2]] = True
    return np.broadcast_to(chosen[case.models.alike], (n_targets, n_records))


def _unit(case: Case) -> NDArray[np.intp]:
    """A number for each target [T], the same for those that tell each other's membership, wherever they stand.

    Targets that tell nothing of another one share their numbers two by two.
    """
    first = case.models.telling_each_other[np.ix_(case.targets, case.targets)].argmax(axis=1)
    alone = np.bincount(first, minlength=first.size)[first] == 1
    unit = np.empty(first.size, dtype=np.intp)
    found, unit[~alone] = np.unique(first[~alone], return_inverse=True)
    unit[alone] = found.size + np.arange(alone.sum()) // 2
    return unit if unit.max() else np.arange(first.size) // 2  # one design in all of them: no better halves


def _sample(case: Case, scores: Scores, half: Bools) -> Sample:
    scored = np.isfinite(scores.scores)
    model, record = np.nonzero(scored)
    return Sample(
        scores.scores[scored],
        case.members[scored],
        model,
        case.models.copy_of[record],
        half[scored],
        None if scores.decided is None else scores.decided[scored],
        record,
    )


def measure(
    attacked: AttackScores, masks: Mapping[str, Bools], metrics: Sequence[Metric] = STANDARD
) -> Iterator[Row]:
    """The rows of a case: every attack on every slice, each target alone, the strongest attack, the worst slice."""
    for attack, sample in attacked.samples.items():
        on = masks if attack in attacked.in_detail else {"all": masks["all"]}
        parts = {name: sample.at(mask[sample.model, sample.row]) for name, mask in on.items()}
        for name, part in parts.items():
            for metric in metrics if name == "all" else map(BY_LABEL.__getitem__, SLICE_METRICS):
                yield from _rows(attacked.case, metric, part, attack=attack, slice=name)
        yield from _worst_slice(attacked.case, attack, parts)
        yield from _each_target(attacked.case, attack, sample)
    yield from _strongest(attacked, metrics)
    for kind, canaries in attacked.canaries.items():
        yield from _canary_rows(canaries, kind)


def _canary_rows(attacked: AttackScores, kind: str) -> Iterator[Row]:
    """Every attack, and the strongest, on the canaries of a kind, by the metrics that so few can resolve."""
    rows = [
        row
        for attack, sample in attacked.samples.items()
        for metric in RANKING_METRICS
        for row in _rows(attacked.case, BY_LABEL[metric], sample, attack=attack)
    ]
    for row in (*rows, *_strongest(attacked, ())):
        yield replace(
            row, slice=CANARY + kind, detail={**row.detail, "own_kind": kind == attacked.case.canary}
        )


def _rows(case: Case, metric: Metric, sample: Sample, **about: Any) -> Iterator[Row]:
    if not suffices(metric, sample):
        return
    e = metric.estimate(sample)
    yield Row(
        metric=metric.label,
        value=e.value,
        lo=e.lo,
        hi=e.hi if math.isfinite(e.hi) else None,  # a lower bound has no upper limit
        n_members=e.n_members,
        n_nonmembers=e.n_nonmembers,
        defence=case.defence,
        adaptive=case.adaptive,
        chance=metric.chance,
        detail=e.detail,
        **{"shadows": case.shadows, **about},
    )


def _each_target(case: Case, attack: str, sample: Sample) -> Iterator[Row]:
    if len(case.targets) == 1:
        return
    for t, target in enumerate(case.numbers or case.targets):
        yield from _rows(
            case, BY_LABEL["auc"], sample.at(sample.model == t), attack=attack, target=str(target)
        )


def _worst_slice(case: Case, attack: str, parts: Mapping[str, Sample]) -> Iterator[Row]:
    """The slice with the highest AUC, chosen on one half and measured on the other."""
    auc = BY_LABEL["auc"]
    candidates = {name: part for name, part in parts.items() if name != "all" and halves_suffice(auc, part)}
    if len(candidates) < 2:
        return
    worst = max(candidates, key=lambda name: auc.value(candidates[name].choosing))
    part = candidates[worst]
    yield from _rows(case, auc, part.rest, attack=attack, slice=WORST, selected=worst)


def _strongest(attacked: AttackScores, metrics: Sequence[Metric]) -> Iterator[Row]:
    """The strongest attack by each ranking metric and bound, chosen on one half and measured on the other; likewise the
    strongest with the model's parameters.
    """
    bounds = [metric for metric in metrics if isinstance(metric, GuessingMetric)]
    white_box = [*(BY_LABEL[label] for label in RANKING_METRICS), *bounds]
    chosen = [
        *((BEST, BY_LABEL[label], best) for label, best in attacked.strongest.items()),
        *((BEST, metric, attacked.strongest_by(metric)) for metric in bounds),
        *((BEST_WHITE_BOX, metric, attacked.strongest_by(metric, white_box=True)) for metric in white_box),
    ]
    for name, metric, best in chosen:
        if best is not None:
            about = {"attack": name, "selected": best.attack, "shadows": best.shadows}
            yield from _rows(attacked.case, metric, metric.unchosen(best.sample), **about)


def informed(adaptive: AttackScores, naive: AttackScores) -> list[AttackScores]:
    """The adaptive attacker, with the scores of the non-adaptive one, and the non-adaptive attacker."""
    canaries = {
        kind: replace(part, ignoring=naive.canaries[kind].samples) for kind, part in adaptive.canaries.items()
    }
    adaptive = replace(adaptive, ignoring=naive.samples, canaries=canaries)
    strongest = adaptive.strongest.values()
    return [adaptive, replace(naive, leading={s.attack for s in strongest if s.shadows == UNDEFENDED})]


def suffices(metric: Metric, sample: Sample) -> bool:
    """Whether the sample can resolve the metric."""
    return _enough(sample) and metric.applies(sample) is None


def halves_suffice(metric: Metric, sample: Sample) -> bool:
    """Whether one half can choose among attacks by the metric, and the rest be measured."""
    return _enough(sample.choosing) and _enough(sample.rest) and metric.applies_to_halves(sample)


def _enough(sample: Sample) -> bool:
    return min(sample.n_members, sample.n_nonmembers) >= FEWEST


def curves(attacked: AttackScores, seed: int) -> Iterator[Curve]:
    """The ROC of every attack with a pointwise bootstrap band, on a logarithmic grid of FPR."""
    samples = attacked.in_detail
    resampled = resample(list(samples.values()), CURVE_FPR, CURVE_RESAMPLES, seed)
    for (attack, sample), drawn in zip(samples.items(), resampled, strict=True):
        yield _curve(attacked.case, attack, sample, drawn)


def slice_curves(
    attacked: AttackScores, masks: Mapping[str, Bools], rows: Iterable[Row], seed: int
) -> Iterator[Curve]:
    """The ROC on each slice that was measured, of the attacks that are strongest by any measure, on a coarser grid.

    Of more than `MOST_SLICE_CURVES` slices those whose AUC lies highest, by the lower limit of its interval.
    """
    rows = [r for r in rows if r.target == "all"]
    best = [r for r in rows if r.attack == BEST]
    drawn = {r.selected for r in best if r.shadows == attacked.case.shadows} if best else attacked.samples
    parts = []
    for attack in (a for a in attacked.in_detail if a in drawn):
        own = [r for r in rows if (r.attack, r.metric) == (attack, "auc") and r.slice in masks]
        own = sorted((r for r in own if r.slice != "all"), key=lambda r: -(r.lo or 0.0))
        shown = {r.slice for r in own[:MOST_SLICE_CURVES]}
        sample = attacked.in_detail[attack]
        parts += [(attack, n, sample.at(masks[n][sample.model, sample.row])) for n in masks if n in shown]
    every = resample([part for *_, part in parts], CURVE_FPR[1::2], CURVE_RESAMPLES, seed)
    for (attack, name, part), resampled in zip(parts, every, strict=True):
        yield _curve(attacked.case, attack, part, resampled, CURVE_FPR[1::2], name)


def _curve(
    case: Case, attack: str, sample: Sample, resampled: Resampled, fpr: Array = CURVE_FPR, part: str = "all"
) -> Curve:
    resolved = fpr * sample.n_nonmembers >= 1  # the last FPR is 1
    drawn = (fpr, resampled.tpr, *resampled.band())
    fprs, tprs, lo, hi = (values[resolved].tolist() for values in drawn)
    return Curve(case.defence, attack, case.adaptive, fprs, tprs, lo, hi, part)
