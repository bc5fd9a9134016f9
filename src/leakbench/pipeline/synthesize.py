"""Synthetic records of a data set: made, measured and written."""

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.atomic_files import save_together
from ..core.errors import InputError
from ..core.progress import NullProgress, Progress
from ..core.regular_files import open_regular
from ..core.user_code import refuse_imports
from ..data import load
from ..data.dataset import Dataset
from ..evaluation.generator_attacks import Copies, collapsed, copied, domias, nearest_neighbour
from ..generators import GENERATORS, Synthetic, synthesise
from ..metrics import Sample
from ..metrics.auc import Auc
from ..metrics.base import Estimate
from ..signals.types import Array

COLUMNS = 8  # samples of a class in the picture
MARK, HEAD = "leakbench", 512  # the mark in the metadata of our files, and the bytes in which it stands
OUT = ("synthetic.npz", "samples.png")


@dataclass(frozen=True, eq=False)
class Made:
    """Synthetic records of a data set, and how much they leak about the pool that they were made from."""

    dataset: Dataset
    synthetic: Synthetic
    copies: Copies
    auc: dict[str, Estimate]  # by attack: the pool's records against the test part's
    collapsed: list[str]  # classes whose records are all alike
    notes: list[str]  # what was left out, and why

    def summary(self) -> dict[str, str]:
        """The results, as text by title."""
        share, outside = self.copies
        return {
            "records": f"{len(self.synthetic.y)} of {len(self.dataset.classes)} classes",
            "seconds": f"{self.synthetic.seconds:.1f}",
            "copies of a record fitted on": f"{share:.4f} (of real records held out: {outside:.4f})",
            **{f"AUC of {a}": f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]" for a, e in self.auc.items()},
            "collapsed classes": ", ".join(self.collapsed) or "none",
        }

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write synthetic.npz (x, y, classes) and, of images, samples.png; returns the path of synthetic.npz.

        The metadata of both has a mark of leakbench and a digest of the records. A samples.png of other records is
        removed. Raises InputError if a file without the mark would be replaced.
        """
        folder, records = Path(folder), self._npz()
        mark = f"{MARK} {hashlib.sha256(records).hexdigest()[:32]}"
        contents: dict[str, bytes | None] = {"synthetic.npz": _commented(records, mark)}
        if self.dataset.is_image:
            contents["samples.png"] = self._picture(mark)

        def made() -> dict[str, bytes | None]:
            kept = self.dataset.is_image or not is_ours(folder / "samples.png")
            return contents if kept else contents | {"samples.png": None}

        save_together(made, folder, ".synthetic-", is_ours)
        return folder / "synthetic.npz"

    def _npz(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, x=self.synthetic.x, y=self.synthetic.y, classes=np.array(self.dataset.classes, np.str_)
        )
        return buffer.getvalue()

    def _picture(self, mark: str) -> bytes:
        """A row of samples for each class, as PNG."""
        from matplotlib.figure import Figure

        present = np.unique(self.synthetic.y)
        rows = [_strip(self.synthetic.x[self.synthetic.y == c][:COLUMNS]) for c in present]
        grid = np.concatenate(rows)
        figure = Figure(figsize=(6.0, 0.6 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        height = len(grid) / len(rows)
        names = [self.dataset.classes[c].replace("$", r"\$") for c in present]  # $ would start a formula
        axes.set_yticks(height * (np.arange(len(rows)) + 0.5), names)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": mark})
        return buffer.getvalue()


def _commented(archive: bytes, comment: str) -> bytes:
    """A zip archive with a comment."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = comment.encode()
    return buffer.getvalue()


def is_ours(path: Path) -> bool:
    """Whether leakbench wrote a file of OUT: its mark is at the end of the archive, near the start of the picture."""
    try:
        with open_regular(path) as file:
            if path.suffix == ".npz":
                file.seek(-len(MARK) - 33, os.SEEK_END)
            part = file.read(HEAD)
    except (OSError, ValueError):
        return False
    return MARK.encode() + b" " in part


def synthesize(
    data: str | os.PathLike[str] | Mapping[str, Any],
    generator: str | Mapping[str, Any],
    records: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    allow_imports: bool = False,
) -> Made:
    """Fit a generator on the pool of a data set, make synthetic records, and measure how much they leak.

    Members are the records of the pool, non-members those of the test part. The reference of DOMIAS is the dev part;
    without one DOMIAS is left out.

    Args:
        data: The name of a data set, a path, or a table as in a study.
        generator: The name of a generator, or a table with its parameters.
        records: The number of records to make. Default: as many as the pool has.
        seed: The seed of the generator.
        progress: Receives the progress. Default: nothing is shown.
        allow_imports: Whether a generator may import code outside the registered methods.

    Raises:
        InputError: The data, the generator or a parameter is not right, or code would be imported without permission.
    """
    if records is not None and records < 1:
        raise InputError(
            f"records must be at least 1, got {records}; leave it out for as many as the pool has"
        )
    progress = progress or NullProgress()
    chosen = GENERATORS.make(generator)
    if not allow_imports:
        refuse_imports(chosen)
    dataset = load(data)
    (pool, y), (test, _), (dev, _) = (_part(dataset, name) for name in ("pool", "test", "dev"))
    progress.stage("generator", 2)
    made = synthesise(chosen, pool, y, dataset.classes, records or len(pool), seed)
    progress.advance()
    candidates = np.concatenate([pool, test])
    members = np.arange(len(candidates)) < len(pool)
    scores, notes = {"nearest_neighbour": nearest_neighbour(candidates, made.x)}, list(dataset.notes)
    if len(dev):
        scores["domias"] = domias(candidates, made.x, dev)
    else:
        notes.append("domias was left out: it needs a dev part, as its reference")
    alike = [dataset.classes[c] for c in collapsed(made.x, made.y, pool, y)]
    auc = {name: _auc(score, members) for name, score in scores.items()}
    progress.advance()
    return Made(dataset, made, copied(made.x, pool, test), auc, alike, notes)


def _part(dataset: Dataset, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rows = dataset.parts[name]
    return dataset.x[rows], dataset.y[rows]


def _auc(scores: Array, members: NDArray[np.bool_]) -> Estimate:
    """The AUC of the scores [n]: one target, every record once."""
    n = len(scores)
    one, unused = np.zeros(n, np.intp), np.zeros(n, np.bool_)
    return Auc().estimate(Sample(scores, members, one, np.arange(n), unused))


def _strip(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to COLUMNS images [n, c, h, w] side by side on white, as [h + 1, COLUMNS (w + 1), 1 or 3]."""
    n, channels, h, w = images.shape
    strip = np.ones((channels, h + 1, COLUMNS, w + 1), np.float32)
    strip[:, :h, :n, :w] = images.transpose(1, 2, 0, 3)
    return strip.reshape(channels, h + 1, -1).transpose(1, 2, 0)
