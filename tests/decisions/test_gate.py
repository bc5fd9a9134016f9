"""A gate passes what lies below its ceilings, fails what lies above, and says what would decide the rest."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import binom
from tests.report.rows import edit_rows

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.core.results import CaseScores, Row
from leakbench.evaluation.decisions.gate import decided, gate, needed
from leakbench.evaluation.decisions.junit import junit
from leakbench.evaluation.decisions.more_data import _clusters, enlarged, more_data
from leakbench.evaluation.decisions.policy import Ceiling, Policy
from leakbench.evaluation.kept_scores import kept_sample, row_sample
from leakbench.metrics import Metric
from leakbench.metrics.auc import Auc
from leakbench.metrics.tpr_at_fpr import TprAtFpr
from leakbench.report.results import Results

ORDER = {"fail": 0, "undecided": 1, "pass": 2}
ENDS = st.floats(0, 1)
AUC = Auc()


def row(lo: float, hi: float) -> Row:
    return Row("auc", (lo + hi) / 2, lo, hi, attack="loss")


def simulated(
    d: float,
    records: int,
    models: int,
    seed: int,
    metric: Metric = AUC,
    model_sd: float = 0.0,
    record_sd: float = 0.0,
) -> Results:
    """Results of an attack whose scores are normal, those of members higher by d; half are members of each model."""
    rng = np.random.default_rng(seed)
    firsts = [rng.permutation(np.arange(records) % 2 == 0) for _ in range(max(1, models // 2))]
    members = np.array([half for first in firsts for half in (first, ~first)])[:models]
    scores = rng.normal(size=members.shape) + record_sd * rng.normal(size=records)
    scores += (d + model_sd * rng.normal(size=(models, 1))) * members
    ranks = scores.ravel().argsort().argsort().reshape(scores.shape).astype(np.int32) + 1
    places, everything = np.arange(records), np.ones(members.shape, dtype=bool)
    case = CaseScores(
        "none",
        None,
        None,
        np.arange(models),
        places,
        places,
        members,
        everything,
        {"loss": ranks},
        {},
        {"all": everything},
    )
    e = metric.estimate(kept_sample(case, "loss"))
    one = Row(metric.label, e.value, e.lo, e.hi, e.n_members, e.n_nonmembers, "loss", chance=0.5)
    return Results("audit", "simulated", [one], scores=[case])


def policy(at_most: float, confidence: float = 0.95, **ceiling: object) -> Policy:
    return Policy((Ceiling(at_most, **{"attack": "loss", **ceiling}),), confidence)


@given(ENDS, ENDS, ENDS, ENDS)
def test_a_stricter_ceiling_never_turns_fail_into_pass(a: float, b: float, one: float, other: float) -> None:
    lo, hi = sorted((a, b))
    strict, lax = sorted((one, other))
    assert ORDER[decided(row(lo, hi), strict)] <= ORDER[decided(row(lo, hi), lax)]
    assert (decided(row(lo, hi), lax) == "pass") == (hi <= lax)
    assert (decided(row(lo, hi), strict) == "fail") == (lo > strict)


@pytest.mark.parametrize(
    ("metric", "true"), [(Auc(), ndtr(0.5 / 2**0.5)), (TprAtFpr(0.1), ndtr(0.5 + ndtri(0.1)))]
)
@pytest.mark.parametrize("models", [1, 4])
def test_a_model_at_its_ceiling_passes_no_more_often_than_stated(
    metric: Metric, true: float, models: int
) -> None:
    """Confidence 80 %: the true value lies above a passing interval in at most 10 % of the audits."""
    runs, passed = 120, 0
    for seed in range(runs):
        results = simulated(0.5, 160, models, seed, metric)
        found = gate(
            results, policy(float(true) - 1e-9, 0.8, metric=metric.name, fpr=getattr(metric, "fpr", None))
        )
        passed += found.status == "pass"
    assert passed <= binom.ppf(0.999, runs, 0.1)
    assert passed > 0


def test_each_interval_has_the_level_that_the_number_of_comparisons_asks_for() -> None:
    results = simulated(0.8, 200, 4, 0)
    (case,) = results.scores
    others = [replace(case, defence=name) for name in ("a", "b")]
    rows = [replace(results.rows[0], defence=name) for name in ("a", "b")]
    results = replace(results, rows=rows, scores=others)
    ceilings = (Ceiling(0.5, attack="loss"), Ceiling(0.9, attack="loss", defence="b"))
    found = gate(results, Policy(ceilings, 0.9))
    assert found.comparisons == 3 and found.level == pytest.approx(1 - 0.1 / 3)
    expected = Auc().estimate(kept_sample(case, "loss"), found.level)
    for check in found.checks:
        assert check.row is not None and (check.row.lo, check.row.hi) == (expected.lo, expected.hi)
    assert [check.status for check in found.checks] == ["fail", "fail", "pass"] and found.status == "fail"


def test_one_comparison_has_the_interval_of_the_report() -> None:
    results = simulated(0.8, 200, 4, 0)
    for given_scores in (results.scores, []):
        (check,) = gate(replace(results, scores=given_scores), policy(0.6)).checks
        assert check.row is not None and (check.row.lo, check.row.hi) == (
            results.rows[0].lo,
            results.rows[0].hi,
        )
    with pytest.raises(InputError, match="holds no scores of loss"):
        gate(replace(results, scores=[]), policy(0.6, 0.99))


@pytest.mark.parametrize(("records", "models"), [(300, 1), (300, 8)])
@pytest.mark.parametrize("metric", [Auc(), TprAtFpr(0.1)])
def test_as_much_data_as_is_told_decides(metric: Metric, records: int, models: int) -> None:
    """With the number of records that is told, the interval of other audits of that size is as narrow as is needed."""
    results = simulated(0.4, records, models, 3, metric)
    value = results.rows[0].value
    at_most = value + (results.rows[0].hi - value) * 0.4
    rule = policy(at_most, metric=metric.name, fpr=getattr(metric, "fpr", None))
    found = gate(results, rule)
    assert found.status == "undecided"
    (check,) = found.checks
    assert (check.models is None) == (models == 1) or check.both is not None
    options = ((check.records, models), (records, check.models), check.both)
    told = next(pair for pair in options if pair is not None and None not in pair)
    assert any(f"about {n:,} " in needed(check) for n in told)
    larger = [simulated(0.4, *told, seed, metric).rows[0] for seed in range(5)]
    arm = np.mean([each.hi - each.value for each in larger])
    assert 0.5 * (at_most - value) < arm < 1.15 * (at_most - value)


def test_the_variance_of_more_models_and_records_is_as_predicted() -> None:
    """Models and records differ: six times the models takes as much from the width as is predicted, and so on."""
    for times_records, times_models in ((6, 1), (1, 6), (3, 3)):
        ratios = []
        for seed in range(12):
            sizes = ((200, 10), (200 * times_records, 10 * times_models))
            small, large = (
                _clusters(
                    Auc(),
                    kept_sample(simulated(0.5, *size, seed, model_sd=0.2, record_sd=1.0).scores[0], "loss"),
                )
                for size in sizes
            )
            assert small is not None and large is not None
            ratios.append(enlarged(small, times_records, times_models).half_width() / large.half_width())
        assert 0.8 < np.mean(ratios) < 1.35, (times_records, times_models)


def test_what_no_data_decide_is_said_without_a_number() -> None:
    results = simulated(0.5, 300, 1, 0)
    (check,) = gate(results, policy(results.rows[0].value)).checks
    assert check.status == "undecided" and (check.records, check.models, check.both) == (None, None, None)
    assert needed(check) == ""
    results = simulated(0.5, 40, 6, 0, model_sd=1.0)
    e = Auc().estimate(row_sample(results.scores, results.rows[0], Auc()))
    more = more_data(
        Auc(), row_sample(results.scores, results.rows[0], Auc()), e, 0.95, e.value + (e.hi - e.value) / 15
    )
    assert more.records is None and more.both is not None


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, members = np.random.default_rng(0), np.arange(600) < 300
    losses = rng.exponential(np.where(members, 0.6, 1.0))
    groups = np.where(np.arange(600) % 3 == 0, "a", "b")
    results = leakbench.audit(
        losses=losses, members=members, groups=groups, attacks=["mia-prune", "loss"], title="one\x01 <two>"
    )
    return results.save(tmp_path_factory.mktemp("gate") / "report").parent


def written(folder: Path, text: str) -> str:
    (folder / "policy.toml").write_text(text)
    return str(folder / "policy.toml")


CEILING = "[[ceilings]]\nattack = 'loss'\nat_most = {}\n"


@pytest.mark.parametrize(("at_most", "code"), [(0.9, 0), (0.2, 1), (0.62, 3)])
@pytest.mark.parametrize("columns", [80, 120])
def test_the_exit_code_is_the_decision(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    at_most: float, code: int, columns: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(columns))
    rules = written(tmp_path, CEILING.format(at_most) + CEILING.format(0.99) + "slice = 'group:*'\n")
    files = [str(tmp_path / name) for name in ("gate.json", "gate.xml")]
    assert main(["gate", str(report), "--policy", rules, "--json", files[0], "--junit", files[1]]) == code
    out = capsys.readouterr().out
    status = {0: "pass", 1: "fail", 3: "undecided"}[code]
    assert status in out and f"{status}: each interval has a confidence of 98.33 %" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= columns
    plain = json.loads(Path(files[0]).read_text())
    assert plain["status"] == status and len(plain["checks"]) == plain["comparisons"] == 3
    assert plain["checks"][0]["row"]["attack"] == "loss" and plain["checks"][0]["at_most"] == at_most
    suite = ET.fromstring(Path(files[1]).read_bytes())
    counts = {"tests": "3", "failures": str(int(code == 1)), "errors": str(int(code == 3))}
    assert suite.attrib == {"name": "leakbench gate: one? <two>", **counts}
    assert len(suite.findall("testcase")) == 3
    bad = suite.find("testcase/failure" if code == 1 else "testcase/error")
    assert (bad is None) == (code == 0)
    if code == 3:
        assert bad is not None and "records would decide" in bad.attrib["message"]


def test_the_template_is_a_policy_with_a_comment_on_each_key(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    assert main(["gate", "--init", str(file)]) == 0
    text = file.read_text()
    keys = {name for kind in (Policy, Ceiling) for name in kind.__dataclass_fields__}
    assert all(name in text for name in keys)
    loaded = Policy.load(file)
    assert loaded.suite == "standard-2027" and [c.metric for c in loaded.ceilings] == ["auc", "tpr"]
    assert main(["gate", "--init", str(file)]) == 2 and "exists" in capsys.readouterr().err
    assert main(["gate", str(report), "--policy", str(file)]) == 2  # another suite
    file.write_text(text.replace("standard-2027", "mia-prune").replace('"best"', '"loss"'))
    assert main(["gate", str(report), "--policy", str(file)]) == 1  # too few non-members


def test_the_requirements_are_checked(report: Path) -> None:
    ceilings = (Ceiling(0.99, attack="loss"),)
    met = gate(report, Policy(ceilings, suite="mia-prune", attacks=("loss",), nonmembers=300, models=1))
    assert met.status == "pass"
    unmet = gate(report, Policy(ceilings, attacks=("lira",), nonmembers=301, models=2))
    assert [check.status for check in unmet.checks] == ["pass", "fail", "fail", "fail"]
    (blind,) = gate(report, Policy(ceilings, blind_at_chance=True)).checks[1:]
    assert blind.status == "pass" and blind.found.startswith("0.")


def test_members_that_differ_by_themselves_fail() -> None:
    members = np.arange(600) < 300
    losses = np.random.default_rng(0).exponential(size=600)
    groups = np.where(members, "old", "new")
    results = leakbench.audit(losses=losses, members=members, groups=groups, attacks=["loss"])
    checks = gate(results, Policy((Ceiling(0.99, attack="loss"),), blind_at_chance=True)).checks
    assert [check.status for check in checks] == ["pass", "fail"]
    alone = leakbench.audit(losses=losses, members=members, attacks=["loss"])
    (_, blind) = gate(alone, Policy((Ceiling(0.99, attack="loss"),), blind_at_chance=True)).checks
    assert blind.status == "fail" and blind.found.startswith("not measured")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ceilings"),
        ("ceilings = []\n", "at least one ceiling"),
        ("[[ceilings]]\nat_least = 0.5\n", "did you mean 'at_most'"),
        ("[[ceilings]]\nat_most = 'much'\n", "at_most must be a number"),
        (CEILING.format(0.5) + "metric = 'aux'\n", "did you mean 'auc'"),
        (CEILING.format(0.5) + "metric = 'tpr'\nfpr = 2.0\n", "fpr must be in"),
        (
            CEILING.format(0.5) + "metric = 'tpr'\nfpr = 0.05\n",
            "unknown metric in this report: 'tpr@fpr=0.05'",
        ),
        (CEILING.format(0.5) + "metric = 'epsilon_bound'\n", "whose interval has an upper end"),
        (CEILING.format(0.5) + "defence = 'hemp'\n", "unknown defence in this report: 'hemp'"),
        (CEILING.format(0.5) + "slice = 'class=*'\n", "unknown slice in this report: 'class=*'"),
        (CEILING.format(0.5) + "adaptive = false\n", "of the non-adaptive attacker in this report"),
        ("[[ceilings]]\nattack = 'lira'\nat_most = 0.5\n", "unknown attack in this report: 'lira'"),
        ("confidence = 95\n" + CEILING.format(0.5), "95 % is 0.95"),
        ("suite = 'standard-2026'\n" + CEILING.format(0.5), "requires the suite standard-2026"),
        ("= 3", "must be a policy in TOML"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_in_one_line(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert main(["gate", str(report), "--policy", written(tmp_path, text)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.startswith("error: ") and err.count("\n") == 1


def test_arguments_that_do_not_belong_together_are_refused(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = written(tmp_path, CEILING.format(0.9))
    for given_arguments in (
        [],
        [str(report)],
        ["--policy", rules],
        [str(report), "--init", str(tmp_path / "new")],
    ):
        assert main(["gate", *given_arguments]) == 2
        assert "gate needs a report and --policy FILE" in capsys.readouterr().err
    assert main(["gate", str(report), "--policy", str(tmp_path / "none.toml")]) == 2
    assert "writes one" in capsys.readouterr().err
    assert main(["gate", str(tmp_path), "--policy", rules]) == 2
    assert main(["gate", str(report), "--policy", rules, "--json", rules + "/gate.json"]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_changed_report_is_refused(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in report.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rules = written(tmp_path, CEILING.format(0.9))
    for place in (tmp_path, tmp_path / "report.json"):
        assert main(["gate", str(place), "--policy", rules]) == 0
    edit_rows(tmp_path, lambda rows: next(r for r in rows if r["attack"] == "loss").update(hi=0.5))
    capsys.readouterr()
    assert main(["gate", str(tmp_path), "--policy", rules]) == 2
    assert f"{tmp_path / 'results.parquet'} was changed after it was written" in capsys.readouterr().err
    loaded = Results.load(report)
    row = loaded.rows[0]
    replace(loaded, rows=[replace(row, value=row.value + 1e-9), *loaded.rows[1:]]).save(tmp_path)
    assert main(["gate", str(tmp_path), "--policy", rules]) == 2
    assert "was changed after it was written (report.json)" in capsys.readouterr().err


def test_junit_has_no_character_that_xml_forbids(report: Path) -> None:
    found = gate(report, policy(0.9))
    odd = replace(
        found, title="\x00\ud800\ufffe", checks=[replace(found.checks[0], status="fail", found="\x0b")]
    )
    assert ET.fromstring(junit(odd)).attrib["name"] == "leakbench gate: ???"
