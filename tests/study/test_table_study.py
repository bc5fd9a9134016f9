"""A study of a CSV table: networks see it standardised, and what the reader noted stands in the results."""

from pathlib import Path

import numpy as np
import pytest
import torch

from leakbench.cli.app import main
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.pipeline.synthesize import synthesize
from leakbench.train.tensors import Normaliser


def test_a_table_in_large_units_is_learned_and_its_notes_reach_the_results(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    cells = [["?" if i == 3 else f"{1e7 + 1e6 * a:.0f}", f"{1e-6 * b:.3e}"] for i, (a, b) in enumerate(x)]
    rows = [f"{i},{','.join(row)},{'yes' if x[i].sum() > 0 else 'no'}" for i, row in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join([",income,share,label", *rows]) + "\n")
    table = {
        "data": {"path": str(tmp_path / "t.csv"), "missing": "?"},
        "design": {"name": "random_half", "models": 2},
        "architecture": {"hidden": [16]},
        "stages": [{"epochs": 20, "batch_size": 16}],
        "attacks": ["loss"],
    }
    results = run(Study.of(table), tmp_path / "store", processes=1)
    (accuracy,) = results.find(metric="accuracy", target="all")
    assert accuracy.value > 0.9
    assert {
        "the column '' was left out: it numbers or names the records",
        "missing numbers were imputed with the median outside the test part: income",
    } <= set(results.notes)
    assert Study.of(results.study).describe() == results.study


def test_records_that_occur_twice_are_one_record_under_every_defence(tmp_path: Path) -> None:
    """Noise gives copies unlike outputs, so that a difference of two defences found other records in each."""
    x = np.random.default_rng(0).normal(size=(300, 2))
    lines = [f"{a},{b},{'yes' if a + b > 0 else 'no'}" for a, b in x]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label", *lines, *lines[:100]]) + "\n")
    table = {
        "data": {"path": str(tmp_path / "t.csv")},
        "design": {"name": "random_half", "models": 2},
        "architecture": {"hidden": [8]},
        "stages": [{"epochs": 2, "batch_size": 16}],
        "defences": ["none", {"name": "laplace_noise", "scale": 0.1}],
        "attacks": ["loss"],
        "metrics": ["auc"],
    }
    results = run(Study.of(table), tmp_path / "store", processes=1)
    assert results.find(metric="auc-difference", defence="laplace_noise", slice="all", target="all")
    copied = {flag.defence: flag.message for flag in results.flags if flag.code == "F16"}
    assert copied["none"] == copied["laplace_noise"]


def test_a_table_and_images_are_normalised_along_their_own_axis() -> None:
    normalise = Normaliser((1.0, 2.0), (2.0, 4.0))
    table, images = torch.ones(3, 5, 2), torch.ones(5, 2, 3, 3)
    assert normalise(table).shape == table.shape and normalise(images).shape == images.shape
    assert torch.equal(normalise(table)[0, 0], torch.tensor([0.0, -0.25]))
    assert torch.equal(normalise(table[0])[0], torch.tensor([0.0, -0.25]))
    assert torch.equal(normalise(images)[0, :, 0, 0], torch.tensor([0.0, -0.25]))


def test_what_was_noted_of_a_table_is_told_by_synthesize(tmp_path: Path) -> None:
    rows = [f"{i},{i % 7},{i % 2}" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["id,a,label", *rows]) + "\n")
    made = synthesize(tmp_path / "t.csv", "bootstrap", seed=0)
    assert made.notes == ["the column 'id' was left out: it numbers or names the records"]


def test_what_was_noted_of_a_table_is_told_before_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{i},{i % 7},{i % 2}" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["id,a,label", *rows]) + "\n")
    (tmp_path / "study.toml").write_text(
        f'attacks = ["loss"]\n[data]\npath = "{tmp_path / "t.csv"}"\n[design]\nname = "random_half"\nmodels = 2\n'
        "[[stages]]\nepochs = 1\n[architecture]\nhidden = [4]\n"
    )
    folders = ["--out", str(tmp_path / "report"), "--store", str(tmp_path / "store")]
    assert main(["run", str(tmp_path / "study.toml"), *folders, "--dry-run"]) == 0
    assert "note: the column 'id' was left out: it numbers or names the records" in capsys.readouterr().err
