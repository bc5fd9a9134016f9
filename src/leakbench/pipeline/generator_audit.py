"""The audit of generators: how much synthetic records leak, whether they are copies, whether they are all alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..attacks._statistic import mid_quantile
from ..core.progress import Progress
from ..core.registry import Plugin
from ..core.results import Flag, Row, SyntheticSample
from ..data.dataset import Indices
from ..evaluation.flags import collapse_flags, copying_flags
from ..evaluation.generator_attacks import collapsed, copied, domias, nearest, nearest_neighbour
from ..evaluation.measure import BY_LABEL, SLICE_METRICS
from ..evaluation.vulnerable_records import data_uri
from ..generators import Generator, Synthetic
from ..metrics import Sample
from ..signals.types import Array
from ..train.recipe import Generate
from .defended_models import DefendedModels
from .train import Trainer

MODELS = 4  # models whose generators are audited: each takes seconds
SHOWN = 20  # samples in the report


@dataclass(frozen=True, eq=False)
class Generated:
    """The results of the generators of all defences."""

    rows: list[Row] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    samples: list[SyntheticSample] = field(default_factory=list)
    generators: dict[str, Plugin] = field(default_factory=dict)


def audit_generators(
    all_defended: Sequence[DefendedModels], trainer: Trainer, progress: Progress
) -> Generated:
    """Audit the generator of each defence that has one. Defences with the same generator share the audit."""
    audits: dict[Generate, GeneratorAudit] = {}
    found = Generated()
    stages = [(t, n) for t in all_defended for n, s in enumerate(t.recipe.stages) if isinstance(s, Generate)]
    progress.stage("generators", len(stages))
    for defended, number in stages:
        stage = defended.recipe.stages[number]
        assert isinstance(stage, Generate)
        if stage not in audits:
            audits[stage] = GeneratorAudit.of(defended, number, trainer)
        audit, label = audits[stage], defended.defence.label
        found.rows.extend(replace(row, defence=label) for row in audit.rows)
        found.flags.extend(replace(flag, defence=label) for flag in audit.flags)
        found.samples.extend(replace(sample, defence=label) for sample in audit.samples)
        found.generators[stage.generator.name] = stage.generator
        progress.advance()
    return found


@dataclass(frozen=True, eq=False)
class GeneratorAudit:
    """The synthetic records of up to MODELS targets, beside the candidate records.

    Results carry the label of the defence in `defended`. They are the same for others with the same generator.
    """

    defended: DefendedModels
    stage: Generate
    targets: tuple[int, ...]
    made: list[Synthetic]  # [targets]

    @classmethod
    def of(cls, defended: DefendedModels, number: int, trainer: Trainer) -> "GeneratorAudit":
        """The audit of the records that stage `number` of the recipe makes."""
        stage, jobs = defended.recipe.stages[number], trainer.jobs(defended.recipe)
        assert isinstance(stage, Generate)
        targets = defended.split.targets[: MODELS if stage.depends_on_members else 1]
        return cls(defended, stage, targets, [trainer.synthetic(jobs[m], number) for m in targets])

    @property
    def generator(self) -> Generator:
        """The generator of the records."""
        return self.stage.generator

    def fitted_on(self, m: int) -> Indices:
        """Rows of the records that model m's generator was fitted on."""
        if self.stage.fitted_on == "public":
            return np.asarray(self.defended.dataset.parts["public"])
        return self.defended.split.trained_on(m)

    @cached_property
    def rows(self) -> list[Row]:
        """Attacks that see the synthetic records only; none if the records do not depend on members."""
        return list(self._attacked()) if self.stage.depends_on_members else []

    @cached_property
    def flags(self) -> list[Flag]:
        """Flags of a generator that copies records, or makes one record repeatedly; one model is enough to warn."""
        raised = (self._raised(m, made) for m, made in zip(self.targets, self.made, strict=True))
        return next((flags for flags in raised if flags), [])

    @cached_property
    def samples(self) -> list[SyntheticSample]:
        """Some synthetic records of the first target, classes in turn, with the nearest real records."""
        return list(self._samples())

    @property
    def _label(self) -> str:
        return self.defended.defence.label

    def _attacked(self) -> Iterator[Row]:
        x, outside = self.defended.dataset.x, self.defended.split.population(self.defended.dataset)
        candidates = x[self.defended.split.records]
        attacks: dict[str, Callable[[Synthetic], Array]] = {
            "nearest_neighbour": lambda made: nearest_neighbour(candidates, made.x)
        }
        if outside.size:
            attacks["domias"] = lambda made: domias(candidates, made.x, x[outside])
        for attack, score in attacks.items():
            sample = self._sample(np.stack([score(made) for made in self.made]))
            for metric in SLICE_METRICS:
                e = BY_LABEL[metric].estimate(sample)
                yield Row(
                    metric,
                    e.value,
                    e.lo,
                    e.hi,
                    e.n_members,
                    e.n_nonmembers,
                    attack=attack,
                    slice="generator",
                    defence=self._label,
                    chance=BY_LABEL[metric].chance,
                    detail={**e.detail, "models": len(self.targets)},
                )

    def _raised(self, m: int, made: Synthetic) -> list[Flag]:
        """The flags that the records made for model m raise."""
        x, y, names = self.defended.dataset.x, self.defended.dataset.y, self.defended.dataset.classes
        outside, own = self.defended.split.population(self.defended.dataset), self.fitted_on(m)
        alike = [names[c] for c in collapsed(made.x, made.y, x[own], y[own])]
        raised = list(collapse_flags(self._label, alike))
        if self.stage.fitted_on == "members":  # a copy of a public record leaks no member
            copies = copied(made.x, x[own], x[outside if outside.size else own])
            raised += copying_flags(self._label, *copies, self.rows)
        return raised

    def _samples(self) -> Iterator[SyntheticSample]:
        made, dataset, own = self.made[0], self.defended.dataset, self.fitted_on(self.targets[0])
        order = np.argsort(_rank_in_class(made.y), kind="stable")[:SHOWN]
        which, distances = nearest(made.x[order], dataset.x[own])
        for record, place, distance in zip(order, own[which], distances, strict=True):
            picture = (
                (data_uri(made.x[record]), data_uri(dataset.x[place])) if dataset.is_image else (None, None)
            )
            yield SyntheticSample(
                self._label, self.generator.name, dataset.classes[made.y[record]], float(distance), *picture
            )

    def _sample(self, scores: Array) -> Sample:
        """Scores [targets, N], as ranks within the target, with membership."""
        split, targets = self.defended.split, list(self.targets)
        model, record = np.nonzero(split.audited[targets] & self.defended.average)
        ranks = np.stack([mid_quantile(row, row) for row in scores])
        half = np.arange(len(split.records)) % 2 == 0  # on which the threshold of advantage is chosen
        return Sample(
            ranks[model, record], split.members[targets][model, record], model, record, half[record]
        )


def _rank_in_class(y: Indices) -> Indices:
    """How many records of the same class come before each [n]."""
    order = np.argsort(y, kind="stable")
    rank = np.empty(len(y), np.int64)
    starts = np.searchsorted(y[order], y[order])
    rank[order] = np.arange(len(y)) - starts
    return rank
