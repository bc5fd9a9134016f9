"""Progress: bars with the time left on a terminal, rare plain lines elsewhere."""

import io
import os
import re
import subprocess
import sys

import pytest

from leakbench.core import progress
from leakbench.core.progress import LineProgress, NullProgress, TimedProgress, progress_on, remaining


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_at_most_every_interval_and_tell_the_time_left(clock):
    stream = io.StringIO()
    lines = LineProgress(stream, interval=5.0)
    lines.stage("training", 40)
    for _ in range(30):
        clock[0] += 1.0
        lines.advance()
    lines.done()
    text = stream.getvalue().splitlines()
    assert text == [f"training: {n} of 40, about {40 - n} s left" for n in (5, 10, 15, 20, 25, 30)]


def test_a_new_stage_starts_its_own_clock(clock):
    stream = io.StringIO()
    lines = LineProgress(stream, interval=0.0)
    lines.stage("training", 2)
    clock[0] += 100
    lines.advance(2)
    lines.stage("attacks", 4)
    clock[0] += 30
    lines.advance()
    assert stream.getvalue().splitlines() == [
        "training: 0 of 2",
        "training: 2 of 2",
        "attacks: 0 of 4",
        "attacks: 1 of 4, about 1 min 30 s left",
    ]


@pytest.mark.parametrize(("elapsed", "steps", "total"), [(1.0, 0, 4), (1.0, 4, 4), (1.0, 5, 4), (0.0, 0, 0)])
def test_no_time_is_told_where_none_is_known(elapsed, steps, total):
    assert remaining(elapsed, steps, total) == ""


def test_every_stage_is_timed_and_shown(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(progress.time, "process_time", lambda: 2 * now[0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    timed = TimedProgress(LineProgress(stream, interval=0.0))
    for name, seconds in (("training", 3.0), ("attacks", 5.0), ("training", 7.0)):
        timed.stage(name, 1)
        now[0] += seconds
        timed.advance()
    timed.done()
    now[0] += 11.0
    timed.done()
    assert timed.parts == {
        "data": {"seconds": 0.0, "cpu_seconds": 0.0},
        "training": {"seconds": 10.0, "cpu_seconds": 20.0},
        "attacks": {"seconds": 5.0, "cpu_seconds": 10.0},
    }
    assert "attacks: 1 of 1" in stream.getvalue()


def test_silent_says_nothing(capsys):
    silent = NullProgress()
    silent.stage("training", 2)
    silent.advance()
    silent.done()
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_lines():
    assert isinstance(progress_on(io.StringIO()), LineProgress)


def test_stderr_is_that_of_the_call(monkeypatch):
    monkeypatch.setattr(sys, "stderr", now := io.StringIO())
    progress_on().say("a line")
    assert now.getvalue() == "a line\n"


SCRIPT = """
import sys, time
from leakbench.core.progress import progress_on
p = progress_on(sys.stderr)
p.stage("training", 3)
for _ in range(2):
    time.sleep(0.15)
    p.advance()
p.stage("attacks", 2)
p.advance(2)
p.done()
p.done()
"""


def test_a_terminal_gets_bars_with_the_time_left():
    pty = pytest.importorskip("pty")
    reader, writer = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stderr=writer, stdout=subprocess.PIPE, env=env, check=True
    )
    os.close(writer)
    shown = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(reader)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert done.stdout == b""
    assert re.search(r"training ━+.* 2/3 0:00:00 left", text)
    assert re.search(r"attacks ━+ 2/2", text)
    assert shown.decode().rstrip().endswith("\x1b[?25h")  # the cursor is back


def test_a_stage_without_steps_is_not_told():
    stream = io.StringIO()
    lines = LineProgress(stream, interval=0.0)
    lines.stage("training", 0)
    lines.stage("attacks", 2)
    assert stream.getvalue() == "attacks: 0 of 2\n"


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(Terminal()), LineProgress)
    monkeypatch.setenv("TERM", "xterm")
    assert not isinstance(progress_on(Terminal()), LineProgress)
