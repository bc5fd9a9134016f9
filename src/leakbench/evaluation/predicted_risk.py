"""What the released outputs alone leak: entropy and predicted risk, without shadow models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.results import Distribution, Row
from ..core.seeds import stream
from ..metrics.statistics.clusters import clustered_variance, effective_size
from ..metrics.statistics.divergence import js_distance, shares
from ..metrics.statistics.intervals import clopper_pearson
from ..metrics.statistics.loss_traces import loss_trace_iqr
from ..metrics.statistics.sample import Sample
from ..metrics.tpr_at_fpr import TprAtFpr
from ..signals.models import Models
from ..signals.types import Array, Bools
from .measure import FEWEST

BINS = 30
LOWEST_LOSS, HIGHEST_LOSS = 1e-6, 10.0  # nats; the outer bins take what lies beyond
MISSED = 0.01  # share of the members that the loss attack may miss where the TNR is measured
TOP = 0.99


@dataclass(frozen=True, eq=False)
class PredictedRisk:
    """The rows and the histograms of one defence."""

    rows: list[Row] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Pairs:
    """A statistic of every target and record, and which of these pairs are members, and audited."""

    values: Array  # [T, N]
    members: Bools  # [T, N]
    audited: Bools  # [T, N]

    def of(self, values: Array) -> "Pairs":
        """Another statistic of the same pairs."""
        return replace(self, values=values)

    def sample(self) -> Sample:
        """The audited pairs, flat."""
        model, record = np.nonzero(self.audited)
        nowhere = np.zeros(len(model), dtype=bool)
        return Sample(self.values[self.audited], self.members[self.audited], model, record, nowhere)


def predict_risk(
    defence: str,
    released: Models,
    targets: Sequence[int],
    seed: int,
    traces: Sequence[Array] | None = None,
    average: Bools | None = None,
) -> PredictedRisk:
    """Entropy, distances between members and non-members, and predicted risk, from the targets' released outputs.

    First view only. What cannot be computed from the signals (entropy without logits, cross-entropy without labels)
    has no rows; with fewer than FEWEST members or non-members there are none at all. `traces` holds for each target
    the losses [E epochs, n] of its n members in the order of their rows, in each epoch. Of the records only those that
    are `average` [N] count, which canaries are not; None: all.
    """
    chosen, signals = list(targets), released.signals
    members, audited = released.members[chosen], released.audited[chosen]
    if average is not None:
        if traces is not None:
            traces = [trace[:, average[own]] for trace, own in zip(traces, members, strict=True)]
        members, audited = members & average, audited & average
    if min((audited & members).sum(), (audited & ~members).sum()) < FEWEST:
        return PredictedRisk()
    found = PredictedRisk()
    for statistic in ("entropy", "loss"):
        if not signals.offers(statistic):
            continue
        values = np.stack([signals.statistic(statistic, m)[0] for m in chosen])
        pairs = Pairs(values, members, audited)
        if statistic == "entropy":
            found.rows.extend(_entropies(defence, pairs, _log_classes(released)))
        edges = _edges(statistic, released)
        found.rows.append(_distance(defence, statistic, pairs, edges, seed))
        if statistic == "loss":
            found.rows.extend(_tnr_at_fnr(defence, pairs))
        found.distributions.append(_distribution(defence, statistic, pairs, edges))
    if traces is not None:
        found.rows.extend(_trace_rows(defence, traces, members))
    return found


def _log_classes(released: Models) -> float:
    assert released.signals.logits is not None, "entropy comes from logits"
    return float(np.log(released.signals.logits.shape[-1]))


def _edges(statistic: str, released: Models) -> Array:
    """Edges of the BINS bins, the same for all defences and studies with as many classes.

    Entropy: equal bins on [0, log C]. Cross-entropy: equal bins of its logarithm, as losses of members and of
    non-members often differ by orders of magnitude below the first bin that an even grid would have. Why 30: on
    digits, finer bins move the distances by less than their intervals (at most .011, for a temperature that crowds all
    losses into a few bins), while the part due to chance, which the correction takes away at a price in spread, grows.
    """
    if statistic == "entropy":
        return np.linspace(0.0, _log_classes(released), BINS + 1)
    return np.geomspace(LOWEST_LOSS, HIGHEST_LOSS, BINS + 1)


def _binned(values: Array, edges: Array) -> NDArray[np.intp]:
    """The bin of each value; the outer bins are open, an inner edge belongs to the bin above it."""
    return np.searchsorted(edges[1:-1], values, side="right")


def _entropies(defence: str, pairs: Pairs, highest: float) -> Iterator[Row]:
    r"""Mean entropy of the outputs: of all, of members, of non-members; the gap is non-members' minus members'.

    Formula: H(f) = - sum_c f_c log f_c in nats;  interval  mean +- t sqrt(V), V clustered by target and record
    """
    sample = pairs.sample()
    inside, outside = sample.member_part, sample.nonmember_part
    parts = {"entropy_mean": sample, "entropy_members": inside, "entropy_nonmembers": outside}
    for metric, part in parts.items():
        value = float(part.scores.mean())
        half = _half_width((part.scores - value) / part.scores.size, part)
        lo, hi = max(0.0, value - half), min(highest, value + half)
        yield _row(metric, value, lo, hi, part, defence, unit="nats")
    m1, m0, n1, n0 = inside.scores.mean(), outside.scores.mean(), inside.scores.size, outside.scores.size
    half = _half_width(np.where(sample.members, (m1 - sample.scores) / n1, (sample.scores - m0) / n0), sample)
    gap = float(m0 - m1)
    yield _row("entropy_gap", gap, gap - half, gap + half, sample, defence, unit="nats")


def _half_width(psi: Array, sample: Sample) -> float:
    """Half the 95 % interval of a mean whose influence values are psi [n]."""
    return clustered_variance(psi, sample.model, sample.record).half_width()


def _row(metric: str, value: float, lo: float, hi: float, sample: Sample, defence: str, **more: Any) -> Row:
    n1, n0 = sample.n_members or None, sample.n_nonmembers or None
    return Row(metric, value, lo, hi, n1, n0, defence=defence, **more)


def _distance(defence: str, statistic: str, pairs: Pairs, edges: Array, seed: int) -> Row:
    """`js_entropy` or `js_cross_entropy`: the distance of the two histograms, corrected for chance."""
    bins = _binned(pairs.values, edges)
    # one stream for all defences: the same correction for chance, so that equal outputs give equal numbers
    found = js_distance(bins, pairs.members, pairs.audited, BINS, stream(seed, "permuted records"))
    detail = {"uncorrected": found.uncorrected, "bins": BINS}
    metric = {"entropy": "js_entropy", "loss": "js_cross_entropy"}[statistic]
    return _row(metric, found.value, found.lo, found.hi, pairs.sample(), defence, detail=detail)


def _distribution(defence: str, statistic: str, pairs: Pairs, edges: Array) -> Distribution:
    p, q = shares(_binned(pairs.values, edges), pairs.members, pairs.audited, BINS)
    return Distribution(defence, statistic, edges.tolist(), p.tolist(), q.tolist())


def _tnr_at_fnr(defence: str, pairs: Pairs) -> Iterator[Row]:
    r"""How much of the non-members' tail of high losses do the members lack?

    Formula: TNR of the loss attack at its smallest threshold t that misses at most a share MISSED of the members:
        max_t P[l >= t | non-member]  subject to  P[l >= t | member] <= MISSED;  MISSED where the tails are alike.
        That is TPR@FPR with the roles exchanged, so its exact ties and its interval are those of `tpr_interval`.
    Source:  Dodd et al. 2025, arXiv 2510.19773, who predict LiRA's TPR at a low FPR by the loss attack's TNR.
    Differs: their abstract leaves the threshold open; this one mirrors TPR at 1 % FPR.
    """
    sample, metric = pairs.sample(), TprAtFpr(MISSED)
    mirrored = replace(sample, members=~sample.members)
    if metric.applies(mirrored) is None:
        e = metric.estimate(mirrored)
        detail = {"threshold": e.detail["threshold"], "fnr": e.detail["fpr"]}
        yield _row(f"tnr@fnr={MISSED:g}", e.value, e.lo, e.hi, sample, defence, detail=detail)


def _trace_rows(defence: str, traces: Sequence[Array], members: Bools) -> Iterator[Row]:
    """The mean of LT-IQR over the members of all targets, and its 99th percentile, which tells of the most exposed.

    The percentile's interval is Woodruff's: the values at the limits of the share of records beyond it.
    """
    counts = members.sum(axis=1)
    got = [np.shape(trace) for trace in traces]
    if len(got) != len(counts) or any(shape[1:] != (n,) for shape, n in zip(got, counts, strict=True)):
        raise InputError(
            f"traces must be [E, n] a target with n = {counts.tolist()} members, got shapes {got};"
            " keep the losses of every member, in the order of the members"
        )
    values = np.concatenate([loss_trace_iqr(trace) for trace in traces])
    model, record = np.nonzero(members)
    everyone = np.ones(values.size, dtype=bool)
    sample = Sample(values, everyone, model, record, ~everyone)
    mean, top = float(values.mean()), float(np.quantile(values, TOP))
    half = _half_width((values - mean) / values.size, sample)
    yield _row("loss_trace_iqr", mean, max(0.0, mean - half), mean + half, sample, defence, unit="nats")
    n = effective_size(values > top, model, record)
    beyond = clopper_pearson(n * (1 - TOP), n)
    lo, hi = np.quantile(values, [1 - beyond.hi, 1 - beyond.lo])
    yield _row("loss_trace_iqr_p99", top, float(lo), float(hi), sample, defence, unit="nats")
