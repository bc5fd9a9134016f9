"""What is printed, and where it cannot be: closed pipes, full disks, names that steer a terminal, notes, warnings."""

import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from leakbench.cli import app as cli
from leakbench.cli.app import terminal
from leakbench.core.log import captured, event, logged_to, root_logger_kept
from leakbench.core.printable import printable
from leakbench.core.progress import LineProgress
from leakbench.core.results import Flag, Row
from leakbench.report.notes import MOST_NAMES, grouped
from leakbench.report.results import Results

STEERING = "\x1b]0;owned\x07\x1b[31m\x9b2J\r\nerror: fake\u2028\u202e\udcff"
FILES = {
    "report.html",
    "report.json",
    "results.parquet",
    "records.parquet",
    "scores.parquet",
    "curves.parquet",
}


@pytest.fixture
def audit_file(tmp_path):
    rng = np.random.default_rng(0)
    members = np.arange(100) % 2 == 0
    np.savez(tmp_path / "a.npz", losses=rng.exponential(1.0 + ~members), members=members)
    return tmp_path / "a.npz"


def gone() -> int:
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def command(*arguments, **options):
    given = [sys.executable, "-m", "leakbench", *map(str, arguments)]
    return subprocess.run(given, text=True, timeout=120, check=False, **options)


def audit(file, out, **options):
    return command("audit", file, "--out", out, "--attacks", "loss,lira", **options)


def test_readers_that_left_end_no_work(audit_file, tmp_path):
    out = tmp_path / "r"
    done = audit(audit_file, out, stdout=gone(), stderr=subprocess.STDOUT)
    assert done.returncode == 141
    assert {path.name for path in out.iterdir()} == FILES
    (out / "report.html").unlink()
    done = command("report", out, stdout=gone(), stderr=subprocess.PIPE)
    assert done.returncode == 141
    assert re.fullmatch(r"note: lira was left out: .*\n", done.stderr)
    assert (out / "report.html").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_behind_stdout_is_one_line(tmp_path):
    Results("audit", "x", [Row("auc", 0.6, 0.5, 0.7, 9, 9, "loss")]).save(tmp_path)
    (tmp_path / "report.html").unlink()
    with open("/dev/full", "w") as full:
        done = command("report", tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "error: cannot write to stdout: No space left on device\n")
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_taken_as_unwanted(tmp_path, closed):
    Results("audit", "x", [Row("auc", 0.6, 0.5, 0.7, 9, 9, "loss")], notes=["n"]).save(tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    line = f'"$0" -m leakbench report "$1" {closed}'
    done = subprocess.run(["sh", "-c", line, sys.executable, tmp_path], capture_output=True, check=False)
    assert done.returncode == 0
    assert (tmp_path / "report.json").read_bytes() == before
    assert b"Traceback" not in done.stderr and b"error" not in done.stdout


def harmless(text: str) -> bool:
    return all(printable(line) == line for line in text.split("\n"))


def test_escapes_take_the_place_of_what_steers_a_terminal():
    assert harmless(printable(STEERING)) and "\n" not in printable(STEERING)
    assert printable("café — 日本, नमस्ते\u200d ‌ é\u0301") == "café — 日本, नमस्ते\u200d ‌ é\u0301"
    assert printable("\udcff\x7f") == r"\udcff\x7f"


def hostile() -> Results:
    """Every name would steer a terminal."""
    h = STEERING
    of = {"n_members": 500, "n_nonmembers": 500, "adaptive": True}
    rows = [
        Row(metric, 0.6, 0.55, 0.65, attack=attack, defence=defence, selected=h, **of)
        for metric in ("auc", "tpr@fpr=0.1")
        for attack in ("best", h)
        for defence in ("none", h)
    ]
    rows += [Row("js_entropy", 0.6, 0.5, 0.7, defence=h), Row("accuracy", 0.6, 0.5, 0.7, defence=h)]
    rows += [Row("auc-difference", -0.1, -0.2, -0.05, attack="best", defence=h, **of)]
    return Results("run", h, rows, flags=[Flag(h, h, h, h, h)], notes=[h, f"{h} was left out: {h}"])


@pytest.mark.parametrize("kind", ["run", "audit"])
def test_names_do_not_steer_the_terminal(kind, tmp_path, capsys):
    results = hostile()
    terminal.show(
        Results(kind, results.title, results.rows, flags=results.flags, notes=results.notes), Path(STEERING)
    )
    LineProgress(sys.stderr).say(STEERING)
    shown = capsys.readouterr()
    assert harmless(shown.out) and harmless(shown.err)
    assert r"\x1b]0;owned" in shown.out and r"\x1b]0;owned" in shown.err
    assert not any(line.startswith("error: fake") for line in (shown.out + shown.err).splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", STEERING, "--out", "r"],
        ["audit", "hostile.npz", "--out", "r"],
        ["audit", "a.npz", "--out", "r", "--attacks", STEERING],
        ["list", STEERING],
        [f"--{STEERING}"],
        ["report", STEERING],
    ],
)
def test_errors_do_not_steer_the_terminal(arguments, audit_file, capsys, monkeypatch):
    monkeypatch.chdir(audit_file.parent)
    names = {"shadow_logit\x1b[31m": np.ones(3), "members": np.ones(3), "losses": np.ones(3)}
    np.savez("hostile.npz", **names)
    assert cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert harmless(shown) and shown.count("\n") == 1


