"""`leakbench selfcheck`: attacks and metrics against closed forms."""

import typer

from .. import terminal


def selfcheck() -> None:
    """Check attacks and metrics against closed forms.

    The exit code is 1 if an attack or a metric misses its known value.

    \b
    Example:
      leakbench selfcheck
    """
    from ...evaluation.selfcheck import selfcheck as checks

    with terminal.progress() as progress:
        found = checks(progress=progress)
    terminal.show_checks(found)
    failed = sum(not check.passed for check in found)
    if failed:
        terminal.say(f"error: {failed} of {len(found)} checks failed; do not trust this installation")
        raise typer.Exit(1)
    typer.echo(f"all {len(found)} checks passed")
