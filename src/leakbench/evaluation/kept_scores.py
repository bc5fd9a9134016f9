"""What is kept of the scores, so that a report can be measured again at another level or against another report."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.results import BEST, BEST_WHITE_BOX, CANARY, NO_SINGLE_ATTACK, UNDEFENDED, WORST, CaseScores, Row
from ..metrics import Metric, Sample
from ..signals.types import Array, Bools
from .measure import AttackScores, select_half
from .vulnerable_records import PREFERENCE

STRONGEST = (BEST, BEST_WHITE_BOX)
MOST_KEPT = 500_000  # scores of a case, beyond which only those of the strongest attacks are kept


def kept_scores(
    attacked: AttackScores,
    masks: Mapping[str, Bools],
    rows: Iterable[Row],
    seed: int,
    records: NDArray[np.int64] | None = None,
) -> list[CaseScores]:
    """The scores of a case as ranks, of all attacks or of those that are strongest by some metric; none without any.

    Args:
        attacked: The case, and what each attack scored.
        masks: The slices, [T, N] by name.
        rows: The rows of the case.
        seed: The seed of the half on which the strongest attack was chosen.
        records: The numbers by which the reader knows the records [N].
    """
    if not attacked.scores:
        return []
    case, shape = attacked.case, attacked.case.members.shape
    labels = list(attacked.scores)
    if len(labels) * case.members.size > MOST_KEPT:
        strongest = {row.selected for row in rows if row.attack in NO_SINGLE_ATTACK}
        first = next((a for a in PREFERENCE if a in labels), labels[0])
        labels = [a for a in labels if a in {first, *strongest, *attacked.leading}]
    parts = [attacked, *attacked.canaries.values()]  # each has scores of its own records alone
    kinds = {CANARY + kind: np.broadcast_to(case.canaries == kind, shape) for kind in attacked.canaries}
    decided = {a: attacked.scores[a].decided for a in labels}
    kept = CaseScores(
        case.defence,
        case.adaptive,
        case.shadows,
        np.array(case.numbers or case.targets, dtype=np.int64),
        np.arange(shape[1]) if records is None else np.asarray(records, dtype=np.int64),
        np.asarray(case.models.copy_of, dtype=np.int64),
        case.members,
        select_half(case, seed),
        {a: _ranks([part.scores[a].scores for part in parts]) for a in labels},
        {a: each for a, each in decided.items() if each is not None},
        {name: mask & case.average for name, mask in masks.items()} | kinds,
    )
    return [kept]


def _ranks(parts: list[Array]) -> NDArray[np.int32]:
    """The ranks [T, N] of the scores [T, N] of parts that have no record in common, from 1; 0 where there is none."""
    scores = np.fmax.reduce(parts)
    ranks = np.zeros(scores.shape, dtype=np.int32)
    scored = np.isfinite(scores)
    ranks[scored] = np.unique(scores[scored], return_inverse=True)[1] + 1
    return ranks


def row_case(cases: Iterable[CaseScores], row: Row) -> CaseScores | None:
    """The case whose scores a row rests on; None where they were not kept.

    The shadow models of a strongest attack may be those of the non-adaptive attacker.
    """
    either = row.attack in STRONGEST and row.shadows == UNDEFENDED
    for case in cases:
        same = (case.defence, case.shadows) == (row.defence, row.shadows)
        if same and (either or case.adaptive == row.adaptive):
            return case if _attack(row) in case.ranks and _part(row) in case.slices else None
    return None


def row_sample(cases: Iterable[CaseScores], row: Row, metric: Metric) -> Sample | None:
    """The scores that a row rests on, as `metric` reads them; None where they were not kept.

    A strongest attack, and a worst slice, are measured on the half that did not choose them.
    """
    case = row_case(cases, row)
    if case is None:
        return None
    sample = kept_sample(case, _attack(row), _part(row))
    if row.target != "all":
        sample = sample.at(case.target[sample.model].astype(str) == row.target)
    if row.attack in STRONGEST:
        return metric.unchosen(sample)
    return sample.rest if row.slice == WORST else sample


def _attack(row: Row) -> str:
    return str(row.selected if row.attack in STRONGEST else row.attack)


def _part(row: Row) -> str:
    return str(row.selected) if row.slice == WORST else row.slice


def kept_sample(case: CaseScores, attack: str, part: str = "all") -> Sample:
    """The scores of an attack on a slice, as metrics read them. Raises KeyError where they were not kept."""
    ranks = case.ranks[attack]
    scored = (ranks > 0) & case.slices[part]
    model, place = np.nonzero(scored)
    return Sample(
        ranks[scored].astype(np.float64),
        case.member[scored],
        model,
        case.copy_of[place],
        case.chooses[scored],
        case.decided[attack][scored] if attack in case.decided else None,
        place,
    )
