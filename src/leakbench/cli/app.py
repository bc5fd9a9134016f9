"""The command line: arguments, calls and exit codes. Everything that it does can be done from Python too."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import LeakbenchError, unknown
from ..core.log import captured
from ..core.printable import printable
from ..core.version import __version__
from . import terminal
from .errors import USAGE_ERROR, explained
from .options import (
    AllowImports,
    Changes,
    Out,
    StoreFolder,
    StudyPath,
    check_folder,
    check_log,
    check_report,
    check_store,
    chosen_executor,
    shares,
)
from .streams import BROKEN_PIPE, standard_streams

if TYPE_CHECKING:
    from ..core.registry import Registry

STOPPED = 130  # what a shell expects of a command that Ctrl-C ended
app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0, 1 (a check failed), 2 (an error), 130 (stopped) or 141 (nobody reads the output any more).
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
        _tell(f"error: cannot write to stdout: {explained(output.failure)}")
        return 2


def _code(given: list[str]) -> int:
    try:
        code = app(args=given, prog_name="leakbench", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except (LeakbenchError, OSError, MemoryError, ModuleNotFoundError, USAGE_ERROR) as error:
        _tell(f"error: {explained(error)}")
        return 2
    if code == STOPPED:
        again = f"; the store is whole. Continue with: {shlex.join(['leakbench', *given])}"
        _tell("stopped" + (again if given[:1] == ["run"] else ""))
    return int(code)


def _tell(line: str) -> None:
    typer.echo(printable(line), err=True)


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
      leakbench run studies/digits-demo.toml --out report
      leakbench list attacks
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
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

    from ..core.log import logged_to
    from ..core.process_memory import trained_in
    from .partial_report import PartialReport

    check_report(out)
    check_log(log := Path(out) / "log.jsonl")
    if not dry_run:  # which only looks at the store
        check_store(store)
    planned = leakbench.Study.load(study, changes or (), allow_imports)
    if dry_run:
        from ..pipeline.dry_run import forecast

        dataset = planned.load_data()
        terminal.show_forecast(forecast(planned, store, dataset))
        terminal.show_notes(dataset.notes)
        return
    from ..pipeline.run import run as run_study

    on_gpu = planned.file.engine.device == "cuda"
    chosen = chosen_executor(executor, address, processes, cpus, gpus, on_gpu)
    progress, unfinished = terminal.progress(), PartialReport(out)
    try:
        with logged_to(log), trained_in():
            results = run_study(planned, store, progress, processes, chosen, unfinished)
    finally:
        progress.done()
    page = results.save(out)
    unfinished.remove()
    terminal.show(results, page)


@app.command()
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

    The worker trains, queries and attacks what no other process has claimed, here or on another machine. It ends when
    nothing is left. The run may start before or after it, and does whatever the worker leaves undone.

    \b
    Examples:
      leakbench work study.toml --store /shared/store
      leakbench work study.toml --store /shared/store --set seed=1
    """
    import leakbench

    from ..core.log import logged_to
    from ..core.process_memory import trained_in
    from ..pipeline.executors.local import read_study
    from ..pipeline.worker import work as run_worker

    if log is not None and Path(log).is_file():  # not a pipe, nor a terminal
        check_log(Path(log).resolve())
    check_store(store)
    if study == "-":
        planned = leakbench.Study.of(read_study(), allow_imports)
    else:
        planned = leakbench.Study.load(study, changes or (), allow_imports)
    with logged_to(log), trained_in():
        run_worker(planned, store)


@app.command()
def audit(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="npz, csv, parquet, or a folder of npy files.", show_default=False
        ),
    ],
    out: Out,
    attacks: Annotated[
        str, typer.Option(metavar="NAMES", help="A suite, or attacks separated by commas.")
    ] = "standard-2026",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help='Metrics separated by commas; "standard" stands for the usual ones.'
        ),
    ] = "standard",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    delta: Annotated[
        float, typer.Option(metavar="D", help="The delta of the lower bounds on epsilon, in [0, 1).")
    ] = 1e-5,
    one_run: Annotated[
        bool,
        typer.Option(
            "--one-run", help="Audit one training with canaries: fair coins drew the members of the file."
        ),
    ] = False,
    guesses: Annotated[
        str | None,
        typer.Option(
            metavar="TOP,BOTTOM",
            help="With --one-run: the shares of the canaries that count as guessed, fixed beforehand.",
            show_default="chosen on random halves",
        ),
    ] = None,
) -> None:
    """Attack a model from its saved outputs.

    Needs neither the model nor its framework. The file holds `members` (which records were trained on) and
    `logits`, `probs`, `losses` or `scores`; better with `labels`, best with shadow models, as
    docs/audit-file.md describes. LiRA's folders and TF Privacy's arrays are read too.

    \b
    Examples:
      leakbench audit outputs.npz --out report
      leakbench audit losses.csv --out report --attacks loss,gap --title "Model 7"
      leakbench audit exp/cifar10 --out report
      leakbench audit canaries.npz --out report --one-run --delta 1e-6
    """
    import leakbench

    check_report(out)
    progress = terminal.progress()
    try:
        results = leakbench.audit(
            file,
            attacks=_names(attacks),
            metrics=_names(metrics),
            seed=seed,
            title=title,
            progress=progress,
            delta=delta,
            one_run=one_run,
            guesses=None if guesses is None else shares(guesses),
        )
    finally:
        progress.done()
    terminal.show(results, results.save(out))


