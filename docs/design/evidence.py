"""Print the figures that docs/design, docs/flags.md and docstrings quote beside docs/coverage.md.

Run: python docs/design/evidence.py [NAME ...]   (without names all: some minutes; Location-30 is needed for
`densities`, `copula`, `tree` and `group_sizes`, MNIST for `same_bits` and `group_sizes`, statsmodels and pgmpy for
`copula` and `tree`)
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from leakbench.attacks import ATTACKS
from leakbench.core.seeds import stream
from leakbench.evaluation.scoring import score_targets
from leakbench.metrics.statistics.intervals import clopper_pearson
from leakbench.metrics.statistics.roc import Roc
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

RECORDS = 2000


def noise(n_models: int, paired: bool, rng: np.random.Generator) -> Models:
    """Models that leak nothing; each record is a member of exactly half of them, in pairs or not."""
    if paired:
        half = rng.random((n_models // 2, RECORDS)) < 0.5
        members = np.stack([half, ~half], axis=1).reshape(n_models, RECORDS)
    else:
        members = np.argsort(rng.random((n_models, RECORDS)), axis=0) < n_models // 2
    logits = rng.normal(size=(n_models, 1, RECORDS, 3))
    return Models(Signals(rng.integers(3, size=RECORDS), logits), members, np.ones_like(members))


def lira_auc(models: Models, partner: bool, seed: int) -> float:
    """The pooled AUC of online LiRA; with `partner`, by plain leave one out."""
    attack, targets = ATTACKS.make("lira"), range(len(models.members))
    if partner:
        scores = np.stack([attack.score(models.target(m), models.shadows(m), stream(seed)) for m in targets])
    else:
        scores = score_targets(attack, models, targets, seed).scores
    return Roc.of(scores.ravel(), models.members.ravel()).auc


def bias(repeats: int = 12) -> None:
    """What online LiRA reads on noise."""
    print("online LiRA on noise, AUC (mean +- 2 standard errors)")
    designs = (
        ("pairs, partner among the shadow models", True, True),
        ("pairs, partner left out (leakbench)", True, False),
        ("exact halves, no pairs", False, False),
    )
    for title, paired, partner in designs:
        for n_models in (8, 16, 64):
            worlds = (noise(n_models, paired, stream(r, title, n_models)) for r in range(repeats))
            values = np.array([lira_auc(world, partner, 0) for world in worlds])
            error = 2 * values.std(ddof=1) / np.sqrt(repeats)
            print(f"  {title}, {n_models} models: {values.mean():.4f} +- {error:.4f}")


def plain_clopper_pearson(studies: int = 500, d: float = 2.0) -> None:
    """How often Clopper-Pearson on the TPR alone covers, as if the threshold were known."""
    from scipy.special import ndtr, ndtri

    print(f"plain Clopper-Pearson on the TPR, d = {d:g}, {studies} studies: coverage")
    for n1, n0, fpr in ((2000, 10_000, 0.001), (2000, 2000, 0.01)):
        rng, truth, hits = stream(0, "plain", n0, fpr), ndtr(d - ndtri(1 - fpr)), 0
        members = np.arange(n1 + n0) < n1
        for _ in range(studies):
            point = Roc.of(rng.normal(size=n1 + n0) + d * members, members).at_fpr(fpr)
            low, high = clopper_pearson(point.tp, n1)
            hits += low <= truth <= high
        low, high = clopper_pearson(hits, studies)
        print(f"  {n1}/{n0} at FPR {fpr:g}: {hits / studies:.3f} [{low:.3f}, {high:.3f}]")


def unequal_shares(repeats: int = 20) -> None:
    """Raw scores pooled over targets with 20 % and 80 % members whose models differ in level by 2 sd."""
    values, level = [], np.array([[0.0], [2.0]])
    for r in range(repeats):
        rng = stream(r, "shares")
        members = rng.random((2, RECORDS)) < np.array([[0.2], [0.8]])
        values.append(Roc.of((rng.normal(size=(2, RECORDS)) + level).ravel(), members.ravel()).auc)
    print(f"pooled raw scores of noise, shares .2 and .8, levels 2 sd apart: AUC {np.mean(values):.3f}")


def fastest(work: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of CPU time of the fastest of some runs, whatever else the machine does."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


def noisy_queries(copies: int = 10) -> None:
    """What SAMIA's noisy queries cost, with noise drawn for every record and with noise that records share."""
    import torch

    from leakbench.train.networks.build import loaded, unset
    from leakbench.train.query import predict_logits, predict_noisy_logits
    from leakbench.train.recipe import Architecture

    torch.set_num_threads(1)
    for title, shape, architecture in (
        ("mlp 64-256-128-10", (1, 8, 8), Architecture(hidden=(256, 128))),
        ("mlp 784-128-64-10", (1, 28, 28), Architecture(hidden=(128, 64))),
        ("column_fc 446-256-128-10", (446,), Architecture("column_fc")),
    ):
        x, rows = np.random.default_rng(0).random((5000, *shape), np.float32), np.arange(5000)
        weights = {k: v.numpy() for k, v in unset(architecture, shape, 10).state_dict().items()}
        query = (x, 10, architecture, weights, rows)
        network, size = loaded(architecture, shape, 10, weights), 1024 // copies
        plain, shared = (
            fastest(partial(predict_logits, *query), 9),
            fastest(partial(predict_noisy_logits, *query, copies, 1e-3, 0), 9),
        )
        fresh = fastest(partial(_fresh_noise, network, torch.from_numpy(x).split(size), copies), 9)
        print(
            f"{copies} noisy queries in plain ones, {title}: fresh {fresh / plain:.0f}, shared {shared / plain:.0f}"
        )


