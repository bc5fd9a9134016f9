"""`leakbench rescore`: further attacks on the models of an earlier study."""

from typing import Annotated

import typer

from .. import terminal
from ..options import AllowImports, Out, StoreFolder, check_report, check_store, names


def rescore(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="The folder of the report of a study.", show_default=False)
    ],
    attacks: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Attacks or suites to add, separated by commas.", show_default=False
        ),
    ],
    out: Out,
    store: StoreFolder = "leakbench-store",
    allow_imports: AllowImports = False,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Processes that query models.", show_default="as in leakbench run"
        ),
    ] = None,
) -> None:
    """Measure further attacks on the models of a study.

    The models and their outputs are read from the store of the study, and none is trained. The report in DIR is that of
    a run with these attacks too: the strongest attack is chosen anew. An attack of the study with the same label is
    replaced.

    \b
    Examples:
      leakbench rescore report --attacks stacked --out report-more
      leakbench rescore old --attacks standard-2027 --store store --out new
    """
    from ...core.process_memory import trained_in
    from ...pipeline.rescore import rescore as measured

    check_report(out)
    check_store(store)
    with terminal.progress() as progress, trained_in():
        results = measured(report, names(attacks), store, progress, processes, allow_imports=allow_imports)
    terminal.show(results, results.save(out))
