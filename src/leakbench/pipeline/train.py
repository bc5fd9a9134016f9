"""Trains models, each once: a model is read from the store, or trained and stored."""

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from ..core.checks import checked
from ..core.content_key import content_key
from ..core.cpu import neighbours
from ..core.log import event
from ..core.seeds import derive
from ..core.store import Entry, Made, Store, expected, until_done
from ..data.dataset import Dataset, Indices
from ..data.designs import Split
from ..generators import Synthetic
from ..signals.views import Perturbation
from ..train.autotune_group_size import fastest_group
from ..train.job import Job, Trained, diverged, groups
from ..train.networks.code import CodeNetwork
from ..train.query import predicted_classes
from ..train.recipe import CodeRecipe, Generate, Recipe
from ..train.recipe.engine import Engine
from ..train.recipe.waves import waves
from ..train.run_stages import models_at_once, synthetic, train_group
from .any_model.outputs import training_notes
from .any_model.training import FILE as OUTPUTS
from .any_model.training import read_outputs
from .code_models import identity, network, trained_again, training

WEIGHTS, MASKS, TRACES = "weights.safetensors", "masks.safetensors", "traces.npy"
PREDICTED = "predicted.npy"  # of a model of code: the classes in perturbed views [K, N]


@dataclass(frozen=True, eq=False)
class Trainer:
    """Trains the models of a study: one data set, one split, one seed, one store."""

    dataset: Dataset
    split: Split
    seed: int
    store: Store
    group_size: int | None = None  # models trained at once; None: the fastest measured number
    engine: Engine = field(default_factory=Engine)
    perturbations: tuple[Perturbation, ...] = ()  # in which models of code are queried while they exist
    _found: dict[str, Entry] = field(default_factory=dict, repr=False)  # by key: verified once per run
    _group_sizes: dict[Recipe, int] = field(
        default_factory=dict, repr=False
    )  # by first training stage: the fastest measured size
    _shared: dict[str, Synthetic] = field(
        default_factory=dict, repr=False
    )  # by key: records that do not depend on members
    _jobs: dict[Recipe, tuple[Job, ...]] = field(default_factory=dict, init=False, repr=False)
    _keys: dict[Job, str] = field(default_factory=dict, init=False, repr=False)
    _trained_again: dict[tuple[Recipe, int], CodeNetwork] = field(
        default_factory=dict, init=False, repr=False
    )  # the last one

    def jobs(self, recipe: Recipe) -> tuple[Job, ...]:
        """One training job for each model of the split. Model m has the same seed under every defence."""
        if recipe not in self._jobs:
            shared, engine = derive(self.seed, "shared"), self.engine_of(recipe)
            self._jobs[recipe] = tuple(
                Job(recipe, members, dev, self.seed_of("model", m), shared, engine)
                for m, (members, dev) in enumerate(zip(self._members, self.split.dev, strict=True))
            )
        return self._jobs[recipe]

    def engine_of(self, recipe: Recipe) -> Engine:
        """The engine with the precision in which the models of a recipe train."""
        return (
            self.engine
            if isinstance(recipe, CodeRecipe)
            else self.engine.of(recipe, self.dataset.x.shape[1:])
        )

    @cached_property
    def _members(self) -> list[Indices]:
        """The members of each model, as rows of the data set."""
        return [self.split.trained_on(m) for m in range(len(self.split.members))]

    def seed_of(self, what: str, m: int) -> int:
        """The seed of model m for a purpose."""
        return derive(self.seed, what, self.split.number(m))

    def spec(self, job: Job) -> dict[str, Any]:
        """The spec of a model: the content of its key."""
        code = {"code": identity(job.recipe)} if isinstance(job.recipe, CodeRecipe) else {}
        return {**job.describe(self.dataset.fingerprint), **code}

    def key(self, job: Job) -> str:
        """The key of a job's model."""
        if job not in self._keys:
            self._keys[job] = content_key(self.spec(job))
        return self._keys[job]

    def missing(self, recipe: Recipe) -> list[Job]:
        """The jobs that the store does not hold yet."""
        return [job for job in self.jobs(recipe) if self.model(job) is None]

    def folders(self, jobs: Sequence[Job]) -> list[Path]:
        """The folders of the models of these jobs in the store, whether they exist or not."""
        return [self.store.folder("models", self.spec(job)) for job in jobs]

    def train(self, recipes: Sequence[Recipe]) -> None:
        """Train the models that the store does not hold. Several processes may share the work on one store.

        A model is stored after every stage that trains, so that no stage runs twice: neither after an interruption nor
        for another recipe that begins with the same stages. Models that another process has claimed are waited for.
        """
        for wave in waves([recipe for recipe in dict.fromkeys(recipes) if self.missing(recipe)]):
            self._train_wave(wave)

    def _train_wave(self, wave: Sequence[Recipe]) -> None:
        left = [job for recipe in wave for job in self.missing(recipe)]
        kinds = sorted(groups(left, max(1, len(left))), key=lambda alike: -alike[0].recipe.passes)
        until_done(lambda: next(filter(None, map(self._train_some, kinds)), 0), lambda: not any(kinds))

    def _train_some(self, left: list[Job]) -> int:
        """Train some of the jobs, which are alike, and drop the finished ones from `left`. Returns their number."""
        with ExitStack() as claims:
            mine = self._claimed(left, claims)
            begun: dict[int, list[Job]] = {}
            for job in mine:
                begun.setdefault(self.stages_done(job), []).append(job)
            for jobs in begun.values():
                if isinstance(jobs[0].recipe, CodeRecipe):
                    self._train_code(jobs)
                    continue
                done = [self._begun(job) for job in jobs]
                train_group(self.dataset, jobs, done=done, keep=self._keep, make=self.synthetic)
        left[:] = [job for job in left if self.key(job) not in self._found]
        return len(mine)

    def _claimed(self, left: Sequence[Job], claims: ExitStack) -> list[Job]:
        """A group of jobs that no other process makes or has made, claimed until `claims` end.

        Every process takes the first free jobs. The jobs after the first one of a group are most likely free too.
        """
        mine: list[Job] = []
        size = len(left)
        for i, job in enumerate(left):
            if len(mine) == size:
                break
            free = self.model(job) is None and claims.enter_context(
                self.store.claim("models", self.spec(job))
            )
            if not free or self.model(job) is not None:  # another may just have made it
                continue
            if not mine:
                size = share(len(left) - i, self.at_once(left), neighbours())
            mine.append(job)
        return mine

    def at_once(self, jobs: Sequence[Job]) -> int:
        """How many of these jobs, which are alike, are trained at once: as the study says, or as measured."""
        if isinstance(jobs[0].recipe, CodeRecipe):
            return 1
        if self.group_size is not None:
            return min(self.group_size, models_at_once(self.dataset, jobs[0]))
        kind = jobs[0].recipe.until(jobs[0].recipe.kept[0])
        if kind not in self._group_sizes:
            self._group_sizes[kind] = fastest_group(self.dataset, jobs)
        return self._group_sizes[kind]

    def models(self, recipe: Recipe) -> list[Entry]:
        """The models of a recipe, trained if the store does not hold them."""
        self.train([recipe])
        found = [self.model(job) for job in self.jobs(recipe)]
        assert None not in found
        return [entry for entry in found if entry is not None]

    def diverged(self, recipe: Recipe) -> dict[int, str]:
        """The models of a recipe that diverged, with their seed and the quantity that is not finite."""
        found = zip(self.jobs(recipe), self.models(recipe), strict=True)
        lost = {m: (job.seed, diverged(entry.meta["stages"])) for m, (job, entry) in enumerate(found)}
        return {m: f"seed {seed}: {why}" for m, (seed, why) in lost.items() if why}

    def synthetic(self, job: Job, number: int) -> Synthetic:
        """The synthetic records of a stage of a job, made once for all recipes with the same stage."""
        stage = job.recipe.stages[number]
        assert isinstance(stage, Generate)
        own = {"members": job.describe("")["members"], "seed": job.seed}
        spec = {
            "data": self.dataset.fingerprint,
            "stage": stage.describe(),
            "from": own if stage.depends_on_members else {"seed": job.shared_seed},
            "size": len(job.members),
        }
        key = content_key(spec)
        if key in self._shared:
            return self._shared[key]

        def make() -> Made:
            made = synthetic(self.dataset, job, number)
            return {"x.npy": made.x, "y.npy": made.y}, {"seconds": made.seconds}

        def read(entry: Entry) -> Synthetic:
            x = expected(entry.array("x.npy"), (None, *self.dataset.x.shape[1:]), "f")
            y = expected(entry.array("y.npy"), (len(x),), "iu")
            if len(y) and not 0 <= y.min() <= y.max() < len(self.dataset.classes):
                raise ValueError("labels must be places in the classes")
            return Synthetic(np.array(x), np.array(y), float(entry.meta["seconds"]))

        made = read(self.store.once("synthetic", spec, make, read))
        if not stage.depends_on_members:
            self._shared[key] = made
        return made

    def _keep(self, job: Job, number: int, trained: Trained) -> None:
        if number in job.recipe.kept:
            part = job.until(number)
            files: dict[str, Any] = {WEIGHTS: trained.weights}
            files |= {MASKS: trained.masks} if trained.masks else {}
            files |= {TRACES: trained.traces} if trained.traces is not None else {}
            key = self.key(part)
            self._found[key] = self.store.put("models", self.spec(part), files, {"stages": trained.log})
            event("trained", key=key, seed=job.seed, stage=number, seconds=trained.log[-1]["seconds"])

    def _train_code(self, jobs: Sequence[Job]) -> None:
        """Train models by the user's code. They are kept as their outputs on all records, and in perturbed views."""
        recipe = jobs[0].recipe
        all_jobs, perturbed = self.jobs(recipe), self.perturbed(self.perturbations)
        code = training(self.dataset, all_jobs)
        for job in jobs:
            began = time.perf_counter()
            predict, outputs = code.model(all_jobs.index(job))
            log = [{"stage": "code", "seconds": time.perf_counter() - began}]
            files: dict[str, Any] = {OUTPUTS: outputs.logits}
            if self.perturbations:
                model = (recipe.architecture, network(code, predict))
                about = (self.dataset.x, len(self.dataset.classes), *model, self.split.records)
                views = (self.perturbations, self.seed)
                files[PREDICTED] = predicted_classes(*about, *views, **self.settings(recipe))
            meta = {"stages": log, "perturbed": perturbed, **outputs.meta()}
            self._found[self.key(job)] = self.store.put("models", self.spec(job), files, meta)
            event("trained", key=self.key(job), seed=job.seed, stage=0, seconds=log[0]["seconds"])

    def code_notes(self, recipes: Iterable[Recipe]) -> list[str]:
        """How the outputs of models of code were read, and what their training warned of."""
        n, code = len(self.dataset.y), [recipe for recipe in recipes if isinstance(recipe, CodeRecipe)]
        return training_notes([read_outputs(entry, n) for recipe in code for entry in self.models(recipe)])

    def trained_again(self, recipe: Recipe, m: int) -> CodeNetwork:
        """Model m of a recipe of code, for queries whose outputs were not kept."""
        if (recipe, m) not in self._trained_again:
            self._trained_again.clear()
            kept = self.models(recipe)[m]
            self._trained_again[recipe, m] = trained_again(training(self.dataset, self.jobs(recipe)), m, kept)
        return self._trained_again[recipe, m]

    def perturbed(self, perturbations: Sequence[Perturbation]) -> dict[str, Any]:
        """The content of the key of perturbed views."""
        return {
            "rows": row_digest(self.split.records),
            "perturbations": [[each.name, each.draws] for each in perturbations],
            "seed": self.seed,
        }

    def settings(self, recipe: Recipe) -> dict[str, Any]:
        """The settings of every query: the mean and scale of the records, and the engine.

        Code gets records as they are. Noise is added to them in units of their scale, as for networks.
        """
        mean = () if isinstance(recipe, CodeRecipe) else self.dataset.mean
        return {"mean": mean, "std": self.dataset.std, "engine": self.engine_of(recipe)}

    def model(self, job: Job) -> Entry | None:
        """The model of a job, if the store holds it."""
        key = self.key(job)
        if key not in self._found:
            entry = self.store.get("models", self.spec(job), partial(self._check, job))
            if entry is not None:
                self._found[key] = entry
        return self._found.get(key)

    def _check(self, job: Job, entry: Entry) -> None:
        """Raise unless an entry holds a job's model."""
        if isinstance(job.recipe, CodeRecipe):
            read_outputs(entry, len(self.dataset.y))
            checked(list[StageLog], entry.meta["stages"])
        else:
            check_model(job, entry)

    def stages_done(self, job: Job) -> int:
        """The number of the job's first stages after which the store holds the model."""
        return next((n + 1 for n in reversed(job.recipe.kept) if self.model(job.until(n)) is not None), 0)

    def _begun(self, job: Job) -> Trained | None:
        """The stored model of the first stages of a job that is not finished."""
        stages = self.stages_done(job)
        if not stages:
            return None
        entry = self.model(job.until(stages - 1))
        assert entry is not None
        masks = entry.tensors(MASKS) if MASKS in entry.files else {}
        traces = np.array(entry.array(TRACES)) if TRACES in entry.files else None
        return Trained(entry.tensors(WEIGHTS), masks, entry.meta["stages"], traces)


