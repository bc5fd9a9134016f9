"""The self-check passes here, and fails where an attack or a metric is wrong."""

import numpy as np
import pytest

from leakbench.evaluation import selfcheck
from leakbench.metrics import METRICS


def test_closed_forms_hold() -> None:
    for group in (
        selfcheck.gaussians,
        selfcheck.coverage,
        selfcheck.gap_identity,
        selfcheck.gap_floor,
        selfcheck.monotone_map,
        selfcheck.one_run_pins,
    ):
        checks = list(group(0))
        assert checks
        for check in checks:
            assert check.passed, check


def test_no_leakage_reads_as_chance() -> None:
    """The null model with shadow models is in `selfcheck` itself, and in the contract of attacks."""
    checks = list(selfcheck.permuted_membership(0))
    assert len(checks) >= 10
    assert all(check.passed for check in checks), [c for c in checks if not c.passed]


def test_a_wrong_metric_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    auc = METRICS.get("auc")
    right = auc.estimate
    monkeypatch.setattr(auc, "estimate", lambda self, s, level=0.95: right(self, _shifted(s), level))
    assert not all(check.passed for check in selfcheck.gaussians(0))


def _shifted(sample):
    from dataclasses import replace

    return replace(sample, scores=sample.scores + 0.05 * np.where(sample.members, 1, 0))
