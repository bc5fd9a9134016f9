"""Audit training code: shadow models from an estimator or a function, and every attack on them. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...attacks.suite import make_attacks
from ...core.cpu import cores
from ...core.errors import InputError
from ...core.progress import NullProgress, Progress, TimedProgress, progress_on
from ...core.provenance import Clock
from ...core.results import UNDEFENDED, Row
from ...core.seeds import derive, stream
from ...core.store import Store, open_store
from ...data.audit_file.read import from_arrays
from ...data.designs import RandomHalf
from ...data.designs.base import complementary
from ...evaluation.accuracy import generalisation_gap, rate
from ...evaluation.audit import audit_models
from ...metrics.standard import DELTA, make_metrics, standard
from ...report.notes import listed
from ...report.results import Results
from ...signals.models import Models
from ...signals.types import Bools
from .learner import EstimatorLearner, learner
from .outputs import Outputs, training_notes
from .records import copies, count, fingerprint, labels, with_rows
from .targets import matching, members_of, outputs_of
from .training import Training, train_all

Theirs = tuple[list[Outputs], Bools]  # the outputs of the user's own models [T], and their membership [T, N]


def audit_training(
    code: Any,
    x: Any,
    y: ArrayLike,
    *,
    models: int = 16,
    targets: Any = None,
    members: ArrayLike | None = None,
    attacks: str | Sequence[str | Mapping[str, Any]] = "standard-2027",
    metrics: str | Sequence[str | Mapping[str, Any]] = "standard",
    store: str | Path | None = None,
    version: str | None = None,
    seed: int = 0,
    processes: int | None = None,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    features: ArrayLike | None = None,
    title: str | None = None,
    progress: Progress | bool = True,
    delta: float = DELTA,
) -> Results:
    """Train models with your own code on random halves of the data, and attack each with the others as shadow models.

    Models come in pairs: model 2k trains on a random half of the records, model 2k + 1 on the other half. So every
    record is in exactly half of the models, and every model is the target once (Carlini et al. 2022, arXiv 2112.03570).

    With `targets`, the models that you have already are attacked, and all models that are trained are shadow models
    with as many members as they have.

    Args:
        code: a scikit-learn classifier or pipeline, of which each model is a clone; or a function
            fit(x, y, seed) that trains on the records of one model, and returns a function predict(x) that gives
            probabilities or logits [n, C], with the classes in ascending order, or predicted labels [n].
        x: N records: an array, a pandas, Polars or Arrow table, a list (of texts, or of the paths of images), a data
            set of PyTorch (the function gets a `Subset`) or of Hugging Face, or whatever x[rows] takes rows from. With
            None the function gets the numbers of the records in place of records, and loads them itself.
        y: the labels [N], whole numbers or text.
        models: how many models are trained; an even number. LiRA needs 6 or more and is stronger with 16.
        targets: the models to attack, made by `code` and by the same settings: a fitted classifier, a function
            predict(x), outputs [N, C] or [T, N, C], or a list of T of these. None: every trained model is a target.
        members: the records on which each target was trained, [N] or [T, N], true or false; x holds others as well.
        attacks, metrics: suites or names, as in `leakbench.audit`.
        store: a folder or URL in which the outputs of every model are kept, so that a run that was stopped continues,
            and another run with other attacks trains nothing. None keeps nothing.
        version: what tells this code from others, such as "resnet-18 v3". Outputs of a function are kept only with it.
            Of an estimator the class, the parameters and the versions of its libraries are known already.
        seed: of the design, of each model's training, and of the attacks.
        processes: how many models are trained at once; None: one for each core. With 1, this process trains them.
        groups: one group of each record [N], or several groupings by name; leakage is measured in each.
        features: what an attacker may know of the records beside their labels [N, D], numbers or text.
        title: of the report.
        progress: True shows the progress and the time left, False nothing.
        delta: of the lower bounds on epsilon (docs/epsilon.md).

    Returns the results, with the accuracy on members and on non-members beside those of the attacks.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> nearest = KNeighborsClassifier(n_neighbors=1)
    >>> results = audit_training(nearest, x, y, models=8, attacks=["loss", "lira"], processes=1, progress=False)
    >>> [row.metric for row in results.find(attack=None) if "accuracy" in row.metric]
    ['accuracy', 'train_accuracy']

    Raises InputError where an argument is not what it must be, and where the training of a model fails, StoreError
    where the store cannot be used.
    """
    shown = progress_on() if progress is True else progress or NullProgress()
    clock, timed = Clock(), TimedProgress(shown)
    chosen, measured = make_attacks(attacks), make_metrics(metrics, standard(delta))
    x = with_rows(x)
    training, theirs = _training(code, x, y, models, seed), None
    if targets is not None or members is not None:
        training, theirs = _against(targets, members, training, seed)
    known = {"features": features, **_groups(groups)}
    from_arrays(
        losses=np.zeros(len(training.y)), members=training.members[0], **known
    )  # refused before training
    opened = None if store is None else _opened(store)
    identity, notes = (None, []) if opened is None else _identity(training, version)
    try:
        outputs = train_all(training, _positive(processes), timed, opened, identity)
        given = from_arrays(**_arrays(training, outputs, theirs), **known)
        notes = [*notes, *_notes(training, outputs), *given.notes]
        found = copies(x, np.unique(training.y, return_inverse=True)[1])
        known_models = replace(given.models, known_copies=found)
        given = replace(given, models=known_models, source=training.learner.title, notes=tuple(notes))
        results = audit_models(given, chosen, attacks, measured, seed, title, timed, clock)
    finally:
        timed.done()
    settings = {"code": training.learner.text, "models": models, "seed": seed, "version": version}
    settings |= {"targets": len(theirs[1])} if theirs else {}
    return replace(
        results,
        rows=[*results.rows, *_utility(given.models, given.targets)],
        study={"audit_training": settings},
    )


def _training(code: Any, x: Any, y: Any, models: int, seed: int) -> Training:
    """The trainings on the paired design. Raises InputError where records, labels and code do not fit."""
    trains, target = learner(code), labels(y)
    if x is None and isinstance(trains, EstimatorLearner):
        raise InputError(
            "an estimator needs the records, x, got None; x=None is for functions that load records"
        )
    n, classes = len(target), np.unique(target)
    if x is not None and count(x) != n:
        raise InputError(f"x and y must hold the same records, got {count(x)} rows of x and {n} labels")
    if len(classes) < 2:
        raise InputError(f"y must hold two classes or more, got {len(classes)}")
    members = complementary(n, RandomHalf(models).models, stream(seed, "design", RandomHalf.name))
    seeds = tuple(derive(seed, "model", m) >> 32 for m in range(models))
    return Training(trains, x, target, classes, members, seeds)


def _against(targets: Any, members: Any, training: Training, seed: int) -> tuple[Training, Theirs]:
    """The training of shadow models that match the targets, and the targets' outputs and membership."""
    if targets is None or members is None:
        raise InputError(
            f"targets and members must be given together, got {'members' if targets is None else 'targets'} alone; "
            "give the models, and the records on which each was trained"
        )
    n, models = len(training.y), len(training.seeds)
    own = members_of(members, n)
    outputs = outputs_of(targets, training.x, n, training.classes)
    if len(outputs) != len(own):
        raise InputError(
            f"members must have a row for each target, got {len(own)} and {len(outputs)} targets"
        )
    shadows = matching(own, models, stream(seed, "design", "matching"))
    return replace(training, members=shadows), (outputs, own)


