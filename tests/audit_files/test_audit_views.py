"""Views with names: which of them perturb, and how far."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from leakbench.cli.app import app
from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import from_arrays, read

NAMES = ["identity", "noise:0.4", "flip", "noise:0.4", "noise:0.8"]


def arrays(m: int = 8, n: int = 400, leak: float = 1.0) -> dict:
    """Complementary pairs of models whose logits say nothing beside the class, which is right more often on members."""
    rng = np.random.default_rng(0)
    half = rng.random((m // 2, n)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(m, n)
    labels = rng.integers(3, size=n)
    z = rng.normal(size=(m, len(NAMES), n, 3))
    z += (np.arange(3) == labels[:, None]) * (
        0.5 + rng.normal(size=(n, 1)) + leak * members[:, None, :, None]
    )
    return {"logits": z, "labels": labels, "members": members, "views": NAMES}


def test_perturbed_views_are_kept_from_other_attacks(tmp_path: Path) -> None:
    given = arrays()
    bare = {**given, "logits": given["logits"][:, [0, 2]], "views": ["identity", "flip"]}
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, array in given.items():
        np.save(folder / f"{name}.npy", np.asarray(array))
    for whole in (from_arrays(**given), read(folder)):
        signals, plain = whole.models.signals, from_arrays(**bare).models.signals
        assert signals.views == ("identity", "flip", "noise:0.4", "noise:0.4", "noise:0.8")
        assert np.bincount(signals.distances).tolist() == [1, 1, 2, 1]
        right = given["logits"].argmax(axis=-1) == given["labels"]
        for m in (0, 7):
            assert np.array_equal(signals.statistic("loss", m), plain.statistic("loss", m))
            assert np.array_equal(signals.statistic("label_correct", m), right[m][[0, 2, 1, 3, 4]])


def test_views_without_names_are_of_one_distance() -> None:
    signals = from_arrays(**{k: v for k, v in arrays().items() if k != "views"}).models.signals
    assert signals.offers("label_correct") and np.bincount(signals.distances).tolist() == [5]


def test_an_audit_of_a_masked_model_is_flagged(tmp_path: Path) -> None:
    """Released probabilities are those of the class alone in the plain view, and the views tell more."""
    given = arrays(n=1500, leak=1.5)
    z = given.pop("logits")
    given["probs"] = np.eye(3)[z.argmax(axis=-1)] * 0.7 + 0.1
    np.savez(tmp_path / "masked.npz", **given)
    attacks = ["--attacks", "loss,lira,label_only_boosted"]
    out = tmp_path / "report"
    shown = CliRunner().invoke(app, ["audit", str(tmp_path / "masked.npz"), "--out", str(out), *attacks])
    assert shown.exit_code == 0, shown.output
    assert "label_only_boosted reads labels alone" in (out / "report.json").read_text()


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (["identity"], r"views must be one name a view, text \[5\]"),
        ([1, 2, 3, 4, 5], "views must be one name a view"),
        (["identity", "", "a", "b", "c"], "printable"),
        (["identity", "noise:x", "a", "b", "c"], "a perturbation must be"),
        (["identity", "noise:0.4x2", "a", "b", "c"], "by its size alone, 'noise:0.4'"),
        (["noise:1"] * 5, "one that is not perturbed"),
    ],
)
def test_names_that_say_nothing_are_refused(views: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_arrays(**{**arrays(), "views": views})