def _fresh_noise(network: Any, batches: Sequence[Any], copies: int) -> None:
    import torch

    with torch.no_grad():
        for records in batches:
            network((records + 1e-3 * torch.randn(copies, *records.shape)).flatten(0, 1))


def densities() -> None:
    """DOMIAS by a kernel density of principal components, by nearest neighbours: AUC."""
    for data, generator in (("digits", None), ("location30", "gaussian_copula")):
        found = [_domias(data, generator, seed) for seed in range(3)]
        kde, nearest = (f"{min(each):.3f} to {max(each):.3f}" for each in zip(*found, strict=True))
        print(
            f"DOMIAS on {generator or 'exact copies'} of {data}, AUC: KDE {kde}, nearest neighbours {nearest}"
        )


def _domias(data: str, generator: str | None, seed: int) -> tuple[float, float]:
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KernelDensity

    from leakbench.data.load import load
    from leakbench.evaluation.generator_attacks import domias
    from leakbench.generators import GENERATORS, synthesise

    dataset = load(data)
    pool, reference = dataset.parts["pool"], dataset.x[dataset.parts["test"]]
    members = stream(seed, "half").permutation(len(pool)) < len(pool) // 2
    own, x = pool[members], dataset.x[pool]
    made = dataset.x[own]
    if generator:
        chosen = GENERATORS.make(generator)
        made = synthesise(chosen, dataset.x[own], dataset.y[own], dataset.classes, len(own), seed).x
    flat = [part.reshape(len(part), -1) for part in (x, made, reference)]
    project = PCA(min(100, flat[0].shape[1]), random_state=0).fit(flat[2])
    at, syn, ref = (project.transform(part) for part in flat)
    log_ratio = _density(KernelDensity, syn, at) - _density(KernelDensity, ref, at)
    return Roc.of(log_ratio, members).auc, Roc.of(domias(x, made, reference), members).auc


