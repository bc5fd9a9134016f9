"""The scores in a report give its rows again, and a report that was changed shows it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import leakbench
from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.core.results import BEST, CaseScores
from leakbench.core.store import open_store
from leakbench.evaluation import kept_scores as kept
from leakbench.evaluation.findings import Names, findings
from leakbench.evaluation.kept_scores import kept_sample, row_sample
from leakbench.evaluation.measure import Case, attack_all, informed
from leakbench.metrics.standard import STANDARD
from leakbench.pipeline.findings_cache import packed, unpacked
from leakbench.report.array_tables import digest, read_scores
from leakbench.report.identity import changed
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

METRICS = {metric.label: metric for metric in STANDARD}
MEASURED_ELSEWHERE = ("added_tpr", "per_record_fpr")


def models(n_models: int, n: int, strength: float, seed: int) -> Models:
    """Complementary pairs of models on random halves; members' logits are higher by `strength`."""
    rng = np.random.default_rng(seed)
    firsts = [rng.permutation(np.arange(n) % 2 == 0) for _ in range(n_models // 2)]
    members = np.array([half for first in firsts for half in (first, ~first)])
    labels = np.arange(n) % 3
    logits = rng.normal(size=(n_models, 1, n, 3))
    logits[..., np.arange(n), labels] += 1 + strength * members[:, None] + rng.normal(size=n)
    return Models(Signals(labels, logits=logits), members, np.ones_like(members))


def equal(one: CaseScores, other: CaseScores) -> bool:
    def plain(case: CaseScores) -> object:
        return [
            {k: np.asarray(v).tolist() for k, v in value.items()}
            if isinstance(value, dict)
            else np.asarray(value).tolist()
            for value in vars(case).values()
        ]

    return plain(one) == plain(other)


def test_every_row_of_every_attacker_is_measured_again_from_the_kept_scores() -> None:
    """An adaptive and a non-adaptive attacker, canaries, slices, worst slices, single targets, the strongest attack."""
    n, defended, plain = 240, models(6, 240, 1.0, 1), models(6, 240, 1.5, 1)
    plain = replace(plain, members=defended.members)
    canaries = np.where(np.arange(n) < 60, "odd", "")
    attacks = {name: ATTACKS.make(name) for name in ("gap", "loss", "lira", "rmia")}
    cases = [
        Case("soft", defended, tuple(range(6)), True, canaries=canaries, canary="odd"),
        Case("soft", defended, tuple(range(6)), False, plain, "none", canaries=canaries),
    ]
    groups = {"side": np.where(np.arange(n) % 5 < 2, "left", "right")}
    found = [
        findings(each, Names(groups=groups), 0)
        for each in informed(*(attack_all(c, attacks, 0) for c in cases))
    ]
    scores = [case for each in found for case in each.scores]
    rows = [row for each in found for row in each.rows if row.attack in (BEST, *attacks)]
    rows = [row for row in rows if not row.metric.startswith(MEASURED_ELSEWHERE)]
    assert {row.slice for row in rows} >= {"all", "worst", "canary:odd", "group:side=left", "correct=no"}
    assert any(row.attack == BEST and row.shadows == "none" for row in rows)
    for row in rows:
        sample = row_sample(scores, row, METRICS[row.metric])
        assert sample is not None
        again = METRICS[row.metric].estimate(sample)
        assert (again.value, again.lo, again.n_members, again.n_nonmembers) == (
            row.value, row.lo, row.n_members, row.n_nonmembers
        ), row  # fmt: skip


def test_scores_survive_the_store_and_the_table(tmp_path: Path) -> None:
    attacks = {name: ATTACKS.make(name) for name in ("gap", "lira")}
    case = attack_all(Case("none", models(6, 120, 1.0, 0), (0, 1, 2, 3, 4, 5)), attacks, 0)
    found = findings(case, Names(records=np.arange(120) * 7), 0)
    (one,) = found.scores
    assert one.record[3] == 21 and set(one.decided) == {"gap", "lira"}
    entry = open_store(tmp_path / "store").once("findings", {"cases": ["one"]}, lambda: packed([found]))
    assert equal(unpacked(entry)[0].scores[0], one)
    few = replace(one, defence="other", adaptive=True, ranks={"gap": one.ranks["gap"]}, decided={})
    leakbench.Results("audit", "kept", found.rows, scores=[one, few]).save(tmp_path / "report")
    read = read_scores(tmp_path / "report")
    assert len(read) == 2 and equal(read[0], one) and equal(read[1], few)


def test_of_many_scores_those_of_the_strongest_attacks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    attacks = {name: ATTACKS.make(name) for name in ("gap", "loss", "lira", "entropy")}
    case = attack_all(Case("none", models(6, 120, 2.0, 0), (0, 1, 2, 3, 4, 5)), attacks, 0)
    monkeypatch.setattr(kept, "MOST_KEPT", 4 * 6 * 120 - 1)
    found = findings(case, Names(), 0)
    strongest = {row.selected for row in found.rows if row.attack == BEST}
    assert {"lira"} <= set(found.scores[0].ranks) == strongest | {"lira"} < set(attacks)


def test_ties_and_infinite_scores_keep_their_order() -> None:
    scores = np.array([[0.5, -np.inf, 0.5, np.nan, np.inf, -1.0]])
    ranks = kept._ranks([np.where(np.isinf(scores), np.nan, scores)])
    assert ranks.tolist() == [[2, 0, 2, 0, 0, 1]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, members = np.random.default_rng(0), np.arange(160) < 80
    losses = rng.exponential(np.where(members, 0.5, 1.0))
    results = leakbench.audit(losses=losses, members=members, attacks=["loss"])
    return results.save(tmp_path_factory.mktemp("saved")).parent


def copy(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_a_report_is_whole_after_it_is_saved_again(saved: Path, tmp_path: Path) -> None:
    assert changed(saved) == []
    leakbench.Results.load(copy(saved, tmp_path)).save(tmp_path)
    assert changed(tmp_path) == []


@pytest.mark.parametrize("what", ["value", "hi", "title", "flag", "seed"])
def test_a_changed_number_or_text_shows_even_after_it_is_saved_again(
    saved: Path, tmp_path: Path, what: str
) -> None:
    file = copy(saved, tmp_path) / "report.json"
    plain = json.loads(file.read_text())
    match what:
        case "value" | "hi":
            loaded = leakbench.Results.load(saved)
            row = loaded.rows[0]
            changed_row = replace(row, **{what: getattr(row, what) - 1e-9})
            replace(loaded, rows=[changed_row, *loaded.rows[1:]]).save(tmp_path)
            plain = json.loads(file.read_text())
        case "title":
            plain["title"] += "."
        case "flag":
            plain["flags"] = [{"code": "F01", "title": "t", "message": "m", "defence": None, "attack": None}]
        case "seed":
            plain["provenance"]["seed"] = 1
    file.write_text(json.dumps(plain))
    assert changed(tmp_path) == ["report.json"]
    leakbench.Results.load(tmp_path).save(tmp_path)
    assert changed(tmp_path) == ["report.json"]


@pytest.mark.parametrize("name", ["scores.parquet", "records.parquet"])
def test_a_changed_missing_or_broken_table_shows(saved: Path, tmp_path: Path, name: str) -> None:
    path = copy(saved, tmp_path) / name
    table = pq.read_table(path)
    for column in table.column_names:
        values, kind = table[column].to_pylist(), table.schema.field(column).type
        values[5] = "x" if pa.types.is_string(kind) else not values[5] if pa.types.is_boolean(kind) else 99
        other = table.set_column(table.column_names.index(column), column, pa.array(values, kind))
        pq.write_table(other, path)
        assert changed(tmp_path) == [name], column
    pq.write_table(table, path, row_group_size=7, compression="none")
    assert changed(tmp_path) == []
    path.write_bytes(b"no table")
    assert changed(tmp_path) == [name]
    path.unlink()
    assert changed(tmp_path) == [name]


def test_a_table_of_scores_that_is_no_such_table_is_refused(tmp_path: Path) -> None:
    assert read_scores(tmp_path) == []
    for table in ({"case": [0, 0, 0]}, {"defence": ["a"]}):
        pq.write_table(pa.table(table), tmp_path / "scores.parquet")
        with pytest.raises(InputError, match="is not as leakbench wrote it"):
            read_scores(tmp_path)
    one = {"case": [0], "target": [0], "record": [0], "copy_of": [3], "member": [True], "chooses": [True]}
    pq.write_table(
        pa.table(one | {"defence": ["a"], "adaptive": [True], "shadows": ["a"]}), tmp_path / "scores.parquet"
    )
    with pytest.raises(InputError, match="copy_of must be the place"):
        read_scores(tmp_path)
    (tmp_path / "scores.parquet").write_text("mine")
    with pytest.raises(InputError, match="is not as leakbench wrote it"):
        read_scores(tmp_path)


def test_the_digest_tells_a_missing_value_from_zero() -> None:
    values = pa.array([1.0, None, 0.0])
    other = pa.array([1.0, 0.0, None])
    assert digest(pa.table({"a": values})) != digest(pa.table({"a": other}))


def test_a_slice_of_a_sample_has_its_records_alone() -> None:
    attacks = {"loss": ATTACKS.make("loss")}
    case = attack_all(Case("none", models(6, 120, 1.0, 0), (0, 1, 2, 3, 4, 5)), attacks, 0)
    (one,) = findings(case, Names(), 0).scores
    sample = kept_sample(one, "loss", "class=1")
    assert sample.scores.size == 6 * 40 and set(sample.record % 3) == {1}
