"""`leakbench work`: a worker of a run."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .. import terminal
from ..options import AllowImports, Changes, StoreFolder, StudyPath, check_log, check_store


def work(
    study: StudyPath,
    store: StoreFolder = "leakbench-store",
    changes: Changes = None,
    allow_imports: AllowImports = False,
    log: Annotated[
        str | None, typer.Option(metavar="FILE", help="Append what happens to this file, in JSON lines.")
    ] = None,
) -> None:
    """Run a worker for a run of the same study on the same store.

    The worker trains, queries and attacks what no other process has claimed, here or on another machine. It shows what
    is done, by all processes together, and ends when nothing is left. The run may start before or after it, and does
    whatever the worker leaves undone.

    \b
    Examples:
      leakbench work study.toml --store /shared/store
      leakbench work study.toml --store /shared/store --set seed=1
    """
    import leakbench

    from ...core.log import logged_to
    from ...core.process_memory import trained_in
    from ...pipeline.executors.local import read_study

    if log is not None and Path(log).is_file():  # not a pipe, nor a terminal
        check_log(Path(log).resolve())
    check_store(store)
    if study == "-":
        planned = leakbench.Study.of(read_study(), allow_imports)
    else:
        planned = leakbench.Study.load(study, changes or (), allow_imports)
    from ...pipeline.worker import work as run_worker  # imports torch, which a study that is refused need not

    alone = study != "-"  # else a run started it, which tells what all of them do
    shown = terminal.progress() if alone else nullcontext()
    with shown as progress, logged_to(log), trained_in():
        run_worker(planned, store, progress=progress)
    if alone:
        terminal.say(f"nothing is left to do in {store}; leakbench run writes the report")
