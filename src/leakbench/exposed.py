"""The records that the models give away most."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluate import Attacked
from .metrics.vulnerability import vulnerability
from .results import ExposedRecord
from .scoring import Scores
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


def exposure(attacked: Attacked) -> tuple[str, Array] | None:
    """The attack used and the exposure of every record [N]; NaN where it cannot be told.

    With several targets it is the vulnerability of `metrics.vulnerability` on the attack's scores; with one
    target a member's own score, and NaN for non-members, who are not exposed.
    """
    attack = next((a for a in PREFERENCE if a in attacked.scores), None)
    if attack is None:
        return None
    scores = attacked.scores[attack].scores
    if len(scores) > 1:
        return attack, vulnerability(scores, attacked.case.members)
    return attack, np.where(attacked.case.members[0], scores[0], np.nan)


def most_exposed(
    attacked: Attacked,
    records: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
    images: NDArray[np.float32] | None = None,
) -> list[ExposedRecord]:
    """The records with the highest exposure, most exposed first.

    `records` [N] gives the numbers under which the reader knows them, `images` [N, channels, height, width].
    """
    found = exposure(attacked)
    if found is None:
        return []
    attack, value = found
    order = np.argsort(np.where(np.isfinite(value), -value, np.inf), kind="stable")[:SHOWN]
    share = _found_share(attacked.scores[attack], attacked.case.members)
    labels = attacked.case.models.signals.labels
    return [
        ExposedRecord(
            defence=attacked.case.defence,
            record=int(records[n]) if records is not None else int(n),
            label=_label(labels, class_names, int(n)),
            vulnerability=float(value[n]),
            tpr=float(share[n]) if np.isfinite(share[n]) else None,
            image=data_uri(images[n]) if images is not None else None,
        )
        for n in order
        if np.isfinite(value[n])
    ]


def _found_share(scores: Scores, members: Bools) -> Array:
    """For each record, the share of the targets that it is a member of which give it away at FPR 0.01."""
    finite = np.isfinite(scores.scores)
    outside = np.sort(scores.scores[finite & ~members])[::-1]
    allowed = int(FPR * outside.size)
    with np.errstate(invalid="ignore"):
        found = (scores.scores > outside[allowed]) & members & finite
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Array = found.sum(axis=0) / (members & finite).sum(axis=0)
    return share


def _label(labels: NDArray[np.int64] | None, names: Sequence[str] | None, n: int) -> str | None:
    if labels is None:
        return None
    return names[labels[n]] if names is not None else str(labels[n])


def data_uri(image: NDArray[np.float32]) -> str:
    """A PNG data URI of an image [channels, height, width] in 0..1 (1 or 3 channels)."""
    from PIL import Image

    pixels = np.clip(np.moveaxis(image, 0, -1) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
