"""Measure the attacks and metrics against closed forms and null models, on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from ..attacks import ATTACKS
from ..attacks.suite import make_attacks
from ..core.progress import NullProgress, Progress
from ..core.seeds import stream
from ..defences import DEFENCES
from ..metrics import METRICS, Sample
from ..metrics.statistics.intervals import clopper_pearson
from ..metrics.statistics.one_run import one_run_epsilon
from ..signals.models import Models
from ..signals.statistics import log_softmax
from ..signals.types import Array, Signals
from .coverage import NOMINAL, Study, coverage_table
from .measure import Case, attack_all

LEVEL = 0.9999  # a sound instrument fails one check in 10,000 by chance
EXACT = 1e-9


@dataclass(frozen=True)
class Check:
    """One comparison of what leakbench measures with what is known."""

    name: str
    expected: float
    measured: float
    passed: bool


def selfcheck(seed: int = 0, progress: Progress | None = None) -> list[Check]:
    """All checks, in about half a minute. A failed one means that this installation must not be trusted."""
    progress = progress or NullProgress()
    groups = (
        gaussians,
        coverage,
        gap_identity,
        gap_floor,
        monotone_map,
        one_run_pins,
        permuted_membership,
        null_without_shadows,
        null_with_shadows,
    )
    progress.stage("checks", len(groups))
    found: list[Check] = []
    for group in groups:
        found += group(seed)
        progress.advance()
    progress.done()
    return found


def gaussians(seed: int, d: float = 1.0, n: int = 100_000) -> Iterator[Check]:
    """Scores of members and non-members are normal, d apart: AUC = Phi(d / sqrt 2), TPR = Phi(d - z)."""
    rng = stream(seed, "gaussians")
    members = np.arange(2 * n) < n
    sample = _sample(rng.normal(size=2 * n) + d * members, members, rng)
    expected = {"auc": ndtr(d / np.sqrt(2)), "advantage": 2 * ndtr(d / 2) - 1}
    specs: list[tuple[dict[str, object], float]] = [({"name": k}, float(v)) for k, v in expected.items()]
    specs += [({"name": "tpr", "fpr": a}, float(ndtr(d - ndtri(1 - a)))) for a in (0.1, 0.01, 0.001)]
    for spec, value in specs:
        metric = METRICS.make(spec)
        e = metric.estimate(sample, LEVEL)
        yield Check(f"two Gaussians {d:g} apart: {metric.label}", value, e.value, e.lo <= value <= e.hi)


def coverage(seed: int, studies: int = 200) -> Iterator[Check]:
    """Intervals of 95 % hold the truth in 95 % of simulated studies, or more."""
    for study in (Study(d=0.5), Study(d=0.5, targets=16, of_record=0.5)):
        for found in coverage_table(studies, (study,), seed):
            share, high = found.hits / found.studies, clopper_pearson(found.hits, found.studies, LEVEL).hi
            yield Check(f"coverage, {study.label}: {found.metric}", NOMINAL, share, high >= NOMINAL)


def gap_identity(seed: int) -> Iterator[Check]:
    """The gap attack's balanced accuracy is exactly 1/2 + (train accuracy - test accuracy) / 2."""
    models = _models(stream(seed, "gap"), n_models=1, n_records=4000, shift=1.5)
    measured = _gap(models, seed)
    correct, members = models.signals.statistic("correct", 0)[0], models.members[0]
    expected = 0.5 + (correct[members].mean() - correct[~members].mean()) / 2
    yield Check(
        "gap attack: balanced accuracy = 1/2 + gap/2", expected, measured, abs(expected - measured) < 1e-12
    )


def gap_floor(seed: int) -> Iterator[Check]:
    """No output transform that keeps the label lowers the gap attack below its value on the undefended model."""
    models = _models(stream(seed, "floor"), n_models=1, n_records=4000, shift=1.5)
    logits = np.asarray(models.signals.logits, dtype=np.float64)
    plain = _gap(models, seed)
    for name in DEFENCES.names():
        defence = DEFENCES.make(name)
        if defence.changes_output and defence.keeps_argmax and not defence.cached_per_model:
            released = Signals(models.signals.labels, defence.output(logits))
            found = _gap(Models(released, models.members, models.audited), seed)
            yield Check(
                f"{name}: balanced accuracy of the gap attack", plain, found, abs(found - plain) < EXACT
            )


