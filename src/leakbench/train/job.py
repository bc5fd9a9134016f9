"""A training job: what is needed to make one model, as plain data; and what comes out of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..data.dataset import Indices
from .recipe import Ensemble, Recipe
from .recipe.engine import CPU, Engine


@dataclass(frozen=True, eq=False)
class Job:
    """Train one model by `recipe` on the rows `members` of a data set, from `seed`.

    `dev` are the rows on which early stopping measures the loss; they are no members. `shared_seed` is that of
    what all models have in common: synthetic records made from public ones. Raises InputError for indices that
    are not one-dimensional, not unique, negative, empty (members) or in both.
    """

    recipe: Recipe
    members: Indices
    dev: Indices
    seed: int
    shared_seed: int = 0
    engine: Engine = CPU

    def __post_init__(self) -> None:
        for name in ("members", "dev"):
            rows = np.asarray(getattr(self, name))
            if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
                raise InputError(f"{name} must be whole row numbers [n], got {rows.dtype} {list(rows.shape)}")
            object.__setattr__(self, name, rows.astype(np.int64, copy=False))
        if not len(self.members):
            raise InputError("members must be at least one row, got none")
        if self.recipe.needs_dev and not len(self.dev):
            raise InputError(
                "early stopping (patience), or an adversary whose reference is dev, needs dev records, got none; "
                "give dev or leave it out"
            )
        for stage in self.recipe.training:
            if isinstance(stage, Ensemble) and stage.leaves_out and len(self.members) < stage.size:
                raise InputError(
                    f"an ensemble of {stage.size} that leaves records out needs as many members, got "
                    f"{len(self.members)}; make it smaller"
                )
        rows = np.sort(np.concatenate([self.members, self.dev]))
        if rows[0] < 0 or (rows[1:] == rows[:-1]).any():
            raise InputError("members and dev must be different rows, none twice and none negative")

    def until(self, number: int) -> "Job":
        """The job that ends with stage `number` of this one: the same object each time."""
        if number not in self._parts:
            self._parts[number] = replace(self, recipe=self.recipe.until(number))
        return self._parts[number]

    @cached_property
    def _parts(self) -> dict[int, "Job"]:
        return {len(self.recipe.stages) - 1: self}

    def describe(self, fingerprint: str) -> dict[str, Any]:
        """Plain data that determines the model: what its key in the store is made from.

        `fingerprint` is the data set's. Two jobs with the same description give the same weights, up to
        floating point.
        """
        return {**self._own, "data": fingerprint}

    @cached_property
    def _own(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.describe(),
            "members": _digest(self.members),
            "dev": _digest(self.dev),
            "seed": int(self.seed),
            "shared_seed": int(self.shared_seed),
            "engine": self.engine.describe(),
        }


@dataclass(frozen=True, eq=False)
class Trained:
    """One model's weights, under the names of its module's `state_dict`, and the log of its making.

    `masks` are True where pruning left a weight, False where it holds it at zero; none where nothing was masked.
    The log has one entry a stage: the name of the `stage` and the `seconds` that it took; of a stage that
    trains also `epochs` run, `train_loss` of the last epoch, `dev_losses` of each (none without early stopping),
    and `epoch_seconds`, this model's share of each epoch's time. An ensemble logs the epochs of all its networks,
    one network after the other, and the mean of their last `train_loss`. A stage in which the model diverged says so
    under `diverged`, has no `train_loss`, and is the last that was run.

    `traces` [epochs, n] are the cross-entropies, in nats, of the job's members in each epoch of the last stage that
    trained on members, in the order of `members`: on the true label, as the batch met the record before the step,
    so augmented and with dropout. NaN where a record sat an epoch out (the only one left for a last batch, before
    a BatchNorm). None where that stage has mixup or privacy or leaves members out, and where there is none.
    """

    weights: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    log: list[dict[str, Any]]
    traces: np.ndarray | None = None


def diverged(log: Sequence[dict[str, Any]]) -> str | None:
    """The quantity that is not finite in a model with this log, and since when; None if all are finite."""
    return next((stage["diverged"] for stage in log if "diverged" in stage), None)


def groups(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    """The jobs in groups of at most `size` that can be trained at once: same recipe, same counts; order kept.

    Raises InputError if size is below 1.
    """
    if size < 1:
        raise InputError(f"size of a group must be at least 1, got {size}")
    alike: dict[tuple[Recipe, int, int], list[Job]] = {}
    for job in jobs:
        alike.setdefault(_shape(job), []).append(job)
    return [same[i : i + size] for same in alike.values() for i in range(0, len(same), size)]


def check_group(jobs: Sequence[Job]) -> None:
    """Raise InputError unless the jobs can be trained at once."""
    if not jobs:
        raise InputError("a group must have at least one job, got none")
    if len({_shape(job) for job in jobs}) > 1:
        raise InputError("jobs of a group must share recipe and numbers of members and dev; use `groups`")


def _shape(job: Job) -> tuple[Recipe, int, int]:
    return job.recipe, len(job.members), len(job.dev)


def _digest(rows: Indices) -> dict[str, Any]:
    return {"count": len(rows), "sha256": hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()}
