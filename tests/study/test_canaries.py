"""A study with canaries, from the file to the results."""

from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.app import main
from leakbench.core.results import BEST
from leakbench.pipeline.run import run
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study
from leakbench.report.results import Results

TABLE = {
    "title": "canaries",
    "data": {"name": "digits", "records": 400},
    "canaries": {"share": 0.2, "kinds": ["mislabelled", "near_duplicate"]},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [64]},
    "stages": [{"epochs": 20, "batch_size": 16}],
    "defences": ["none", "temperature", {"name": "selena", "size": 2, "leaves_out": 1}],
    "metrics": ["auc"],
    "attacks": ["gap", "loss"],
    "group_size": 4,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def results(store: Path) -> Results:
    return run(Study.of(TABLE), store, processes=1)


def test_memorised_labels_show_in_the_rows_of_canaries_alone(results: Results) -> None:
    of = {"metric": "auc", "defence": "none", "attack": "loss", "target": "all", "adaptive": True}
    average, *canaries = (
        results.find(slice=part, **of)[0] for part in ("all", "canary:mislabelled", "canary:near_duplicate")
    )
    assert average.n_members + average.n_nonmembers == 4 * 320
    for row in canaries:
        assert row.lo > average.hi
        assert row.n_members + row.n_nonmembers == 4 * 40


def test_each_defence_has_both_kinds_both_ways_and_one_of_its_own(results: Results) -> None:
    rows = [r for r in results.rows if r.slice.startswith("canary:") and r.metric == "auc"]
    assert {(r.defence, r.slice, r.adaptive) for r in rows} >= {
        (d, f"canary:{kind}", adaptive)
        for d, adaptive in (("none", True), ("temperature", False), ("selena", True), ("selena", False))
        for kind in ("mislabelled", "near_duplicate")
    }
    own = {(r.defence, r.slice) for r in rows if r.detail["own_kind"]}
    kinds = {"none": "mislabelled", "temperature": "mislabelled", "selena": "near_duplicate"}
    assert own == {(d, f"canary:{kind}") for d, kind in kinds.items()}
    assert {r.attack for r in rows} >= {"gap", "loss", BEST}


def test_utility_is_that_of_clean_records(results: Results, store: Path) -> None:
    (trained,) = results.find(metric="train_accuracy", defence="none")
    trainer = open_trainer(Study.of(TABLE), store)
    kinds = trainer.dataset.canary_kinds(trainer.split.records)
    assert trained.detail["n"] == trainer.split.members[:, kinds == ""].sum()
    test = trainer.dataset.parts["test"]
    clean = open_trainer(Study.of({k: v for k, v in TABLE.items() if k != "canaries"}), store).dataset
    np.testing.assert_array_equal(trainer.dataset.x[test], clean.x[test])
    np.testing.assert_array_equal(trainer.dataset.y[test], clean.y[test])


def test_no_flag_takes_canaries_or_twins_for_duplicates(results: Results) -> None:
    assert not {flag.code for flag in results.flags} & {"F16", "F17"}


def test_the_results_say_what_was_planted_and_make_the_study_again(results: Results, store: Path) -> None:
    planted = "canaries: 40 mislabelled, 40 near_duplicate among 400 candidate records"
    assert f"{planted}, and 40 twins that every model trains on" in results.notes
    again = Study.of(results.study)
    assert again.describe() == results.study and again.file.canaries == Study.of(TABLE).file.canaries
    rerun = run(again, store, processes=1)
    costs = ("latency", "train_")
    assert [r for r in rerun.rows if not r.metric.startswith(costs)] == [
        r for r in results.rows if not r.metric.startswith(costs)
    ]


def test_a_dry_run_tells_what_will_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        '[data]\nname = "digits"\nrecords = 300\n[design]\nname = "random_half"\nmodels = 4\n[canaries]\n'
    )
    arguments = [
        "run",
        str(study),
        "--out",
        str(tmp_path / "out"),
        "--store",
        str(tmp_path / "s"),
        "--dry-run",
    ]
    assert main([*arguments, "--set", "canaries.share=0.1", "--set", 'attacks=["loss"]']) == 0
    assert "canaries: 30 mislabelled among 300 candidate records" in capsys.readouterr().err
    for assignment, says in (
        ('canaries.kinds=["rare_combination"]', "no canaries of the kind 'rare_combination' in images"),
        ("canaries.share=2", "share must be above 0 and at most 0.5, got 2.0"),
        ("canaries.share=0.01", "canaries must have 20 members and 20 non-members of each kind"),
        ('design={name="single",shadows=2}', "canaries need a design that attacks records of the pool alone"),
    ):
        assert main([*arguments, "--set", "canaries.share=0.1", "--set", assignment]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and says in error and error.count("\n") == 1
