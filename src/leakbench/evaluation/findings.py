"""Rows, curves, flags and records of one case, in the form of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks import Attack
from ..core.errors import InputError
from ..core.registry import Plugin
from ..core.results import CaseScores, Curve, ExposedRecord, Exposure, Flag, Overlap, Row
from ..metrics import Metric
from ..metrics.standard import STANDARD
from .attack_overlap import overlaps
from .blind_baseline import blind
from .flags import flags
from .kept_scores import kept_scores
from .measure import FEWEST, AttackScores, curves, measure, slice_curves
from .paired_differences import PairedSamples, comparable
from .per_record_fpr import per_record_rows
from .slices import slices
from .vulnerable_records import exposures, most_exposed


@dataclass(frozen=True, eq=False)
class Names:
    """How records are called and shown in the report, and what is known of them beside their labels."""

    records: NDArray[np.int64] | None = None  # [N]
    classes: Sequence[str] | None = None
    groups: Mapping[str, NDArray[np.str_]] | None = None
    images: NDArray[np.float32] | None = None  # [N, channels, height, width]
    features: NDArray[Any] | None = None  # [N, D] what else is known of the records: numbers or text


@dataclass(frozen=True, eq=False)
class Findings:
    """The results of one case, or of several."""

    rows: list[Row]
    curves: list[Curve]
    flags: list[Flag]
    records: list[ExposedRecord]
    exposures: list[Exposure]
    overlaps: list[Overlap]
    notes: list[str]
    comparable: PairedSamples  # empty where it is shown for comparison only
    scores: list[CaseScores]


def findings(
    attacked: AttackScores, names: Names, seed: int, metrics: Sequence[Metric] = STANDARD
) -> Findings:
    """Measure an attacked case by the `metrics`."""
    case = attacked.case
    masks = slices(case.models, case.targets, names.classes, names.groups, case.average)
    rows = list(measure(attacked, masks, metrics))
    if case.adaptive is not False:
        rows += blind(case, names.groups, names.features, seed)
    raised = list(flags(attacked, rows))
    drawn = [*curves(attacked, seed), *slice_curves(attacked, masks, rows, seed)]
    scores = kept_scores(attacked, masks, rows, seed, names.records)
    if case.adaptive is False:  # shown for comparison only
        return Findings(rows, drawn, raised, [], [], [], attacked.notes, PairedSamples({}, {}), scores)
    exposed = exposures(attacked, seed, names.records, names.classes)
    shown = [record for each in exposed[:1] for record in most_exposed(each, names.images)]
    shared, added = overlaps(attacked)
    kept = comparable(attacked) if case.adaptive else PairedSamples({}, {})
    rows += [*added, *per_record_rows(attacked, seed)]
    return Findings(rows, drawn, raised, shown, exposed, shared, attacked.notes, kept, scores)


def require_rows(attacked: AttackScores, found: Findings) -> None:
    """Raise InputError if nothing could be measured: no attack applies, or there are too few records."""
    if not attacked.samples:
        first, *others = attacked.notes
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"no attack can run: {first}{more}; give what it needs, or choose others")
    if not found.rows:
        members = attacked.case.members
        inside = int(members.sum())
        raise InputError(
            f"members must mark at least {FEWEST} records as members and {FEWEST} as non-members, "
            f"got {inside} and {members.size - inside}; add records"
        )


def method_boxes(
    attacks: Mapping[str, Attack], others: Mapping[str, Plugin] | None = None
) -> list[dict[str, Any]]:
    """Formula, source and parameters of every method used, for the report."""
    named = [("attack", *item) for item in attacks.items()] + [
        ("defence", *item) for item in (others or {}).items()
    ]
    return [
        {
            "kind": kind,
            "label": label,
            **({"access": plugin.access} if isinstance(plugin, Attack) else {}),
            "doc": type(plugin).doc(),
            "source": plugin.source,
            **plugin.describe(),
        }
        for kind, label, plugin in named
    ]
