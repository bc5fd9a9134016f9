"""Hostile files, drawn at random from a seed: good content of which the form, a value or a few bytes are wrong.

Every function takes good arrays or columns by name and a generator, and returns the content of a file of its kind, or
writes a folder. About one in eight is left as it is, so that a reader which refuses everything fails.
"""

import io
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Arrays = Mapping[str, np.ndarray]

MAGIC = b"\x93NUMPY"
BIG = 2**60
SHAPES = (
    "(-1,)", f"({BIG},)", f"({2**64},)", f"({10**30},)", f"(0, {BIG})", f"({BIG}, 0)", "(True,)", "(1.5,)",
    "('x',)", "((),)", "()", "(0,)", "12", "[12]", "None", "(12", "(1e400,)", "(-(1),)", "(9999999,)",
    f"({2**32}, {2**32})", "(12, -1, -1)", "(" * 150 + ")" * 150, "(" * 20000, "[" * 9000,
)  # fmt: skip
DESCRS = (
    "'<f2'", "'>f8'", "'<f16'", "'|O'", "'<M8[D]'", "'<M8[zz]'", "'<c16'", "'|V8'", "'|V0'", "'<U5'", "'|S5'",
    "'<U0'", "'|b1'", "'|i1'", "'<u8'", "'|T16'", "'<i33'", "'no'", "5", "None", "[('a','<f8'),('b','<i4')]",
    "[('a','|O')]", "'(2,)f8'", "('<f8', (2,))", "{'names': ['a'], 'formats': ['O']}", "'<U1000000000'", "[]",
    "[('a', '<f8')] * 2", "''", "'f8,f8'",
)  # fmt: skip
HEADERS = (
    b"", b"{", b"}", b"{'descr': ", b"(" * 300, b"[" * 9000, b"'''", b"\x00" * 40, b"{'descr': '<f8'}", b"1",
    b"__import__('os').system('true')", b"{[]: 1}", b"{**{}}", b"{'descr'", b"\xff\xfe" * 20, b"\n\n  \n x",
    b"-" * 5000 + b"1", b"{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", b"9" * 5000, b"'\\N{x}'",
)  # fmt: skip
VALUES = (np.nan, np.inf, -np.inf, -1.0, 1e300, -1e300, 1e-320, 0.0, 2.0**53, 7.5)
CELLS = (
    "", " ", "nan", "inf", "-inf", "-1", "1e999", "9" * 400, "1_0", "0x1f", "None", "?", "true", "yes", "1,5", "5%",
    '"', '"a', "a\nb", "\0", "é", "\ud800", "=1+1", "x" * 70_000, "١٢", "\x1b[31m",
)  # fmt: skip
NAMES = (
    "", " ", "logit", "logits_", "logits_-1", "logits_00", "logits_99999999", "logits_" + "9" * 30, "logits_0_0_0_0",
    "logits_" + "9" * 5000, "logits" + "_1" * 40_000 + "x", "group_", "group_\x1b[31mred", "group_\ud800", "weather",
    "x" * 100_000, "members\0", "lables", "population_loss", "shadow_members_3", "schema", "٣", "logits_٣", "../logits",
)  # fmt: skip
FIELDS = (0, 1, 2, 9, 12, 14, 99, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def chosen(rng: Rng, of: Any) -> Any:
    """One of a sequence."""
    return of[int(rng.integers(len(of)))]


def damaged(content: bytes, rng: Rng) -> bytes:
    """Bytes changed, overwritten, cut out, doubled, put in or cut off, in one to four places."""
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(made) + 1))
        size = int(min(len(made) - at, rng.geometric(0.1)))
        noise = rng.bytes(size)
        how = rng.integers(7)
        if how == 0:
            made[at : at + 1] = bytes(b ^ (1 << int(rng.integers(8))) for b in made[at : at + 1])
        elif how == 1:
            made[at : at + size] = noise
        elif how == 2:
            made[at : at + size] = chosen(rng, (b"\0", b"\xff", b"\x7f")) * size
        elif how == 3:
            del made[at : at + size]
        elif how == 4:
            made[at:at] = made[at : at + size] * int(rng.integers(1, 4))
        elif how == 5:
            made[at:at] = noise
        else:
            del made[at:]
    return bytes(made)


