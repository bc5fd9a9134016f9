"""Why the founders' table shows leakage where there is none: their protocol on pure noise, and an audit of it.

The table of entropy_driven_MIA_defenses gives 25 defences of a network on MNIST an AUC of .50 to .71 and an advantage
of .24 to .42. Here members and non-members have one law, so nothing can leak; the protocol that made the table reads
the same numbers, and `leakbench.audit` reads chance.

Run: python examples/founders_table.py [--worlds 16] [--out founders-table.html]   (half a minute on one core)
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

import leakbench
from leakbench.core.results import Row
from leakbench.metrics.statistics.roc import Roc
from leakbench.report.results import Results

MEMBERS, OTHERS = 60_000, 10_000  # MNIST's training and test part
CLASSES = 10
AUDITED = ("loss", "logistic_regression")
TEMPLATE = Path(__file__).with_suffix(".html.jinja")

# As published, in per cent: M-1 to M-25, and the network without a defence.
PUBLISHED_AUC = (
    71,
    71,
    69,
    70,
    71,
    65,
    70,
    50,
    70,
    63,
    68,
    69,
    50,
    69,
    69,
    71,
    70,
    71,
    51,
    53,
    51,
    70,
    70,
    62,
    50,
)
PUBLISHED_ADVANTAGE = (
    42,
    42,
    42,
    40,
    42,
    35,
    39,
    34,
    41,
    41,
    37,
    39,
    42,
    39,
    38,
    41,
    41,
    42,
    24,
    24,
    42,
    41,
    40,
    42,
    41,
)
PUBLISHED_BASE = (68, 40)


@dataclass(frozen=True)
class Reading:
    """What a protocol reads from scores. The advantage is the in-sample maximum of |TPR - FPR|, as published."""

    auc: float
    advantage: float

    @classmethod
    def of(cls, scores: np.ndarray, members: np.ndarray) -> "Reading":
        roc = Roc.of(scores, members)
        return cls(roc.auc, float(np.abs(roc.tpr - roc.fpr).max()))


@dataclass(frozen=True)
class World:
    """One draw of noise: what each attacker reads pooled, the same where the sides are equal, and our audit."""

    pooled: dict[str, Reading]
    balanced: dict[str, Reading]
    audit: dict[str, tuple[Row, Row]]  # AUC and advantage of each attack

    @property
    def published(self) -> Reading:
        """As a line of the table: the largest AUC and the largest advantage of any attacker."""
        readings = self.pooled.values()
        return Reading(max(r.auc for r in readings), max(r.advantage for r in readings))


def losses(n: int, rng: np.random.Generator) -> np.ndarray:
    """Cross-entropies [n] as of their networks: right on 97 % of the records, and a softmax taken twice.

    A softmax taken as logits bounds the loss from below, and in single precision six losses of ten are equal.
    """
    z, right = rng.normal(size=(n, CLASSES)), rng.normal(12, 5.6, n)
    z[:, 0] = right  # the true class stands first
    return -log_softmax(softmax(z, axis=1).astype(np.float32), axis=1)[:, 0]


def attackers(seed: int) -> dict[str, Callable[[], ClassifierMixin]]:
    """The trained attackers of the table, on the loss alone."""
    return {
        "logistic regression": LogisticRegression,
        "multilayer perceptron": lambda: MLPClassifier((64,), random_state=seed),
        "nearest neighbours": KNeighborsClassifier,
    }


def pooled_folds(
    loss: np.ndarray, members: np.ndarray, make: Callable[[], ClassifierMixin], rng: np.random.Generator
) -> np.ndarray:
    """Scores [n] of two attackers, each fitted on half of a balanced part, as if they had one scale.

    Each scores the half that it was not fitted on. The second also scores everyone who was left out to balance.
    """
    inside, outside = rng.permutation(np.flatnonzero(members)), np.flatnonzero(~members)
    balanced = rng.permutation(np.concatenate([inside[: outside.size], outside]))
    left_out, column = inside[outside.size :], loss[:, None]
    scores = np.empty(loss.size)
    for fitted, scored in StratifiedKFold(2).split(balanced, members[balanced]):
        attacker = make().fit(column[balanced[fitted]], members[balanced[fitted]])
        scores[balanced[scored]] = attacker.predict_proba(column[balanced[scored]])[:, 1]
    if left_out.size:
        scores[left_out] = attacker.predict_proba(column[left_out])[:, 1]
    return scores


def closed_form(n_members: int, n_others: int) -> tuple[Reading, Reading]:
    """The two readings of noise where the second attacker scores all above, or all below, the first.

    Second attacker: a share s = (n1 - n0/2) / n1 of the members, half of the non-members. So s - 1/2 is the advantage,
    and AUC = P(member second, other first) + P(both the same) / 2 = s/2 + (s/2 + (1 - s)/2) / 2 = s/2 + 1/4.
    """
    share = (n_members - n_others / 2) / n_members
    high = Reading(share / 2 + 1 / 4, share - 1 / 2)
    return high, Reading(1 - high.auc, high.advantage)


def world(seed: int, n_members: int = MEMBERS, n_others: int = OTHERS) -> World:
    """Draw noise, read it by the protocol and audit it."""
    rng = np.random.default_rng(seed)
    loss, members = losses(n_members + n_others, rng), np.arange(n_members + n_others) < n_members
    equal = slice(n_members - n_others, None)  # as many members as non-members
    pooled = {"threshold": Reading.of(-loss, members)}
    balanced = {"threshold": Reading.of(-loss[equal], members[equal])}
    for name, make in attackers(seed).items():
        pooled[name] = Reading.of(pooled_folds(loss, members, make, rng), members)
        scores = pooled_folds(loss[equal], members[equal], make, rng)
        balanced[name] = Reading.of(scores, members[equal])
    results = leakbench.audit(losses=loss, members=members, attacks=AUDITED, seed=seed)
    return World(pooled, balanced, {attack: _read(results, attack) for attack in AUDITED})


def _read(results: Results, attack: str) -> tuple[Row, Row]:
    auc, advantage = (results.find(attack=attack, metric=m, slice="all")[0] for m in ("auc", "advantage"))
    return auc, advantage


def short(value: float) -> str:
    """A fraction with three digits."""
    return f"{value:.3f}"


def span(values: list[float]) -> str:
    """The smallest and the largest."""
    return f"{short(min(values))} to {short(max(values))}"


def summary(worlds: list[World]) -> list[tuple[str, str, str]]:
    """Lines of protocol, AUC and advantage."""
    published = [Reading(a / 100, j / 100) for a, j in zip(PUBLISHED_AUC, PUBLISHED_ADVANTAGE, strict=True)]
    lines = [
        ("published, 25 defences", published),
        ("noise, the protocol's best of four", [w.published for w in worlds]),
    ]
    lines += [(f"noise, {name}", [w.pooled[name] for w in worlds]) for name in worlds[0].pooled]
    equal = [r for w in worlds for r in w.balanced.values()]
    lines += [("noise, equal sides, all four", equal), ("closed form", [*closed_form(MEMBERS, OTHERS)])]
    found = [(what, span([r.auc for r in rs]), span([r.advantage for r in rs])) for what, rs in lines]
    for attack in AUDITED:
        rows = zip(*(w.audit[attack] for w in worlds), strict=True)
        read = (
            span([r.value for r in each]) + _hits(each, truth)
            for each, truth in zip(rows, (0.5, 0.0), strict=True)
        )
        found.append((f"noise, audited, {attack.replace('_', ' ')}", *read))
    return found


def _hits(rows: Sequence[Row], truth: float) -> str:
    hits = sum(r.lo <= truth <= r.hi for r in rows)
    return f", {hits} of {len(rows)} intervals hold {truth:.1g}"


def picture(worlds: list[World]) -> str:
    """AUC against advantage as SVG: the published lines, noise under the protocol, noise under our audit."""
    made = Figure(figsize=(7.4, 4.3))
    axes = made.add_axes((0.09, 0.13, 0.88, 0.84))
    for reading in closed_form(MEMBERS, OTHERS):
        axes.plot(reading.auc, reading.advantage, "+", color="#1b1b1a", markersize=17, markeredgewidth=1.4)
    single, best = [r for w in worlds for r in w.pooled.values()], [w.published for w in worlds]
    axes.plot(
        [r.auc for r in single], [r.advantage for r in single], "o", color="#0a6cb0", alpha=0.3, markersize=4
    )
    axes.plot(
        [r.auc for r in best], [r.advantage for r in best], "o", color="#0a6cb0", alpha=0.75, markersize=8
    )
    axes.plot(
        np.divide(PUBLISHED_AUC, 100),
        np.divide(PUBLISHED_ADVANTAGE, 100),
        "D",
        color="#c8500a",
        alpha=0.65,
        markersize=5,
    )
    rows = [auc for w in worlds for auc, _ in w.audit.values()]
    for row in rows:
        axes.plot(
            [row.lo, row.hi],
            [-0.025, -0.025],
            color="#00805d",
            linewidth=5,
            alpha=0.12,
            solid_capstyle="butt",
        )
    axes.plot([r.value for r in rows], [-0.025] * len(rows), "|", color="#00805d", markersize=9)
    notes = (
        (0.545, 0.27, "published: 25 defences", "#c8500a"),
        (
            0.33,
            0.2,
            "pure noise under the same protocol:\nsmall, one attacker; large, the largest\nof four, as published",
            "#0a6cb0",
        ),
        (0.54, -0.025, "the same noise, audited: AUC, intervals", "#00805d"),
        (0.305, 0.445, "+ closed form", "#1b1b1a"),
    )
    for x, y, text, colour in notes:
        axes.text(x, y, text, color=colour, fontsize=10, va="center")
    axes.set(xlim=(0.26, 0.74), ylim=(-0.05, 0.48), xlabel="AUC", ylabel="advantage")
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def lines(worlds: list[World]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The published table beside draws of noise."""
    named = [("no defence", *PUBLISHED_BASE)]
    named += [
        (f"M-{i}", *pair) for i, pair in enumerate(zip(PUBLISHED_AUC, PUBLISHED_ADVANTAGE, strict=True), 1)
    ]
    right = [
        (f"draw {i}", short(w.published.auc), short(w.published.advantage), _interval(w.audit[AUDITED[1]][0]))
        for i, w in enumerate(worlds)
    ]
    right += [("", "", "", "")] * (len(named) - len(right))
    left = [(name, f".{auc}", f".{advantage}") for name, auc, advantage in named]
    return list(zip(left, right[: len(named)], strict=True))


def _interval(row: Row) -> str:
    return f"{short(row.value)} [{short(row.lo)}, {short(row.hi)}]"


def page(worlds: list[World]) -> str:
    """The page as HTML that needs nothing beside it."""
    high, low = ({"auc": short(r.auc), "advantage": short(r.advantage)} for r in closed_form(MEMBERS, OTHERS))
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    counts = {"members": MEMBERS, "others": OTHERS, "left": MEMBERS - OTHERS, "second": MEMBERS - OTHERS // 2}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        picture=picture(worlds),
        high=high,
        low=low,
        worlds=worlds,
        summary=summary(worlds),
        lines=lines(worlds),
        **{name: f"{n:,}" for name, n in counts.items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=16, help="draws of noise")
    parser.add_argument("--out", type=Path, default=Path("founders-table.html"))
    given = parser.parse_args()
    worlds = [world(seed) for seed in range(given.worlds)]
    for what, auc, advantage in summary(worlds):
        print(f"{what:36} AUC {auc:46} advantage {advantage}")
    given.out.write_text(page(worlds), encoding="utf-8")
    print(f"page: {given.out}")


if __name__ == "__main__":
    main()
