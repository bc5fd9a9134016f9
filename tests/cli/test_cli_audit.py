"""`leakbench audit` from a file to a report, and every kind of bad input: one line, exit code 2, nothing written."""

import json
import os
import re
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest

from leakbench.cli.app import main
from leakbench.report.results import Results

N, C = 400, 4


def outputs():
    rng = np.random.default_rng(0)
    members, labels = np.arange(N) % 2 == 0, rng.integers(0, C, N)
    logits = rng.normal(size=(N, C))
    logits[np.arange(N), labels] += np.where(members, 3.0, 1.0)
    return {"logits": logits, "labels": labels, "members": members}


@pytest.fixture
def audit_file(tmp_path):
    np.savez(tmp_path / "outputs.npz", **outputs())
    return tmp_path / "outputs.npz"


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "leakbench", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def refused(code, stderr, says, *paths):
    """One line on stderr, code 2, and nothing half-written; on a slow machine lines of progress come before it."""
    assert code == 2, stderr
    *progress, last = stderr.splitlines()
    assert last.startswith("error: ") and says in last
    assert all(re.fullmatch(r"[a-z ]+: \d+ of \d+.*", line) for line in progress), stderr
    for path in paths:
        assert not path.exists()


@pytest.fixture
def refuses(capsys):
    """Holds that the command line with these arguments is refused."""

    def check(says, *arguments, absent=()):
        code = main([*map(str, arguments)])
        refused(code, capsys.readouterr().err, says, *absent)

    return check


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What an audit with one attack found, as one JSON object."""
    out = tmp_path_factory.mktemp("report")
    np.savez(out / "outputs.npz", **outputs())
    assert main(["audit", str(out / "outputs.npz"), "--out", str(out / "r"), "--attacks", "loss"]) == 0
    return json.dumps(Results.load(out / "r").to_dict() | {"tables": {}, "identity": ""})


def test_from_a_file_to_a_report(audit_file, tmp_path):
    out = tmp_path / "new" / "report"
    ascii_alone = os.environ | {"PYTHONIOENCODING": "ascii"}  # of a terminal
    given = ["audit", audit_file, "--out", out, "--attacks", "loss,gap", "--title", "Model 7"]
    done = command(*given, env=ascii_alone)
    assert done.returncode == 0, done.stderr
    assert str(out / "report.html") in done.stdout and "loss" in done.stdout
    assert {p.name for p in out.iterdir()} == {
        "report.html",
        "report.json",
        "results.parquet",
        "records.parquet",
        "scores.parquet",
        "curves.parquet",
    }
    plain = json.loads((out / "report.json").read_text())
    assert plain["title"] == "Model 7"
    rows = pq.read_table(out / "results.parquet").to_pylist()
    assert {row["attack"] for row in rows} >= {"loss", "gap"} and "results" not in plain
    auc = next(r for r in rows if (r["attack"], r["metric"], r["slice"]) == ("loss", "auc", "all"))
    assert 0.5 < auc["lo"] < auc["value"] < auc["hi"] < 1


def test_the_same_from_python(audit_file, tmp_path):
    import leakbench

    assert (
        main(
            ["audit", str(audit_file), "--out", str(tmp_path / "a"), "--attacks", "loss,lira", "--seed", "3"]
        )
        == 0
    )
    there = Results.load(tmp_path / "a")
    here = leakbench.audit(**outputs(), attacks=["loss", "lira"], seed=3)
    assert there.to_dict()["results"] == here.to_dict()["results"]


def test_a_table_whose_columns_are_chosen(tmp_path, capsys):
    """Two lines say what was understood; the results are those of the same arrays."""
    import leakbench

    given, classes = outputs(), ["a", "b", "c", "d"]
    with (tmp_path / "a.csv").open("w") as file:
        print("id;split;diagnosis;" + ";".join(f"z_{name}" for name in classes), file=file)
        for i, z in enumerate(given["logits"]):
            split, label = "train" if given["members"][i] else "test", classes[given["labels"][i]]
            print(i, split, label, *(repr(float(v)).replace(".", ",") for v in z), sep=";", file=file)
    told = ["--members", "split=train", "--labels", "diagnosis", "--logits", "z_*", "--decimal", ","]
    out = tmp_path / "report"
    assert main(["audit", str(tmp_path / "a.csv"), *told, "--out", str(out), "--attacks", "loss,gap"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "400 records, 4 classes, members where split = train: 200, non-members: 200",
        "labels: diagnosis; logits: z_a, z_b, z_c, z_d of classes a, b, c, d",
    ]
    assert "note: not used: id" in said
    here = leakbench.audit(**given, class_names=classes, attacks=["loss", "gap"])
    assert Results.load(out).to_dict()["results"] == here.to_dict()["results"]


def test_a_choice_of_columns_that_is_refused(tmp_path, refuses):
    (tmp_path / "a.csv").write_text("split,y,p\ntrain,0,.5\ntest,1,.5\nval,1,.5\n")
    told = ["--members", "split=train", "--labels", "y", "--probs", "p", "--out", tmp_path / "r"]
    refuses(
        "say which records are the non-members", "audit", tmp_path / "a.csv", *told, absent=[tmp_path / "r"]
    )
    told[1] = "split"
    refuses("say which of them are the members", "audit", tmp_path / "a.csv", *told, absent=[tmp_path / "r"])


def test_a_workbook_without_its_reader(tmp_path, refuses, monkeypatch):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    monkeypatch.setattr("leakbench.core.errors.find_spec", lambda name: None)
    refuses("pip install 'leakbench[xlsx]'", "audit", tmp_path / "a.xlsx", "--out", tmp_path / "r")


def test_report_draws_the_page_again(audit_file, tmp_path, capsys):
    out = tmp_path / "a"
    assert main(["audit", str(audit_file), "--out", str(out), "--attacks", "loss"]) == 0
    before = (out / "report.html").read_text(), (out / "report.json").read_text()
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert ((out / "report.html").read_text(), (out / "report.json").read_text()) == before
    assert str(out / "report.html") in capsys.readouterr().out


def spoil(**changes):
    return lambda arrays: arrays | changes


def nan_logits(arrays):
    arrays["logits"][5, 1] = np.nan
    return arrays


BAD = {
    "NaN": (
        nan_logits,
        "logits must be finite, got 1 NaN or infinite of 1600 values, the first at record 5, class 1",
    ),
    "labels": (lambda a: a | {"labels": a["labels"] + 1}, "they start at 1"),
    "probabilities": (lambda a: {"probs": np.full((N, C), 0.3), "members": a["members"]}, "sum to 1"),
    "shape": (lambda a: a | {"logits": a["logits"].T}, "axis 0 is 4; transpose it: logits.T"),
    "all members": (spoil(members=np.ones(N)), "got all of 400 marked"),
    "no members": (spoil(members=np.zeros(N)), "got none of 400 marked"),
    "no membership": (lambda a: {"logits": a["logits"]}, "'members' is missing"),
    "a typo": (spoil(shadow_logit_=np.ones(3)), "did you mean 'shadow_logits'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path, capsys, case):
    change, says = BAD[case]
    path, out = tmp_path / "outputs.npz", tmp_path / "report"
    np.savez(path, **change(outputs()))
    code = main(["audit", str(path), "--out", str(out)])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.startswith(f"error: {path}: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert not out.exists()


def test_a_file_that_is_not_what_its_name_says(audit_file, tmp_path, refuses):
    path, out = audit_file.rename(tmp_path / "outputs.csv"), tmp_path / "r"
    refuses("is no .csv file", "audit", path, "--out", out, absent=[out])


def test_no_file(tmp_path, refuses):
    refuses("No such file", "audit", tmp_path / "x.npz", "--out", tmp_path / "r", absent=[tmp_path / "r"])


def test_an_unknown_attack(audit_file, tmp_path, capsys):
    assert main(["audit", str(audit_file), "--out", str(tmp_path / "r"), "--attacks", "lirra,loss"]) == 2
    assert "did you mean 'lira'" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_out_is_a_file(audit_file, tmp_path, capsys, below):
    (tmp_path / "taken").write_text("mine")
    assert main(["audit", str(audit_file), "--out", f"{tmp_path}/taken{below}"]) == 2
    assert "--out must be a folder, but" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_out_is_a_broken_link(audit_file, tmp_path, capsys):
    (tmp_path / "link").symlink_to(tmp_path / "nothing" / "here")
    assert main(["audit", str(audit_file), "--out", f"{tmp_path}/link"]) == 2
    said = capsys.readouterr().err
    assert "link is a broken link; choose another place" in said and said.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_out_cannot_be_written(audit_file, capsys):
    assert main(["audit", str(audit_file), "--out", "/proc/report"]) == 2
    assert "--out must be a folder that can be written, got /proc/report" in capsys.readouterr().err


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_out_is_not_ours(audit_file, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["audit", str(audit_file), "--out", str(tmp_path / "locked" / "r")]) == 2
    assert "Permission denied" in capsys.readouterr().err


@contextmanager
def no_space(limit):
    """As on a full disk: no file grows beyond `limit` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_found_before_any_work(audit_file, tmp_path, refuses):
    given = ["audit", audit_file, "--out", tmp_path / "r", "--attacks", "loss"]
    with no_space(1000):
        refuses("--out must be a folder that can be written", *given, absent=[tmp_path / "r"])


