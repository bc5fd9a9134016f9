"""The paired difference of any two attacks or defences, from the scores that results keep."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import InputError, unknown
from ..core.results import CaseScores, Row
from ..metrics import METRICS, Metric, Sample
from ..metrics.auc import Auc
from ..metrics.statistics.differences import paired_differences, paired_sample
from ..report.array_tables import read_scores
from ..report.results import Results
from .kept_scores import kept_sample
from .measure import suffices


def difference(
    results: Results | str | Path,
    *,
    attack: str | tuple[str, str],
    defence: str | tuple[str, str] | None = None,
    fpr: float | None = None,
    part: str = "all",
) -> Row:
    r"""The difference in AUC or TPR of two attacks on one defence, or of one attack on two defences.

    Formula: value = AUC(first) - AUC(second), or TPR(first) - TPR(second) at the same FPR, on the same models, records
        and members; the 95 % interval is paired: whatever moves both alike cancels (docs/design/statistics.md).

    Args:
        results: What `audit` or `run` returned, or the folder of a report, whose scores.parquet is read.
        attack: The label of the attack, or a pair of labels.
        defence: The label of the defence, or a pair of labels; None: the only one, or "none".
        fpr: The false-positive rate above 0 at which TPRs are compared; None: compare AUCs.
        part: The slice of the records that count, as in `Row`.

    Returns a row whose `detail` names the second attack and defence. Attacks and defences that were chosen because
    they are the strongest in these results differ by more than they would on new records: choose them beforehand.

    Raises InputError for unknown names, for scores that were not kept, and unless both have scores of the same models
    with the same members.

    >>> import numpy as np, leakbench
    >>> rng = np.random.default_rng(0)
    >>> members = np.arange(400) < 200
    >>> logits = rng.normal(size=(400, 3)) + 2 * members[:, None] * np.eye(3)[0]
    >>> saved = {"logits": logits, "labels": np.zeros(400, int), "members": members}
    >>> row = difference(leakbench.audit(saved, attacks=["loss", "entropy"]), attack=("loss", "entropy"))
    >>> row.lo < row.value < row.hi, row.detail
    (True, {'second_attack': 'entropy', 'second_defence': 'none'})
    """
    if not isinstance(results, Results | str | Path):
        raise InputError(f"results must be Results or the folder of a report, got {type(results).__name__}")
    if not isinstance(part, str):
        raise InputError(f"part must be the name of a slice, got {part!r}")
    metric: Metric = Auc() if fpr is None else METRICS.make({"name": "tpr", "fpr": fpr})
    attacks = _pair("attack", attack)
    cases = results.scores if isinstance(results, Results) else read_scores(Path(results))
    if not cases:
        raise InputError(
            "a difference needs the scores of the records, got none; give the folder of a report with scores.parquet"
        )
    labels = list(dict.fromkeys(case.defence for case in cases))
    default = "none" if "none" in labels else labels[0]
    defences = _pair("defence", default if defence is None else defence)
    if attacks[0] == attacks[1] and defences[0] == defences[1]:
        raise InputError(
            f"a difference needs two attacks or two defences, got {attacks[0]} on {defences[0]} alone"
        )
    chosen = [_case(cases, each, name, part) for each, name in zip(defences, attacks, strict=True)]
    first, second = _common(*(kept_sample(*of, part) for of in zip(chosen, attacks, strict=True)))
    if not len(first.row):
        raise InputError(
            f"a difference needs records of slice {part!r} that both attacks score, got none; take another slice"
        )
    first, second = first.paired_with(second)
    if fpr == 0 or not suffices(metric, first):
        raise InputError(
            f"a difference of {metric.label} needs an FPR above 0 and more records: "
            f"{metric.applies(first) or f'got {first.n_members} members and {first.n_nonmembers} non-members'}"
        )
    pair = (paired_sample(each, [] if fpr is None else [fpr]) for each in (first, second))
    value, lo, hi = paired_differences(*pair)[metric.label]
    return Row(
        f"{metric.label}-difference", value, lo, hi, first.n_members, first.n_nonmembers, attacks[0], part,
        defences[0], adaptive=chosen[0].adaptive, chance=0.0,
        detail={"second_attack": attacks[1], "second_defence": defences[1]},
    )  # fmt: skip


def _pair(what: str, names: str | tuple[str, str]) -> tuple[str, str]:
    """Both labels. Raises InputError unless `names` is one or a pair."""
    if isinstance(names, str):
        return names, names
    if isinstance(names, list | tuple) and len(names) == 2 and all(isinstance(each, str) for each in names):
        return names[0], names[1]
    raise InputError(f"{what} must be a label or a pair of labels, got {names!r}")


def _case(cases: Sequence[CaseScores], defence: str, attack: str, part: str) -> CaseScores:
    """The scores of the adaptive attacker on a defence, or of the only one."""
    of = [
        case for case in cases if case.defence == defence and case.adaptive is not False and not case.shadows
    ]
    if not of:
        raise unknown("defence", defence, {case.defence for case in cases})
    if attack not in of[0].ranks:
        raise unknown(f"attack on {defence} with kept scores:", attack, of[0].ranks)
    if part not in of[0].slices:
        raise unknown("slice", part, of[0].slices)
    return of[0]


def _common(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    """The scores of the records that both attacks score, model by model."""
    width = 1 + max((int(each.row.max()) for each in (first, second) if len(each.row)), default=0)
    keys = [each.model * width + each.row for each in (first, second)]
    return first.at(np.isin(keys[0], keys[1])), second.at(np.isin(keys[1], keys[0]))