def _positive(processes: int | None) -> int:
    if processes is None:
        return cores()
    if processes < 1:
        raise InputError(f"processes must be at least 1, got {processes}; leave it out for one for each core")
    return processes


def _opened(store: str | Path) -> Store:
    if find_spec("filelock") is None:
        raise InputError(
            "a store needs the package filelock; install it (pip install filelock), or leave out store"
        )
    return open_store(store)


def _identity(training: Training, version: str | None) -> tuple[dict[str, Any] | None, list[str]]:
    """What tells the code and the data of these models from others; None, with a note, where nothing does."""
    code, x = training.learner.identity(version), fingerprint(training.x)
    if code is None or (x is None and version is None):
        what = "the function" if code is None else f"x, a {type(training.x).__name__},"
        return None, [
            f"no outputs were kept or reused: nothing tells {what} from another one; give version=..."
        ]
    return {"code": code, "x": x, "y": fingerprint(training.y)}, []


def _groups(groups: Any) -> dict[str, Any]:
    if isinstance(groups, Mapping):
        return {f"group_{name}": group for name, group in groups.items()}
    return {"groups": groups}


def _arrays(training: Training, outputs: list[Outputs], theirs: Theirs | None) -> dict[str, Any]:
    """The outputs as an audit takes them, with the labels as numbers of columns."""
    every = [*(theirs[0] if theirs else []), *outputs]
    first = every[0]
    for m, each in enumerate(every):
        if (each.kind, each.logits.shape) != (first.kind, first.logits.shape):
            of = ["target 0", "target"] if theirs else ["model 0", "model"]
            which = (
                f"{of[1]} {m}" if not theirs or m < len(theirs[0]) else f"shadow model {m - len(theirs[0])}"
            )
            raise InputError(
                f"all models must release outputs of one kind and shape, got {first.kind} {first.logits.shape} of "
                f"{of[0]} and {each.kind} {each.logits.shape} of {which}"
            )
    classes = training.classes
    if first.logits.shape[1] > len(classes):  # a function with a column for every number from 0
        classes = np.arange(first.logits.shape[1])
    trained = {"logits": np.stack([each.logits for each in outputs]), "members": training.members}
    if theirs:
        trained = {f"shadow_{name}": array for name, array in trained.items()}
        trained |= {"logits": np.stack([each.logits for each in theirs[0]]), "members": theirs[1]}
    labels = {"labels": np.searchsorted(classes, training.y), "class_names": classes.astype(str)}
    return {**trained, **labels}


def _notes(training: Training, outputs: list[Outputs]) -> list[str]:
    """What a reader must know of how the models were trained, and of what they released."""
    total, notes = len(outputs), list[str]()
    lacking = np.stack([~np.isin(training.classes, training.y[row]) for row in training.members])  # [M, C]
    if lacking.any():
        names = listed([str(name) for name in training.classes[lacking.any(axis=0)]])
        notes.append(f"{lacking.any(axis=1).sum()} of {total} models have no member of some class: {names}")
    return notes + training_notes(outputs)


def _utility(models: Models, targets: Sequence[int]) -> list[Row]:
    """The accuracy on non-members and on members, and the difference, over the targets."""
    correct = np.stack([models.signals.statistic("correct", m)[0] > 0.5 for m in targets])
    members = models.members[list(targets)]
    return [
        rate("accuracy", UNDEFENDED, correct, ~members),
        rate("train_accuracy", UNDEFENDED, correct, members),
        generalisation_gap(UNDEFENDED, correct, members, np.ones_like(members)),
    ]
