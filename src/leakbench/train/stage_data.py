"""The data of a training stage: records, their targets, and the rows of each model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import InputError
from ..data.dataset import Dataset
from .model import Model, inferred
from .recipe import Distill, Train
from .steps.ensemble import member_logits
from .tensors import Normaliser, tensors


@dataclass(frozen=True, eq=False)
class StageData:
    """The records of a stage for K models, and their dev records, without needless copies.

    All tensors are on the models' device, except x and dev_x if a GPU has no room for them.
    """

    x: Tensor  # [n_all, ...]
    y: Tensor  # [n_all]
    rows: list[Tensor]  # [K] the rows of x that model k trains on
    soft: (
        list[Tensor] | None
    )  # [K] the teacher's distributions [n, C] for those rows, to be learned in place of y
    dev_x: Tensor
    dev_y: Tensor
    dev: list[Tensor]  # [K] rows of dev_x
    public: Tensor  # rows of dev_x
    normalise: Normaliser

    @property
    def device(self) -> torch.device:
        """Where the models train."""
        return self.y.device

    def records(self, rows: Tensor) -> Tensor:
        """The normalised records [n, ...] in the rows [n] of x."""
        return self.normalise(taken(self.x, rows))

    def dev_records(self, rows: Tensor) -> Tensor:
        """The normalised records [n, ...] in the rows [n] of dev_x."""
        return self.normalise(taken(self.dev_x, rows))

    def targets(self, k: int, order: Tensor) -> Tensor:
        """The targets of model k for its records number `order` [B]: labels [B] or distributions [B, C]."""
        return self.labels(k, order) if self.soft is None else self.soft[k][order]

    def labels(self, k: int, order: Tensor) -> Tensor:
        """The labels [B] of model k's records number `order` [B]."""
        return self.y[self.rows[k][order]]


def material(dataset: Dataset, models: Sequence[Model], number: int) -> StageData:
    """The material of stage `number` of the models, whose recipes are the same.

    Raises InputError where the data set has no public records that the stage needs.
    """
    stage = models[0].job.recipe.stages[number]
    assert isinstance(stage, Train)
    x, y = tensors(dataset, [model.job for model in models])
    device = y.device
    public = public_rows(dataset, models[0].job.recipe.needs_public).to(device)
    normalise = Normaliser(dataset.mean, dataset.std, device)
    own_x, own_y, rows = x, y, [torch.from_numpy(model.job.members).to(device) for model in models]
    if stage.on == "public":
        rows = [public] * len(models)
    elif stage.on == "synthetic":
        own_x, own_y, rows = _synthetic(models, device)
    soft = None
    if isinstance(stage, Distill):
        taught = [
            _taught(model, normalise(taken(own_x, r)), stage) for model, r in zip(models, rows, strict=True)
        ]
        rows = [r[kept] for r, (kept, _) in zip(rows, taught, strict=True)]
        soft = [targets for _, targets in taught]
    dev = [torch.from_numpy(model.job.dev).to(device) for model in models]
    return StageData(own_x, own_y, rows, soft, x, y, dev, public, normalise)


def public_rows(dataset: Dataset, needed: bool) -> Tensor:
    """The rows of the public part. Raises InputError if they are `needed` and there are none."""
    rows = torch.as_tensor(dataset.parts.get("public", ()), dtype=torch.int64)
    if needed and not len(rows):
        raise InputError(
            f"the study needs public records, and {dataset.name!r} has none; "
            "set `public` in the [data] table to how many to keep apart"
        )
    return rows


def taken(x: Tensor, rows: Tensor) -> Tensor:
    """The rows [n] of x, which may lie elsewhere, on the device of `rows`."""
    return x.index_select(0, rows.to(x.device)).to(rows.device)


def _synthetic(models: Sequence[Model], device: torch.device) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The models' synthetic records behind each other; models that share theirs share the rows too."""
    made = [model.synthetic for model in models if model.synthetic is not None]
    assert len(made) == len(models)  # by the `generate` stage that a recipe must have before
    distinct = list({id(s): s for s in made}.values())
    starts, start = {}, 0
    for s in distinct:
        starts[id(s)], start = start, start + len(s.y)
    x = (
        torch.cat([torch.from_numpy(s.x) for s in distinct])
        if len(distinct) > 1
        else torch.from_numpy(distinct[0].x)
    )
    y = torch.cat([torch.from_numpy(s.y) for s in distinct])
    rows = [torch.arange(starts[id(s)], starts[id(s)] + len(s.y), device=device) for s in made]
    return x.to(device), y.to(device), rows


def _taught(model: Model, records: Tensor, stage: Distill) -> tuple[Tensor, Tensor]:
    """The records [n] that the student keeps and the teacher's distributions for them [n, C]."""
    logits = member_logits(model, records) if stage.on == "members" else inferred(model.network, records)
    log_p = logits.log_softmax(dim=1)
    entropy = -(log_p.exp() * log_p).sum(dim=1)
    kept = entropy.argsort(stable=True)[: max(1, round(stage.keep_fraction * len(entropy)))].sort().values
    return kept, (logits[kept] / stage.temperature).softmax(dim=1)