class StageLog(BaseModel, strict=True, extra="allow"):
    """The fields of the log of a stage that are read; see `Trained`."""

    stage: str
    seconds: float
    epochs: int = 1
    epoch_seconds: list[float] | None = Field(None, min_length=1)
    diverged: str | None = None


def check_model(job: Job, entry: Entry) -> None:
    """Raise unless an entry holds the weights of a job's model, and its log."""
    if WEIGHTS not in entry.files:
        raise ValueError(f"{WEIGHTS} is missing")
    log, stages = checked(list[StageLog], entry.meta["stages"]), len(job.recipe.stages)
    if len(log) != stages and not (0 < len(log) < stages and log[-1].diverged):
        raise ValueError(f"the log must have {stages} stages, got {len(log)}")
    if TRACES in entry.files:
        expected(entry.array(TRACES), (None, len(job.members)), "f")


def row_digest(rows: Indices) -> str:
    """A digest of these rows."""
    return hashlib.sha256(rows.tobytes()).hexdigest()


def share(left: int, most: int, processes: int) -> int:
    """How many of the models that are `left` a process trains next.

    At most `most`, and fewer towards the end, so that the processes of a machine end at the same time.

    >>> [share(left, 16, 2) for left in (64, 48, 8, 4, 1)]
    [16, 12, 4, 2, 1]
    """
    fair = left if processes == 1 else math.ceil(left / (2 * processes))
    least = min(max(1, most // 4), math.ceil(left / processes))
    return min(left, most, max(least, fair))
