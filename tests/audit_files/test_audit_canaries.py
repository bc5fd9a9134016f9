"""The array `canary` of an audit file gives the rows that a study's canaries have."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import from_arrays, read
from leakbench.report.results import Results

N = 400
CANARY = np.where(np.arange(N) % 4 == 0, "mislabelled", "")


@pytest.fixture(scope="module")
def saved() -> dict[str, np.ndarray]:
    """One model that remembers its mislabelled members and no other."""
    rng = np.random.default_rng(0)
    members = rng.random(N) < 0.5
    losses = rng.exponential(np.where(members & (CANARY != ""), 0.1, 1.0))
    return {"losses": losses, "members": members, "canary": CANARY}


def _lo(results: Results, part: str) -> float:
    (row,) = results.find(attack="loss", metric="auc", slice=part)
    return row.lo


def test_canaries_have_rows_of_their_own_and_count_in_no_other(saved: dict) -> None:
    results = leakbench.audit(**saved, attacks=["loss"])
    average = {name: array[CANARY == ""] for name, array in saved.items() if name != "canary"}
    without = leakbench.audit(**average, attacks=["loss"])
    assert _lo(results, "canary:mislabelled") > 0.7
    for name in ("auc", "tpr@fpr=0.1"):
        (row,), (alone,) = (r.find(attack="loss", metric=name, slice="all") for r in (results, without))
        assert row == alone
    predicted = [[r for r in each.rows if r.metric == "tnr@fnr=0.01"] for each in (results, without)]
    assert predicted[0] == predicted[1] != []
    assert results.verdict == without.verdict


def test_every_kind_of_file_holds_them(saved: dict, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **saved)
    rows = zip(saved["losses"], saved["members"], CANARY, strict=True)
    (tmp_path / "a.csv").write_text("loss,member,canary\n" + "\n".join(f"{a},{b},{c}" for a, b, c in rows))
    texts = pa.array([c or None for c in CANARY], pa.string())
    pq.write_table(
        pa.table({"loss": saved["losses"], "member": saved["members"], "canary": texts}),
        tmp_path / "a.parquet",
    )
    for name in ("a.npz", "a.csv", "a.parquet"):
        np.testing.assert_array_equal(read(tmp_path / name).canaries, CANARY, name)


def test_a_file_without_a_canary_in_it_is_as_one_without_the_array(saved: dict) -> None:
    assert from_arrays(**{**saved, "canary": np.full(N, "")}).canaries is None


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        (CANARY[:10], "canary must be one text a record, [400]"),
        (np.arange(N), "canary must be one text a record, [400], the kind of canary or empty, got int64"),
        (np.arange(N).astype(str), "at most 20 different kinds, got 400"),
        (np.full(N, "x"), "got 0 members and 0 non-members; where every record is a canary"),
    ],
)
def test_what_is_wrong_is_said(saved: dict, canary: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        from_arrays(**{**saved, "canary": canary})
    with pytest.raises(InputError, match="did you mean 'canary'"):
        from_arrays(**saved, canaries=CANARY)
