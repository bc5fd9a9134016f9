"""Students are trained as a plain loop trains them, and teachers share nothing but their beginning."""

from functools import partial

import numpy as np
import pytest
import torch

from leakbench.data.dataset import Dataset
from leakbench.signals.trajectories import metrics
from leakbench.train.job import Job
from leakbench.train.model import start
from leakbench.train.random_streams import ModelStreams
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.recipe.engine import Engine
from leakbench.train.recipe.settings import Optimiser
from leakbench.train.students import student_recipe, trajectories

EPOCHS, CLASSES = 3, 4


def data() -> Dataset:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 6)).astype(np.float32), np.arange(90) % CLASSES
    parts = {"pool": np.arange(50), "test": np.arange(50, 60), "public": np.arange(60, 90)}
    return Dataset("made up", x, y.astype(np.int64), tuple("abcd"), parts)


def recipe(architecture: Architecture) -> Recipe:
    optimiser = Optimiser(name="adam", lr=0.01)
    return student_recipe(Recipe(architecture, (Train(epochs=7, batch_size=8, optimiser=optimiser),)), EPOCHS)


def teachers(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).dirichlet(np.ones(CLASSES), size=(n, 30)))


def slow(dataset: Dataset, recipe: Recipe, teacher: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A plain loop: torch's Adam, the cross-entropy written out, one teacher."""
    model = start(dataset, Job(recipe, dataset.parts["public"], np.empty(0, np.int64), 5))
    x = torch.from_numpy(dataset.x)
    found = []
    for epoch in range(EPOCHS):
        optimiser = torch.optim.Adam(model.network.parameters(), lr=0.01)
        order = ModelStreams(5, epoch, torch.device("cpu")).order(30)
        for batch in torch.split(order, 8):
            log_f = model.network(x[60 + batch]).log_softmax(dim=1)
            loss = -(torch.from_numpy(teacher).float()[batch] * log_f).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            found.append(metrics(model.network(x[rows]).double().numpy(), dataset.y[rows]))
    return np.concatenate(found)


def test_students_are_those_of_a_plain_loop_and_do_not_depend_on_each_other() -> None:
    dataset, rows, taught = data(), np.arange(0, 50, 2), teachers(3)
    own, measure = recipe(Architecture("mlp", hidden=(12,))), partial(metrics, y=dataset.y[rows])
    found = trajectories(dataset, own, taught, rows, measure, 5, Engine())
    assert found.shape == (3, 5 * EPOCHS, 25) and found.dtype == np.float32
    for m, teacher in enumerate(taught):
        np.testing.assert_allclose(found[m], slow(dataset, own, teacher, rows), rtol=2e-3, atol=1e-4)
    alone = trajectories(dataset, own, taught[1:2], rows, measure, 5, Engine())
    np.testing.assert_allclose(alone[0], found[1], rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 0.01  # the teachers differ


def test_networks_that_cannot_be_stacked_are_trained_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, rows, taught = data(), np.arange(10), teachers(2)
    own, measure = recipe(Architecture("mlp", hidden=(12,))), partial(metrics, y=dataset.y[rows])
    together = trajectories(dataset, own, taught, rows, measure, 5, Engine())
    for name in ("students", "run_stages"):
        monkeypatch.setattr(f"leakbench.train.{name}.stackable", lambda *about: False)
    apart = trajectories(dataset, own, taught, rows, measure, 5, Engine())
    np.testing.assert_allclose(apart, together, rtol=1e-3, atol=1e-5)
