"""Studies and audits measure the metrics that they name."""

import numpy as np
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.metrics import Sample
from leakbench.metrics.auc import Auc
from leakbench.metrics.standard import STANDARD, make_metrics
from leakbench.metrics.tpr_at_fpr import TprAtFpr
from leakbench.pipeline.study import Study

MEMBERS = np.arange(600) % 2 == 0
LOSSES = np.random.default_rng(0).exponential(np.where(MEMBERS, 0.5, 1.0))


def audited(**chosen: object) -> leakbench.Results:
    return leakbench.audit(losses=LOSSES, members=MEMBERS, attacks=["loss", "confidence"], **chosen)


def measured(results: leakbench.Results) -> set[str]:
    return {row.metric for row in results.find(attack="loss", slice="all", target="all")}


def test_a_metric_with_a_parameter_stands_beside_the_standard_ones() -> None:
    own = {"name": "tpr", "fpr": 0.02}
    assert measured(audited(metrics=["standard", own])) - measured(audited()) == {"tpr@fpr=0.02"}


def test_the_metrics_alone_that_are_named(tmp_path) -> None:
    results = audited(metrics=["auc"])
    assert {name for name in measured(results) if not name.startswith("added_tpr")} == {"auc"}
    results.save(tmp_path)
    assert leakbench.Results.load(tmp_path) == results


def test_a_report_without_the_auc_can_be_written(tmp_path) -> None:
    results = audited(metrics=[{"name": "precision", "fpr": 0.05}])
    assert "ppv@fpr=0.05" in measured(results)
    assert (
        "Precision" in results.save(tmp_path).read_text() or "PPV" in (tmp_path / "report.html").read_text()
    )


def test_a_study_takes_them() -> None:
    table = {"data": {"name": "digits"}, "metrics": ["auc", {"name": "tpr", "fpr": 0.3}]}
    study = Study.of(table)
    assert study.metrics == (Auc(), TprAtFpr(0.3))
    assert Study.of(study.describe()).metrics == study.metrics
    assert Study.of({"data": {"name": "digits"}}).metrics == STANDARD


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["auk"], "unknown metric 'auk'; did you mean 'auc'"),
        ([{"name": "tpr", "fpr": 2}], "fpr must be in"),
        ([{"name": "tpr", "frp": 0.1}], "did you mean 'fpr'"),
        (["auc", "auc"], "'auc' is listed twice"),
        (["standard", "auc"], "'auc' is listed twice"),
        ([], "at least one metric"),
    ],
)
def test_what_is_no_metric_is_refused_before_anything_runs(specs, message) -> None:
    with pytest.raises(InputError, match=message):
        make_metrics(specs, STANDARD)
    with pytest.raises(InputError, match=message):
        Study.of({"data": {"name": "digits"}, "metrics": specs})


CONSTANT = [metric for metric in STANDARD if metric.chance is not None]


@pytest.mark.parametrize("metric", CONSTANT, ids=lambda metric: metric.label)
def test_chance_is_what_scores_without_information_give(metric) -> None:
    """Means over 40 sets of random scores; a bound or a share that is 0 by chance is near 0."""
    values = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        members, model = rng.permutation(np.arange(4000) % 2 == 0), np.repeat(np.arange(4), 1000)
        sample = Sample(
            rng.normal(size=4000),
            members,
            model,
            np.tile(np.arange(1000), 4),
            model < 2,
            rng.random(4000) < 0.5,
        )
        values.append(
            metric.value(sample) if metric.name != "epsilon_bound" else metric.estimate(sample).value
        )
    assert abs(np.mean(values) - metric.chance) < max(0.01, 5 * np.std(values) / np.sqrt(len(values)))
