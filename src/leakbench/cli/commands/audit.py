"""`leakbench audit`: the saved outputs of a model."""

from typing import Annotated

import typer

from .. import terminal
from ..options import Out, check_report, names, shares


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
        )
    terminal.show(results, results.save(out))
