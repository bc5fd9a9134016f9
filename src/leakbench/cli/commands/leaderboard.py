"""`leakbench leaderboard`: the reports of studies, or earlier leaderboards, as a site that ranks defences."""

from typing import Annotated

import typer

from .. import terminal
from ..options import check_folder


def leaderboard(
    reports: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS",
            help="Folders of reports of studies, entry files, or leaderboard.json of earlier sites.",
            show_default=False,
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the site.")],
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The suite of attacks that every entry must have.", show_default="any"
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="The title of the site.")] = "Leaderboard of defences",
) -> None:
    """Rank the defences of studies on a static site.

    Each defence has a row per study: accuracy, the strongest attack, adaptive and label-only attacks, the comparison at
    its accuracy, cost, and notes on what makes a number unreliable. A report is checked first: its files must be as
    they were written, and the numbers shown must follow from its scores. A leaderboard.json holds no scores, and its
    entries are taken as they are. docs/leaderboard.md describes entries.

    \b
    Examples:
      leakbench leaderboard runs/mnist runs/location30 --out site
      leakbench leaderboard entries/*.toml --suite standard-2027 --out site
      leakbench leaderboard site/leaderboard.json runs/adult --out new-site
    """
    from ...evaluation.decisions.leaderboard import leaderboard as made
    from ...report.numbers import show

    check_folder(out, "--out")
    board = made(*reports, suite=suite, title=title)
    page = board.save(out)
    lines = [
        (e.defence, e.data, e.study.title, str(show(e.accuracy)), str(show(e.auc)), e.verdict, e.evaluation)
        for e in board.entries
    ]
    titles = ("Defence", "Data", "Study", "Accuracy", "AUC", "At its accuracy", "Evaluation")
    terminal.show_table(titles, lines, f"leaderboard: {page}")
