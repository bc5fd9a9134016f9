"""Entropy bookkeeping and predicted risk against slow references, on answers of every kind."""

import math

import numpy as np
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.core.results import OUTPUTS, Row
from leakbench.evaluation.predicted_risk import BINS, HIGHEST_LOSS, LOWEST_LOSS, predict_risk
from leakbench.report.results import Results
from leakbench.signals.models import Models
from leakbench.signals.statistics import LOG_FLOOR
from leakbench.signals.types import Signals


def made(targets: int = 4, records: int = 300, classes: int = 5, gain: float = 1.0, seed: int = 0) -> Models:
    """Targets that are surer of their members."""
    rng = np.random.default_rng(seed)
    half = rng.permutation(np.arange(records) % 2 == 0)
    members = np.stack([half ^ (t % 2 == 1) for t in range(targets)])
    labels = rng.integers(0, classes, records)
    logits = rng.normal(size=(targets, 2, records, classes))
    logits[:, :, np.arange(records), labels] += 1 + gain * members[:, None]
    audited = np.ones_like(members)
    audited[:, :20] = False
    return Models(Signals(labels=labels, logits=logits), members, audited)


def rows(models: Models, **more: object) -> dict[str, Row]:
    found = predict_risk("some", models, range(len(models.members)), 0, **more)  # type: ignore[arg-type]
    return {r.metric: r for r in found.rows}


def slow(models: Models) -> dict[str, list[float]]:
    """Entropy and loss of members and of non-members, from the definitions, first view."""
    s, found = models.signals, {"h1": [], "h0": [], "l1": [], "l0": []}  # type: ignore[var-annotated]
    for m in range(len(models.members)):
        for n in range(models.members.shape[1]):
            if models.audited[m, n]:
                z = [float(v) for v in s.logits[m][0, n]]  # type: ignore[index]
                f = [math.exp(v) / sum(map(math.exp, z)) for v in z]
                side = "1" if models.members[m, n] else "0"
                found["h" + side].append(-sum(p * math.log(p) for p in f if p > 0))
                found["l" + side].append(-math.log(f[s.labels[n]]))  # type: ignore[index]
    return found


def test_every_number_is_that_of_the_slow_reference() -> None:
    models = made()
    got, ref = rows(models), slow(models)
    assert set(got) == set(OUTPUTS) - {"loss_trace_iqr", "loss_trace_iqr_p99"}
    h1, h0 = np.mean(ref["h1"]), np.mean(ref["h0"])
    assert got["entropy_members"].value == pytest.approx(h1)
    assert got["entropy_nonmembers"].value == pytest.approx(h0)
    assert got["entropy_gap"].value == pytest.approx(h0 - h1)
    assert got["entropy_mean"].value == pytest.approx(np.mean(ref["h1"] + ref["h0"]))
    edges = {
        "h": np.linspace(0, math.log(5), BINS + 1),
        "l": np.geomspace(LOWEST_LOSS, HIGHEST_LOSS, BINS + 1),
    }
    for metric, which in (("js_entropy", "h"), ("js_cross_entropy", "l")):
        p, q = (
            np.histogram(np.clip(ref[which + side], *edges[which][[0, -1]]), edges[which])[0] for side in "10"
        )
        p, q = p / p.sum(), q / q.sum()
        jsd = sum(
            x * math.log2(2 * x / (a + b)) / 2 for a, b in zip(p, q, strict=True) for x in (a, b) if x > 0
        )
        assert got[metric].detail["uncorrected"] == pytest.approx(math.sqrt(jsd))
        assert got[metric].lo < got[metric].value < got[metric].detail["uncorrected"]  # type: ignore[operator]
    l1, l0 = np.array(ref["l1"]), np.array(ref["l0"])
    tails = [np.mean(l0 >= t) for t in np.concatenate([l1, l0]) if np.mean(l1 >= t) <= 0.01]
    assert got["tnr@fnr=0.01"].value == pytest.approx(max(tails))
    assert all(r.lo <= r.value <= r.hi for r in got.values())  # type: ignore[operator]


