"""Train one model by itself: by the plain loop, with DP-SGD, or against an adversary."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn.functional import cross_entropy

from ..core.seeds import derive
from .adversary import AdversarialLearner
from .device import at_work
from .history import History
from .loop import Learner
from .model import Model, inferred
from .private import PrivateLearner
from .random_streams import ModelStreams
from .recipe import Train
from .stage_data import StageData


def train_one(model: Model, material: StageData, number: int, report: Callable[[float], None]) -> History:
    """Train a model in place by stage `number` of its recipe; `material` is that of this model alone.

    `report` is called with the epochs done. A model that diverges is trained no further; its history says so.
    """
    stage = model.job.recipe.stages[number]
    assert isinstance(stage, Train)
    draws, history = ModelStreams(model.seed, number, material.device), History(stage.patience)
    best = None
    with at_work(model.job.engine), _own_stream(model, number):
        learner = _learner(model, material, stage, draws, number)
        model.network.train()
        for epoch in range(stage.epochs):
            started = time.perf_counter()
            learner.begin(epoch)
            total = sum(learner.step(order).double() * len(order) for order in learner.batches())
            train_loss = float(total) / learner.n  # which waits for a GPU once per epoch
            dev_loss = _dev_loss(model, material) if stage.patience else None
            history.add(train_loss, dev_loss, time.perf_counter() - started, learner.trace())
            if stage.patience and history.improved:
                best = {name: value.clone() for name, value in model.network.state_dict().items()}
            report(epoch + 1)
            if history.exhausted:
                break
        learner.finish()
    if best is not None:
        model.network.load_state_dict(best)
    model.network.eval()
    history.end(model.network)
    return history


def _learner(model: Model, material: StageData, stage: Train, draws: ModelStreams, number: int) -> Learner:
    if stage.privacy:
        return PrivateLearner(model, material, stage, draws)
    if stage.adversary:
        return AdversarialLearner(model, material, stage, draws, number)
    return Learner(model, material, stage, draws)


def _dev_loss(model: Model, material: StageData) -> float:
    dev = material.dev[0]
    return cross_entropy(inferred(model.network, material.dev_records(dev)), material.dev_y[dev]).item()


@contextmanager
def _own_stream(model: Model, number: int) -> Iterator[None]:
    """Inside, torch's own stream, from which dropout in a module draws, is the model's."""
    with torch.random.fork_rng(devices=[0] if model.job.engine.device == "cuda" else []):
        torch.manual_seed(derive(model.seed, number, "dropout"))
        yield
