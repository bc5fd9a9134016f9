"""Reads the arrays of other tools under the names of our audit file.

LiRA (Carlini et al. 2022, and its ports): a folder of experiments; every model becomes a target once.
Each experiment holds `keep.npy` [N] and its model's outputs on all records: `logits/*.npy` or `logits.npy`
([N, C], [N, V, C] or [N, 1, V, C]), or the log-odds `scores/*.npy` or `scores.npy` ([N] or [N, V]).
`y_train.npy` or another file of labels lies beside the experiments. In lira_analysis (najeebjebreel/lira_analysis,
`OUTPUTS.md`) the experiments are called `model_0`, ... and `keep_indices.npy` [M, N] beside them holds a row for each.

TF Privacy: pairs of arrays `logits_train`, `logits_test`, ... as in its `AttackInputData`; train = members.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .names import listed

Arrays = dict[str, NDArray[Any]]
Read = Callable[[Path], NDArray[Any]]

TF_PRIVACY = {"logits": "logits", "probs": "probs", "loss": "losses", "labels": "labels"}
SIDES = ("train", "test")
_LABELS = re.compile(r"(?<!membership_)label|target|(^|_)y(_|$)")  # in the name of a file
_ALL_KEPT = "keep_indices.npy"


def lira_experiments(path: Path) -> list[Path]:
    """The experiment folders in `path`, in the order of their numbers; none if it is no LiRA study."""
    return sorted((folder for folder in path.iterdir() if _keep_files(folder)), key=_by_number)


def read_lira(path: Path, experiments: list[Path], read: Read) -> tuple[Arrays, list[str], str]:
    """All models of a LiRA study as `logits` [M, V, N, C], or as `losses` [M, V, N] from scores; notes; what was read.

    Logits or scores: what more experiments hold; where as many hold both, the logits if there are labels, since
    without them only the scores depend on the label. A score phi = log p - log(1 - p) determines the loss,
    log(1 + exp -phi). Raises InputError if the models do not describe the same records.
    """
    labels, notes = _labels_beside(path)
    by_kind = {k: {e: f for e in experiments if (f := _output_files(e, k))} for k in ("logits", "scores")}
    kind = max(by_kind, key=lambda k: (len(by_kind[k]), (k == "logits") == (labels is not None)))
    files = by_kind[kind]
    if not files:
        raise InputError(f"{path} has experiments, but none with logits or scores; run their inference first")
    outputs = {e: _views_first(read(found[-1]), kind, found[-1]) for e, found in files.items()}
    first, *others = outputs
    for other in others:
        if outputs[other].shape != outputs[first].shape:
            shapes = f"{first.name} has {outputs[first].shape}, {other.name} has {outputs[other].shape}"
            raise InputError(f"{path}: all models must have the same views and records, but {shapes}")
    n = outputs[first].shape[1]
    stacked = np.stack(list(outputs.values()))
    arrays: Arrays = {"members": np.stack([_keep(e, n, read) for e in outputs])}
    notes += [*_chosen(kind, by_kind, experiments), *_epochs(kind, files)]
    if kind == "logits":
        arrays["logits"] = stacked
    else:
        if not np.isfinite(stacked).all():
            raise InputError(
                f"{path}: the scores must be finite log-odds; compute them again in double precision"
            )
        arrays["losses"] = np.logaddexp(0.0, -stacked.astype(np.float64))
        notes.append("the scores were taken as LiRA's log-odds and turned into losses")
    if labels is not None:
        arrays["labels"] = np.atleast_1d(read(labels))[:n]
    keep = sorted({file.name for e in outputs for file in _keep_files(e)})
    sources = (
        f"{kind}, members from {listed(keep)}, {f'labels from {labels.name}' if labels else 'no labels'}"
    )
    return arrays, notes, f"LiRA's experiments: {sources}"


def _labels_beside(path: Path) -> tuple[Path | None, list[str]]:
    """The file of labels beside the experiments: y_train.npy, or the only one that is named as labels are."""
    named = sorted(file for file in path.glob("*.npy") if _LABELS.search(file.stem.lower()))
    exact = [file for file in named if file.name == "y_train.npy"]
    if exact or len(named) == 1:
        (file,) = exact or named
        return file, [] if exact else [f"the labels were read from {file.name}"]
    several = f"; {listed(file.name for file in named)} may be, rename one" if named else ""
    return None, [f"there are no labels (y_train.npy){several}, so what needs them is left out"]


def _chosen(kind: str, by_kind: dict[str, dict[Path, list[Path]]], experiments: list[Path]) -> list[str]:
    """Which models are read, and which of their outputs and which experiments are not."""
    files, (other,) = by_kind[kind], by_kind.keys() - {kind}
    notes = [f"{len(files)} models: the {kind} of {listed(e.name for e in files)}"]
    if by_kind[other]:
        notes.append(f"not used: the {other} of {len(by_kind[other])} experiments")
    if len(files) < len(experiments):
        without = listed(e.name for e in experiments if e not in files)
        notes.append(f"left out {len(experiments) - len(files)} experiments without {kind}: {without}")
    return notes


def _epochs(kind: str, files: dict[Path, list[Path]]) -> list[str]:
    """A note on which of several epochs was read."""
    last = {found[-1].name for found in files.values()}
    if len(last) > 1:
        return [f"the last {kind} are not those of one epoch: {listed(last)}"]
    several = any(len(found) > 1 for found in files.values())
    return [f"of several epochs the last was read: {kind}/{last.pop()}"] if several else []


def _by_number(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)], path.name


def _keep_files(folder: Path) -> list[Path]:
    """The files with the membership of one experiment: its own, or that of all beside the experiments."""
    shared = folder.parent / _ALL_KEPT
    is_model = re.fullmatch(r"model_\d{1,9}", folder.name) and folder.is_dir() and shared.exists()
    return sorted(folder.glob("keep*.npy")) or ([shared] if is_model else [])


def _keep(experiment: Path, n: int, read: Read) -> NDArray[Any]:
    """Membership of the first n records; the authors, too, cut it to the queried records."""
    file, *more = _keep_files(experiment)
    if more:
        raise InputError(
            f"{experiment} must hold one keep.npy, got {file.name} and {more[0].name}; remove one"
        )
    keep = read(file)
    if keep.dtype.kind not in "biuf":
        raise InputError(f"{file} must be true/false or 0/1, got dtype {keep.dtype}")
    if file.name == _ALL_KEPT and file.parent == experiment.parent:
        number = int(experiment.name.removeprefix("model_"))
        if keep.ndim != 2 or number >= len(keep):
            raise InputError(f"{file} must have a row for {experiment.name}, got shape {keep.shape}")
        keep = keep[number]
    if keep.ndim != 1 or len(keep) < n:
        raise InputError(f"{file} must be one flag a record, [{n}], got shape {keep.shape}")
    return keep[:n]


def _output_files(experiment: Path, kind: str) -> list[Path]:
    """The files of the folder `kind` in the order of their numbers, 9.npy before 10.npy; else the one of that name."""
    single = experiment / f"{kind}.npy"
    epochs = sorted((experiment / kind).glob("*.npy"), key=_by_number)
    return epochs or ([single] if single.exists() else [])


def _views_first(array: NDArray[Any], kind: str, file: Path) -> NDArray[Any]:
    """[V, N, C] from logits [N, C], [N, V, C] or [N, 1, V, C]; [V, N] from scores [N] or [N, V]."""
    if array.dtype.kind not in "fiu":
        raise InputError(f"{file} must hold real numbers, got dtype {array.dtype}")
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
            if half.ndim == 0:
                raise InputError(f"{theirs}_{side} must have one value a record, got a single one")
            if len(half) != sizes.setdefault(side, len(half)):
                raise InputError(
                    f"{theirs}_{side} must have {sizes[side]} records as the others, got {half.shape}"
                )
        if halves["train"].shape[1:] != halves["test"].shape[1:]:
            shapes = " and ".join(str(half.shape) for half in halves.values())
            raise InputError(f"{theirs}_train and {theirs}_test must agree but for the records, got {shapes}")
        if any(half.dtype.kind not in "biuf" for half in halves.values()):
            dtypes = " and ".join(str(half.dtype) for half in halves.values())
            raise InputError(f"{theirs}_train and {theirs}_test must hold numbers, got dtypes {dtypes}")
        joined[ours] = np.concatenate([halves[side] for side in SIDES])
    joined["members"] = np.repeat([True, False], [sizes[side] for side in SIDES])
    return joined
