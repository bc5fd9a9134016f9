"""The page on the audit file names every array, and its examples run."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from leakbench.data.audit_file.names import NAMES, SCHEMA
from leakbench.data.audit_file.read import read

PAGE = (Path(__file__).parents[2] / "docs" / "audit-file.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python title=\"(\S+)\"\n(.*?)```", PAGE, re.DOTALL))


def test_every_name_is_in_the_table():
    table = PAGE.split("## Arrays")[1].split("At least one of")[0]
    first_cells = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z_<>]+)`", first_cells)) == NAMES | {"group_<name>"}
    assert f"`{SCHEMA}`" in PAGE


def test_there_are_examples():
    assert set(EXAMPLES) == {"numpy", "scikit-learn", "pytorch", "keras", "shadows"}
    assert all(len(text.splitlines()) <= 10 for text in EXAMPLES.values())


@pytest.mark.parametrize("name", ["numpy", "scikit-learn"])
def test_complete_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[name], {})
    given = read("audit.npz")
    assert given.models.signals.labels is not None
    correct = given.models.signals.statistics("correct")[0, 0]
    assert correct[given.models.members[0]].mean() > correct[~given.models.members[0]].mean()


def test_the_keras_example(tmp_path, monkeypatch):
    class Model:
        def predict(self, x, batch_size):
            return np.full((len(x), 4), 0.25, dtype=np.float32)

    monkeypatch.chdir(tmp_path)
    parts = {
        "x_train": np.ones((6, 2)),
        "x_test": np.ones((4, 2)),
        "y_train": np.zeros(6),
        "y_test": np.ones(4),
    }
    exec(EXAMPLES["keras"], {"model": Model(), **parts})
    assert read("audit.npz").models.members.sum() == 6


def test_the_shadows_example(tmp_path, monkeypatch):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, y, halves = rng.normal(size=(60, 3)), np.arange(60) % 3, rng.random((4, 60)) < 0.5
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES["shadows"], {"train": LogisticRegression().fit, "x": x, "y": y, "halves": halves})
    given = read("audit.npz")
    assert given.targets == (0, 1, 2, 3)
    assert given.models.signals.shape == (4, 1, 60)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_the_pytorch_example(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    members = np.arange(20) < 10
    x, y = torch.ones(20, 5), torch.zeros(20, dtype=torch.int64)
    exec(EXAMPLES["pytorch"], {"model": torch.nn.Linear(5, 3), "x": x, "y": y, "members": members})
    assert read("audit.npz").models.signals.shape == (1, 1, 20)