def test_a_disk_that_fills_up_leaves_nothing_half_written(audit_file, tmp_path, refuses):
    out = tmp_path / "r"
    with no_space(5000):
        refuses("File too large", "audit", audit_file, "--out", out, "--attacks", "loss")
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"schema": "other"}'])
def test_a_report_that_is_none_of_ours(tmp_path, capsys, content):
    (tmp_path / "report.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("records", "options", "says"),
    [
        (10, [], "at least 20 records as members and 20 as non-members, got 5 and 5"),
        (N, ["--attacks", "lira"], "no attack can run: lira was left out: it needs shadow models"),
        (N, ["--attacks", "scores,"], "no attack can run: scores was left out: it needs ready scores"),
    ],
)
def test_an_audit_that_can_measure_nothing_is_refused(tmp_path, refuses, records, options, says):
    path, out = tmp_path / "few.npz", tmp_path / "out"
    np.savez(path, **{name: array[:records] for name, array in outputs().items()})
    refuses(says, "audit", path, "--out", out, *options, absent=[out])


def test_a_population_without_labels_is_refused(tmp_path, refuses):
    path, given = tmp_path / "population.npz", outputs()
    np.savez(path, **given, population_logits=given["logits"])
    refuses("needs population_labels [400]", "audit", path, "--out", tmp_path / "out")