def _density(kind: type, fitted_on: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Log density [n] of a Gaussian kernel with Scott's bandwidth."""
    n, dimensions = fitted_on.shape
    width = n ** (-1 / (dimensions + 4)) * fitted_on.std(axis=0).mean()
    return np.asarray(kind(bandwidth=width).fit(fitted_on).score_samples(at))


def copula() -> None:
    """Seconds of one fit and as many samples, all classes of Location-30: statsmodels' copula and ours."""
    from scipy.special import ndtri
    from scipy.stats import rankdata
    from statsmodels.distributions.copula.api import GaussianCopula

    from leakbench.generators import GENERATORS, synthesise

    dataset, rows = _location()
    x, y = dataset.x[rows], dataset.y[rows]

    def theirs() -> None:
        for c in np.unique(y):
            own = x[y == c]
            z = ndtri((rankdata(own, axis=0) - 0.5) / len(own))
            z /= np.maximum(z.std(axis=0), 1e-9)
            together = 0.9 * (z - z.mean(axis=0)).T @ (z - z.mean(axis=0)) / len(own) + 0.1 * np.eye(
                z.shape[1]
            )
            scale = np.sqrt(np.diag(together))
            GaussianCopula(together / np.outer(scale, scale), k_dim=z.shape[1]).rvs(len(own), rng=0)

    ours = fastest(lambda: synthesise(GENERATORS.make("gaussian_copula"), x, y, dataset.classes, len(y), 0))
    print(
        f"copula of {len(y)} records, 30 classes: statsmodels {fastest(theirs, 1):.1f} s, ours {ours:.2f} s"
    )


def tree(columns: int = 100) -> None:
    """Seconds of one Chow-Liu tree: pgmpy's and ours; and of ours over all columns of all classes."""
    import pandas as pd

    from leakbench.generators import GENERATORS, synthesise
    from leakbench.generators.chow_liu import dependence_tree, mutual_information

    dataset, rows = _location()
    x, y = dataset.x[rows], dataset.y[rows]
    few = x[y == y[0]][:, :columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pgmpy renames its modules
        from pgmpy.estimators import TreeSearch

        frame = pd.DataFrame(few.astype(int))
        search = TreeSearch(frame, root_node=0, n_jobs=1)
        theirs = fastest(lambda: search.estimate(estimator_type="chow-liu", show_progress=False), 1)
    ours = fastest(lambda: dependence_tree(mutual_information(few.astype(float))))
    print(f"Chow-Liu tree of {len(few)} records, {columns} columns: pgmpy {theirs:.1f} s, ours {ours:.4f} s")
    whole = fastest(lambda: synthesise(GENERATORS.make("chow_liu"), x, y, dataset.classes, len(y), 0), 1)
    print(
        f"chow_liu of {len(y)} records, 30 classes of {x.shape[1]} columns, samples included: {whole:.1f} s"
    )


def same_bits() -> None:
    """How far trained weights differ between one thread and two, and between groups of 1, 4 and 8 models."""
    for name, architecture, batch_size, records in (
        ("mnist", {"hidden": [128, 64]}, 1280, 20_000),
        ("mnist", {"hidden": [256, 128]}, 64, 2000),
        ("digits", {"hidden": [64]}, 32, 600),
        ("digits", {"name": "cnn"}, 32, 600),
        ("mnist", {"name": "cnn"}, 64, 1000),
        ("mnist", {"name": "wrn", "depth": 10, "width": 1}, 64, 400),
    ):
        trained = [
            _weights(n, group, name, architecture, batch_size, records)
            for n, group in ((1, 8), (2, 8), (1, 4), (2, 4), (1, 1), (2, 1))
        ]
        apart = max(
            float(np.abs(a[key] - b[key]).max())
            for others in trained[1:]
            for a, b in zip(trained[0], others, strict=True)
            for key in a
        )
        print(f"{name} {architecture}, batches of {batch_size}, 8 models: weights differ by at most {apart}")


def group_sizes(batches: int = 28, repeats: int = 5) -> None:
    """Milliseconds a model takes in a thread, by the size of its group, and for its matrix products alone.

    MKL_CBWR=AUTO before the command shows what the strict rounding of the default costs.
    """
    import torch

    from leakbench.core.cpu import threads
    from leakbench.pipeline.steps import open_trainer
    from leakbench.train.autotune_group_size import fastest_group, shortened
    from leakbench.train.run_stages import train_group

    for name, hidden, records in (
        ("digits", [64, 32], None),
        ("location30", [128, 64], None),
        ("mnist", [128, 64], 20_000),
    ):
        study = _study(name, {"hidden": hidden}, 64, records, models=128, group_size=64)
        with TemporaryDirectory() as store:
            trainer = open_trainer(study, store)
        jobs, classes = trainer.jobs(study.recipe)[::2], len(trainer.dataset.classes)
        for size in (1, 2, 4, 8, 16, 32, 64):
            group = shortened(jobs[:size], batches, epochs=1)
            train = partial(train_group, trainer.dataset, group)
            spent = 1000 * _seconds(train, repeats) / size
            steps = -(-len(group[0].members) // 64)
            print(f"{name} {hidden}, {size} at once: {quoted(spent)} ms, {steps} batches")
        print(f"{name} {hidden}, a short measurement takes {fastest_group(trainer.dataset, jobs)} at once")
        widths = (int(np.prod(trainer.dataset.x.shape[1:])), *hidden, classes)
        weights = [torch.randn(8, b, a) for a, b in pairwise(widths)]
        with threads(1):
            spent = (
                1000 * _seconds(partial(_products, torch.randn(8, 64, widths[0]), weights), 20 * repeats) / 8
            )
        print(f"{name} {hidden}: products alone {quoted(spent)} ms a model and batch")


def _products(x: Any, weights: Sequence[Any]) -> None:
    """The matrix products of a step of K MLPs: forward, and the gradients of weights and of hidden layers."""
    import torch

    read = [x]
    for weight in weights:
        read.append(torch.bmm(read[-1], weight.mT))
    gradient = read.pop()
    for i in reversed(range(len(weights))):
        torch.bmm(gradient.mT, read[i])
        gradient = torch.bmm(gradient, weights[i]) if i else gradient


def _seconds(work: Callable[[], object], repeats: int) -> np.ndarray:
    """Seconds of each repeat [repeats], after one that does not count."""
    work()
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return np.array(spent)


def quoted(values: np.ndarray) -> str:
    """Median, and the least and the largest."""
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"


def _weights(n: int, group: int, name: str, architecture: dict, batch_size: int, records: int) -> list[dict]:
    """The weights of 8 models, trained for two epochs in n threads, in groups of so many."""
    from leakbench.core.cpu import threads
    from leakbench.pipeline.steps import open_trainer

    study = _study(name, architecture, batch_size, records, models=8, group_size=group)
    with TemporaryDirectory() as store, threads(n):
        entries = open_trainer(study, store).models(study.recipe)
        return [entry.tensors("weights.safetensors") for entry in entries]


def _study(
    name: str, architecture: dict, batch_size: int, records: int | None, models: int, group_size: int
) -> Any:
    from leakbench.pipeline.study import Study

    return Study.of(
        {
            "data": {"name": name} | ({"records": records} if records else {}),
            "design": {"name": "random_half", "models": models},
            "architecture": architecture,
            "stages": [{"epochs": 2, "batch_size": batch_size}],
            "group_size": group_size,
        }
    )


def _location() -> tuple:
    from leakbench.data.load import load

    dataset = load("location30", records=2400)
    return dataset, dataset.parts["pool"][:1200]


EVIDENCE = (
    bias,
    plain_clopper_pearson,
    unequal_shares,
    noisy_queries,
    densities,
    copula,
    tree,
    same_bits,
    group_sizes,
)

if __name__ == "__main__":
    for show in EVIDENCE:
        if len(sys.argv) == 1 or show.__name__ in sys.argv[1:]:
            show()
