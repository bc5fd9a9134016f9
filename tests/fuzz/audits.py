"""Hostile audits of every kind, each from a number: what is given, and whether what was read of it is right."""

import csv
import io
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.names import canonical
from leakbench.data.audit_file.read import AuditInput, from_arrays, read

from . import hostile

N, C, S, Z = 48, 3, 3, 9
KINDS = ("npz", "folder", "csv", "parquet", "python", "lira", "tf_privacy")
ATTACKS = ["loss", "entropy", "scores"]
SECONDS, ROOM = 10, 500 * 2**20


class HangError(BaseException):
    """Nothing that reads a file may catch this one."""


def good(rng: hostile.Rng) -> dict[str, np.ndarray]:
    """Good arrays: losses, scores, logits or probabilities, with shadow models, views, a population or groups."""
    kind = hostile.chosen(rng, ("logits", "probs", "losses", "scores"))
    made = {kind: _outputs(kind, (N,), rng), "members": np.arange(N) % 2 == 0}
    if rng.integers(2):
        made["labels"] = rng.integers(0, C, N)
    if rng.integers(3) == 0:
        made |= {f"shadow_{kind}": _outputs(kind, (S, N), rng), "shadow_members": rng.random((S, N)) < 0.5}
    if rng.integers(4) == 0:
        made |= {"group_site": np.array(["a", "b", "é"] * (N // 3)), "class_names": np.array(["x", "y", "z"])}
    if kind == "losses" and "shadow_losses" not in made and rng.integers(4) == 0:
        made["population_losses"] = _outputs("losses", (Z,), rng)
    return made


def _outputs(kind: str, lead: tuple[int, ...], rng: hostile.Rng) -> np.ndarray:
    dtype = hostile.chosen(rng, (np.float32, np.float64))
    if kind in ("losses", "scores"):
        return rng.exponential(size=lead).astype(dtype)
    z = rng.normal(size=(*lead, C))
    return (np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True) if kind == "probs" else z).astype(dtype)


def columns(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with one value or row a record as columns of a table."""
    table = {}
    for name, array in arrays.items():
        if name == "class_names" or name.startswith("population"):
            continue
        block = np.moveaxis(array, -2, -1) if name.endswith(("logits", "probs")) else array
        for index in np.ndindex(*block.shape[:-1]):
            table["_".join([name, *map(str, index)])] = block[index]
    return table


def hostile_audit(number: int, folder: Path) -> Path | dict[str, Any]:
    """The audit of a number: a file or folder in `folder`, or what a caller of Python gives."""
    rng = np.random.default_rng([17, number])
    kind = KINDS[number % len(KINDS)]
    arrays = good(rng)
    path = folder / f"{number}.{kind}"
    if kind == "python":
        return _python(arrays, rng)
    if kind == "npz":
        path.write_bytes(hostile.npz(arrays, rng))
    elif kind == "csv":
        path.write_bytes(hostile.csv(columns(arrays), rng))
    elif kind == "parquet":
        path.write_bytes(hostile.parquet(columns(arrays), rng))
    elif kind == "tf_privacy":
        path = path.with_suffix(".npz")
        halves = {
            "loss_train": rng.random(N),
            "loss_test": rng.random(30),
            "labels_train": rng.integers(0, 3, N),
        }
        path.write_bytes(hostile.npz(halves | {"labels_test": rng.integers(0, 3, 30)}, rng))
    else:
        path.mkdir()
        _folder(path, arrays, kind, rng)
    return path


def _folder(path: Path, arrays: dict[str, np.ndarray], kind: str, rng: hostile.Rng) -> None:
    if kind == "folder":
        hostile.folder(arrays, path, rng)
        return
    name = hostile.chosen(rng, ("logits", "scores"))
    labels, odd = rng.integers(0, C, N), int(rng.integers(5))
    for m in range(4):
        experiment = path / f"experiment-{m}_4"
        experiment.mkdir()
        made = {"keep": rng.random(N) < 0.5, name: _outputs(name, (N,), rng)}
        if m == odd:
            hostile.folder(made, experiment, rng)
        else:
            for each, array in made.items():
                np.save(experiment / f"{each}.npy", array)
    hostile.folder({"y_train": labels}, path, rng) if odd == 4 else np.save(path / "y_train.npy", labels)


def _python(arrays: dict[str, Any], rng: hostile.Rng) -> dict[str, Any]:
    name = hostile.chosen(rng, list(arrays))
    array = arrays[name]
    how = rng.integers(9)
    if how == 0:
        return hostile.renamed(arrays, rng)
    if how < 5:
        return arrays | {name: hostile.values(array, rng)}
    odd = (
        array.astype(object), array.tolist(), [array, array[1:]], np.ma.masked_array(array, array == array.flat[0]),
        None, "text", b"bytes", {1: 2}, object(), iter([1]), 2**70, [None] * N, [[1], [1, 2]], memoryview(b"abc"),
        np.array([{}, []] * (N // 2), dtype=object), [1j] * N, np.datetime64("now"), array.dtype, lambda: 1, [[]] * N,
    )  # fmt: skip
    return arrays | {name: hostile.chosen(rng, odd)}


def outcome(given: Path | dict[str, Any], audited: bool = True, save: Path | None = None) -> str:
    """ "refused" in one line, or "right": what was read is what an independent reader reads, and can be audited."""
    try:
        found = read(given) if isinstance(given, Path) else from_arrays(**given)
        _compare(found, _plain(given))
        if audited:
            results = leakbench.audit(given, attacks=ATTACKS)
            if save is not None:
                results.save(save)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000, error
        return "refused"
    return "right"


def _plain(given: Path | dict[str, Any]) -> dict[str, Any]:
    """The arrays by name, read by the shortest way there is, without a check."""
    if isinstance(given, dict):
        return given
    if given.suffix == ".npz":
        with np.load(given) as npz:
            if "loss_train" in npz.files:
                return {n: np.concatenate([npz[f"{n}_train"], npz[f"{n}_test"]]) for n in ("loss", "labels")}
            return {name: npz[name] for name in npz.files if canonical(name)}
    if given.suffix == ".csv":
        text = given.read_bytes().decode("utf-8-sig")
        separator = next((s for s in ",\t;" if s in text.splitlines()[0]), ",")
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
        return _joined(dict(zip(header, zip(*rows, strict=True), strict=True)))
    if given.suffix == ".parquet":
        from pyarrow import parquet

        return _joined(parquet.read_table(given).to_pydict())
    return {file.stem: np.load(file) for file in given.glob("*.npy") if file.is_file()}


def _joined(table: dict[str, Any]) -> dict[str, Any]:
    """`logits` [N, C] from the columns logits_0, logits_1, ...; the others as they are."""
    made = dict(table)
    for kind in ("logits", "probs"):
        parts = [table[f"{kind}_{c}"] for c in range(C) if f"{kind}_{c}" in table]
        if parts and kind not in table:
            made[kind] = np.array(parts, dtype=float).T
    return made


def _compare(found: AuditInput, plain: dict[str, Any]) -> None:
    """Raise AssertionError unless members, labels and the target's outputs are those of the file."""
    named = {
        re.sub("(logit|prob|score|member|label)$", r"\1s", re.sub("loss$", "losses", k)): v
        for k, v in plain.items()
    }
    signals = found.models.signals
    if "members" in named and len(found.targets) == 1:
        members = [str(m).lower() in ("true", "1", "1.0") for m in np.ravel(named["members"])]
        assert found.models.members[0].tolist() == members
    if "labels" in named and signals.labels is not None:
        given, names = np.ravel(named["labels"]).tolist(), found.class_names or ()
        if isinstance(given[0], str) and not all(text.isdigit() for text in given):
            assert [names[label] for label in signals.labels] == given
        else:
            assert signals.labels.tolist() == [float(label) for label in given]
    for field in ("losses", "scores", "logits"):
        kept = getattr(signals, field)
        if kept is not None and field in named and len(found.targets) == 1:
            given = np.asarray(named[field], dtype=float)
            read_as = np.asarray(kept[0], dtype=float).reshape(given.shape)
            np.testing.assert_array_equal(read_as[np.isfinite(given)], given[np.isfinite(given)])


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Raise HangError after 10 seconds of work, or 60 in all, AssertionError above 10 `size` + 500 MB of memory."""

    def hang(*_: object) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, hang)
    signal.signal(signal.SIGPROF, hang)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)  # the machine may have other work
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert _peak() - before < 10 * size + ROOM, f"{(_peak() - before) / 2**20:.0f} MB"


def _peak() -> int:
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def size_of(given: Path | dict[str, Any]) -> int:
    """Bytes on disk; what a caller of Python gives counts as none."""
    if isinstance(given, dict):
        return 0
    files = given.rglob("*") if given.is_dir() else [given]
    return sum(os.lstat(file).st_size for file in files)
