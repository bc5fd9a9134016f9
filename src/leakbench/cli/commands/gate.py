"""`leakbench gate`: does a report meet a policy?"""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.errors import InputError
from .. import terminal
from ..options import write_file

if TYPE_CHECKING:
    from ...evaluation.decisions.gate import Decision

CODES = {"pass": 0, "fail": 1, "undecided": 3}  # exit codes by status


def gate(
    report: Annotated[
        str | None, typer.Argument(metavar="[REPORT]", help="The folder of a report.", show_default=False)
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="FILE", help="The policy, a TOML file.", show_default=False)
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write a policy with comments, and do nothing else.", show_default=False
        ),
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the decision as JSON.", show_default=False)
    ] = None,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the decision as JUnit XML.", show_default=False)
    ] = None,
) -> None:
    """Decide whether a report meets a policy.

    A policy has ceilings on leakage. A ceiling is met if the upper end of the interval is at most the ceiling, and
    failed if the lower end is above it. In between the data do not decide, and the table says how many records or
    models would. docs/gate.md describes policies.

    The exit code is 0 if all is met, 1 if a check fails, 3 if none fails but one is undecided, and 2 for a wrong input.

    \b
    Examples:
      leakbench gate --init policy.toml
      leakbench gate report --policy policy.toml
      leakbench gate report --policy policy.toml --json gate.json --junit gate.xml
    """
    if init is not None and (report, policy, json, junit) == (None,) * 4:
        _write_template(Path(init))
        return
    if init is not None or report is None or policy is None:
        raise InputError(
            "gate needs a report and --policy FILE, or --init FILE alone; see leakbench gate --help"
        )
    from ...evaluation.decisions.gate import SCHEMA
    from ...evaluation.decisions.gate import gate as decide
    from ...evaluation.decisions.junit import SUITE_MARK
    from ...evaluation.decisions.junit import junit as as_junit

    decision = decide(report, policy)
    if json is not None:
        content = json_module.dumps(decision.to_dict(), indent=2, allow_nan=False)
        write_file(Path(json), content.encode("utf-8", "replace"), SCHEMA)
    if junit is not None:
        write_file(Path(junit), as_junit(decision), SUITE_MARK)
    _show(decision)
    raise typer.Exit(CODES[decision.status])


def _write_template(path: Path) -> None:
    from ...evaluation.decisions.policy import TEMPLATE

    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise InputError(f"{path} exists; choose another name, or move it away") from None
    typer.echo(f"policy: {path}")


def _show(decision: "Decision") -> None:
    from ...evaluation.decisions.gate import needed

    lines = [
        (check.subject, check.required, check.found, check.status + needed(check))
        for check in decision.checks
    ]
    several = decision.comparisons > 1
    together = (
        f", so that all {decision.comparisons} hold with {100 * decision.confidence:g} %" if several else ""
    )
    terminal.show_table(
        ("Check", "Must be", "Is", "Result"),
        lines,
        f"{decision.status}: each interval has a confidence of {100 * decision.level:.4g} %{together}",
    )