def test_an_empty_folder_name_is_refused(audit_file, refuses):
    refuses("--out must be a folder, got an empty name", "audit", audit_file, "--out", "")


POINTS = {name: [0.0, 1.0] for name in ("fpr", "tpr", "lo", "hi")}
CURVE = {"defence": "none", "attack": "loss", "adaptive": None, **POINTS}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plain: plain.pop("results"), "'results' is missing"),
        (lambda plain: plain["results"][0].update(value="much"), "0.value must be a number, got 'much'; run"),
        (lambda plain: plain["results"][0].pop("metric"), "0.metric: Field required"),
        (lambda plain: plain["flags"].append(3), "'int' object has no attribute 'items'"),
        (lambda plain: plain.update(curves=[CURVE | {"fpr": [0.0, "x"]}]), "0.fpr"),
        (lambda plain: plain.update(more=1), "more"),
    ],
)
def test_a_report_that_was_edited_is_refused(tmp_path, report, refuses, change, says):
    plain = json.loads(report)
    change(plain)
    (tmp_path / "report.json").write_text(json.dumps(plain))
    refuses(says, "report", tmp_path)


def test_a_value_that_is_no_number_survives_the_report(tmp_path, report):
    plain = json.loads(report)
    plain["results"][0]["value"] = None
    (tmp_path / "report.json").write_text(json.dumps(plain))
    assert np.isnan(Results.load(tmp_path).rows[0].value)


def test_tables_are_printed_whatever_the_terminal_says_of_itself(tmp_path, report, capsys, monkeypatch):
    (tmp_path / "report.json").write_text(report)
    for columns in ("", "wide"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["report", str(tmp_path)]) == 0
        assert "loss" in capsys.readouterr().out