def values(array: np.ndarray, rng: Rng) -> np.ndarray:
    """The array with another value somewhere, another dtype, or another shape."""
    how = rng.integers(5)
    if how == 0 and array.dtype.kind in "fiub" and array.size:
        made = array.astype(float)
        made.flat[rng.integers(made.size, size=int(rng.integers(1, 4)))] = chosen(rng, VALUES)
        return made
    if how == 1:
        return _cast(array, rng)
    if how == 2:
        shapes = (
            array[..., None],
            array[None],
            array.T,
            array.ravel(),
            array[:0],
            array[1:],
            array[::-1],
            array[::2],
        )
        return np.asarray(chosen(rng, shapes))
    if how == 3:
        odd = (
            np.array(3.0), np.array("x"), np.array(None), np.zeros((0, 3)), np.zeros(array.shape, "<M8[D]"),
            np.zeros(array.shape, [("a", "f8"), ("b", "i4")]), np.full(array.shape, "\U0010ffff"), np.zeros(1),
            np.full(array.shape, 2**63, np.uint64), np.full(array.shape, 10.0**30), np.zeros(array.shape, "m8[s]"),
            np.full(array.shape, -(2**63)), np.full(array.shape, "\ud800"), np.zeros((2,) * 20),
        )  # fmt: skip
        return chosen(rng, odd)
    made = array.copy()
    rng.shuffle(made)
    return made


def _cast(array: np.ndarray, rng: Rng) -> np.ndarray:
    dtype = chosen(
        rng, ("f2", "f4", ">f8", "g", "i1", "u1", "u8", "?", "c16", "U7", "S7", "O", ">i4", "M8[s]", "V4")
    )
    with np.errstate(all="ignore"):
        try:
            return array.astype(dtype)
        except (TypeError, ValueError):  # text has no number
            return array.astype("U7")


def renamed(named: Mapping[str, Any], rng: Rng) -> dict[str, Any]:
    """One of the names another: left out, of nothing known, a slip, doubled under a synonym."""
    made = dict(named)
    name = chosen(rng, list(made))
    value = made[name] if rng.integers(2) else made.pop(name)
    made[chosen(rng, (*NAMES, name[:-1], name + "s", "shadow_" + name))] = value
    return made


