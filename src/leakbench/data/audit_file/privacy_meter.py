"""Reads what ML Privacy Meter saved: a log folder with signals and memberships, or the scores of one report.

The log folder (privacytrustlab/ml_privacy_meter, `get_signals.py` and `models/utils.py`) holds
`models/memberships.npy` [M, N] and `signals/rmia_signals.npy` [N, M], the probability of the true class; likewise
`loss_signals.npy`, and `rmia_signals_pop.npy` [Z, M] for records that no model was trained on.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .names import listed
from .other_tools import Arrays, Read

MEMBERSHIPS = Path("models", "memberships.npy")
RESULT = frozenset({"scores", "memberships"})  # the arrays of report/exp/attack_result_0.npz that are read
LEAST = 1e-30  # a probability of 0 is read as this


def read_privacy_meter(path: Path, read: Read) -> tuple[Arrays, list[str], str]:
    """Losses [M, N] of all models, their membership, and losses of the population [M, Z]; notes; what was read.

    Raises InputError where signals and memberships are not of the same records.
    """
    found = sorted(
        file for file in (path / "signals").glob("*_signals.npy") if "ramia" not in file.name
    )  # the range attack's are of other records
    if not found:
        raise InputError(
            f"{path} has {MEMBERSHIPS}, but no signals/*_signals.npy; run the audit of Privacy Meter first"
        )
    file, *others = found[::-1]  # rmia before loss: both hold the same
    signals, members = _signals(file, read), np.asarray(read(path / MEMBERSHIPS))
    n, m = signals.shape
    if members.ndim != 2 or len(members) < m or members.shape[1] != n:
        raise InputError(
            f"{path / MEMBERSHIPS} must be [M models, N records] with M = {m} and N = {n} as in signals/{file.name}, "
            f"got {members.shape}; where the audit took a part of the records (data_size), read "
            "report/exp/attack_result_0.npz"
        )
    arrays: Arrays = {"losses": _losses(signals), "members": members[:m]}
    read_as = f"Privacy Meter's log folder: signals/{file.name}, {MEMBERSHIPS}"
    population = file.with_name(f"{file.stem}_pop.npy")
    if population.exists():
        arrays["population_losses"] = _losses(_signals(population, read, m))
        read_as += f", signals/{population.name}"
    notes = ["the signals were taken as probabilities of the true class and turned into losses"]
    if others:
        notes.append(f"not used: {listed(other.name for other in others)}")
    return arrays, notes, read_as


def of_result(arrays: Arrays) -> Arrays:
    """The scores of one report under our names."""
    return {"scores": arrays["scores"], "members": arrays["memberships"]}


def _signals(file: Path, read: Read, models: int | None = None) -> NDArray[Any]:
    """[N, M] numbers in 0..1."""
    array = read(file)
    if array.ndim != 2 or array.dtype.kind != "f" or (models is not None and array.shape[1] != models):
        want = "[N records, M models]" if models is None else f"[Z records, {models} models]"
        raise InputError(f"{file} must be {want} of floating type, got {array.dtype} {array.shape}")
    if not (array.min() >= 0 and array.max() <= 1 + 1e-6):
        raise InputError(f"{file} must hold probabilities in 0..1, got {array.min():g} to {array.max():g}")
    return array


def _losses(signals: NDArray[Any]) -> NDArray[Any]:
    """[M, N] from probabilities [N, M]."""
    return np.maximum(0.0, -np.log(np.maximum(signals.T.astype(np.float64), LEAST)))
