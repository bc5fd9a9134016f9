"""Attacks on every defence of a study: each case once, by the first process that claims it."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from ..core.cpu import cores
from ..core.log import event
from ..core.progress import duration
from ..core.results import UNDEFENDED
from ..core.store import Entry, Made, Store
from ..core.threads import Workers
from ..evaluation.attack_cost import attack_cost
from ..evaluation.findings import Findings, Names, findings, require_rows
from ..evaluation.measure import Case, attack_all, informed
from ..signals.models import Models
from .defended_models import DefendedModels
from .findings_cache import packed, spec, unpacked
from .score_cache import CachedScorer
from .study import Study


@dataclass(frozen=True, eq=False)
class Attacks:
    """The attacks of a study on its defended models, the undefended ones first.

    An item is a defence with the defences that its attackers assume. Its findings are an entry of the store. The scores
    and statistics of an item are freed when it is done, so memory does not grow with the number of defences.
    """

    study: Study
    all_defended: Sequence[DefendedModels]
    names: Names
    store: Store
    workers: Workers
    _undefended: Models = field(
        init=False, repr=False
    )  # shared by all items: its statistics are computed once

    def __post_init__(self) -> None:
        object.__setattr__(self, "_undefended", self.all_defended[0].adversary_view())

    @property
    def items(self) -> list[tuple[str, list[str]]]:
        """Each defence with the defences that its attackers assume; see `assumed_defences`."""
        labels = [defended.defence.label for defended in self.all_defended]
        return assumed_defences(self.study, labels, len(self._undefended.members))

    @property
    def steps(self) -> int:
        """The number of steps of progress: one for each attack on each case."""
        return len(self.study.attacks) * sum(len(others) for _, others in self.items)

    @property
    def left(self) -> int:
        """The number of cases without findings in the store."""
        pairs = zip(self.items, self._specs, strict=True)
        return sum(len(others) for (_, others), s in pairs if not self.store.has("findings", s))

    def estimate(self) -> str:
        """One line with the number of cases that are left, and their duration, measured on a sample of the work."""
        label = self.all_defended[0].defence.label
        left, case = self.left, self._case(label, label)
        with threadpool_limits(1):
            cost = attack_cost(case, self.study.attacks, self.study.metrics, self._seed)
        together = min(cores(), left)  # in threads or in processes
        seconds = duration(left * cost.seconds / together)
        cases = "case is" if left == 1 else "cases are"
        return f"{left} {cases} left to attack, about {seconds}; each: {cost.told(case, 1)}"

    @property
    def _specs(self) -> list[dict[str, Any]]:
        """The spec of the findings of each item."""
        s = self.study
        return [spec(self._cases(*i), s.attacks, s.metrics, self.names, self._seed) for i in self.items]

    def find(
        self, on_findings: Callable[[list[Findings]], None]
    ) -> tuple[dict[str, Findings], list[Findings]]:
        """The findings of the adaptive attackers, by defence, and those of the non-adaptive ones.

        `on_findings` is called with the findings of each item as soon as they exist. Raises InputError if no attack
        can run on the undefended models.
        """
        items, made, read = self.items, set[int](), dict[int, list[Findings]]()

        def make(i: int) -> Made:
            made.add(i)
            return packed(self._attacked(*items[i]))

        def done(i: int, entry: Entry) -> None:
            if i not in made:
                self.workers.advance(len(self.study.attacks) * len(items[i][1]))
            read[i] = unpacked(entry)
            on_findings(read[i])

        self.store.shared("findings", self._specs, make, done, self.workers.each, unpacked)
        adaptive, non_adaptive = dict[str, Findings](), list[Findings]()
        for i, (label, others) in enumerate(items):
            for other, found in zip(others, read[i], strict=True):
                if label == other:
                    adaptive[label] = found
                else:
                    non_adaptive.append(found)
        return adaptive, non_adaptive

    def _attacked(self, label: str, others: list[str]) -> list[Findings]:
        """Attack a defence as an adaptive attacker, and as one that assumes no defence or another one."""
        began = time.perf_counter()
        score = CachedScorer(self.store)
        attacked = [
            attack_all(case, self.study.attacks, self._seed, self.workers.advance, score)
            for case in self._cases(label, others)
        ]
        if others == [label, UNDEFENDED]:
            attacked = informed(*attacked)
        found = [findings(each, self.names, self._seed, self.study.metrics) for each in attacked]
        if label == others[0] == UNDEFENDED:
            require_rows(attacked[0], found[0])
        event("attacked", defence=label, assumed=others, seconds=round(time.perf_counter() - began, 2))
        return found

    def _cases(self, label: str, others: list[str]) -> list[Case]:
        return [self._case(label, other) for other in others]

    def _case(self, label: str, other: str) -> Case:
        by_label = {defended.defence.label: defended for defended in self.all_defended}
        split = self.all_defended[0].split
        numbers, own = tuple(map(split.number, split.targets)), by_label[label]

        def adversary_view(which: str) -> Models:
            return self._undefended if which == UNDEFENDED else by_label[which].adversary_view()

        adaptive = label == other
        models = adversary_view(label) if adaptive else own.released()
        reference, shadows = (None, None) if adaptive else (adversary_view(other), other)
        about = (numbers, own.canary_kinds, own.defence.canary)
        return Case(label, models, split.targets, adaptive, reference, shadows, *about)

    @property
    def _seed(self) -> int:
        return self.study.file.seed


def assumed_defences(study: Study, labels: list[str], n_models: int) -> list[tuple[str, list[str]]]:
    """Each defence with the defences that its attackers assume: itself, and none if non-adaptive; then others."""
    if n_models == 1:
        return [(label, [label]) for label in labels]
    crossed = list(itertools.permutations((label for label in study.file.cross if label in labels), 2))
    ignored = set(labels) if study.file.non_adaptive else {label for label, o in crossed if o == UNDEFENDED}
    own = [(d, [d, UNDEFENDED] if d in ignored and d != UNDEFENDED else [d]) for d in labels]
    return own + [(label, [other]) for label, other in crossed if other != UNDEFENDED]
