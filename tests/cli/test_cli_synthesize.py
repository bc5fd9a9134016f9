"""`leakbench synthesize` through the real entry point, on real data."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from leakbench.cli.app import main
from leakbench.data import load
from leakbench.generators import GENERATORS, synthesise


@pytest.fixture
def table(tmp_path):
    """Two classes of correlated numbers and a bit, as a CSV with class names."""
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], 150)
    x = rng.normal(size=(300, 2)) + 3 * (y == "yes")[:, None]
    rows = [f"{a:.3f},{b:.3f},{i % 2},{label}" for i, ((a, b), label) in enumerate(zip(x, y, strict=True))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["a,b,bit,label", *rows]))
    return path


def test_what_was_left_out_of_the_data_is_told_on_stderr(table, capsys):
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"row,{header}", *(f"{n},{line}" for n, line in enumerate(lines))]))
    given = ["synthesize", str(table), "--generator", "bootstrap", "--out", str(table.parent / "made")]
    assert main(given) == 0
    assert "note: the column 'row' was left out: it numbers or names" in capsys.readouterr().err


def ran(capsys, *arguments):
    assert main(["synthesize", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_table_is_made_measured_and_readable_again(table, capsys):
    out = table.parent / "made"
    shown = ran(capsys, table, "--generator", "gaussian_copula", "--out", out, "--records", 90)
    assert sorted(p.name for p in out.iterdir()) == ["synthetic.npz"]
    assert str(out / "synthetic.npz") in shown.replace("\n", "")
    assert re.search(r"records +90 of 2 classes", shown)
    assert re.search(r"copies of a record fitted on +0\.\d+ \(of real records held out: 0\.\d+\)", shown)
    for attack in ("nearest_neighbour", "domias"):
        value, lo, hi = map(float, re.search(rf"AUC of {attack} +(\S+) \[(\S+), (\S+)\]", shown).groups())
        assert 0 <= lo < value < hi <= 1
    assert re.search(r"collapsed classes +none", shown)
    with np.load(out / "synthetic.npz", allow_pickle=False) as made:
        assert made["x"].shape == (90, 3)
        assert made["x"].dtype == np.float32
        assert np.bincount(made["y"]).tolist() == [45, 45]
        assert made["classes"].tolist() == ["no", "yes"]
        again = load(out / "synthetic.npz")
        assert len(again.y) == 90
        real = load(table)
        reused = synthesise(
            GENERATORS.make({"name": "files", "path": str(out / "synthetic.npz")}),
            real.x,
            real.y,
            real.classes,
            90,
            0,
        )
        assert set(map(tuple, reused.x)) == set(map(tuple, made["x"]))


@pytest.mark.parametrize("name", ["synthetic.npz", "samples.png"])
def test_files_of_the_user_are_not_replaced_and_ours_are(table, capsys, name):
    out = table.parent / "made"
    command = ["synthesize", str(table), "--generator", "bootstrap", "--out", str(out), "--records", "20"]
    assert main(command) == 0 and main(command) == 0
    with np.load(out / "synthetic.npz", allow_pickle=False) as made:
        mine = dict(made)
    (out / "synthetic.npz").unlink()
    if name == "synthetic.npz":
        np.savez(out / name, **mine)
    else:
        Figure().savefig(out / name)
    before = (out / name).read_bytes()
    assert main(command) == 2
    assert f"error: {out / name} would be replaced, but leakbench did not" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [name] and (out / name).read_bytes() == before


def test_the_seed_and_the_parameters_reach_the_generator(table, capsys):
    made = {}
    for name, more in {"a": [], "b": [], "seed": ["--seed", 1], "set": ["--set", "shrinkage=1"]}.items():
        ran(capsys, table, "--generator", "gaussian_copula", "--out", table.parent / name, *more)
        made[name] = (table.parent / name / "synthetic.npz").read_bytes()
    assert made["a"] == made["b"]
    assert len(set(made.values())) == 3


def test_copies_of_images_are_found_and_drawn(tmp_path, capsys):
    from PIL import Image

    shown = ran(capsys, "digits", "--generator", "bootstrap", "--out", tmp_path, "--records", 6000)
    assert re.search(r"copies of a record fitted on +1\.0000 \(of real records held out: 0\.0000\)", shown)
    for attack in ("nearest_neighbour", "domias"):
        assert float(re.search(rf"AUC of {attack} +(\S+)", shown)[1]) > 0.95
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.width > 500 and picture.height > 500
        assert len(set(picture.convert("L").tobytes())) > 16


def test_a_collapsed_class_is_named(tmp_path, capsys):
    data = load("digits")
    x = data.x.copy()
    x[data.y == 3] = x[data.y == 3][0]
    np.savez(tmp_path / "alike.npz", x=x, y=data.y)
    path = f"path={tmp_path / 'alike.npz'}"
    shown = ran(capsys, "digits", "--generator", "files", "--out", tmp_path / "out", "--set", path)
    assert re.search(r"collapsed classes +3 *\n", shown)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["digts", "--generator", "bootstrap"], "did you mean 'digits'"),
        (["digits", "--generator", "bootsrap"], "did you mean 'bootstrap'"),
        (["digits"], "'--generator'"),
        (["digits", "--generator", "gaussian_copula"], "does not make images"),
        (["digits", "--generator", "image_vae", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["digits", "--generator", "image_vae", "--set", "epochs=many"], "epochs"),
        (["digits", "--generator", "bootstrap", "--records", "0"], "records must be at least 1, got 0"),
        (["no/such.csv", "--generator", "bootstrap"], "no/such.csv"),
    ],
)
def test_slips_are_one_line_and_leave_nothing(tmp_path, capsys, arguments, says):
    out = tmp_path / "out"
    assert main(["synthesize", *arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("error: ")
    assert captured.err.count("error") == 1
    assert says in captured.err
    assert not out.exists()


def test_an_output_folder_that_is_a_file(table, capsys):
    assert main(["synthesize", str(table), "--generator", "bootstrap", "--out", str(table)]) == 2
    assert "--out must be a folder, but" in capsys.readouterr().err


def test_a_failure_to_write_keeps_what_was_there(tmp_path, capsys, monkeypatch):
    ran(capsys, "digits", "--generator", "bootstrap", "--out", tmp_path, "--records", 20)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    import os

    moves = iter([None, OSError(28, "No space left on device")])
    real = os.replace

    def full(source, target):
        if (error := next(moves, None)) is not None:
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert (
        main(["synthesize", "digits", "--generator", "bootstrap", "--out", str(tmp_path), "--records", "30"])
        == 2
    )
    assert "No space left on device" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
