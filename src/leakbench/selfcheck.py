"""Measure the attacks and metrics against closed forms and null models, on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from .attacks import ATTACKS
from .attacks.suite import SUITES
from .defences import DEFENCES
from .evaluate import Case, attack_all
from .metrics import METRICS, Sample
from .metrics.epsilon import one_run_epsilon
from .progress import Progress, Silent
from .seeds import stream
from .types import Array, Models, Signals

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
    progress = progress or Silent()
    groups = (gaussians, gap_identity, monotone_map, one_run_pins, null_without_shadows, null_with_shadows)
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


def gap_identity(seed: int) -> Iterator[Check]:
    """The gap attack's balanced accuracy is exactly 1/2 + (train accuracy - test accuracy) / 2."""
    models = _models(stream(seed, "gap"), n_models=1, n_records=4000, shift=1.5)
    attacked = attack_all(Case("none", models, (0,)), {"gap": ATTACKS.make("gap")}, seed)
    measured = METRICS.make("balanced_accuracy").estimate(attacked.samples["gap"]).value
    correct, members = models.signals.statistic("correct")[0, 0], models.members[0]
    expected = 0.5 + (correct[members].mean() - correct[~members].mean()) / 2
    yield Check(
        "gap attack: balanced accuracy = 1/2 + gap/2", expected, measured, abs(expected - measured) < 1e-12
    )


def monotone_map(seed: int) -> Iterator[Check]:
    """An attacker who knows a one-to-one output map reads exactly what the undefended model shows."""
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


def null_without_shadows(seed: int) -> Iterator[Check]:
    """No leakage, one target, 60,000 members and 10,000 non-members: the shape in which pooled scores go wrong."""
    models = _models(stream(seed, "null"), n_models=1, n_records=70_000, shift=0.0, share=6 / 7, n_classes=4)
    yield from _null(models, (0,), seed, "no leakage, 60,000 to 10,000")


def null_with_shadows(seed: int) -> Iterator[Check]:
    """No leakage, 16 models, each the target once."""
    models = _models(stream(seed, "null shadows"), n_models=16, n_records=1000, shift=0.0)
    yield from _null(models, tuple(range(16)), seed, "no leakage, 16 models")


def _null(models: Models, targets: tuple[int, ...], seed: int, title: str) -> Iterator[Check]:
    attacks = {name: ATTACKS.make(name) for name in next(iter(SUITES.values()))}
    attacked = attack_all(Case("none", models, targets), attacks, seed)
    auc = METRICS.make("auc")
    for name, sample in attacked.samples.items():
        e = auc.estimate(sample, LEVEL)
        yield Check(f"{title}: AUC of {name}", 0.5, e.value, e.lo <= 0.5 <= e.hi)


def _models(
    rng: np.random.Generator,
    n_models: int,
    n_records: int,
    shift: float,
    share: float = 0.5,
    n_classes: int = 5,
) -> Models:
    """Models whose logits are noise around a record's own difficulty, `shift` higher at the label for members."""
    labels = rng.integers(n_classes, size=n_records)
    if n_models == 1:
        members = (np.arange(n_records) < share * n_records)[None]
    else:
        halves = rng.random((n_models // 2, n_records)) < share
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