def npy(array: np.ndarray, rng: Rng) -> bytes:
    """A npy file: of odd values, with a header that lies or is none, or damaged."""
    how = rng.integers(6)
    if how == 0:
        return damaged(plain_npy(array), rng)
    if how == 1:
        return plain_npy(values(array, rng))
    descr, shape = f"{array.dtype.str!r}", f"{array.shape}"
    if how == 2:
        descr = chosen(rng, DESCRS)
    if how in (2, 3):
        shape = chosen(rng, SHAPES)
    order = chosen(rng, ("False", "True", "0", "None")) if how == 4 else "False"
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n".encode()
    if how == 5:
        header = chosen(rng, HEADERS)
    version = chosen(rng, ((1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (9, 9)))
    length = len(header) if rng.integers(6) else int(chosen(rng, FIELDS))
    size = struct.pack(
        "<I" if version >= (2, 0) else "<H", length & (0xFFFF if version < (2, 0) else 0xFFFFFFFF)
    )
    return MAGIC + bytes(version) + size + header + array.tobytes()


def plain_npy(array: np.ndarray) -> bytes:
    """The npy file as NumPy writes it, pickles of objects included."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(arrays: Arrays, rng: Rng) -> bytes:
    """An npz: odd values or names, odd members, a field of the zip overwritten, bytes damaged, or as it should be."""
    how = rng.integers(8)
    if how == 0:
        return damaged(_zip(arrays, rng), rng)
    if how == 1:
        return _with_field(_zip(arrays, rng), rng)
    if how == 2:
        arrays = renamed(arrays, rng)
    elif how in (3, 4):
        arrays = dict(arrays)
        name = chosen(rng, list(arrays))
        arrays[name] = values(arrays[name], rng)
    elif how == 5:
        return _zip(arrays, rng, {chosen(rng, list(arrays)): npy(chosen(rng, list(arrays.values())), rng)})
    elif how == 6:
        return _zip(arrays, rng, _odd_member(arrays, rng))
    return _zip(arrays, rng)


def _zip(arrays: Arrays, rng: Rng, instead: Mapping[str, bytes] | None = None) -> bytes:
    """The arrays' files, with members of a name `instead` or beside them; a name that ends in "/" is a folder."""
    file = io.BytesIO()
    contents = {f"{name}.npy": plain_npy(array) for name, array in arrays.items()}
    contents |= {name if "." in name else f"{name}.npy": member for name, member in (instead or {}).items()}
    kind = chosen(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(file, "w", kind) as made:
        for name, content in contents.items():
            made.writestr(_utf8([name])[0][-60_000:], content)
    return file.getvalue()


def _odd_member(arrays: Arrays, rng: Rng) -> dict[str, bytes]:
    name = chosen(rng, list(arrays))
    odd = (
        {f"{name}.npy": b""}, {f"{name}.npy": b"not an array"}, {f"{name}.npy": MAGIC}, {"readme.txt": b"hello"},
        {"data.pkl": b"cos\nsystem\n."}, {".npy": b"\x93NUMPY\x01\x00"}, {"folder/": b""}, {f"./{name}.npy": b"PK"},
        {f"{name}.npy": plain_npy(np.zeros(3_000_000))}, {f"{name}.npy": bytes(40_000_000)},
        {"x" * 60_000 + ".npy": b""}, {f"{name}.npy": plain_npy(np.array([{}, None]))},
    )  # fmt: skip
    return chosen(rng, odd)


def _with_field(content: bytes, rng: Rng) -> bytes:
    """One field of a local header, of the directory or of its end overwritten: flags, method, sizes, names, offsets."""
    signature, size = chosen(rng, ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46), (b"PK\x05\x06", 22)))
    places = [match.start() for match in re.finditer(re.escape(signature), content)]
    at = chosen(rng, places) + 4 + 2 * int(rng.integers((size - 4) // 2))
    made = bytearray(content)
    made[at : at + 2] = struct.pack("<H", int(chosen(rng, FIELDS)) & 0xFFFF)
    return bytes(made)


def csv(columns: Arrays, rng: Rng) -> bytes:
    """A CSV file: odd names, cells, separators, line ends or encodings, bytes damaged, or as it should be."""
    how = rng.integers(9)
    names = list(columns)
    rows = [[str(cell) for cell in row] for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
    separator, encoding, end = ",", "utf-8", "\n"
    if how == 0:
        return damaged(_text(names, rows, ",", "\n").encode(), rng)
    if how == 1:
        names[int(rng.integers(len(names)))] = chosen(rng, (*NAMES, chosen(rng, names)))
    elif how == 2:
        row = chosen(rng, rows)
        row[int(rng.integers(len(row)))] = chosen(rng, CELLS)
    elif how == 3:
        row = chosen(rng, rows)
        row[-1:] = chosen(rng, ([], ["1", "2"], ["1"] * 1000))
    elif how == 4:
        separator = chosen(rng, (";", "\t", "|", ", ", ",,"))
    elif how == 5:
        encoding, end = (
            chosen(rng, ("utf-8-sig", "utf-16", "utf-32", "cp500")),
            chosen(rng, ("\r\n", "\r", "\n\n")),
        )
    elif how == 6:
        names = names if rng.integers(2) else [f"{i / 7}" for i in range(len(names))]
        rows = chosen(rng, ([], rows[:1], rows, [[""] * len(names)] * 3, rows * 5))
    elif how == 7:
        extra = chosen(
            rng, (["weather"], [""], [f"x{i}" for i in range(2000)], ["loss", "loss"], list(NAMES))
        )
        names, rows = names + extra, [row + ["1"] * len(extra) for row in rows]
    return _text(names, rows, separator, end).encode(
        encoding, "surrogatepass" if "utf" in encoding else "replace"
    )


def _text(names: list[str], rows: list[list[str]], separator: str, end: str) -> str:
    return "".join(separator.join(row) + end for row in [names, *rows])


def parquet(columns: Arrays, rng: Rng) -> bytes:
    """A parquet file: odd types, names or values, bytes damaged, or as it should be."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    how = rng.integers(6)
    named: dict[str, Any] = {name: pa.array(column) for name, column in columns.items()}
    if how == 1:
        named = renamed(named, rng)
    elif how in (2, 3):
        named[chosen(rng, list(named))] = _odd_column(len(next(iter(columns.values()))), rng)
    elif how == 4:
        name = chosen(rng, list(named))
        made = values(columns[name], rng)
        if made.shape == columns[name].shape and made.dtype.kind in "fiubU" and made.dtype != np.longdouble:
            texts = made.dtype.kind == "U"
            named[name] = pa.array(
                _utf8(made.tolist()) if texts else made.astype(made.dtype.newbyteorder("="))
            )
    table = pa.Table.from_arrays(list(named.values()), _utf8(named))
    if how == 5 and rng.integers(2):
        table = chosen(rng, (table.slice(0, 0), table.append_column(table.schema[0], table.column(0))))
    file = io.BytesIO()
    codec = chosen(rng, ("NONE", "SNAPPY", "ZSTD", "GZIP"))
    pq.write_table(table, file, compression=codec, use_dictionary=bool(rng.integers(2)))
    return damaged(file.getvalue(), rng) if how == 0 else file.getvalue()


def _odd_column(n: int, rng: Rng) -> Any:
    import decimal

    import pyarrow as pa

    bad_text = pa.py_buffer(b"\xff\xfe" * n)
    odd = (
        lambda: pa.array([{"a": 1, "b": "x"}] * n),
        lambda: pa.array([decimal.Decimal("1.25")] * n),
        lambda: pa.array([b"\xff\xfe"] * n),
        lambda: pa.array([b"\xff\xfe"] * n, pa.binary(2)),
        lambda: pa.array([[("k", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([[1.0, 2.0]] * n),
        lambda: pa.array([[1.0] * (i % 3) for i in range(n)]),
        lambda: pa.array([[[1.0, 2.0]]] * n),
        lambda: pa.array([["a", "b"]] * n),
        lambda: pa.array([[None, 1.0]] * n),
        lambda: pa.array([0] * n, pa.timestamp("ns")),
        lambda: pa.array([0] * n, pa.time64("us")),
        lambda: pa.array([0] * n, pa.date32()),
        lambda: pa.array([0] * n, pa.duration("s")),
        lambda: pa.nulls(n),
        lambda: pa.array([None] * n, pa.float64()),
        lambda: pa.array(["a", "b"] * n)[:n].dictionary_encode(),
        lambda: pa.array([2**64 - 1] * n, pa.uint64()),
        lambda: pa.array([1.0] * n, pa.float32()),
        lambda: pa.array(np.ones(n, np.float16)),
        lambda: pa.array([True] * n),
        lambda: pa.array(["1"] * n, pa.large_string()),
        lambda: pa.array(["x" * 100_000, *[""] * (n - 1)]),
        lambda: pa.StringArray.from_buffers(n, pa.py_buffer(np.arange(0, 2 * n + 1, 2, np.int32)), bad_text),
        lambda: pa.array([{"a": {"b": [1.0]}}] * n),
    )
    return chosen(rng, odd)()


def folder(arrays: Arrays, path: Path, rng: Rng) -> None:
    """A folder of npy files: odd values, names or headers, files damaged, or things that are no files."""
    how = rng.integers(6)
    if how == 1:
        arrays = renamed(arrays, rng)
    for name, array in arrays.items():
        (path / f"{_file_name(name)}.npy").write_bytes(plain_npy(array))
    name = chosen(rng, list(arrays))
    file = path / f"{_file_name(name)}.npy"
    if how in (2, 3):
        file.write_bytes(npy(arrays[name], rng))
    elif how == 4:
        file.write_bytes(plain_npy(values(arrays[name], rng)))
    elif how == 5:
        file.unlink()
        no_file(file, rng)


def _file_name(name: str) -> str:
    return _utf8([name])[0].replace("/", "").replace("\0", "")[:200]


def _utf8(texts: Iterable[str]) -> list[str]:
    return [text.encode("utf-8", "replace").decode() for text in texts]


def no_file(path: Path, rng: Rng) -> None:
    """A pipe, a folder, a link to nothing, to itself or to a device, or an empty file in a file's place."""
    how = rng.integers(6)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
    elif how == 5:
        path.touch()
    else:
        path.symlink_to(("/nowhere", path, "/dev/zero")[how - 2])
