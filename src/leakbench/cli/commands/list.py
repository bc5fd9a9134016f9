"""`leakbench list`: the available methods."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.errors import unknown
from .. import terminal

if TYPE_CHECKING:
    from ...core.registry import Registry


def list_methods(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="attacks, defences, generators, data, canaries, metrics or studies.",
            show_default=False,
        ),
    ],
) -> None:
    """List the available methods: name, purpose and source of each.

    `leakbench list studies` lists the studies that `leakbench new` copies.

    \b
    Examples:
      leakbench list attacks
      leakbench list data
    """
    from ...attacks import ATTACKS
    from ...data import DATASETS, FORMATS
    from ...data.canaries import CANARIES
    from ...defences import DEFENCES
    from ...generators import GENERATORS
    from ...metrics import METRICS
    from ...pipeline.shipped_studies import titles

    registries: dict[str, list[Registry[Any]]] = {
        "attacks": [ATTACKS],
        "defences": [DEFENCES],
        "generators": [GENERATORS],
        "data": [DATASETS, FORMATS],
        "canaries": [CANARIES],
        "metrics": [METRICS],
    }
    if kind == "studies":
        terminal.show_table(("study", "title"), list(titles().items()))
        return
    if kind not in registries:
        raise unknown("kind", kind, [*registries, "studies"])
    for registry in registries[kind]:
        terminal.show_methods(registry)
