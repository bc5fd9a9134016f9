"""Reports are compared pair by pair where that is right, and refused or told where it is not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.core.results import BEST, UNDEFENDED, CaseScores, Row
from leakbench.evaluation.decisions.compare import METRICS, _mover, compare
from leakbench.evaluation.kept_scores import kept_sample
from leakbench.metrics.auc import Auc
from leakbench.report.comparison import LESS, MORE, UNTOLD
from leakbench.report.results import Results

N = 400
DATA = {"name": "made", "records": N, "fingerprint": "f1"}


def results(
    strength: float, seed: int = 0, kind: str = "run", title: str = "made", defence: str = "none"
) -> Results:
    """A study with a row of one attack; the same seed gives the same members, records and most of the noise."""
    rng = np.random.default_rng(seed)
    members = np.array([half for _ in range(3) for half in _halves(rng)])
    scores = rng.normal(size=members.shape) + strength * members
    scores += 0.3 * np.random.default_rng(int(1000 * strength)).normal(size=members.shape)
    ranks = (scores.ravel().argsort().argsort() + 1).reshape(scores.shape).astype(np.int32)
    everything, places = np.ones(members.shape, dtype=bool), np.arange(N)
    slices = {"all": everything, "class=1": np.broadcast_to(places % 2 == 1, members.shape)}
    case = CaseScores(
        defence, True, None, np.arange(6), places, places, members, everything, {"lira": ranks}, {}, slices
    )
    rows = [Row("accuracy", 0.9, 0.88, 0.92, defence=defence)]
    for label, metric in METRICS.items():
        sample = kept_sample(case, "lira")
        if metric.applies(sample) is None:
            e = metric.estimate(sample)
            rows.append(
                Row(
                    label, e.value, e.lo, e.hi, 1200, 1200, "lira", defence=defence, adaptive=True, chance=0.5
                )
            )
    method = {
        "kind": "attack",
        "label": "lira",
        "name": "lira",
        "version": 1,
        "parameters": {"variance": "auto"},
    }
    provenance = {"data": DATA, "versions": {"leakbench": "1"}, "attacks": ["lira"]}
    return Results(kind, title, rows, methods=[method], provenance=provenance, scores=[case])


def _halves(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    half = rng.permutation(np.arange(N) % 2 == 0)
    return half, ~half


def test_the_same_records_and_members_are_paired_and_the_interval_is_narrower() -> None:
    one, other, elsewhere = results(0.5), results(0.6), results(0.6, seed=1)
    paired, unpaired = (
        next(p for p in compare(one, each).pairs if p.reference.metric == "auc")
        for each in (other, elsewhere)
    )
    assert paired.paired and not unpaired.paired
    widths = [p.difference.hi - p.difference.lo for p in (paired, unpaired)]
    assert widths[0] < 0.7 * widths[1]
    assert (
        paired.difference.value == paired.compared.value - paired.reference.value > 0
        and paired.verdict == MORE
    )
    (note,) = [note for note in compare(one, elsewhere).notes if "unpaired" in note]
    assert note.startswith("the intervals of B are unpaired")
    assert compare(other, one).pairs[1].verdict == LESS


def test_the_paired_difference_is_that_of_two_defences_of_one_study() -> None:
    halves, rng = np.random.default_rng(0), np.random.default_rng(1)
    members = np.array([half for _ in range(4) for half in _halves(halves)])
    labels = np.arange(N) % 3
    logits = rng.normal(size=(8, N, 3))
    logits[:, np.arange(N), labels] += 1 + 0.8 * members
    weaker = logits.copy()
    weaker[:, np.arange(N), labels] -= 0.5 * members
    audits = [
        leakbench.audit(logits=each, labels=labels, members=members, attacks=["loss", "lira", "rmia"])
        for each in (logits, weaker)
    ]
    found = compare(*audits)
    assert all(pair.paired for pair in found.pairs) and {p.reference.attack for p in found.pairs} >= {
        BEST,
        "lira",
    }
    from leakbench.evaluation.paired_differences import PairedSamples, differences, of_sample

    kept = [
        PairedSamples({a: of_sample(kept_sample(each.scores[0], a)) for a in each.scores[0].ranks}, {})
        for each in audits
    ]
    expected = {(r.attack, r.metric): (r.value, r.lo, r.hi) for r in differences("none", kept[1], kept[0])}
    got = {
        (p.difference.attack, p.difference.metric): (p.difference.value, p.difference.lo, p.difference.hi)
        for p in found.pairs
        if p.difference.attack != BEST
    }
    assert got == {key: expected[key] for key in got} and len(got) >= 6


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)])
def test_models_that_leak_alike_are_rarely_told_to_differ(seeds: tuple[int, int]) -> None:
    """Noise of its own in each: 5 % of the intervals may leave out 0, paired or not."""
    runs, differ = 60, 0
    for run in range(runs):
        one, other = (results(0.5 + 1e-3 * k, seed=100 * run + seeds[k]) for k in (0, 1))
        (pair,) = (p for p in compare(one, other).pairs if p.reference.metric == "auc")
        differ += pair.verdict != UNTOLD
    assert differ <= binom.ppf(0.999, runs, 0.05)


def test_mover_is_the_closed_form() -> None:
    a, b = Row("auc", 0.6, 0.55, 0.64), Row("auc", 0.7, 0.68, 0.73)
    value, lo, hi = _mover(a, b)
    assert (value, lo, hi) == pytest.approx((0.1, 0.1 - np.hypot(0.02, 0.04), 0.1 + np.hypot(0.03, 0.05)))
    assert _mover(replace(a, hi=None), b) == (b.value - a.value, None, None)


def other_labels(made: Results) -> Results:
    (case,) = made.scores
    return replace(made, scores=[replace(case, slices=case.slices | {"class=1": ~case.slices["class=1"]})])


def test_audits_of_other_records_are_not_paired() -> None:
    one, other = results(0.5, kind="audit"), results(0.6, kind="audit")
    assert compare(one, other).pairs[1].paired
    assert not compare(one, other_labels(other)).pairs[1].paired


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "audit"}, "an audit and a study cannot be compared"),
        ({"provenance": {"data": DATA | {"fingerprint": "f2"}}}, "studies of other data cannot be compared"),
        ({"methods": []}, "an attack with the same version and parameters in both, got lira and none"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compare(results(0.5), replace(results(0.6), **change))


def test_other_definitions_of_an_attack_are_refused() -> None:
    other = results(0.6)
    method = other.methods[0] | {"parameters": {"variance": "fixed"}}
    with pytest.raises(InputError, match="the same version and parameters"):
        compare(results(0.5), replace(other, methods=[method]))
    both = [*results(0.5).methods, results(0.5).methods[0] | {"label": "rmia", "name": "rmia"}]
    found = compare(replace(results(0.5), methods=both), other)
    assert "the strongest attack of B is not compared: only one report has rmia" in found.notes
    newer = [both[0], both[1] | {"version": 2}]
    found = compare(replace(results(0.5), methods=both), replace(other, methods=newer))
    assert any(note.startswith("rmia of B is not compared") for note in found.notes)


def test_defences_match_by_label_or_as_the_only_ones() -> None:
    found = compare(results(0.5), results(0.6, defence="hamp"))
    assert {pair.defence for pair in found.pairs} == {"none and hamp"}
    two = results(0.5)
    extra = results(0.5, defence="soft")
    two = replace(two, rows=[*two.rows, *extra.rows], scores=[*two.scores, *extra.scores])
    assert {pair.defence for pair in compare(two, results(0.6)).pairs} == {UNDEFENDED}
    with pytest.raises(InputError, match="a defence in common, or one each, got none, soft and hamp"):
        compare(two, results(0.6, defence="hamp"))
    with pytest.raises(InputError, match="two reports or more"):
        compare(two)


def test_settings_that_differ_are_named() -> None:
    one = replace(results(0.5), study={"seed": 0, "engine": {"device": "cpu"}})
    other = replace(results(0.6), study={"seed": 1, "engine": {"device": "cuda"}})
    other = replace(other, provenance=other.provenance | {"versions": {"leakbench": "2"}})
    notes = compare(one, other).notes
    assert "the settings of B differ in engine.device, seed" in notes
    assert "B was measured by leakbench 2, A by 1" in notes


def test_the_accuracy_is_compared_too() -> None:
    one, other = results(0.5), results(0.5)
    rows = [replace(r, value=0.7, lo=0.65, hi=0.75) if r.metric == "accuracy" else r for r in other.rows]
    pair = next(p for p in compare(one, replace(other, rows=rows)).pairs if p.reference.attack is None)
    assert pair.verdict == "less accurate" and not pair.paired


@pytest.mark.parametrize("columns", [80, 120])
def test_the_command_shows_a_table_and_writes_page_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, made in (
        ("a", results(0.5, title="<b>one</b>")),
        ("b", results(0.6)),
        ("c", results(0.5, seed=2)),
    ):
        made.save(tmp_path / name)
    folders = [str(tmp_path / name) for name in "abc"]
    page, plain = tmp_path / "page.html", tmp_path / "plain.json"
    assert main(["compare", *folders, "--page", str(page), "--json", str(plain)]) == 0
    out = capsys.readouterr().out
    assert (
        MORE in " ".join(out.split())
        and "A: <b>one</b>" in out
        and max(map(len, out.splitlines())) <= columns
    )
    text = page.read_text()
    assert "&lt;b&gt;one&lt;/b&gt;" in text and "<b>" not in text and "<script" not in text
    assert (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" in text
        and "http://" not in text
        and "https://" not in text
    )
    assert "paired by record" in text and "unpaired" in text and "not significantly different" in text
    read = json.loads(plain.read_text())
    assert {pair["other"] for pair in read["pairs"]} == {1, 2} and read["pairs"][0]["verdict"]


def test_a_changed_report_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results(0.5).save(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "report.json").write_text(
        (tmp_path / "b" / "report.json").read_text().replace('"made"', '"mode"')
    )
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "was changed after it was written" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a")]) == 2


def test_the_metric_that_is_compared_is_the_reports() -> None:
    assert METRICS["auc"] == Auc() and compare(results(0.5), results(0.6)).pairs[1].title == "AUC, lira"


def test_records_in_the_same_leaves_are_paired_one_by_one() -> None:
    """Forests with other leaves give other records the same outputs, which are no copies of each other."""
    x, y = (part[:300] for part in load_digits(return_X_y=True))
    half = np.random.default_rng(0).permutation(300) < 150
    given = {"labels": y, "members": np.stack([half, ~half]), "attacks": ["loss"], "metrics": ["auc"]}
    audits = []
    for leaf in (15, 25):
        forest = RandomForestClassifier(3, min_samples_leaf=leaf, random_state=0)
        probs = [forest.fit(x[part], y[part]).predict_proba(x) for part in given["members"]]
        audits.append(leakbench.audit(probs=np.stack(probs), **given))
    first, second = audits
    assert not np.array_equal(first.scores[0].copy_of, second.scores[0].copy_of)
    (pair,) = (p for p in leakbench.compare(first, second).pairs if p.reference.metric == "auc")
    assert (
        pair.paired and pair.difference.lo < pair.compared.value - pair.reference.value < pair.difference.hi
    )
