"""Arrays that other tools saved, under the names of our audit file.

LiRA (Carlini et al. 2022, and its ports): a folder of experiments; every model becomes a target once.
Each experiment holds `keep.npy` [N] and its model's answers on all records: `logits/*.npy` or `logits.npy`
([N, C], [N, V, C] or [N, 1, V, C]), else the log-odds `scores/*.npy` or `scores.npy` ([N] or [N, V]).
`y_train.npy` lies beside the experiments.

TF Privacy: pairs of arrays `logits_train`, `logits_test`, ... as in its `AttackInputData`; train = members.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Arrays = dict[str, NDArray[Any]]
Read = Callable[[Path], NDArray[Any]]

TF_PRIVACY = {"logits": "logits", "probs": "probs", "loss": "losses", "labels": "labels"}
SIDES = ("train", "test")


def lira_experiments(path: Path) -> list[Path]:
    """The experiment folders in `path`, in the order of their numbers; none if it is no LiRA study."""
    return sorted((folder for folder in path.iterdir() if _keep_files(folder)), key=_by_number)


def read_lira(path: Path, experiments: list[Path], read: Read) -> tuple[Arrays, list[str]]:
    """All models of a LiRA study as `logits` [M, V, N, C], or `losses` [M, V, N] where only scores were kept.

    A score phi = log p - log(1 - p) determines the loss, log(1 + exp -phi). Raises InputError if the models
    do not describe the same records.
    """
    kind = "logits" if any(_answer_file(e, "logits") for e in experiments) else "scores"
    files = {e: file for e in experiments if (file := _answer_file(e, kind)) is not None}
    if not files:
        raise InputError(f"{path} has experiments, but none with logits or scores; run their inference first")
    answers = {e: _views_first(read(file), kind, file) for e, file in files.items()}
    first, *others = answers
    for other in others:
        if answers[other].shape != answers[first].shape:
            shapes = f"{first.name} has {answers[first].shape}, {other.name} has {answers[other].shape}"
            raise InputError(f"{path}: all models must answer the same views and records, but {shapes}")
    n = answers[first].shape[1]
    stacked = np.stack(list(answers.values()))
    arrays: Arrays = {"members": np.stack([_keep(e, n, read) for e in answers])}
    notes = [f"models: {', '.join(e.name for e in answers)}"]
    if len(answers) < len(experiments):
        notes.append(f"left out {len(experiments) - len(answers)} experiments without {kind}")
    if kind == "logits":
        arrays["logits"] = stacked
    else:
        arrays["losses"] = np.logaddexp(0.0, -stacked.astype(np.float64))
        notes.append("the scores were taken as LiRA's log-odds and turned into losses")
    if (path / "y_train.npy").is_file():
        arrays["labels"] = read(path / "y_train.npy")[:n]
    elif kind == "logits":
        notes.append("there is no y_train.npy, so only the attacks without labels apply")
    return arrays, notes


def _by_number(folder: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", folder.name)], folder.name


def _keep_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("keep*.npy"))


def _keep(experiment: Path, n: int, read: Read) -> NDArray[Any]:
    """Membership of the first n records; the authors, too, cut it to the records that were asked."""
    file, *more = _keep_files(experiment)
    if more:
        raise InputError(
            f"{experiment} must hold one keep.npy, got {file.name} and {more[0].name}; remove one"
        )
    keep = read(file)
    if keep.ndim != 1 or len(keep) < n:
        raise InputError(f"{file} must be one flag a record, [{n}], got shape {keep.shape}")
    return keep[:n]


def _answer_file(experiment: Path, kind: str) -> Path | None:
    """The last epoch in the folder `kind`, or the single file of that name."""
    single = experiment / f"{kind}.npy"
    return max((experiment / kind).glob("*.npy"), default=single if single.is_file() else None)


def _views_first(array: NDArray[Any], kind: str, file: Path) -> NDArray[Any]:
    """[V, N, C] from logits [N, C], [N, V, C] or [N, 1, V, C]; [V, N] from scores [N] or [N, V]."""
    per_record = 2 if kind == "logits" else 1
    if array.ndim == 4 and array.shape[1] == 1 and kind == "logits":
        array = array[:, 0]
    if array.ndim == per_record:
        array = array[:, None]
    if array.ndim != per_record + 1:
        axes = "[N, C], [N, V, C] or [N, 1, V, C]" if kind == "logits" else "[N] or [N, V]"
        raise InputError(f"{file} must be {axes}, got {array.shape}")
    return np.swapaxes(array, 0, 1)


def tf_privacy_names(names: Iterable[str]) -> list[str]:
    """Those of `names` that are arrays of TF Privacy's `AttackInputData` which we use."""
    used = {f"{name}_{side}" for name in TF_PRIVACY for side in SIDES}
    return [name for name in names if name in used]


def join_tf_privacy(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The pairs joined, members (train) first. Raises InputError where the halves do not fit together."""
    joined: Arrays = {}
    sizes: dict[str, int] = {}
    for theirs, ours in TF_PRIVACY.items():
        halves = {side: arrays[f"{theirs}_{side}"] for side in SIDES if f"{theirs}_{side}" in arrays}
        if not halves:
            continue
        if len(halves) == 1:
            raise InputError(
                f"{theirs}_{min(halves)} is there, but not its other half; save both _train and _test"
            )
        for side, half in halves.items():
            if half.ndim == 0 or len(half) != sizes.setdefault(side, len(half)):
                raise InputError(
                    f"{theirs}_{side} must have {sizes[side]} records as the others, got {half.shape}"
                )
        if halves["train"].shape[1:] != halves["test"].shape[1:]:
            shapes = " and ".join(str(half.shape) for half in halves.values())
            raise InputError(f"{theirs}_train and {theirs}_test must agree but for the records, got {shapes}")
        joined[ours] = np.concatenate([halves[side] for side in SIDES])
    joined["members"] = np.repeat([True, False], [sizes[side] for side in SIDES])
    return joined
