"""The command that a report shows can be pasted into a shell."""

import shlex

import pytest

from leakbench.core.provenance import command


@pytest.mark.parametrize("program", ["/opt/venv/bin/leakbench", "/site-packages/leakbench/__main__.py"])
def test_the_command_reads_back_as_it_was_given(program: str) -> None:
    given = ["run", "my study.toml", "--set", 'attacks=["gap", "loss"]', "--set", "title='It''s'"]
    assert shlex.split(command([program, *given])) == ["leakbench", *given]


def test_another_program_keeps_its_name() -> None:
    assert command(["/home/me/audit.py"]) == "audit.py"
    assert command(["/home/me/other/__main__.py", "x"]) == "__main__.py x"