def monotone_map(seed: int) -> Iterator[Check]:
    """Against a one-to-one output transform an adaptive attack equals that on the undefended model."""
    models = _models(stream(seed, "map"), n_models=8, n_records=300, shift=1.0)
    defence = DEFENCES.make("temperature")
    assert models.signals.logits is not None
    undone = defence.inverse(defence.output(np.asarray(models.signals.logits, dtype=np.float64)))
    defended = Models(Signals(models.signals.labels, undone), models.members, models.audited)
    attacks = {name: ATTACKS.make(name) for name in ("loss", "entropy", "lira", "rmia")}
    plain, seen = (attack_all(Case("none", m, (0, 1)), attacks, seed) for m in (models, defended))
    for name in attacks:
        error = float(np.abs(plain.scores[name].scores - seen.scores[name].scores).max())
        yield Check(f"temperature, adaptive {name}: largest change of a score", 0.0, error, error < EXACT)


def one_run_pins(seed: int) -> Iterator[Check]:
    """Two published values of the one-run audit's epsilon lower bound (Steinke et al. 2023, appendix D)."""
    for arguments, expected in (((1000, 100, 75, 1e-4), 0.673), ((100_000, 1510, 1439, 1e-5), 2.675)):
        measured = one_run_epsilon(*arguments)
        yield Check("one-run audit: epsilon lower bound", expected, measured, abs(expected - measured) < 1e-3)


def permuted_membership(seed: int) -> Iterator[Check]:
    """A model that leaks, and a membership that was shuffled: nothing is left to find."""
    rng = stream(seed, "permuted")
    models = _models(rng, n_models=1, n_records=10_000, shift=1.5)
    shuffled = Models(models.signals, rng.permuted(models.members, axis=1), models.audited)
    yield from _null(shuffled, (0,), seed, "permuted membership")


def null_without_shadows(seed: int) -> Iterator[Check]:
    """No leakage, one target, 60,000 members and 10,000 non-members, in the shapes in which pooled scores go wrong.

    "heavy": right and certain, the loss now and then enormous. "saturated": a softmax taken twice.
    """
    for shape in ("heavy", "saturated"):
        rng = stream(seed, "null", shape)
        labels, logits = rng.integers(10, size=70_000), rng.normal(size=(70_000, 10))
        logits[np.arange(70_000), labels] += 4 + 3 * rng.standard_t(3, size=70_000)
        if shape == "saturated":
            logits = np.exp(log_softmax(3 * logits))
        members = (np.arange(70_000) < 60_000)[None]
        models = Models(Signals(labels, logits[None, None]), members, np.ones_like(members))
        yield from _null(models, (0,), seed, f"no leakage, 60,000 to 10,000, {shape}")


def null_with_shadows(seed: int) -> Iterator[Check]:
    """No leakage, 16 models, each the target once."""
    models = _models(stream(seed, "null shadows"), n_models=16, n_records=1000, shift=0.0)
    yield from _null(models, tuple(range(16)), seed, "no leakage, 16 models")


def _null(models: Models, targets: tuple[int, ...], seed: int, title: str) -> Iterator[Check]:
    attacked = attack_all(Case("none", models, targets), make_attacks("standard-2026"), seed)
    auc = METRICS.make("auc")
    for name, sample in attacked.samples.items():
        e = auc.estimate(sample, LEVEL)
        yield Check(f"{title}: AUC of {name}", 0.5, e.value, e.lo <= 0.5 <= e.hi)


def _gap(models: Models, seed: int) -> float:
    """The balanced accuracy of the gap attack on model 0."""
    attacked = attack_all(Case("none", models, (0,)), {"gap": ATTACKS.make("gap")}, seed)
    return METRICS.make("balanced_accuracy").estimate(attacked.samples["gap"]).value


def _models(rng: np.random.Generator, n_models: int, n_records: int, shift: float) -> Models:
    """Models whose logits are noise around a record's own difficulty, `shift` higher at the label for members."""
    n_classes = 5
    labels = rng.integers(n_classes, size=n_records)
    if n_models == 1:
        members = (np.arange(n_records) < n_records // 2)[None]
    else:
        halves = rng.random((n_models // 2, n_records)) < 0.5
        members = np.stack([halves, ~halves], axis=1).reshape(n_models, n_records)
    logits = rng.normal(size=(n_models, 1, n_records, n_classes)) + rng.normal(
        size=(1, 1, n_records, n_classes)
    )
    hit: Array = (np.arange(n_classes) == labels[:, None]) * (1.5 + shift * members[:, None, :, None])
    return Models(Signals(labels, logits + hit), members, np.ones_like(members))


def _sample(scores: Array, members: np.ndarray, rng: np.random.Generator) -> Sample:
    n = len(scores)
    half = np.zeros(n, dtype=bool)
    half[rng.permutation(n)[: n // 2]] = True
    return Sample(scores, members, np.zeros(n, dtype=np.intp), np.arange(n), half)