@app.command()
def synthesize(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A data set of `leakbench list data`, or a path.", show_default=False
        ),
    ],
    generator: Annotated[
        str, typer.Option(metavar="NAME", help="One of `leakbench list generators`.", show_default=False)
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR", help="Folder for synthetic.npz and, of images, samples.png.", show_default=False
        ),
    ],
    records: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of records to make; default: as many as fitted on."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A parameter of the generator; may be given several times."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    allow_imports: AllowImports = False,
) -> None:
    """Make synthetic records, and measure how much they leak.

    The generator is fitted on the pool of the data set. Attacks that see only the synthetic records then try to
    separate the pool from the test part; chance is an AUC of 0.5.

    \b
    Examples:
      leakbench synthesize digits --generator image_vae --out digits-vae
      leakbench synthesize table.csv --generator tabular_vae --out made
      leakbench synthesize location30 --generator chow_liu --out made
    """
    from ..core.atomic_files import check_ours
    from ..core.config import override
    from ..pipeline.synthesize import OUT, is_ours
    from ..pipeline.synthesize import synthesize as make

    check_folder(out, "--out")
    check_ours(Path(out), OUT, is_ours)
    table: dict[str, Any] = {"name": generator}
    for assignment in changes or ():
        override(table, assignment)
    progress = terminal.progress()
    try:
        made = make(data, table, records, seed, progress, allow_imports)
    finally:
        progress.done()
    file = made.save(out)
    terminal.show_made(made, file)


def _names(separated: str) -> list[str]:
    return [name.strip() for name in separated.removesuffix(",").split(",")]


@app.command()
def report(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder with report.json.", show_default=False)
    ],
) -> None:
    """Write report.html again from report.json.

    \b
    Example:
      leakbench report demo-report
    """
    from ..report.results import Results, not_ours

    results = Results.load(folder)
    path = Path(folder)
    try:
        page = results.save(path if path.is_dir() else path.parent)
    except LeakbenchError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise not_ours(path, f"it cannot be drawn ({type(error).__name__}: {error})") from None
    terminal.show(results, page)


@app.command()
def download(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A data set of `leakbench list data`.", show_default=False),
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the data sets; LEAKBENCH_DATA if not given."),
    ] = None,
) -> None:
    """Download the published files of a data set.

    Checksums are verified: damaged downloads are deleted, and existing files are not downloaded again. A file of the
    same name with other content is renamed to NAME.other-1.

    \b
    Examples:
      leakbench download mnist --to data
      leakbench download cifar10
    """
    from ..data import download as fetch

    if to is not None:
        check_folder(to, "--to")
    progress = terminal.progress()
    try:
        folder = fetch(name, to, progress)
    finally:
        progress.done()
    typer.echo(printable(f"{name} is in {folder}"))


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="attacks, defences, generators, data, canaries or metrics.",
            show_default=False,
        ),
    ],
) -> None:
    """List the available methods: name, purpose and source of each.

    \b
    Examples:
      leakbench list attacks
      leakbench list data
    """
    kinds = ("attacks", "defences", "generators", "data", "canaries", "metrics")
    if kind not in kinds:
        raise unknown("kind", kind, kinds)
    for registry in _registries(kind):
        terminal.show_methods(registry)


@app.command()
def selfcheck() -> None:
    """Check attacks and metrics against closed forms.

    The exit code is 1 if an attack or a metric misses its known value.

    \b
    Example:
      leakbench selfcheck
    """
    from ..evaluation.selfcheck import selfcheck as checks

    progress = terminal.progress()
    try:
        found = checks(progress=progress)
    finally:
        progress.done()
    terminal.show_checks(found)
    failed = sum(not check.passed for check in found)
    if failed:
        _tell(f"error: {failed} of {len(found)} checks failed; do not trust this installation")
        raise typer.Exit(1)
    typer.echo(f"all {len(found)} checks passed")


def _registries(kind: str) -> "list[Registry[Any]]":
    if kind == "attacks":
        from ..attacks import ATTACKS

        return [ATTACKS]
    if kind == "defences":
        from ..defences import DEFENCES

        return [DEFENCES]
    if kind == "generators":
        from ..generators import GENERATORS

        return [GENERATORS]
    if kind == "metrics":
        from ..metrics import METRICS

        return [METRICS]
    if kind == "canaries":
        from ..data.canaries import CANARIES

        return [CANARIES]
    from ..data import DATASETS, FORMATS

    return [DATASETS, FORMATS]
