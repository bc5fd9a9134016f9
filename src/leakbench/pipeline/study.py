"""A study: data x design x recipe x defences x attacks, read from one TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator

from ..attacks import Attack
from ..attacks.suite import make_attacks
from ..core.config import build, override
from ..core.errors import InputError, unknown
from ..core.registry import plain
from ..core.user_code import refuse_imports
from ..data.dataset import Dataset
from ..data.designs import DESIGNS, Design
from ..data.load import DataSpec, load
from ..data.plant import CanarySpec, plant
from ..defences import DEFENCES
from ..defences.chain import DefenceChain, parse_chain
from ..metrics import Metric
from ..metrics.standard import DELTA, make_metrics, standard
from ..signals.statistics import LABEL_CORRECT, TRAJECTORY
from ..signals.views import Perturbation, is_perturbation, parse_perturbations, parse_views
from ..train.recipe import Architecture, CodeRecipe, CodeTrainer, Recipe, Stage, Train
from ..train.recipe.engine import Engine

MOST_BYTES = 10_000_000  # of a study file
OF_NETWORKS = ("architecture", "stages", "engine", "group_size")  # keys that say how networks are trained
TrainerField = Annotated[CodeTrainer, Discriminator("name")]
PERTURBATIONS = (
    "noise:0.2x24",
    "noise:0.4x24",
    "noise:0.8x24",
)  # where label-only attacks need views and none is named


@dataclass(frozen=True)
class Query:
    """How the models are queried: the views of each record, and how many noisy copies of it.

    Args:
        views: The names of the views. Perturbations (`noise:0.4x24`, `flips:0.1x24`) serve label-only attacks only: the
            predicted classes are stored. For other views the logits are stored, and every attack uses them; without one
            it is the identity.
        noise: The number of noisy copies of each record, for the sensitivity that SAMIA uses; its authors take 10.
        noise_scale: The standard deviation of the normal noise of these copies, in the input of the network.
        student_epochs: The epochs of the students that `loss_trajectory` and `seqmia` distil from the models.
    """

    views: tuple[str, ...] = ("identity",)
    noise: int = 0
    noise_scale: float = 1e-3
    student_epochs: int = 20

    def __post_init__(self) -> None:
        parse_views(self.shown)
        _ = self.perturbations
        if self.noise and self.shown[0] != "identity":
            raise InputError(f"noise goes with the view identity first, got views {list(self.views)}")
        if self.noise < 0 or not self.noise_scale > 0:
            raise InputError(
                f"noise must be at least 0 copies and noise_scale positive, got {self.noise} and {self.noise_scale}"
            )
        if self.student_epochs < 1:
            raise InputError(f"student_epochs must be at least 1, got {self.student_epochs}")

    @property
    def shown(self) -> tuple[str, ...]:
        """The views of which logits are kept."""
        shown = tuple(name for name in self.views if not is_perturbation(name))
        return shown if shown or not self.views else ("identity",)

    @property
    def perturbations(self) -> tuple[Perturbation, ...]:
        """The perturbations, of which the predicted class is kept."""
        return parse_perturbations(filter(is_perturbation, self.views))


@dataclass(frozen=True)
class StudyFile:
    """The keys of a study file. `stages`, `defences`, `attacks` and `metrics` hold names or tables with parameters."""

    data: DataSpec
    title: str = ""
    seed: int = 0
    canaries: CanarySpec | None = None  # records made to be memorised, which show the worst case
    design: dict[str, Any] = field(default_factory=lambda: {"name": "random_half"})
    architecture: Architecture = field(default_factory=Architecture)
    stages: tuple[Stage, ...] = (Train(),)
    trainer: TrainerField | None = None  # code that trains in place of architecture, stages and engine
    defences: tuple[str | dict[str, Any], ...] = ("none",)
    attacks: str | tuple[str | dict[str, Any], ...] = "standard-2026"
    metrics: str | tuple[str | dict[str, Any], ...] = "standard"
    query: Query = field(default_factory=Query)
    frontier: tuple[str, ...] = ()  # labels, least trained first: the others are compared at their accuracy
    non_adaptive: bool = True  # whether a non-adaptive attacker attacks too
    delta: float = DELTA  # of the lower bounds on epsilon
    guesses: tuple[float, float] | None = (
        None  # shares of the records with the highest and lowest scores; None: chosen
    )
    cross: tuple[str, ...] = ()  # labels of defences whose models serve as shadow models for each other
    engine: Engine = field(default_factory=Engine)  # the device and the precision
    group_size: int | None = None  # models trained at once; None: measured. It changes nothing but speed

    def __post_init__(self) -> None:
        if self.group_size is not None and self.group_size < 1:
            raise InputError(f"group_size must be at least 1, got {self.group_size}; leave it out to measure")
        for each in fields(self) if self.trainer else ():
            if each.name in OF_NETWORKS and getattr(self, each.name) != _default(each):
                raise InputError(
                    f"a study must have a [trainer] or networks, got both [trainer] and {each.name}; leave one out"
                )


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


@dataclass(frozen=True)
class Study:
    """A validated study. Everything that it names exists, and every parameter has its type."""

    file: StudyFile

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = (), allow_imports: bool = False) -> "Study":
        """Read a TOML study and apply `key=value` overrides. Raises InputError on anything that is not right.

        A study that names code outside the registered methods (`factory`) is refused unless `allow_imports`:
        running it runs that code.
        """
        path = Path(path)
        try:
            if path.exists() and not path.is_file():
                raise InputError(f"{path} must be a TOML study file, got a folder, a pipe or a device")
            if (size := path.stat().st_size) > MOST_BYTES:
                raise InputError(f"{path} must be a TOML study file, got {size} bytes")
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} must be a TOML study file; {error}") from None
        except OSError as error:
            raise InputError(f"cannot read the study {path}: {error.strerror}") from None
        for assignment in overrides:
            override(table, assignment)
        table.setdefault("title", path.stem)
        return cls.of(table, allow_imports)

    @classmethod
    def of(cls, table: Mapping[str, Any], allow_imports: bool = False) -> "Study":
        """A study from a table with the keys of a study file; see `load`."""
        if "data" not in table:
            raise InputError('a study needs a [data] table, such as [data] name = "digits"')
        study = cls(build(StudyFile, dict(table), "study"))
        labels = [d.label for d in study.defences]
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise InputError(f"two defences are called {twice!r}; give one of them another `label`")
        _ = study.metrics  # raises where there is no such metric, delta or share of guesses
        for name in ("frontier", "cross"):
            for label in getattr(study.file, name):
                if label not in labels:
                    raise unknown(f"defence in {name}:", label, labels)
        recipes = [defence.recipe(study.recipe) for defence in study.defences]
        white_box = [label for label, attack in study.attacks.items() if attack.access == "white_box"]
        if study.file.trainer and (named := [*white_box, *study.distils]):
            raise InputError(
                f"attacks on the code of [trainer] must need outputs only, got {', '.join(named)}, which read the "
                'parameters of networks or distil networks; leave them out, or take "standard-2027"'
            )
        if not allow_imports:
            refuse_imports(study.file, study.design, study.defences, list(study.attacks.values()), recipes)
        return study

    @property
    def recipe(self) -> Recipe:
        """The undefended recipe."""
        if self.file.trainer:
            return CodeRecipe(trainer=self.file.trainer)
        return Recipe(self.file.architecture, self.file.stages)

    @cached_property
    def design(self) -> Design:
        """Which model trains on which records."""
        return DESIGNS.make(self.file.design)

    def load_data(self) -> Dataset:
        """The data set, with its canaries. Raises InputError as `load` and `plant` do."""
        dataset, canaries = load(self.file.data), self.file.canaries
        kinds = dict.fromkeys(defence.canary for defence in self.defences)
        return plant(dataset, canaries, list(kinds), self.file.seed) if canaries else dataset

    @cached_property
    def defences(self) -> tuple[DefenceChain, ...]:
        """The defences, the undefended model first: it is the baseline of every comparison."""
        named = tuple(parse_chain(spec) for spec in self.file.defences)
        plain = DefenceChain("none", (DEFENCES.make("none"),))
        called = next((d for d in named if d.label == "none"), None)
        if called not in (None, plain):
            raise InputError(f"'none' is the undefended model, got {called.describe()}; give another `label`")
        return named if called else (plain, *named)

    @cached_property
    def query(self) -> Query:
        """How the models are queried: with PERTURBATIONS where a label-only attack needs several views and the file
        names one.
        """
        query = self.file.query
        if len(parse_views(query.shown)) > 1 or query.perturbations:
            return query
        several = any(LABEL_CORRECT in attack.needs for attack in self.attacks.values())
        return replace(query, views=(*query.views, *PERTURBATIONS)) if several else query

    @cached_property
    def attacks(self) -> dict[str, Attack]:
        """The attacks by their label in the results."""
        return make_attacks(self.file.attacks)

    @property
    def white_box(self) -> bool:
        """Whether an attack reads the models' parameters."""
        return any(attack.access == "white_box" for attack in self.attacks.values())

    @property
    def distils(self) -> list[str]:
        """The attacks that read students of the models."""
        return [label for label, attack in self.attacks.items() if TRAJECTORY in attack.needs]

    @property
    def reads_features(self) -> bool:
        """Whether an attack reads the records themselves."""
        return any("features" in attack.needs for attack in self.attacks.values())

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of every attack."""
        return make_metrics(self.file.metrics, standard(self.file.delta, self.file.guesses))

    @property
    def notes(self) -> list[str]:
        """Notes on attacks that the study leaves out."""
        maskable = [d.label for d in self.defences if d.may_mask]
        if not maskable or any(LABEL_CORRECT in attack.needs for attack in self.attacks.values()):
            return []
        return [
            f"masking was not tested: {', '.join(maskable)} change what is released, and no attack reads the predicted "
            'class in several views; add "label_only_boosted" to attacks'
        ]

    def describe(self) -> dict[str, Any]:
        """The study as plain data, defaults filled in: what a study file holds, and what makes it again."""
        described: dict[str, Any] = _given(plain(self.file))
        return described


def _given(value: Any) -> Any:
    """Plain data without the keys that are None: a study file has no word for it, and leaves them out."""
    if isinstance(value, dict):
        return {key: _given(each) for key, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list) else value
