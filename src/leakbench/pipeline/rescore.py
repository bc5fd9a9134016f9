"""Measure further attacks on the models of an earlier study, without training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..attacks.suite import SUITES, Entry, make_attacks
from ..core.errors import InputError
from ..core.progress import Progress
from ..core.results import NO_SINGLE_ATTACK, ResultData, Row
from ..report.identity import changed
from ..report.numbers import finite
from ..report.results import Results
from .run import run
from .steps import checked_recipes, open_trainer
from .study import Study

ROUNDING = 1e-9  # by which versions of numpy and scipy may differ


def rescore(
    report: str | Path,
    attacks: str | Sequence[str | Mapping[str, Any]],
    store: str | Path = "leakbench-store",
    progress: Progress | None = None,
    processes: int | None = None,
    allow_imports: bool = False,
) -> Results:
    """The results of a study with further attacks, measured on the same models.

    The models, their weights and their outputs are read from the store; no model is trained. All attacks are measured
    together, and the strongest is chosen anew, so that the numbers are those of a run of the study with these attacks.
    A note says which numbers of the earlier attacks are not the same as in the report, as with another version of an
    attack.

    Args:
        report: The folder of the report of a study.
        attacks: Names and tables of attacks, or a suite. An attack of the study that has the same label is replaced.
        store: The folder or URL of the store in which the study ran.
        progress: Receives the stages and their steps. Default: nothing is shown.
        processes: The number of processes on this machine. Default: the fastest measured number.
        allow_imports: Whether the study may name code outside the registered methods, which is run.

    Raises InputError for the report of an audit, for one that was changed after it was written, for other data than the
    report is of, and where the store lacks a model.
    """
    folder = Path(report)
    before = Results.load(folder)
    if before.kind != "run":
        raise InputError(
            f"rescore needs the report of a study, got that of an audit in {folder}, which keeps no outputs of models; "
            "run the audit again with all attacks"
        )
    if files := changed(folder):
        raise InputError(
            f"{folder} was changed after it was written ({', '.join(files)}); run the study again"
        )
    study = Study.of({**before.study, "attacks": _together(before.study["attacks"], attacks)}, allow_imports)
    _require_models(study, store, before, folder)
    results = run(study, store, progress, processes)
    return replace(results, notes=sorted([*results.notes, *_other_numbers(before, results)]))


def _together(old: str | Sequence[Entry], new: str | Sequence[Entry]) -> list[Entry]:
    """The attacks of the study whose labels the new ones leave free, then the new ones."""
    added = [new] if isinstance(new, str) else list(new)
    replaced = make_attacks(added).keys()
    kept: list[Entry] = []
    for each in [old] if isinstance(old, str) else old:
        entries = SUITES.get(each, (each,)) if isinstance(each, str) else (each,)
        free = [one for one in entries if not make_attacks([one]).keys() & replaced]
        kept += [each] if len(free) == len(entries) else free
    return [*kept, *added]


def _require_models(study: Study, store: str | Path, before: ResultData, folder: Path) -> None:
    """Raise InputError unless the store holds every model of the study, and the data are those of the report."""
    trainer = open_trainer(study, store, dry=True)
    was, now = before.provenance.get("data", {}).get("fingerprint"), trainer.dataset.describe()["fingerprint"]
    if was != now:
        raise InputError(
            f"the data must be those of {folder}, with the fingerprint {was}, got {now}; put the same files in place"
        )
    recipes = set(checked_recipes(study, trainer.dataset).values())
    missing = [job for recipe in recipes for job in trainer.missing(recipe)]
    if missing:
        total = sum(len(trainer.jobs(recipe)) for recipe in recipes)
        raise InputError(
            f"the store must hold the models of {folder}, but {store} lacks {len(missing)} of {total}; name the "
            "study's store, or run the study again with all attacks"
        )


def _other_numbers(before: ResultData, after: ResultData) -> list[str]:
    """A note where numbers of single attacks are not those of the report."""
    then, now = _numbers(before), _numbers(after)
    other = [key for key in then.keys() & now.keys() if not _same(then[key], now[key])]
    if not other:
        return []
    names = ", ".join(sorted({str(key[1]) for key in other}))
    return [
        f"{len(other)} numbers of {names} are not those of the report before: another version, or another machine"
    ]


def _numbers(results: ResultData) -> dict[tuple[Any, ...], Row]:
    names = ("metric", "attack", "slice", "defence", "target", "adaptive", "shadows")
    rows = (r for r in results.rows if r.attack and r.attack not in NO_SINGLE_ATTACK and r.against is None)
    return {tuple(getattr(r, name) for name in names): r for r in rows}


def _same(one: Row, other: Row) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("value", "lo", "hi"))
    return all(a == b or (finite(a) and finite(b) and abs(a - b) < ROUNDING) for a, b in pairs)
