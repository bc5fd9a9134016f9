"""`leakbench run` and `leakbench selfcheck` through the real entry point."""

import itertools
import os
import shlex
import signal
import subprocess
import sys

import pytest

from leakbench.cli.app import main
from leakbench.core import progress
from leakbench.pipeline.train import Trainer
from leakbench.report.results import Results

STUDY = """
attacks = ["loss"]
metrics = ["auc"]
stages = [{ epochs = 2 }]
defences = ["none", "temperature"]
group_size = 1

[data]
name = "digits"
records = 200

[design]
name = "random_half"
models = 4

[architecture]
hidden = [16]
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def arguments(study):
    return ["run", str(study), "--out", str(study.parent / "report"), "--store", str(study.parent / "store")]


def models(study):
    return sorted(p.name for p in (study.parent / "store" / "models").glob("*"))


def test_a_study_is_run_and_continued(study, capsys, monkeypatch):
    assert main(arguments(study)) == 0
    shown = capsys.readouterr().out
    assert str(study.parent / "report" / "report.html") in shown
    assert "temperature" in shown
    assert {row.defence for row in Results.load(study.parent / "report").rows} == {"none", "temperature"}
    trained = models(study)
    assert len(trained) == 4
    changed = [
        "work",
        str(study),
        "--store",
        str(study.parent / "store"),
        "--set",
        'defences=["none", "rounding"]',
    ]
    monkeypatch.setattr(progress, "progress_on", lambda stream: progress.LineProgress(stream, interval=0))
    capsys.readouterr()
    assert main(changed) == 0
    assert models(study) == trained
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith("attacks:") for line in told), told
    assert told[-1].startswith("nothing is left to do in ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("seeed=1", "did you mean 'seed'"),
        ("stages.0.epoch=1", "did you mean 'epochs'"),
        ("defences=['temprature']", "did you mean 'temperature'"),
        ("stages.0.epochs=0", "epochs must be at least 1"),
        ("seed", "--set must be key=value, got 'seed'"),
        ("data.name=dgits", "did you mean 'digits'"),
    ],
)
def test_typos_are_one_line(study, capsys, change, says):
    assert main([*arguments(study), "--set", change]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert not (study.parent / "report").exists()


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe", b"seed = 1"])
def test_a_study_that_is_none(study, capsys, content):
    study.write_bytes(content)
    assert main(arguments(study)) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_store_that_is_a_file(study, capsys):
    (study.parent / "store").write_text("mine")
    assert main(arguments(study)) == 2
    assert "--store must be a folder, but" in capsys.readouterr().err


def test_without_torch_one_line_says_what_to_install(study):
    call = f"from leakbench.cli.app import main; sys.exit(main({arguments(study)}))"
    code = f"import sys; sys.modules['torch'] = None; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: training needs torch; install it with: pip install 'leakbench[train]'\n"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c_leaves_the_store_whole_and_says_how_to_go_on(study, capsys, monkeypatch):
    """The signal arrives when two models are in the store."""
    changes = ["--set", "design.models=8", "--set", 'defences=["none"]']
    given = [*arguments(study), *changes, "--processes", "1"]
    kept, calls = Trainer._keep, itertools.count(1)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where a shell put pytest behind

    def interrupted(self, *model):
        kept(self, *model)
        if next(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_keep", interrupted)
        assert main(given) == 130
    signal.signal(signal.SIGINT, before)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == (
        f"stopped; the store is whole. Continue with: {shlex.join(['leakbench', *given])}"
    )
    done = models(study)
    assert 2 <= len(done) < 8
    kept = {name: (study.parent / "store" / "models" / name / "job.json").stat().st_mtime_ns for name in done}
    assert not (study.parent / "report" / "report.html").exists()
    assert main(given) == 0
    after = {
        name: (study.parent / "store" / "models" / name / "job.json").stat().st_mtime_ns for name in done
    }
    assert after == kept
    assert len(models(study)) == 8


@pytest.mark.slow  # its checks are run one by one elsewhere
def test_selfcheck_prints_and_passes(capsys):
    assert main(["selfcheck"]) == 0
    shown = capsys.readouterr().out
    assert "checks passed" in shown
    assert "FAILED" not in shown


def test_a_failed_check_is_exit_code_1(capsys, monkeypatch):
    from leakbench.evaluation import selfcheck

    monkeypatch.setattr(
        selfcheck, "selfcheck", lambda progress: [selfcheck.Check("AUC of noise", 0.5, 0.7, False)]
    )
    assert main(["selfcheck"]) == 1
    captured = capsys.readouterr()
    assert "FAILED" in captured.out
    assert captured.err == "error: 1 of 1 checks failed; do not trust this installation\n"
