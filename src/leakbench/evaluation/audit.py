"""Audit saved outputs: arrays in, every applicable attack with intervals out. Imports no torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy.special import bdtr
from threadpoolctl import threadpool_limits

from ..attacks import Attack
from ..attacks.suite import make_attacks
from ..core.errors import InputError
from ..core.progress import NullProgress, Progress, TimedProgress
from ..core.provenance import Clock, provenance
from ..core.threads import Workers
from ..data.audit_file.chosen_table import Choice
from ..data.audit_file.read import AuditInput, from_arrays, read, read_columns
from ..data.audit_file.record_table import WORKBOOKS
from ..metrics import Metric
from ..metrics.standard import DELTA, make_metrics, standard
from ..metrics.standard import one_run as of_one_run
from ..report.results import Results
from ..signals.features import components
from .attack_cost import attack_cost, worth_telling
from .findings import Names, findings, method_boxes, require_rows
from .measure import Case, attack_all
from .predicted_risk import predict_risk

UNLIKELY = 1e-4  # a share of members that fair coins reach less often than this is noted
ROOM, PER_RECORD = 2**30, 500  # bytes that attacks at work may take together, and what one takes a record


def audit(
    source: str | Path | Mapping[str, Any] | None = None,
    *,
    attacks: str | Sequence[str | Mapping[str, Any]] = "standard-2026",
    metrics: str | Sequence[str | Mapping[str, Any]] = "standard",
    seed: int = 0,
    title: str | None = None,
    progress: Progress | None = None,
    delta: float = DELTA,
    one_run: bool = False,
    guesses: tuple[float, float] | None = None,
    **arrays: Any,
) -> Results:
    """Attack a model from its saved outputs.

    `source` is a path (npz, folder of npy, csv, parquet, a peer's layout) or a mapping of arrays; or give the
    arrays as keywords: `logits [N, C]` (or `probs`, `losses [N]`, `scores [N]`), `members [N]`, `labels [N]`,
    and optionally `groups`, `features [N, D]`, `shadow_logits [S, N, C]`, `shadow_members [S, N]`, ... as
    docs/audit-file.md lists.

    In a table (a path, a data frame, a mapping of columns) the keywords name columns instead, such as
    `audit("predictions.csv", members="split=train", labels="diagnosis", probs="p_*")`; docs/tables.md lists them.

    `attacks` and `metrics` are names, or tables such as `{"name": "tpr", "fpr": 0.02}`; `leakbench list metrics` lists
    them, and "standard" stands for the usual metrics.

    `delta` is that of the lower bounds on epsilon (docs/epsilon.md). `one_run` says that fair coins drew the members of
    one training, as in an audit with canaries; then a bound for Gaussian mechanisms stands beside the general one, and
    `guesses` = (top, bottom) may fix which shares of the records count as guessed, before anybody saw the scores.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> members = np.arange(400) < 200
    >>> results = audit(losses=rng.exponential(np.where(members, 0.5, 1.0)), members=members)
    >>> row = results.find(attack="loss", metric="auc", slice="all")[0]
    >>> row.lo < 2 / 3 < row.hi
    True

    Raises InputError, naming what must be, what was got and what to do.
    """
    clock, timed = Clock(), TimedProgress(progress or NullProgress())
    given = _given(source, arrays)
    for line in given.understood:
        timed.say(line)
    chosen = make_attacks(attacks)
    if guesses is not None and not one_run:
        raise InputError(
            "guesses belong to a one-run audit; give one_run=True (--one-run) with them, or leave them out"
        )
    if one_run:
        given = replace(given, notes=(*given.notes, *_unlike_coins(given)))
    measured = make_metrics(metrics, of_one_run(delta, guesses) if one_run else standard(delta))
    return audit_models(given, chosen, attacks, measured, seed, title, timed, clock)


def _unlike_coins(given: AuditInput) -> list[str]:
    """A note where fair coins would hardly have drawn the members of a one-run audit."""
    members = given.models.members[list(given.targets)][given.models.audited[list(given.targets)]]
    fewer = min(members.sum(), (~members).sum())
    if 2 * bdtr(int(fewer), members.size, 0.5) > UNLIKELY:  # the two-sided binomial test
        return []
    return [
        f"{members.sum()} of {members.size} canaries are members, which fair coins would hardly draw; the bounds on "
        "epsilon hold only if a fixed number of members was drawn at random"
    ]


def _given(source: Any, arrays: dict[str, Any]) -> AuditInput:
    """The outputs: from arrays, from a file of arrays, or from a table whose columns are named."""
    is_path = isinstance(source, str | os.PathLike)
    is_table = source is not None and not is_path and not isinstance(source, Mapping)
    is_book = is_path and Path(source).suffix.lower() in WORKBOOKS
    if is_table or is_book or (source is not None and Choice.is_made(arrays)):
        return read_columns(os.fspath(source) if is_path else source, Choice.of(arrays))
    if is_path:
        if arrays:
            names = ", ".join(sorted(arrays))
            raise InputError(f"give a path or arrays, got {source} and {names}; load the file and join them")
        return read(os.fspath(source))
    named = dict(source or {}) | arrays
    if not all(isinstance(name, str) for name in named):
        raise InputError(
            f"arrays must have names that are text, got {sorted(map(repr, named))}; see docs/audit-file.md"
        )
    return from_arrays(**named)


def audit_models(
    given: AuditInput,
    attacks: Mapping[str, Attack],
    named: str | Sequence[str | Mapping[str, Any]],
    metrics: Sequence[Metric],
    seed: int,
    title: str | None,
    progress: TimedProgress,
    clock: Clock,
) -> Results:
    """Attack models whose outputs are there, and measure how well each attack works; `named` is how they were named."""
    models = given.models
    if given.features is not None and any("features" in attack.needs for attack in attacks.values()):
        models = replace(models, signals=replace(models.signals, features=components(given.features)))
    case = Case("none", models, given.targets, reference=given.shadows, canaries=given.canaries)
    most = ROOM // (PER_RECORD * given.models.members.shape[1])
    workers, names = (
        Workers(progress, max(1, most)),
        Names(classes=given.class_names, groups=given.groups, features=given.features),
    )
    if progress.heard and worth_telling(case):
        with threadpool_limits(1):
            cost = attack_cost(case, attacks, metrics, seed)
        progress.say(cost.told(case, workers.threads))
    progress.stage("attacks", len(attacks))
    attacked = attack_all(case, attacks, seed, workers.advance, over=workers.map)
    progress.stage("metrics", 1)
    found, risk = workers.both(
        lambda: findings(attacked, names, seed, metrics),
        lambda: predict_risk(case.defence, case.models, case.targets, seed, average=case.average),
    )
    require_rows(attacked, found)
    progress.advance()
    progress.done()
    m, _, n = given.models.signals.shape
    data = {"source": given.source, "records": n, "models": m, "fingerprint": given.fingerprint}
    if given.understood:
        data["read_as"] = "; ".join(given.understood)
    return Results(
        kind="audit",
        title=title or f"Audit of {Path(given.source).name or 'arrays'}",
        rows=[*found.rows, *risk.rows],
        curves=found.curves,
        flags=found.flags,
        records=found.records,
        methods=method_boxes({a: attacks[a] for a in attacked.scores}),
        provenance=provenance(clock, seed, data, progress.parts, named),
        notes=[*given.notes, *found.notes],
        distributions=risk.distributions,
        exposures=found.exposures,
        overlaps=found.overlaps,
        scores=found.scores,
    )
