"""What a reader is shown first: pooled rows, the lowest FPR that the data resolve, the strongest attack."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from ..core.results import (
    BEST,
    BEST_WHITE_BOX,
    BLIND,
    CANARY,
    CORRELATIONS,
    NO_SINGLE_ATTACK,
    OUTPUTS,
    UNDEFENDED,
    ResultData,
    Row,
)
from .grades import Grade, grade, leaks, lower_end
from .numbers import DIFFERENCE, finite, rate, strongest_title

BASELINE = UNDEFENDED
GENERATOR = "generator"  # the slice of rows about synthetic records alone
ORIGINS = ("leakage_from_generator", "leakage_in_weights")
SPLIT_DIFFERS = "F17"  # the code of the flag on members and non-members that differ by themselves
FEW = 10  # fewer false positives than this at an FPR, or records a side, say little
MOST_DRAWN = 12  # defences that stay readable in a figure
T = TypeVar("T")


def distinct(values: Iterable[T]) -> list[T]:
    """The values without repetition, in their order."""
    return list(dict.fromkeys(values))


def expected_false_positives(row: Row) -> float | None:
    """How many non-members lie below the row's FPR; None if it has no FPR or no count."""
    fpr = rate(row.metric)
    return None if not fpr or row.n_nonmembers is None else fpr * row.n_nonmembers


def is_thin(row: Row) -> bool:
    """Whether few records stand behind the row."""
    behind = [n for n in (row.n_members, row.n_nonmembers, expected_false_positives(row)) if n is not None]
    return bool(behind) and min(behind) < FEW * (1 - 1e-9)


def crossed(row: Row) -> bool:
    """Whether the shadow models went through a defence, but not through that of their target."""
    return row.shadows not in (None, BASELINE, row.defence)


def _family(label: str) -> str:
    """`fewer_epochs` of fewer_epochs-4."""
    return label.rpartition("-")[0] or label


def _kind(row: Row) -> str:
    """Where the row is shown."""
    if row.against is not None:
        return "matched"
    if crossed(row):
        return "cross"
    if row.metric in ORIGINS:
        return "origins"
    if row.metric in OUTPUTS:
        return "outputs"
    if row.metric.partition("[")[0] in CORRELATIONS:
        return "correlations"
    if row.slice.startswith(CANARY):
        return "canaries"
    return "generators" if row.slice == GENERATOR else "plain"


@dataclass(frozen=True)
class Standing:
    """How one defence stands against the strongest attack of one kind of attacker."""

    defence: str
    adaptive: bool | None
    attack: str
    auc: Row | None
    tpr: Row | None  # at the lowest FPR that the data resolve
    single: Row | None = None  # the AUC of another attack, where it reaches a higher grade
    attacks: int = 1  # among how many the strongest was looked for
    gap: Row | None = None  # the AUC of the attack that sees only whether the label is right

    @property
    def corrected(self) -> bool:
        """Whether the attack was chosen on other data than it is measured on."""
        return self.attack == BEST

    @property
    def attack_name(self) -> str:
        """What the strongest attack is called."""
        row = self.main
        return row.selected if self.corrected and row is not None and row.selected else self.attack

    @property
    def attack_title(self) -> str:
        """The same, and whether its adaptive attacker trains shadow models without the defence."""
        return self.attack if self.main is None else strongest_title(self.main) or self.attack

    @property
    def drawn_as(self) -> tuple[str, bool | None]:
        """The attack and the kind of attacker whose curve and whose slices show it."""
        ignores = self.main is not None and self.main.shadows == UNDEFENDED
        return self.attack_name, False if ignores else self.adaptive

    @property
    def main(self) -> Row | None:
        """TPR where it can be had, else AUC."""
        return self.tpr or self.auc

    @property
    def grade(self) -> Grade:
        """How strong the evidence of leakage is, allowing for there being many attacks."""
        return max(self._grade(self.tpr), self._grade(self.auc), grade(self.single, self.attacks))

    @property
    def basis(self) -> Row | None:
        """The number that the grade rests on."""
        rows = [r for r in (self.tpr, self.auc) if r is not None and self._grade(r) == self.grade]
        return next(iter(rows), self.single or self.main)

    @property
    def gap_only(self) -> bool:
        """Whether no attack is shown to find more than the accuracy gap lets one find."""
        basis = self.basis
        by_auc = self.grade and basis is not None and basis.metric == "auc" and not self._grade(self.tpr)
        return bool(by_auc and self.gap and leaks(self.gap) and (basis.lo or 0.0) <= self.gap.value)  # type: ignore[union-attr]

    @property
    def leaks(self) -> bool:
        """Whether an attack is shown to beat chance."""
        return self.grade > Grade.NONE

    def _grade(self, row: Row | None) -> Grade:
        return grade(row, 1 if self.corrected else self.attacks)


