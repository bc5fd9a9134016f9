"""The records that the models give away most."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluate import Attacked
from .metrics.roc import allowed
from .metrics.vulnerability import vulnerability
from .results import ExposedRecord, Exposure
from .scoring import Scores
from .seeds import stream
from .types import Array, Bools

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
FPR = 0.01


def exposure(
    attacked: Attacked,
    seed: int,
    records: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
) -> Exposure | None:
    """How exposed every record is, by the first attack of `PREFERENCE` that was run; None if none was.

    With several targets it is the vulnerability of `metrics.vulnerability` on the attack's scores; with one
    target a member's own score, and NaN for non-members, who are not exposed. `records` [N] gives the numbers
    under which the reader knows the records.
    """
    attack = next((a for a in PREFERENCE if a in attacked.scores), None)
    if attack is None:
        return None
    found, members = attacked.scores[attack], attacked.case.members
    several = len(found.scores) > 1
    value = vulnerability(found.scores, members) if several else np.where(members[0], found.scores[0], np.nan)
    labels = attacked.case.models.signals.labels
    return Exposure(
        attacked.case.defence,
        attack,
        np.arange(members.shape[1]) if records is None else records,
        None if labels is None else [class_names[y] if class_names else str(y) for y in labels],
        value,
        _found_share(found, members),
        _largest_by_chance(found, members, stream(seed, "chance", attack)) if several else None,
    )


def most_exposed(exposure: Exposure, images: NDArray[np.float32] | None = None) -> list[ExposedRecord]:
    """The records with the highest exposure, most exposed first; `images` [N, channels, height, width]."""
    value = exposure.vulnerability
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
