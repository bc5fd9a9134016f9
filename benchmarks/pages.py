"""The report: an SVG from few points against every point of every curve, and the page's size."""

from collections.abc import Iterator

import numpy as np
from ratios import Ratio, in_turns

import leakbench
from leakbench.report.page import render

PART = "Report"


def ratios() -> Iterator[Ratio]:
    """A page of an audit of 20,000 records with eight shadow models, against the audit that it reports."""
    rng = np.random.default_rng(0)
    half = rng.random((4, 20_000)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(8, -1)
    logits = rng.normal(size=(*members.shape, 10)) + members[..., None] * np.eye(10)[0]
    labels = np.zeros(members.shape[1], dtype=np.int64)

    def audit() -> leakbench.Results:
        return leakbench.audit(logits=logits, members=members, labels=labels)

    results = audit()
    size = len(render(results)) / 1e6
    times = in_turns(lambda: render(results), audit, 5, others=3)
    yield Ratio(
        PART, "an audit of 8 x 20,000 records: its page / the audit", *times, f"{size:.1f} MB of HTML"
    )
