"""Which members do several attacks find, and what does a second attack add to the strongest?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.results import FoundBy, Overlap, Row
from ..metrics import Sample
from ..metrics.listed import on_list
from ..metrics.statistics.intervals import rate_interval
from ..metrics.tpr_at_fpr import TprAtFpr
from ..signals.types import Bools
from .measure import FEWEST, AttackScores

FDR = 0.05
RATES = 0.01, 0.1  # FPRs, of which the first is taken that half of the non-members resolve
FEWEST_FALSE_POSITIVES = 10  # that an FPR must allow among them
MOST_PATTERNS = 60  # that are kept, the most frequent ones


@dataclass(frozen=True, eq=False)
class _Called:
    """What each attack calls a member, on the half that chose neither threshold nor the strongest attack."""

    sample: Sample  # of the strongest attack
    strongest: str
    by: dict[str, Bools]  # attack to [n]


def overlaps(attacked: AttackScores) -> tuple[list[Overlap], list[Row]]:
    """The overlap of what the attacks call members at an FPR and on their lists, and what each adds to the strongest.

    Thresholds and the strongest attack, by TPR, are chosen on one half and applied to the other. Compared are attacks
    that query the model and score the same records of the same targets; empty unless there are two, and half of the
    non-members resolve an FPR of `RATES`.
    """
    groups: dict[str, dict[str, Sample]] = {}
    compared = {a: s for a, s in attacked.samples.items() if a not in attacked.white_box}
    for attack, sample in compared.items():
        groups.setdefault(sample.pairs, {})[attack] = sample
    samples = max(groups.values(), key=len, default={})
    fpr = _resolved(samples)
    if len(samples) < 2 or fpr is None:
        return [], []
    tpr = TprAtFpr(fpr)
    strongest = max(samples, key=lambda attack: tpr.value(samples[attack].choosing))
    rest = samples[strongest].rest
    thresholds = {a: s.choosing.roc.at_fpr(fpr).threshold for a, s in samples.items()}
    found = _Called(rest, strongest, {a: s.rest.scores >= thresholds[a] for a, s in samples.items()})
    lists = _Called(rest, strongest, {a: on_list(s, FDR)[~s.select] for a, s in samples.items()})
    left_out = [attack for attack in compared if attack not in samples]
    made = [
        _overlap(attacked.case.defence, criterion, called, left_out)
        for criterion, called in ((f"fpr={fpr:g}", found), (f"fdr={FDR:g}", lists))
    ]
    return made, _added(attacked, f"fpr={fpr:g}", found)


def _resolved(samples: Mapping[str, Sample]) -> float | None:
    """The FPR of `RATES` that either half resolves."""
    halves = [half for sample in samples.values() for half in (sample.choosing, sample.rest)]
    if min((min(h.n_members, h.n_nonmembers) for h in halves), default=0) < FEWEST:
        return None
    fewest = min(half.n_nonmembers for half in halves)
    return next((fpr for fpr in RATES if fpr * fewest >= FEWEST_FALSE_POSITIVES), None)


def _overlap(defence: str, criterion: str, called: _Called, left_out: list[str]) -> Overlap:
    """Counts of members, and of non-members, by which attacks call them members."""
    members, attacks = called.sample.members, list(called.by)
    calls = np.stack(list(called.by.values()))  # [A, n]
    inside = calls[:, members].astype(np.float64)
    patterns, of = np.unique(np.packbits(calls, axis=0), axis=1, return_inverse=True)
    by = np.unpackbits(patterns, axis=0, count=len(attacks)).astype(bool).T  # [patterns, A]
    counts = [np.bincount(of.ravel()[side], minlength=len(by)) for side in (members, ~members)]
    order = np.lexsort((-counts[1], -counts[0]))
    kept = [k for k in order if by[k].any()][:MOST_PATTERNS]
    return Overlap(
        defence,
        criterion,
        attacks,
        called.strongest,
        int(members.sum()),
        int((~members).sum()),
        (inside @ inside.T).astype(int).tolist(),
        int(calls[:, members].any(axis=0).sum()),
        [
            FoundBy([a for a, b in zip(attacks, by[k], strict=True) if b], *(int(c[k]) for c in counts))
            for k in kept
        ],
        left_out,
    )


def _added(attacked: AttackScores, criterion: str, called: _Called) -> list[Row]:
    """What each attack adds to the strongest: members that it finds alone, and false positives that it alone makes."""
    case, members = attacked.case, called.sample.members
    first = called.by[called.strongest]
    rows = []
    for attack, calls in called.by.items():
        if attack == called.strongest:
            continue
        only = calls & ~first
        sides = [(only[side], called.sample.at(side)) for side in (members, ~members)]
        (tpr, tprs), (fpr, fprs) = ((hits.mean(), rate_interval(hits, part)) for hits, part in sides)
        union = int(((calls | first) & members).sum())
        detail = {"added_fpr": float(fpr), "added_fpr_lo": fprs.lo, "added_fpr_hi": fprs.hi}
        if union:
            detail["jaccard"] = float((calls & first & members).sum() / union)
        rows.append(
            Row(
                f"added_tpr@{criterion}",
                float(tpr),
                *tprs,
                n_members=called.sample.n_members,
                n_nonmembers=called.sample.n_nonmembers,
                attack=attack,
                defence=case.defence,
                adaptive=case.adaptive,
                shadows=case.shadows,
                selected=called.strongest,
                detail=detail,
            )
        )
    return rows
