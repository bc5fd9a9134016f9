"""`leakbench run`: a study."""

from pathlib import Path
from typing import Annotated

import typer

from .. import terminal
from ..options import (
    AllowImports,
    Changes,
    Out,
    StoreFolder,
    StudyPath,
    check_log,
    check_report,
    check_store,
    chosen_executor,
)


def run(
    study: StudyPath,
    out: Out,
    store: StoreFolder = "leakbench-store",
    changes: Changes = None,
    allow_imports: AllowImports = False,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Processes that train; with ray, the workers.",
            show_default="what a short measurement favours, or has room",
        ),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="Where workers run: local, or ray.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The Ray cluster, as host:port.", show_default="the one around"),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPUs of each Ray worker.", show_default="1")
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            help="GPUs of each Ray worker, or a share of one.",
            show_default="1 where the study's engine is a GPU, else 0",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show the remaining work, with its time, disk and memory."),
    ] = False,
) -> None:
    """Train, defend and attack what a study file describes.

    The store keeps every model as soon as it is trained, and the results of every defence. A stopped run resumes
    where it was, and a study that changes one defence trains and attacks only that one. During the run,
    DIR/unfinished holds a report of the results so far, and DIR/log.jsonl logs the events. `leakbench work` adds
    workers in other terminals and on other machines.

    \b
    Examples:
      leakbench run studies/digits-demo.toml --out report
      leakbench run study.toml --out report --dry-run
      leakbench run study.toml --out report --executor ray --processes 16
      leakbench run study.toml --out quick --set stages.0.epochs=5 --set seed=1
      leakbench run study.toml --out report --set 'defences=["temperature"]'
    """
    import leakbench

    from ...core.log import logged_to
    from ...core.process_memory import trained_in
    from ..partial_report import PartialReport

    check_report(out)
    check_log(log := Path(out) / "log.jsonl")
    if not dry_run:  # which only looks at the store
        check_store(store)
    planned = leakbench.Study.load(study, changes or (), allow_imports)
    if dry_run:
        from ...pipeline.dry_run import forecast

        dataset = planned.load_data()
        terminal.show_forecast(forecast(planned, store, dataset))
        terminal.show_notes(dataset.notes)
        return
    from ...pipeline.run import run as run_study

    on_gpu = planned.file.engine.device == "cuda"
    chosen = chosen_executor(executor, address, processes, cpus, gpus, on_gpu)
    unfinished = PartialReport(out)
    with terminal.progress() as progress, logged_to(log), trained_in():
        results = run_study(planned, store, progress, processes, chosen, unfinished)
    page = results.save(out)
    unfinished.remove()
    terminal.show(results, page)