class View:
    """The rows of results, found by what they are of. Where rows pool all targets, only these are shown.

    `rows` describe a defence by itself, under an adaptive or a non-adaptive attacker. The others, which have sections
    of their own, are `white_box`, `cross`, `matched`, `origins`, `generators`, `canaries`,
    `outputs` and `correlations`.
    """

    def __init__(self, results: ResultData) -> None:
        self.results = results
        pooled = [r for r in results.rows if r.target == "all"]
        shown = pooled if any(r.attack for r in pooled) else results.rows
        self.n_single = len(results.rows) - len(shown)
        read = {str(m.get("label")) for m in results.methods if m.get("access") == "white_box"}
        self.white_box_attacks = {BEST_WHITE_BOX, *read}
        kinds: dict[str, list[Row]] = {}
        for r in shown:
            kinds.setdefault("white_box" if r.attack in self.white_box_attacks else _kind(r), []).append(r)
        self.rows = kinds.get("plain", [])
        self.white_box = kinds.get("white_box", [])  # of attackers who have the model's parameters
        self.cross = kinds.get("cross", [])  # the shadow models went through another defence
        self.matched = kinds.get("matched", [])  # differences from another defence than none
        self.origins = kinds.get("origins", [])  # parts of a defence's leakage
        self.generators = kinds.get("generators", [])  # leakage of the synthetic records alone
        self.canaries = kinds.get("canaries", [])  # records that are made to be memorised
        self.outputs = kinds.get("outputs", [])  # entropy and predicted risk of the released outputs
        self.correlations = kinds.get("correlations", [])  # across the defences
        self._index: dict[tuple[str, str, str | None, bool | None, str], Row] = {}
        self._series: dict[tuple[str, str, str | None, bool | None], list[Row]] = {}  # one row per slice
        for r in self.rows:
            if self._index.setdefault((r.metric, r.defence, r.attack, r.adaptive, r.slice), r) is r:
                self._series.setdefault((r.metric, r.defence, r.attack, r.adaptive), []).append(r)

    def row(
        self,
        metric: str,
        defence: str,
        attack: str | None = None,
        adaptive: bool | None = None,
        part: str = "all",
    ) -> Row | None:
        """The one row, or None."""
        return self._index.get((metric, defence, attack, adaptive, part))

    def known(self, metric: str, defence: str, attack: str | None) -> Row | None:
        """The row of an adaptive attacker, or of the only one."""
        rows = (self.row(metric, defence, attack, kind) for kind in (True, None))
        return next((r for r in rows if r is not None), None)

    @cached_property
    def leakage(self) -> list[Row]:
        """Rows of an attack."""
        return [r for r in self.rows if r.attack is not None]

    @cached_property
    def utility(self) -> list[Row]:
        """Rows of no attack: utility and cost."""
        return [r for r in self.rows if r.attack is None]

    @cached_property
    def defences(self) -> list[str]:
        """Defences in their order, the undefended model first."""
        rows = [
            *self.rows,
            *self.cross,
            *self.matched,
            *self.origins,
            *self.generators,
            *self.canaries,
            *self.outputs,
        ]
        names = distinct([r.defence for r in rows] + [c.defence for c in self.results.curves])
        return sorted(names, key=lambda name: name != BASELINE)

    @cached_property
    def baselines(self) -> list[str]:
        """The defences of which one is a baseline at matched accuracy: fewer_epochs-2 and fewer_epochs-4."""
        families = {_family(r.against) for r in self.matched if r.against is not None}
        return [d for d in self.defences if _family(d) in families]

    @cached_property
    def metrics(self) -> list[str]:
        """Leakage metrics in their order, differences left out."""
        return distinct(r.metric for r in self.leakage if not r.metric.endswith(DIFFERENCE))

    @cached_property
    def attacks(self) -> list[str]:
        """Attacks in their order."""
        return distinct(r.attack for r in self.leakage if r.attack is not None)

    @cached_property
    def low_fpr(self) -> float | None:
        """The lowest FPR at which every defence has FEW false positives or more to count."""
        resolved = []
        for defence in self.defences:
            rows = [
                r for r in self.leakage if (r.defence, r.slice) == (defence, "all") and r.metric in self.tprs
            ]
            best = [
                r for r in rows if r.attack == BEST
            ] or rows  # the best counts fewer records than the others
            resolved += [{rate(r.metric) for r in best if not is_thin(r)}] if rows else []
        shared = set.intersection(*resolved) if resolved else set()
        return min((r for r in shared if r is not None), default=None)

    @cached_property
    def tprs(self) -> list[str]:
        """The TPR metrics at an FPR above 0."""
        return [m for m in self.metrics if m.startswith("tpr@") and rate(m)]

    @cached_property
    def low_tpr(self) -> str | None:
        """The metric at `low_fpr`."""
        return next((m for m in self.tprs if rate(m) == self.low_fpr), None)

    def strongest(self, defence: str, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that are about the attack that is strongest on the defence by AUC.

        The best where they hold it, else the attack that was chosen as the best, else the first.
        """
        found = [r for r in rows if r.defence == defence]
        auc = next((s.auc for s in self.standings.get(defence, []) if s.auc is not None), None)
        wanted = [BEST, *([auc.selected, auc.attack] if auc is not None else []), *(r.attack for r in found)]
        attack = next((a for a in wanted if any(r.attack == a for r in found)), None)
        return [r for r in found if r.attack == attack]

    def attackers(self, defence: str) -> list[bool | None]:
        """The kinds of attacker that a defence met: adaptive first, non-adaptive last."""
        kinds = {r.adaptive for r in self.leakage if r.defence == defence}
        return [kind for kind in (True, None, False) if kind in kinds]

    def standing(self, defence: str, adaptive: bool | None) -> Standing | None:
        """The strongest attack: the one chosen on the other half if there is one, else the highest number."""
        names = [
            r.attack for r in self.leakage if (r.defence, r.adaptive, r.slice) == (defence, adaptive, "all")
        ]
        found = [
            Standing(
                defence,
                adaptive,
                name,
                self.row("auc", defence, name, adaptive),
                self.row(self.low_tpr, defence, name, adaptive) if self.low_tpr else None,
            )
            for name in distinct(names)
            if name is not None and name != BLIND
        ]
        strongest = max((s for s in found if s.main is not None), key=_strength, default=None)
        return None if strongest is None else replace(strongest, **self._others(strongest))

    def _others(self, strongest: Standing) -> dict[str, Any]:
        """What `Standing` says of the other attacks on the defence, adaptive or not."""
        aucs = self._aucs.get(strongest.defence, [])
        gaps = [r for r in aucs if r.attack in self._gap_attacks]
        gap = next((r for r in gaps if r.adaptive == strongest.adaptive), next(iter(gaps), None))
        known = replace(strongest, attacks=max(len(aucs), 1), gap=gap)
        shown = [r for r in aucs if grade(r, len(aucs)) > known.grade]
        single = max(shown, key=lambda r: lower_end(r, len(aucs)) or 0.0, default=None)
        return {"attacks": known.attacks, "gap": gap, "single": single}

    @cached_property
    def _aucs(self) -> dict[str, list[Row]]:
        """By defence the AUC of every attack on all records."""
        found: dict[str, list[Row]] = {}
        for r in self.leakage:
            if (r.metric, r.slice) == ("auc", "all") and r.attack not in NO_SINGLE_ATTACK:
                found.setdefault(r.defence, []).append(r)
        return found

    @cached_property
    def _gap_attacks(self) -> set[str]:
        """What the study calls the attack that sees only whether the label is right."""
        return {"gap"} | {str(m.get("label")) for m in self.results.methods if m.get("name") == "gap"}

    @cached_property
    def blind(self) -> Row | None:
        """The AUC of an attack that sees nothing of the model, where its interval lies above chance."""
        rows = (r for r in self.leakage if (r.metric, r.attack, r.slice) == ("auc", BLIND, "all"))
        return max(filter(leaks, rows), key=lambda r: r.value, default=None)

    @cached_property
    def void(self) -> bool:
        """Whether members and non-members differ by themselves, so that attacks say nothing about the model."""
        return self.blind is not None or any(flag.code == SPLIT_DIFFERS for flag in self.results.flags)

    @cached_property
    def standings(self) -> dict[str, list[Standing]]:
        """Per defence the strongest attack of each kind of attacker, adaptive first."""
        found = {d: [self.standing(d, kind) for kind in self.attackers(d)] for d in self.defences}
        return {d: [s for s in each if s is not None] for d, each in found.items()}

    @cached_property
    def drawn(self) -> list[str]:
        """The defences that figures show, at most MOST_DRAWN: no defence, the one that leaks most, those that no other
        beats in both accuracy and leakage, then those that leak least.
        """
        if len(self.defences) <= MOST_DRAWN:
            return self.defences
        leaking = {d: s[0].main for d, s in self.standings.items() if s}
        ranked = sorted(leaking, key=lambda d: leaking[d].value if finite(leaking[d].value) else 1.0)  # type: ignore[union-attr]
        unbeaten, best = [], -1.0
        for d in ranked:
            accuracy = self.row("accuracy", d)
            if accuracy is not None and accuracy.value > best:
                best = accuracy.value
                unbeaten.append(d)
        wanted = [d for d in self.defences if d == BASELINE] + ranked[-1:] + unbeaten + ranked + self.defences
        chosen = distinct(wanted)[:MOST_DRAWN]
        return [d for d in self.defences if d in chosen]

    @cached_property
    def drawn_by_leakage(self) -> list[str]:
        """Those that were attacked: no defence first, then those that leak least."""

        def leakage(defence: str) -> tuple[bool, float]:
            main = self.standings[defence][0].main
            return defence != BASELINE, main.value if main is not None and finite(main.value) else 2.0

        return sorted((d for d in self.drawn if self.standings[d]), key=leakage)

    def series(self, defence: str) -> int | None:
        """Which series of the figures a defence is: its colour and shape; None if it is not drawn."""
        return self.drawn.index(defence) if defence in self.drawn else None

    @cached_property
    def lowest_fpr(self) -> float:
        """The smallest FPR that any curve takes, within limits; the same for every defence."""
        smallest = min((f for c in self.results.curves for f in c.fpr if finite(f) and f > 0), default=0.1)
        return min(0.1, max(1e-7, smallest))

    def sliced(self, defence: str, metric: str) -> list[Row]:
        """The strongest attack on all records and on each slice; where slices chose none, the one chosen on all."""
        for standing in self.standings.get(defence, [])[:1]:
            for attack, kind in ((standing.attack, standing.adaptive), standing.drawn_as):
                rows = self._series.get((metric, defence, attack, kind), [])
                if len(rows) > 1:
                    return rows
        return []

    def nonmembers(self, defence: str) -> int | None:
        """Non-members behind a defence's ROC."""
        counts = [s.main.n_nonmembers for s in self.standings.get(defence, []) if s.main is not None]
        return next((n for n in counts if n is not None), None)


def _strength(standing: Standing) -> tuple[bool, bool, float]:
    main = standing.main
    value = main.value if main is not None and finite(main.value) else -1.0
    return standing.corrected, standing.tpr is not None, value
