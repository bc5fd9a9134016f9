"""Help texts have examples that parse, names have their nearest, and nothing heavy is imported for them."""

import os
import re
import resource
import shlex
import subprocess
import sys

import pytest
import typer.main

from leakbench.cli.app import app, main
from leakbench.core.version import __version__

COMMANDS = sorted(typer.main.get_command(app).commands)
HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "pydantic", "rich", "matplotlib", "jinja2", "torch")


def shown(capsys, *arguments):
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize(
    ("words", "completed"), [("leakbench aud", "audit"), ("leakbench audit --prob", "--probs")]
)
def test_a_shell_completes_commands_and_options(words, completed):
    asked = {"_LEAKBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-m", "leakbench"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | asked)
    assert done.stdout.split() == [completed]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_of_itself(capsys, command):
    text = shown(capsys, command, "--help")
    assert re.search(rf"Examples?:\n +leakbench {command}", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_parse(capsys, command):
    """Each one gets past the parser: what it then lacks is a file, or nothing."""
    group = typer.main.get_command(app)
    for line in re.findall(r"^ +leakbench (.*)$", shown(capsys, command, "--help"), re.MULTILINE):
        name, *rest = shlex.split(line)
        group.commands[name].make_context(name, rest)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal_and_is_not_cut(capsys, monkeypatch, columns, command):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys, *([command] if command else []), "--help")
    assert max(map(len, text.splitlines())) <= columns
    assert "...\n" not in re.sub(r"^Usage:.*\n", "", text.lstrip())


def test_no_command_shows_the_help(capsys):
    text = shown(capsys)
    assert all(f"\n  {command} " in text for command in COMMANDS)


def test_version(capsys):
    assert shown(capsys, "--version") == f"leakbench {__version__}\n"


@pytest.mark.parametrize("kind", ["attacks", "defences", "generators", "data", "metrics"])
def test_list_shows_name_summary_and_source(capsys, kind):
    from leakbench.attacks import ATTACKS
    from leakbench.data import DATASETS
    from leakbench.defences import DEFENCES
    from leakbench.generators import GENERATORS
    from leakbench.metrics import METRICS

    registry = {
        "attacks": ATTACKS,
        "defences": DEFENCES,
        "generators": GENERATORS,
        "data": DATASETS,
        "metrics": METRICS,
    }[kind]
    text = " ".join(shown(capsys, "list", kind).split())
    for name in registry.names():
        method = registry.get(name)
        assert f"{name} {method.summary()[:20]}" in text
        assert method.source[:20] in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["audti", "x"], "'audit'"),
        (["audit", "x", "--ot", "y"], "--out"),
        (["list", "atacks"], "did you mean 'attacks'"),
        (["run", "x"], "'--out'"),
        (["audit", "x", "--out", "y", "--seed", "one"], "'--seed'"),
    ],
)
def test_slips_are_one_line_with_the_nearest_name(capsys, arguments, says):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


@pytest.mark.parametrize("code", ["import leakbench", "from leakbench.cli.app import main; main(['--help'])"])
def test_start_up_imports_nothing_heavy_and_is_fast(code):
    loaded = f"{code}; import sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 3 < 0.3  # seconds of CPU


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "leakbench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"leakbench {__version__}\n"
