"""`leakbench demo`: the main job on real data."""

from typing import Annotated

import typer

from ..options import Out, StoreFolder
from .run import run


def demo(
    out: Out = "demo-report",
    store: StoreFolder = "leakbench-store",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the remaining work, with its time and disk.")
    ] = False,
) -> None:
    """Attack three defences on real handwritten digits.

    Runs the study digits-demo: 16 models for each defence, trained on the digits that come with scikit-learn. It takes
    about two minutes on two cores, and downloads nothing. Training needs the extra [train].

    \b
    Examples:
      leakbench demo
      leakbench demo --out report --dry-run
    """
    from ...pipeline.shipped_studies import DEMO, shipped_study

    run(str(shipped_study(DEMO)), out, store, dry_run=dry_run)