def test_the_histograms_hold_all_members_and_nonmembers() -> None:
    found = predict_risk("some", made(), range(4), 0).distributions
    assert [d.statistic for d in found] == ["entropy", "loss"]
    for d in found:
        assert len(d.edges) == len(d.members) + 1 == len(d.nonmembers) + 1 == BINS + 1
        assert sum(d.members) == pytest.approx(1) == sum(d.nonmembers)


def test_answers_that_owe_membership_nothing_show_nothing() -> None:
    got = [rows(made(gain=0.0, seed=s)) for s in range(20)]
    for metric, nothing in {"entropy_gap": 0.0, "js_entropy": 0.0, "js_cross_entropy": 0.0}.items():
        covered = [r[metric].lo <= nothing <= r[metric].hi for r in got]  # type: ignore[operator]
        assert sum(covered) >= 17, metric
    assert np.mean([r["js_entropy"].value for r in got]) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("zero", [-np.inf, LOG_FLOOR])
@pytest.mark.parametrize("classes", [2, 5])
def test_labels_alone_have_entropy_0_and_a_loss(classes: int, zero: float) -> None:
    models = made(classes=classes)
    z = np.asarray(models.signals.logits)
    only = np.where(np.arange(classes) == z.argmax(-1)[..., None], 0.0, zero)
    got = rows(Models(Signals(labels=models.signals.labels, logits=only), models.members, models.audited))
    for metric in ("entropy_mean", "entropy_members", "entropy_nonmembers", "entropy_gap", "js_entropy"):
        assert got[metric].value == pytest.approx(0.0, abs=1e-12)
    assert got["js_cross_entropy"].value > 0.1
    assert all(math.isfinite(v) for r in got.values() for v in (r.value, r.lo, r.hi))  # type: ignore[arg-type]


def test_what_cannot_be_computed_has_no_rows() -> None:
    models = made()
    losses = np.asarray(models.signals.statistics("loss"))
    few = Models(models.signals, models.members, models.audited & (np.arange(300) < 30))
    assert set(rows(Models(Signals(losses=losses), models.members, models.audited))) == {
        "js_cross_entropy", "tnr@fnr=0.01",
    }  # fmt: skip
    unlabelled = Signals(logits=models.signals.logits)
    assert "js_entropy" in rows(Models(unlabelled, models.members, models.audited))
    assert "js_cross_entropy" not in rows(Models(unlabelled, models.members, models.audited))
    assert rows(Models(Signals(scores=losses), models.members, models.audited)) == {}
    assert predict_risk("some", few, [0], 0).rows == []


def test_traces_tell_of_the_members_most_moved() -> None:
    models = made()
    rng = np.random.default_rng(0)
    traces = [rng.exponential(size=(9, n)) for n in models.members.sum(axis=1)]
    got = rows(models, traces=traces)
    iqr = np.concatenate([np.subtract(*np.percentile(t, [75, 25], axis=0)) for t in traces])
    assert got["loss_trace_iqr"].value == pytest.approx(iqr.mean())
    top = got["loss_trace_iqr_p99"]
    assert top.value == pytest.approx(np.quantile(iqr, 0.99))
    assert top.lo < top.value < top.hi  # type: ignore[operator]
    for wrong in (traces[:-1], [t[:, 1:] for t in traces]):
        with pytest.raises(InputError, match="traces must be"):
            rows(models, traces=wrong)


def test_an_audit_holds_them_and_they_survive_saving(tmp_path: object) -> None:
    models = made(targets=1, records=500)
    results = leakbench.audit(
        logits=np.asarray(models.signals.logits)[0, 0], labels=models.signals.labels, members=models.members[0],
        attacks=["loss", "entropy"],
    )  # fmt: skip
    got = {r.metric for r in results.rows if r.attack is None}
    assert {"js_entropy", "js_cross_entropy", "tnr@fnr=0.01", "entropy_gap"} <= got
    results.save(str(tmp_path))
    loaded = Results.load(str(tmp_path))
    assert loaded.distributions == results.distributions and len(loaded.distributions) == 2
