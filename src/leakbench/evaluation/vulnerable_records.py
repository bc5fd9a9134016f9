"""The records that the models leak most."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.results import ExposedRecord, Exposure
from ..core.seeds import stream
from ..metrics.listed import on_list
from ..metrics.statistics.roc import allowed
from ..metrics.statistics.vulnerability import vulnerability
from ..signals.types import Array, Bools
from .measure import AttackScores
from .scoring import Scores

SHOWN = 12
PREFERENCE = (
    "lira",
    "rmia",
    "lira_offline",
    "rmia_offline",
    "calibration",
    "scores",
    "loss",
    "top_confidence",
)
FPR, FDR = 0.01, 0.05
MOST_SCORES = 2_000_000  # attacks times records of a case, beyond which one attack is told


def exposures(
    attacked: AttackScores,
    seed: int,
    records: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
) -> list[Exposure]:
    """How exposed every record is by each attack, first of all by the first of `PREFERENCE` that was run.

    Of more than MOST_SCORES scores only that one is told. `records` [N] gives the numbers under which the reader knows
    the records.
    """
    preferred = [a for a in PREFERENCE if a in attacked.scores]
    attacks = list(dict.fromkeys([*preferred[:1], *attacked.scores]))
    members, labels = attacked.case.members, attacked.case.models.signals.labels
    numbers = np.arange(members.shape[1]) if records is None else records
    named = None if labels is None else [class_names[y] if class_names else str(y) for y in labels]
    if len(attacks) * members.shape[1] > MOST_SCORES:
        attacks = attacks[:1]
    return [_exposure(attacked, attack, seed, numbers, named) for attack in attacks]


def _exposure(
    attacked: AttackScores, attack: str, seed: int, records: NDArray[np.int64], labels: list[str] | None
) -> Exposure:
    """With one target the vulnerability is the score itself, else that of `metrics.vulnerability`."""
    found, sample, members = attacked.scores[attack], attacked.samples[attack], attacked.case.members
    several, inside = len(found.scores) > 1, members & np.isfinite(found.scores)
    outside = ~members & np.isfinite(found.scores)
    p, listed = np.full((2, *members.shape), np.nan)
    p[sample.model, sample.row] = sample.p_values
    listed[sample.model, sample.row] = on_list(sample, FDR)
    told = np.where(
        inside.any(axis=0), inside, outside
    )  # the targets that trained on a record, where there are any
    return Exposure(
        attacked.case.defence,
        attack,
        records,
        labels,
        _mean(inside.astype(np.float64), inside | outside),
        _mean(found.scores, inside),
        _mean(found.scores, outside),
        _median(p, told),
        _mean(listed, told),
        vulnerability(found.scores, members) if several else found.scores[0],
        _found_share(found, members),
        _largest_by_chance(found, members, stream(seed, "chance", attack)) if several else None,
    )


def _mean(values: Array, chosen: Bools) -> Array:
    """The mean over the chosen targets [N]; NaN where there is none."""
    count = chosen.sum(axis=0)
    total = np.where(chosen, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def _median(values: Array, chosen: Bools) -> Array:
    """The median over the chosen targets [N]; NaN where there is none."""
    ordered, count = np.sort(np.where(chosen, values, np.inf), axis=0), chosen.sum(axis=0)
    middle = [np.take_along_axis(ordered, np.maximum(k, 0)[None] // 2, axis=0)[0] for k in (count - 1, count)]
    return np.where(count > 0, (middle[0] + middle[1]) / 2, np.nan)


def most_exposed(exposure: Exposure, images: NDArray[np.float32] | None = None) -> list[ExposedRecord]:
    """The records with the highest exposure, most exposed first; `images` [N, channels, height, width]."""
    value = np.where(exposure.member > 0, exposure.vulnerability, np.nan)
    order = np.argsort(np.where(np.isfinite(value), -value, np.inf), kind="stable")[:SHOWN]
    return [
        ExposedRecord(
            defence=exposure.defence,
            record=int(exposure.record[n]),
            label=None if exposure.label is None else exposure.label[n],
            vulnerability=float(value[n]),
            tpr=float(exposure.tpr[n]) if np.isfinite(exposure.tpr[n]) else None,
            by_chance=exposure.by_chance,
            image=None if images is None else data_uri(images[n]),
        )
        for n in order
        if np.isfinite(value[n])
    ]


def _largest_by_chance(scores: Scores, members: Bools, rng: np.random.Generator) -> float | None:
    """The largest vulnerability of any record when each one's membership is dealt out anew over the targets.

    The shown records are the extremes of N, and extremes stand out even in noise: this is how far.
    """
    value = vulnerability(scores.scores, rng.permuted(members, axis=0))
    return float(np.nanmax(value)) if np.isfinite(value).any() else None


def _found_share(scores: Scores, members: Bools) -> Array:
    """For each record, the share of the targets that it is a member of which give it away at FPR 0.01."""
    finite = np.isfinite(scores.scores)
    outside = np.sort(scores.scores[finite & ~members])[::-1]
    with np.errstate(invalid="ignore"):
        found = (scores.scores > outside[allowed(FPR, outside.size)]) & members & finite
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Array = found.sum(axis=0) / (members & finite).sum(axis=0)
    return share


def data_uri(image: NDArray[np.float32]) -> str:
    """A PNG data URI of an image [channels, height, width] in 0..1 (1 or 3 channels)."""
    from PIL import Image

    pixels = np.clip(np.moveaxis(image, 0, -1) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
