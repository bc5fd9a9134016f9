"""Lower bounds on epsilon from the command line: in every audit, of one run with canaries, and what is refused."""

import numpy as np
import pytest

import leakbench
from leakbench.cli.app import main
from leakbench.report.results import Results

ONE_RUN = ("epsilon_bound@delta=1e-06", "epsilon_bound_gaussian@delta=1e-06")


@pytest.fixture
def canaries(tmp_path):
    rng = np.random.default_rng(0)
    members = rng.random(1000) < 0.5
    np.savez(tmp_path / "canaries.npz", scores=2 * members + rng.standard_normal(1000), members=members)
    return str(tmp_path / "canaries.npz")


def bounds(folder):
    return {row.metric: row for row in Results.load(folder).rows if row.metric.startswith("epsilon")}


def test_every_audit_has_a_bound(canaries, tmp_path, capsys):
    assert main(["audit", canaries, "--out", str(tmp_path / "r")]) == 0
    found = bounds(tmp_path / "r")
    assert list(found) == ["epsilon_bound@delta=1e-05"]
    row = found["epsilon_bound@delta=1e-05"]
    assert row.value == row.lo > 1
    assert row.hi is None
    assert f"epsilon: ≥ {row.value:.2f} (one run, δ = 1e-05), by scores" in capsys.readouterr().out
    assert "Lower bounds on epsilon" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_one_run_adds_the_bound_for_gaussian_mechanisms(canaries, tmp_path, capsys):
    arguments = ["audit", canaries, "--out", str(tmp_path / "r"), "--one-run", "--delta", "1e-6"]
    assert main(arguments) == 0
    plain, gaussian = (bounds(tmp_path / "r")[name].value for name in ONE_RUN)
    assert 1 < plain < gaussian < 12  # the truth: N(2, 1) against N(0, 1)
    assert main([*arguments, "--guesses", "0.2,0.05"]) == 0
    row = bounds(tmp_path / "r")[ONE_RUN[0]]
    assert row.detail["guesses"] == round(0.2 * row.detail["canaries"]) + round(0.05 * row.detail["canaries"])
    same = leakbench.audit(canaries, delta=1e-6, one_run=True, guesses=(0.2, 0.05))
    assert same.find(metric=row.metric, attack=row.attack, slice="all")[0].detail == row.detail
    assert "coins" not in capsys.readouterr().err


def test_members_that_no_coin_drew_are_noted(tmp_path, capsys):
    np.savez(tmp_path / "few.npz", scores=np.arange(300.0), members=np.arange(300) > 220)
    assert main(["audit", str(tmp_path / "few.npz"), "--out", str(tmp_path / "r"), "--one-run"]) == 0
    assert "79 of 300 canaries are members" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--guesses", "0.1,0.1"], "one_run"),
        (["--one-run", "--guesses", "5"], "two shares"),
        (["--one-run", "--guesses", "0.9,0.2"], "at most 1"),
        (["--one-run", "--guesses", "nan,0.2"], "at most 1"),
        (["--delta", "1"], "below 1"),
        (["--delta", "nan"], "below 1"),
    ],
)
def test_what_is_no_bound_is_refused(canaries, tmp_path, capsys, options, says):
    assert main(["audit", canaries, "--out", str(tmp_path / "r"), *options]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
