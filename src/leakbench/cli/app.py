"""The command line: its commands, exit codes and errors. Everything that it does can be done from Python too."""

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..core.errors import LeakbenchError
from ..core.log import captured
from ..core.version import __version__
from . import terminal
from .commands.audit import audit
from .commands.bundle import bundle
from .commands.compare import compare
from .commands.demo import demo
from .commands.doctor import doctor
from .commands.download import download
from .commands.gate import gate
from .commands.leaderboard import leaderboard
from .commands.list import list_methods
from .commands.new import new
from .commands.report import report
from .commands.rescore import rescore
from .commands.run import run
from .commands.selfcheck import selfcheck
from .commands.synthesize import synthesize
from .commands.verify import verify
from .commands.work import work
from .errors import USAGE_ERROR, explained
from .streams import BROKEN_PIPE, standard_streams

STOPPED = 130  # what a shell expects of a command that Ctrl-C ended
app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0, 1 (a check failed), 2 (an error), 3 (not decided), 130 (stopped) or 141 (nobody reads the output any more).
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    with standard_streams() as output, captured() as warned:
        code = _code(given)
        if warned and not code:
            terminal.show_notes(warned)
        sys.stdout.flush()
        if code or output is None or output.failure is None:
            return code
        if output.reader_left:
            return BROKEN_PIPE
        terminal.say(f"error: cannot write to stdout: {explained(output.failure)}")
        return 2


def _code(given: list[str]) -> int:
    try:
        code = app(args=given, prog_name="leakbench", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except (LeakbenchError, OSError, MemoryError, ModuleNotFoundError, USAGE_ERROR) as error:
        terminal.say(f"error: {explained(error)}")
        return 2
    if code == STOPPED:
        again = f"; the store is whole. Continue with: {shlex.join(['leakbench', *given])}"
        terminal.say("stopped" + (again if given[:1] == ["run"] else ""))
    return int(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leakbench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Does a classifier leak who was in its training set, and which defence really stops it?

    \b
    Two ways in:
      audit  attacks the saved outputs of a model from any framework
      run    trains, defends and attacks what a study file describes

    \b
    Examples:
      leakbench audit outputs.npz --out report
      leakbench demo
      leakbench run study.toml --out report
      leakbench list attacks
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(demo)
app.command()(new)
app.command()(run)
app.command()(work)
app.command()(rescore)
app.command()(audit)
app.command()(synthesize)
app.command()(report)
app.command()(download)
app.command("list")(list_methods)
app.command()(compare)
app.command()(gate)
app.command()(leaderboard)
app.command()(bundle)
app.command()(verify)
app.command()(doctor)
app.command()(selfcheck)
