"""A whole study on real digits, small enough for every test run."""

import gc
import math
import threading
import time
import weakref
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from leakbench.core import cpu
from leakbench.core.content_key import content_key
from leakbench.core.errors import InputError
from leakbench.core.progress import NullProgress
from leakbench.core.results import BLIND, CORRELATIONS
from leakbench.core.store import Store
from leakbench.core.threads import Workers
from leakbench.data.load import load
from leakbench.evaluation.measure import attack_all
from leakbench.pipeline import attack as attacking
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.report.results import Results
from leakbench.train.recipe import engine

TABLE = {
    "group_size": 8,
    "title": "test",
    "data": {"name": "digits", "records": 600},
    "design": {"name": "random_half", "models": 8},
    "architecture": {"hidden": [32]},
    "stages": [{"epochs": 15}],
    "defences": ["none", "label_smoothing", "temperature", "rounding"],
    "attacks": ["gap", "loss", "lira", "lira_offline", "rmia", "logistic_regression"],
}
SHADOW_ATTACKS = ("lira", "lira_offline", "rmia", "logistic_regression")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def results(store: Path) -> Results:
    return run(Study.of(TABLE), store)


@pytest.fixture(scope="module")
def saved(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report, whose page has no figures of curves."""
    return replace(results, curves=[], distributions=[]).save(tmp_path_factory.mktemp("out")).parent


def _one(results: Results, **where: object) -> float:
    rows = results.find(slice="all", target="all", **where)
    assert len(rows) == 1, (where, len(rows))
    return rows[0].value


def test_each_defence_has_a_row_of_the_blind_baseline(results: Results) -> None:
    rows = results.find(attack=BLIND)
    assert [row.defence for row in rows] == TABLE["defences"]
    assert all(row.metric == "auc" and row.adaptive and row.lo < 0.5 for row in rows)


def test_the_precision_of_training_is_in_the_provenance_and_in_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits of 8 x 8 pixels train in a stack, in float32, unless stacks are smaller."""
    table = {
        "data": {"name": "digits", "records": 300},
        "design": {"name": "random_half", "models": 2},
        "architecture": {"name": "cnn"},
        "stages": [{"stage": "train", "epochs": 1}],
        "attacks": ["loss"],
    }
    monkeypatch.setattr(cpu, "cpu_info", lambda: {"flags": "avx512_bf16"})
    precisions = []
    for largest in (144, 0):
        monkeypatch.setattr(engine, "LARGEST_STACKED_IMAGE", largest)
        precisions.append(run(Study.of(table), tmp_path, processes=1).provenance["precision"])
    assert precisions == [["float32"], ["bfloat16"]]
    assert len(list(tmp_path.glob("models/*/job.json"))) == 4


def test_a_study_whose_attacks_cannot_run_says_why(store: Path) -> None:
    with pytest.raises(InputError, match="no attack can run: scores was left out: it needs ready scores"):
        run(Study.of(TABLE | {"attacks": ["scores"]}), store)


def test_scores_of_a_defence_are_dropped_when_it_is_done(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 60,000 records they would be gigabytes: what is kept for comparisons is little."""
    alive: list[weakref.ref[object]] = []
    most = 0

    def watched(*args: object) -> object:
        nonlocal most
        gc.collect()
        most = max(most, sum(each() is not None for each in alive))
        attacked = attack_all(*args)
        alive.append(weakref.ref(attacked))
        return attacked

    monkeypatch.setattr(attacking, "attack_all", watched)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    run(Study.of(TABLE | {"attacks": ["loss", "gap"], "defences": TABLE["defences"][:3]}), store)
    assert len(alive) == 3 + 2
    assert most <= 2  # the one who knows the defence, and the one who ignores it


def test_every_defence_has_every_attack_both_ways(results: Results) -> None:
    for defence in ("none", "label_smoothing", "temperature", "rounding"):
        for attack in TABLE["attacks"]:
            assert 0 <= _one(results, defence=defence, attack=attack, metric="auc", adaptive=True) <= 1
            if defence != "none":
                assert 0 <= _one(results, defence=defence, attack=attack, metric="auc", adaptive=False) <= 1


def test_every_leakage_row_has_its_interval_and_counts(results: Results) -> None:
    for row in results.rows:
        if row.attack is not None and not row.metric.startswith(CORRELATIONS):  # four defences give it none
            bound = row.metric.startswith("epsilon_bound")  # which has no upper limit
            assert row.lo <= row.value <= (math.inf if bound and row.hi is None else row.hi), row
            of_members = not row.metric.startswith("per_record_fpr")
            assert (row.n_members or 0) > 0 or not of_members, row
            assert row.n_nonmembers > 0, row


def test_real_leakage_is_found(results: Results) -> None:
    row = results.find(defence="none", attack="lira", metric="auc", slice="all", target="all")[0]
    assert row.lo > 0.5


def test_who_ignores_the_defence_uses_undefended_shadow_models(results: Results) -> None:
    for attack in ("lira", "rmia", "lira_offline"):
        both = [
            _one(results, defence="label_smoothing", attack=attack, metric="auc", adaptive=adaptive)
            for adaptive in (True, False)
        ]
        assert both[0] != both[1], attack


def test_model_m_has_its_own_seed_under_every_defence(store: Path) -> None:
    study = Study.of(TABLE)
    dataset = load(study.file.data)
    trainer = Trainer(dataset, study.design.split(dataset, 0), 0, Store(store))
    seeds = [[job.seed for job in trainer.jobs(d.recipe(study.recipe))] for d in study.defences]
    assert len(set(seeds[0])) == 8
    assert all(each == seeds[0] for each in seeds)


def test_chance_deals_membership_out_anew(results: Results) -> None:
    shown = [record for record in results.records if record.defence == "none"]
    assert shown[0].by_chance not in (None, shown[0].vulnerability)


def test_temperature_changes_nothing_for_who_knows_it(results: Results) -> None:
    for attack in TABLE["attacks"]:
        for metric in ("auc", "tpr@fpr=0.01"):
            where = {"attack": attack, "metric": metric, "adaptive": True}
            same = _one(results, defence="none", **where)
            assert _one(results, defence="temperature", **where) == pytest.approx(same, abs=1e-9), attack


def test_no_label_preserving_output_map_goes_below_the_gap_attack(results: Results) -> None:
    where = {"attack": "gap", "metric": "balanced_accuracy", "adaptive": True}
    plain = _one(results, defence="none", **where)
    for defence in ("temperature", "rounding"):
        assert _one(results, defence=defence, **where) == pytest.approx(plain, abs=1e-12)


def test_gap_attack_is_half_plus_half_the_gap(results: Results) -> None:
    """Each model has 240 members and 240 non-members, so that the mean over models is the pooled rate."""
    gap = _one(results, defence="none", metric="generalisation_gap", attack=None)
    measured = _one(results, defence="none", metric="balanced_accuracy", attack="gap", adaptive=True)
    assert measured == pytest.approx(0.5 + gap / 2, abs=1e-9)


def test_utility_and_cost_are_there(results: Results) -> None:
    for defence in ("none", "label_smoothing", "temperature", "rounding"):
        assert _one(results, defence=defence, metric="accuracy") > 0.8
        assert _one(results, defence=defence, metric="train_seconds") > 0
    assert _one(results, defence="temperature", metric="train_cost_ratio") == pytest.approx(1.0)


def test_the_best_attack_says_which(results: Results) -> None:
    rows = results.find(attack="best", metric="auc", defence="none", adaptive=True)
    assert [row.selected in TABLE["attacks"] for row in rows] == [True]


def test_nothing_is_trained_twice(results: Results, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished model was trained again")

    monkeypatch.setattr("leakbench.pipeline.train.train_group", never)
    again = run(Study.of(TABLE), store)
    old = [row for row in results.rows if not row.metric.startswith("latency")]
    assert [row for row in again.rows if not row.metric.startswith("latency")] == old


def test_each_model_is_verified_once_a_run(
    results: Results, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    right = Store.get

    def counted(self: Store, kind: str, spec: dict, *check: object) -> object:
        asked.append(f"{kind}/{content_key(spec)}")
        return right(self, kind, spec, *check)

    monkeypatch.setattr(Store, "get", counted)
    run(Study.of(TABLE), store)
    assert len(asked) == len(set(asked)) == 36  # 16 models, their answers, findings about 4 defences


def test_a_changed_parameter_never_hits_an_old_entry(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def seen(dataset: object, batch: list, **_: object) -> None:
        asked.append(len(batch))
        raise InputError("stop here")

    monkeypatch.setattr("leakbench.pipeline.train.train_group", seen)
    monkeypatch.setattr("leakbench.pipeline.train.neighbours", lambda: 1)
    for change in ({"stages": [{"epochs": 16}]}, {"seed": 1}, {"architecture": {"hidden": [33]}}):
        with pytest.raises(InputError, match="stop here"):
            run(Study.of(TABLE | change), store)
    assert asked == [8, 8, 8]


def test_output_defences_train_nothing(results: Results, store: Path) -> None:
    assert len(list((store / "models").iterdir())) == 16  # undefended and label smoothing, 8 each


def test_saved_results_agree(results: Results, saved: Path) -> None:
    table = pq.read_table(saved / "results.parquet").to_pylist()
    assert len(table) == len(results.rows)
    for key in (
        "attack",
        "slice",
        "metric",
        "value",
        "lo",
        "hi",
        "n_members",
        "n_nonmembers",
        "defence",
        "adaptive",
    ):
        assert [row[key] for row in results.to_dict()["results"]] == [row[key] for row in table], key


def test_every_record_has_its_exposure(results: Results, saved: Path) -> None:
    table = pq.read_table(saved / "records.parquet").to_pylist()
    attacks = {row["attack"] for row in table}
    assert len(table) == 4 * 600 * len(attacks)
    assert attacks == {row.attack for row in results.rows} - {None, "best", "blind"}
    assert all(0 < row["p_value"] <= 1 and 0 <= row["listed"] <= 1 and row["member"] == 0.5 for row in table)
    lira = [row for row in table if row["attack"] == table[0]["attack"]]
    by_record = {(row["defence"], row["record"]): row["vulnerability"] for row in lira}
    for shown in results.records:
        assert by_record[shown.defence, shown.record] == shown.vulnerability
    assert (
        max(v for (d, _), v in by_record.items() if d == "none" and v is not None)
        == results.records[0].vulnerability
    )


def test_one_view_more_is_one_query_more(store: Path) -> None:
    table = TABLE | {
        "query": {"views": ["identity", "shift:1,0"]},
        "defences": ["none"],
        "attacks": ["loss", "lira"],
    }
    found = run(Study.of(table), store)
    assert _one(found, attack="lira", metric="auc", defence="none") > 0.5


def test_disjoint_and_single_designs_run(tmp_path: Path) -> None:
    for design, attacks in (
        ({"name": "disjoint", "shadows": 3}, SHADOW_ATTACKS),
        ({"name": "single"}, ("loss",)),
    ):
        table = TABLE | {"design": design, "attacks": ["loss", "gap", *SHADOW_ATTACKS], "defences": ["none"]}
        found = run(Study.of(table), tmp_path)
        assert 0 <= _one(found, attack="loss", metric="auc", defence="none") <= 1
        assert {row.attack for row in found.rows} >= {"loss", "gap", "logistic_regression"}, attacks
        left_out = [note for note in found.notes if note.startswith("lira was left out")]
        assert left_out, "online LiRA has no models that trained on the target's records here"


def test_utility_is_that_of_the_targets(tmp_path: Path) -> None:
    """Shadow models of `single` train on half of the test part; they must not raise the target's accuracy."""
    single = TABLE | {"attacks": ["gap"], "defences": ["none"], "stages": [{"epochs": 5}]}
    alone, among = (
        run(Study.of(single | {"design": {"name": "single", "shadows": s}}), tmp_path) for s in (0, 4)
    )
    for metric in ("accuracy", "train_accuracy", "generalisation_gap"):
        assert among.find(metric=metric) == alone.find(metric=metric), metric


def test_a_view_of_a_table_is_refused_before_training(tmp_path: Path) -> None:
    data = tmp_path / "table.npz"
    rng = np.random.default_rng(0)
    np.savez(data, x=rng.random((200, 5)), y=np.arange(200) % 2)
    table = TABLE | {"data": {"path": str(data)}, "query": {"views": ["identity", "flip"]}}
    with pytest.raises(InputError, match="of tables there are 'identity', 'noise:SD' and 'flips:P'"):
        run(Study.of(table), tmp_path / "store")
    assert not (tmp_path / "store" / "models").exists()


def test_one_that_fails_ends_the_others_at_their_next_step(two_threads):
    begun, steps, workers = threading.Barrier(2), [], Workers(NullProgress())

    def work(item):
        begun.wait(timeout=10)
        if item == "fails":
            raise InputError("it must not fail")
        with pytest.raises(CancelledError):
            for step in range(10_000):
                steps.append(step)
                time.sleep(0.01)
                workers.advance()

    with pytest.raises(InputError, match="must not fail"):
        workers.map(work, ["goes on", "fails"])
    assert len(steps) < 1000


def test_results_of_threads_are_in_the_order_of_the_items(two_threads):
    waits = [0.05, *np.linspace(0.02, 0.0, 8)]
    assert Workers(NullProgress()).map(lambda wait: time.sleep(wait) or wait, waits) == waits


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
