"""`leakbench audit`: the saved outputs of a model."""

from typing import Annotated

import typer

from .. import terminal
from ..options import Out, check_report, names, shares

TABS = {"\\t": "\t", "tab": "\t"}  # how people write the mark


def audit(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="npz, csv, parquet, xlsx, a folder of npy files, or what another tool saved.",
            show_default=False,
        ),
    ],
    out: Out,
    members: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="In a table: which records are members; or a column of yes and no.",
        ),
    ] = None,
    nonmembers: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Which are the non-members, if others are neither; or a second table of non-members.",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of the true classes, text or numbers.")
    ] = None,
    probs: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="The columns of probabilities: a pattern such as 'p_*', or names separated by commas.",
        ),
    ] = None,
    logits: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="The columns of logits, likewise.")
    ] = None,
    losses: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of losses.")] = None,
    scores: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of attack scores, higher for members.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="Columns of groups, each measured separately.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="Columns of other attributes of the records.")
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="The class of each output column, in the order of the columns."),
    ] = None,
    decimal: Annotated[
        str, typer.Option(metavar="MARK", help="The decimal mark of a table, . or , alone.")
    ] = ".",
    delimiter: Annotated[
        str | None,
        typer.Option(
            metavar="MARK", help="The mark between cells.", show_default="the one that splits the lines alike"
        ),
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is a record; columns are called 1, 2, 3.")
    ] = False,
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
    docs/audit-file.md describes. What LiRA's scripts, TF Privacy, Privacy Meter, LeakPro and SACRO-ML saved is read
    too. In a table with names of its own, say which columns hold what (docs/tables.md).

    \b
    Examples:
      leakbench audit outputs.npz --out report
      leakbench audit a.csv --out r --members split=train --labels y --probs 'p_*'
      leakbench audit train.csv --out r --nonmembers test.csv --losses nll
      leakbench audit losses.csv --out report --attacks loss,gap --title "Model 7"
      leakbench audit exp/cifar10 --out report
      leakbench audit canaries.npz --out report --one-run --delta 1e-6
    """
    import leakbench

    table = {
        "members": members,
        "nonmembers": nonmembers,
        "labels": labels,
        "probs": probs,
        "logits": logits,
        "losses": losses,
        "scores": scores,
        "groups": groups,
        "features": features,
        "class_names": class_names,
        "decimal": None if decimal == "." else decimal,
        "delimiter": TABS.get(delimiter, delimiter) if delimiter else None,
        "header": False if no_header else None,
    }
    check_report(out)
    with terminal.progress() as progress:
        results = leakbench.audit(
            file,
            attacks=names(attacks),
            metrics=names(metrics),
            seed=seed,
            title=title,
            progress=progress,
            delta=delta,
            one_run=one_run,
            guesses=None if guesses is None else shares(guesses),
            **{name: value for name, value in table.items() if value is not None},
        )
    terminal.show(results, results.save(out))
