"""The stacked engine: K models trained at once, each exactly as if it were alone.

Every model keeps its own members, order, dropout masks and augmentation, all from its own seed. Nothing flows
between models: the loss is a sum over them, and the optimiser treats each weight by itself.
"""

from collections.abc import Callable, Sequence

import torch

from ..device import at_work
from ..history import History
from ..model import Model
from ..networks.build import Network
from ..networks.headed import body_of
from ..networks.plain import CNN, MLP
from ..recipe import Train
from ..recipe.engine import LARGEST_STACKED_IMAGE
from ..stage_data import StageData
from .private import PrivateStage
from .stage import StackedStage


def stackable(networks: Sequence[Network], stage: Train, shape: tuple[int, ...]) -> bool:
    """Whether a stage that trains these networks can, and should, be one computation, on records of `shape`."""
    if stage.adversary:
        return False
    network = body_of(networks[0])
    small = isinstance(network, CNN) and shape[1] * shape[2] <= LARGEST_STACKED_IMAGE
    if not (isinstance(network, MLP) or small):
        return False
    shapes = [[p.shape for p in each.parameters()] for each in networks]
    return all(shape == shapes[0] for shape in shapes)  # pruned channels may differ between models


def train_stack(
    models: Sequence[Model], material: StageData, number: int, report: Callable[[float], None]
) -> list[History]:
    """Train the models in place by stage `number` of their recipe; `report` is called with the epochs done.

    A model that diverges does not affect the others; its history says so.
    """
    run = _stage(models, material, number)
    with at_work(models[0].job.engine), torch.no_grad():
        for epoch in range(run.stage.epochs):
            if run.live:
                run.epoch(epoch)
            report(epoch + 1)
    run.finish()
    return run.histories


def _stage(models: Sequence[Model], material: StageData, number: int) -> StackedStage:
    stage = models[0].job.recipe.stages[number]
    assert isinstance(stage, Train)
    kind = PrivateStage if stage.privacy else StackedStage
    return kind(models, material, number)