def test_rich_reads_no_markup_in_names(capsys):
    class Made:
        notes = ()

        def summary(self):
            return {"collapsed classes": "[/] [bold]x[/bold] \x1b[31m"}

    terminal.show_made(Made(), Path("made"))
    assert r"[/] [bold]x[/bold] \x1b[31m" in capsys.readouterr().out


def test_notes_with_one_reason_are_one_line():
    many = [f"attack{k} was left out: it needs shadow models" for k in range(MOST_NAMES + 3)]
    (line,) = grouped([*many, *many])
    assert line.startswith("attack0, attack1, ") and line.endswith(
        " and 3 more were left out: each needs shadow models"
    )
    assert grouped(["a was left out: x", "not used: b", "c was left out: y"]) == [
        "a was left out: x",
        "not used: b",
        "c was left out: y",
    ]


def test_notes_are_told_on_stderr(audit_file, tmp_path, capsys):
    np.savez(tmp_path / "b.npz", **dict(np.load(audit_file)), weather=np.ones(3))
    assert (
        cli.main(
            ["audit", str(tmp_path / "b.npz"), "--out", str(tmp_path / "r"), "--attacks", "loss,lira,rmia"]
        )
        == 0
    )
    first = capsys.readouterr()
    told = [line for line in first.err.splitlines() if line.startswith("note: ")]
    assert told[0] == "note: not used: weather"
    assert [line.partition(" were left out: ")[0] for line in told[1:]] == ["note: lira and rmia"]
    assert "left out" not in first.out
    assert cli.main(["report", str(tmp_path / "r")]) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")] == told


def test_many_notes_are_few_lines(capsys):
    terminal.show_notes([f"not used: column {k} {'x' * 900}" for k in range(40)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == terminal.MOST_NOTES + 1 and lines[-1] == "note: 28 more"
    assert max(map(len, lines)) < terminal.LONGEST_NOTE + 20


def test_warnings_follow_a_result_and_never_an_error(audit_file, tmp_path, capsys, monkeypatch):
    def warn(*_, **__):
        warnings.warn("invalid value encountered in subtract", RuntimeWarning, stacklevel=1)

    for broken in (False, True):

        def show(*_, broken=broken):
            for _ in range(3):
                warn()
            if broken:
                raise OSError("it broke")

        monkeypatch.setattr(terminal, "show", show)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            code = cli.main(["audit", str(audit_file), "--out", str(tmp_path / "r"), "--attacks", "loss"])
        shown = capsys.readouterr().err
        if broken:
            assert (code, shown) == (2, "error: it broke\n")
        else:
            assert (code, shown) == (0, "note: RuntimeWarning: invalid value encountered in subtract\n")


def test_what_libraries_say_goes_to_the_log_alone(tmp_path, capfd):
    path, other = tmp_path / "log.jsonl", logging.getLogger("some.library")
    with captured() as warned, logged_to(path), warnings.catch_warnings():
        warnings.simplefilter("always")
        other.warning("a %s", "warning")
        logging.warning("at the root, which sets the root logger up where it has no handler")
        event("ours")
        warnings.warn("beware", UserWarning, stacklevel=1)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["library", "library", "ours", "warning"]
    assert (lines[0]["name"], lines[0]["said"]) == ("some.library", "a warning")
    assert warned == ["UserWarning: beware"]
    assert capfd.readouterr() == ("", "")


def test_an_import_that_sets_the_root_logger_up_does_not():
    root = logging.getLogger()
    kept, root.handlers = root.handlers, []
    try:
        with root_logger_kept():
            logging.basicConfig(level=logging.DEBUG)
        assert (root.handlers, root.level) == ([], logging.WARNING)
    finally:
        root.handlers = kept


@pytest.mark.slow
def test_training_with_opacus_leaves_the_root_logger_alone():
    pytest.importorskip("opacus")
    code = (
        "import logging\n"
        "from leakbench.train.private import _opacus\n"
        "_opacus()\n"
        "print(logging.getLogger().handlers, logging.getLogger().level)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 30\n"
