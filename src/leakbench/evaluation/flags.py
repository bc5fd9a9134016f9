"""Flags: what a reader must know before trusting a number. Each has a section of the same code in docs/flags.md."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..attacks import ATTACKS
from ..attacks._learned import LearnedAttack
from ..attacks._references import References
from ..attacks.stacked import Stacked
from ..core.results import BLIND, NO_SINGLE_ATTACK, Flag, Row
from ..core.seeds import stream
from ..metrics.standard import RATES
from ..metrics.statistics.differences import paired_differences
from ..metrics.statistics.roc import allowed
from ..metrics.tpr_at_fpr import TprAtFpr
from ..signals.models import Models
from ..signals.resolution import Resolution
from .measure import BY_LABEL, AttackScores, halves_suffice
from .paired_differences import DIFFERENCES, of_sample
from .scoring import shadow_models

Raised = tuple[str, str | None]  # what is wrong, and with which attack if with one
Rule = Callable[[AttackScores, list[Row]], Iterable[Raised]]

STRONGER = {
    "lira": ("loss", "lira_offline"),
    "rmia": ("loss", "rmia_offline"),
    "base": ("loss", "base_offline"),
    "stacked": ("loss", "lira", "base"),
}  # attacks that should beat what they build on
MARGIN = 0.02  # of AUC, beyond the intervals, before a weaker attack counts as beating a stronger one
TIMES = 1.5  # of the TPR, beyond the intervals, likewise
FEWEST_FALSE_POSITIVES = 10  # that an FPR must allow before TPRs are compared there
ACCURACY_GAP = 0.05
COPIED = 0.001  # of the records have a copy, before a reader must know
COPIES = 0.01  # of the synthetic records, beyond the natural share and half as much again
TELLING = 0.9  # an AUC above which a generator has as good as published its members
NEAR_CHANCE = 0.05  # above chance, or half of chance where there are many classes: as good as untrained


@dataclass(frozen=True)
class FlagKind:
    """A code and title, and the rule that raises it; None where what it needs is more than one attacked case."""

    code: str
    title: str
    rule: Rule | None = None

    def flag(self, message: str, defence: str | None, attack: str | None = None) -> Flag:
        """The flag, raised."""
        return Flag(self.code, self.title, message, defence, attack)


def flags(attacked: AttackScores, rows: list[Row]) -> Iterator[Flag]:
    """The flags of one case, from what was attacked and the rows that came of it."""
    for kind in KINDS:
        for message, attack in kind.rule(attacked, rows) if kind.rule else ():
            yield kind.flag(message, attacked.case.defence, attack)


def copying_flags(defence: str, copied: float, natural: float, rows: Iterable[Row]) -> Iterator[Flag]:
    """Whether the generator of a defence copies members.

    `copied` is the share of synthetic records that equal a record that the generator was fitted on, `natural`
    the share of other real records that do; `rows` hold the attacks on the generator.
    """
    if copied > natural + max(COPIES, natural / 2):
        message = (
            f"{copied:.1%} of the synthetic records are copies of records that the generator was fitted on"
        )
        yield COPYING.flag(f"{message}; of other real records {natural:.1%} are", defence)
    for row in rows:
        ours = (row.metric, row.defence, row.slice) == ("auc", defence, "generator")
        if ours and row.lo is not None and row.lo > TELLING:
            message = f"from the synthetic records alone members are told with AUC {row.value:.3f}"
            yield COPYING.flag(f"{message} [{row.lo:.3f}, {row.hi:.3f}]", defence, row.attack)


def collapse_flags(defence: str, collapsed: Sequence[str]) -> Iterator[Flag]:
    """Whether the generator of a defence makes one and the same record for each of the classes `collapsed`."""
    if collapsed:
        message = f"the synthetic records of each of these classes are all alike: {', '.join(collapsed)}"
        yield COLLAPSED.flag(message, defence)


def privacy_flags(rows: Iterable[Row]) -> Iterator[Flag]:
    """The defences of which one stage is differentially private, but not all that is done with members."""
    for row in rows:
        if row.metric == "epsilon" and not math.isfinite(row.value):
            message = (
                "a stage without noise trains on members, or fits a generator to them: epsilon is infinite"
            )
            yield UNCOVERED.flag(message, row.defence)


def diverged_flags(defence: str, lost: Mapping[int, str], models: int, hopeless: bool) -> Iterator[Flag]:
    """Which models of a defence diverged (`lost`, by number, with seed and reason), and what was done about it."""
    if lost:
        what = (
            "the defence was left out" if hopeless else "left out, of every defence, so that all stay alike"
        )
        yield DIVERGED.flag(f"{len(lost)} of {models} models ({'; '.join(lost.values())}): {what}", defence)


def _non_adaptive(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    if attacked.case.adaptive is False:
        message = (
            "the shadow models did not go through this defence; a real attacker's would, so read the adaptive"
            " rows"
        )
        yield message, None


def _too_few(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    fewest = min((s.n_nonmembers for s in attacked.samples.values()), default=0)
    if fewest < 1000:
        message = (
            f"{fewest} non-member scores cannot resolve a false-positive rate of 0.001; 1,000 are needed"
        )
        yield message + ", 10,000 for a useful interval", None


def _below_chance(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    for row in _auc(rows):
        if row.hi is not None and row.hi < 0.5:
            message = f"AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}] lies below 0.5"
            yield message + ": the score points the wrong way here", row.attack


def _weaker_wins(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    auc, tprs = {row.attack: row for row in _auc(rows)}, _resolved_tprs(rows)
    for strong, weak in ((s, w) for s, weaker in STRONGER.items() for w in weaker):
        if strong in auc and weak in auc and _clearly_above(auc[weak], auc[strong]):
            message = f"{weak} (AUC {auc[weak].value:.3f}) beats {strong} ({auc[strong].value:.3f})"
            yield message + "; too few shadow models, or they differ from the target", strong
        tpr = next((tpr for tpr in tprs if strong in tpr and weak in tpr), None)
        if tpr and _apart(tpr[weak], tpr[strong], TIMES * tpr[strong].value):
            low, high = tpr[strong], tpr[weak]
            yield f"{weak} beats {strong}: {low.metric} is {high.value:.4f} against {low.value:.4f}", strong


def _resolved_tprs(rows: list[Row]) -> list[dict[str | None, Row]]:
    """The TPR by attack at each FPR that allows enough false positives, the lowest FPR first."""
    metrics = sorted((m for m in RATES if isinstance(m, TprAtFpr)), key=lambda metric: metric.fpr)
    return [
        {
            row.attack: row
            for row in _pooled(rows, metric.label)
            if metric.fpr * (row.n_nonmembers or 0) >= FEWEST_FALSE_POSITIVES * (1 - 1e-9)
        }
        for metric in metrics
    ]


def _trained_beats_threshold(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    """On losses alone a trained attacker sees one number, of which the threshold attack is the best use."""
    if attacked.case.models.signals.logits is not None:
        return
    auc = {row.attack: row for row in _auc(rows) if row.attack is not None}
    trained = [a for a in auc if issubclass(ATTACKS.get(attacked.scores[a].attack["name"]), LearnedAttack)]
    for attack in (a for a in trained if "loss" in auc and _clearly_above(auc[a], auc["loss"])):
        both = f"{attack} has AUC {auc[attack].value:.3f}, the loss threshold {auc['loss'].value:.3f}"
        yield f"{both}: loss and membership are not monotonely related", attack


def _shadows_differ(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    case = attacked.case
    shadows, chosen = case.reference or case.models, list(case.targets)
    others = np.setdiff1d(np.arange(len(shadows.members)), chosen if case.reference is None else [])
    if not others.size or not case.models.signals.offers("correct"):
        return  # without models that are shadow models only, targets and shadow models are the same
    target, other = _accuracy(case.models, chosen), _accuracy(shadows, others)
    if abs(target - other) > ACCURACY_GAP:
        message = (
            f"targets are {target:.1%} accurate on non-members, shadow models {other:.1%}; train them alike"
        )
        yield message, None


def _untrained(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    models = attacked.case.models
    if not models.signals.offers("correct") or models.signals.logits is None:
        return
    chance = 1.0 / models.signals.logits.shape[-1]
    for m in range(len(models.members)):
        accuracy = _accuracy(models, [m])
        if accuracy < chance + min(0.5 * chance, NEAR_CHANCE):
            message = f"model {m} is {accuracy:.1%} accurate on non-members, near chance ({chance:.1%})"
            yield message + ": untrained or stale", None


def _unbalanced(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    case = attacked.case
    share = case.members[case.models.audited[list(case.targets)]].mean()
    if not 0.2 <= share <= 0.8:
        message = (
            f"{share:.0%} of the records are members; AUC, TPR and advantage do not depend on it, PPV does"
        )
        yield message, None


def _ties(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    for attack, sample in attacked.samples.items():
        roc = sample.roc
        if roc.thresholds.size <= 2:
            continue  # yes or no by design
        for fpr in (0.1, 0.01, 0.001):
            most = allowed(fpr, roc.n0)
            reached = int(roc.fp[roc.fp <= most].max(initial=0))
            if most >= 5 and reached < most / 2:
                message = (
                    f"scores tie: at FPR {fpr:g}, {reached} of {most} allowed false positives can be used"
                )
                yield message + ", so the TPR is underestimated", attack


def _counts_tell(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    """Every record in equally many models, and no complementary partner to leave out with the target."""
    case = attacked.case
    members, n_models = case.models.members, len(case.models.members)
    if case.reference is not None or len(case.targets) < 2 or n_models >= 64 or np.ptp(members.sum(axis=0)):
        return
    if any(len(shadow_models(case.models, case.models, m).exclude) == 1 for m in case.targets):
        message = (
            f"each record is a member of exactly {members[:, 0].sum()} of {n_models} models, not in pairs"
        )
        yield message + ": the counts left after taking the target out tell, and online LiRA reads low", None


def _rounded(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    signals = attacked.case.models.signals
    found = signals.resolutions.get("losses" if signals.logits is None else "logits", Resolution())
    what = "losses" if signals.logits is None and not found.logarithms else "probabilities"
    if found.step:
        message = (
            f"{what} are resolved in steps of {found.step:.3g}, and {found.zeros:.1%} of the rows hold a zero"
        )
        yield message + ", which is read as half a step", None
    if found.coarser:
        some = (
            f"{len(found.coarser)} of {signals.shape[0]} models, the first of them model {found.coarser[0]},"
        )
        yield (
            f"{what} of {some} are rounded more coarsely; a zero there is read as half a step of that model",
            None,
        )


def _copies(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    models = attacked.case.models
    copy_of, n = models.copy_of, models.copy_of.size
    copied = np.bincount(copy_of, minlength=n)[copy_of] > 1
    if copied.sum() < COPIED * n or not copied.any():
        return
    members = attacked.case.members[0]
    inside, outside = (np.bincount(copy_of[side], minlength=n)[copy_of] > 0 for side in (members, ~members))
    what = "the label and all predictions" if models.known_copies is None else "the content and label"
    message = f"{copied.sum()} of {n} records ({copied.mean():.1%}) have {what} of another"
    both = int((copied & inside & outside).sum())
    yield f"{message}; of {both} there are copies among members and among non-members", None


def _told_blindly(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    for row in rows:
        if row.attack == BLIND and row.lo is not None and row.lo > 0.5:
            found = f"AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]"
            message = f"labels, groups and features tell members from others with {found}, without the model"
            yield f"{message}; no number above chance shows that the model leaks", None


def _labels_tell_more(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    """Chosen on one half as the strongest of their kind, compared on the other; white-box attacks are of neither."""
    if attacked.case.adaptive is False:
        return
    scored = (attacked.samples, attacked.ignoring)
    own = [(a, s) for samples in scored for a, s in samples.items() if a in attacked.scores]
    for label in DIFFERENCES:
        metric = BY_LABEL[label]
        sides = [
            [(a, s) for a, s in own if _access(attacked, a) == side and halves_suffice(metric, s)]
            for side in ("labels", "scores")
        ]
        if not all(sides):
            continue
        (attack, ours), (other, theirs) = (max(x, key=lambda c: metric.value(c[1].choosing)) for x in sides)
        if ours.rest.pairs != theirs.rest.pairs:
            continue
        found = paired_differences(of_sample(ours.rest), of_sample(theirs.rest))[label]
        if found.lo > 0:
            values = f"{metric.value(ours.rest):.3f} against {metric.value(theirs.rest):.3f}"
            more = f"{found.value:.3f} [{found.lo:.3f}, {found.hi:.3f}] more"
            yield f"{attack} reads labels alone and has {label} {values} of {other}, {more}", attack
            return


def _access(attacked: AttackScores, attack: str) -> str:
    """What an attack of this label sees of the target."""
    return ATTACKS.get(attacked.scores[attack].attack["name"]).access


def _not_learned(attacked: AttackScores, rows: list[Row]) -> Iterator[Raised]:
    """What holds for one target holds for the others, whose shadow models are as many."""
    case = attacked.case
    m = case.targets[0]
    stacked = [a for a, s in attacked.scores.items() if issubclass(ATTACKS.get(s.attack["name"]), Stacked)]
    for attack in stacked:
        shadows = shadow_models(case.models, case.reference or case.models, m)
        if not References.of(shadows, stream(0, attack, m)).teach:
            message = f"none of {shadows.indices.size} shadow models can be attacked with the others"
            yield f"{message}, so there is nothing to learn from and the scores are those of base", attack


COPYING = FlagKind("F11", "The generator copies members")
COLLAPSED = FlagKind("F12", "The generator collapsed")
UNCOVERED = FlagKind("F13", "DP does not cover all training on members")
DIVERGED = FlagKind("F14", "Models diverged")
KINDS = (
    FlagKind("F01", "Non-adaptive shadow models", _non_adaptive),
    FlagKind("F02", "Too few non-members", _too_few),
    FlagKind("F03", "AUC below chance", _below_chance),
    FlagKind("F04", "A weaker attack beats a stronger one", _weaker_wins),
    FlagKind("F05", "A trained one-dimensional attack beats its own threshold", _trained_beats_threshold),
    FlagKind("F06", "Shadow models unlike the target", _shadows_differ),
    FlagKind("F07", "Untrained or stale model", _untrained),
    FlagKind("F08", "Unbalanced membership", _unbalanced),
    FlagKind("F09", "Tied scores at the operating point", _ties),
    FlagKind("F10", "Balanced memberships without pairs", _counts_tell),
    COPYING,
    COLLAPSED,
    UNCOVERED,
    DIVERGED,
    FlagKind("F15", "Rounded outputs", _rounded),
    FlagKind("F16", "Duplicate records", _copies),
    FlagKind("F17", "Members and non-members differ by themselves", _told_blindly),
    FlagKind("F18", "Too few shadow models to learn from", _not_learned),
    FlagKind("F19", "Labels alone leak more than the released values", _labels_tell_more),
)


def _auc(rows: list[Row]) -> list[Row]:
    return _pooled(rows, "auc")


def _pooled(rows: list[Row], metric: str) -> list[Row]:
    """The rows of single attacks on all targets and records."""
    return [
        r
        for r in rows
        if (r.metric, r.slice, r.target) == (metric, "all", "all") and r.attack not in NO_SINGLE_ATTACK
    ]


def _clearly_above(high: Row, low: Row) -> bool:
    """Whether one AUC lies above another beyond doubt and by more than a trifle."""
    return _apart(high, low, low.value + MARGIN)


def _apart(high: Row, low: Row, least: float) -> bool:
    """Whether the intervals are apart, and the higher value above `least`."""
    return high.lo is not None and low.hi is not None and high.lo > low.hi and high.value > least


def _accuracy(models: Models, chosen: Sequence[int] | NDArray[np.intp]) -> float:
    """Mean accuracy of the models `chosen` on their non-members; NaN, which raises no flag, if they have none."""
    outside = ~models.members[chosen] & models.audited[chosen]
    each = (models.signals.statistic("correct", int(m)).mean(axis=0) for m in chosen)
    right = sum(float(correct[there].sum()) for correct, there in zip(each, outside, strict=True))
    return right / outside.sum() if outside.any() else float("nan")
