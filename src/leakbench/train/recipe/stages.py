"""The stages of a recipe, all plain data (no torch here)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, PlainValidator, Tag

from ...core.checks import within
from ...core.errors import InputError, unknown
from ...generators import GENERATORS, Generator
from ..losses import LOSSES, CrossEntropy, Loss
from .settings import Adversary, Augment, Optimiser, Privacy, Schedule

LossField = Annotated[Loss, PlainValidator(LOSSES.parse)]
GeneratorField = Annotated[Generator, PlainValidator(GENERATORS.parse)]


Source = Literal[
    "members", "synthetic", "public"
]  # the records of a stage: the members, those of `generate`, or the public part


@dataclass(frozen=True)
class Train:
    """One stage of training on the records `on`, from the weights of the stage before.

    `l1` times the sum of absolute weights is added to the loss. The sum is over the remaining weights of the layers
    that `l1_unstructured` has pruned, or, if it has pruned none, over all weight matrices and filters.
    """

    stage: Literal["train"] = "train"
    on: Source = "members"
    epochs: int = 30
    batch_size: int = 64
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    loss: LossField = field(default_factory=CrossEntropy)
    augment: Augment = field(default_factory=Augment)
    patience: int | None = (
        None  # epochs without a better dev loss before training stops; the best weights stay
    )
    l1: float = 0.0
    adversary: Adversary | None = None
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        within("epochs", self.epochs, 1)
        within("batch_size", self.batch_size, 1, 2**31)
        within("l1", self.l1, 0.0)
        if self.on not in get_args(Source):
            raise unknown("records to train on:", self.on, get_args(Source))
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}; leave it out for none")
        if self.adversary and self.privacy:
            raise InputError("a stage must have an adversary or privacy, got both; take two stages")
        if self.augment.mixup and (self.adversary or self.privacy):
            raise InputError(
                "a stage with mixup must have no adversary and no privacy, which are about single records; "
                "take two stages"
            )
        if self.privacy and not self.loss.per_record:
            raise InputError(
                f"privacy needs a loss of each record by itself, got {self.loss.name!r}, which compares records"
            )

    @property
    def networks(self) -> int:
        """The number of networks that the stage trains for one model."""
        return 1

    @property
    def traced(self) -> bool:
        """Whether the loss of each member is recorded in each epoch: each member is in it once, and unmixed."""
        return self.on == "members" and not self.privacy and not self.augment.mixup

    def describe(self) -> dict[str, Any]:
        """Plain data; the loss under its name and version."""
        return {**asdict(self), "loss": self.loss.describe()}


@dataclass(frozen=True)
class Finetune(Train):
    """Further training after pruning. The defaults are those of SynthShield's authors."""

    stage: Literal["finetune"] = "finetune"  # type: ignore[assignment]
    epochs: int = 20
    batch_size: int = 256
    optimiser: Optimiser = field(default_factory=lambda: Optimiser(lr=1e-3, weight_decay=1e-4))
    l1: float = 1e-4


@dataclass(frozen=True)
class Ensemble(Train):
    """`size` networks in place of one, each trained from scratch. The output is the mean of their softmax.

    Each record is left out by `leaves_out` of the networks. All networks train on nearly equal numbers of records.
    """

    stage: Literal["ensemble"] = "ensemble"  # type: ignore[assignment]
    size: int = 25
    leaves_out: int = 0

    @property
    def networks(self) -> int:
        """The size of the ensemble."""
        return self.size

    def __post_init__(self) -> None:
        super().__post_init__()
        within("size", self.size, 1)
        if not 0 <= self.leaves_out < self.size:
            raise InputError(
                f"leaves_out must be at least 0 and below size = {self.size}, got {self.leaves_out}: "
                "a record that every network leaves out trains none"
            )
        if self.on != "members":
            raise InputError(f"an ensemble must train on members, got {self.on!r}; take a train stage")
        if self.privacy:
            raise InputError("an ensemble stage must have no privacy; take a train stage")

    @property
    def training(self) -> Train:
        """The training of each network."""
        return Train(**{f.name: getattr(self, f.name) for f in fields(Train) if f.name != "stage"})


@dataclass(frozen=True)
class Distill(Train):
    """A freshly initialised network (the student) that learns the outputs of the model before this stage (the teacher).

    The loss compares softmax(student / temperature) with softmax(teacher / temperature), times temperature squared
    (Hinton et al. 2015). Only the share `keep_fraction` of the records is used, those with the lowest entropy of the
    teacher's output. If an ensemble teaches its own members, the target of a record comes from the networks that left
    it out, if there are any.
    """

    stage: Literal["distill"] = "distill"  # type: ignore[assignment]
    temperature: float = 1.0
    keep_fraction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        within("temperature", self.temperature, 0.0, include_low=False)
        if not 0 < self.keep_fraction <= 1:
            raise InputError(f"keep_fraction must be above 0 and at most 1, got {self.keep_fraction}")
        if self.adversary or self.privacy:
            raise InputError("a distill stage must have no adversary and no privacy; take a train stage")

    @property
    def traced(self) -> bool:
        """As for `Train`, if the student sees all members."""
        return super().traced and self.keep_fraction == 1


Pruner = Literal["l1_unstructured", "l1_structured", "l2_structured", "slim"]


@dataclass(frozen=True)
class Prune:
    """Remove the least important weights or channels.

    `l1_unstructured` zeroes the smallest weights and holds them at zero in the stages that follow. `sparsity` is their
    share of all weights of the pruned layers. The other pruners remove whole channels: those whose filters have the
    smallest L1 or L2 norm, or (`slim`) the smallest |scale| in the BatchNorm that follows. `sparsity` is their share of
    the channels; the outputs of the last layer are never removed. `scope` ranks weights or channels over the whole
    network, or in each layer. `layers` "auto" are the convolutions, or the linear layers if there is no convolution.
    """

    stage: Literal["prune"] = "prune"
    pruner: Pruner = "l1_unstructured"
    sparsity: float = 0.6
    scope: Literal["global", "layer"] = "global"
    layers: Literal["auto", "conv", "linear", "all"] = "auto"

    def __post_init__(self) -> None:
        if self.pruner not in get_args(Pruner):
            raise unknown("pruner", self.pruner, get_args(Pruner))
        within("sparsity", self.sparsity, 0.0, 1.0)

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class MonteCarlo:
    """The output is the mean softmax of `passes` passes through the network with dropout on.

    Each pass drops units of its own, at the architecture's rate, the same units for every record. They are drawn once,
    and stored with the weights.
    """

    stage: Literal["monte_carlo"] = "monte_carlo"
    passes: int = 20

    def __post_init__(self) -> None:
        within("passes", self.passes, 1)

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Generate:
    """Make synthetic records, on which the stages that follow can train. The model does not change.

    The generator is fitted on the model's own members, or on the public part, and keeps the proportions of the classes
    there. It makes `size` times as many records as the model has members.
    """

    stage: Literal["generate"] = "generate"
    generator: GeneratorField = None  # type: ignore[assignment]
    fitted_on: Literal["members", "public"] = "members"
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.generator is None:
            raise InputError(
                f"a generate stage must name its generator, one of {', '.join(GENERATORS.names())}"
            )
        object.__setattr__(self, "generator", GENERATORS.parse(self.generator))
        within("size", self.size, 0.0, include_low=False)

    @property
    def depends_on_members(self) -> bool:
        """Whether the records depend on the model's members; else all models share the same records."""
        return self.fitted_on == "members" and self.generator.fitted

    def describe(self) -> dict[str, Any]:
        """Plain data; the generator under its name and version."""
        return {**asdict(self), "generator": self.generator.describe()}


@dataclass(frozen=True)
class Head:
    """Replace the softmax by a surrogate head: W1 z + b of the logits z, with `degree` 2 also W2 z^2.

    `fit` names the targets on the members: the "logits" themselves (least squares), or the "predicted" or the "true"
    labels (cross-entropy, plus `l2` / 2 times the squared weights of standardised features). "later" leaves the head as
    it is initialised, for a `train_head` stage. A network has one head at most.
    """

    stage: Literal["head"] = "head"
    degree: Literal[1, 2] = 1
    fit: Literal["logits", "predicted", "true", "later"] = "later"
    l2: float = 1.0

    def __post_init__(self) -> None:
        if self.degree not in (1, 2):
            raise InputError(f"degree of a head must be 1 (linear) or 2 (quadratic), got {self.degree}")
        if self.fit not in ("logits", "predicted", "true", "later"):
            raise unknown("fit of a head:", self.fit, ("logits", "predicted", "true", "later"))
        within("l2", self.l2, 0.0, include_low=False)

    @property
    def depends_on_members(self) -> bool:
        """Whether the head is fitted on the model's members."""
        return self.fit != "later"

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class TrainHead(Train):
    """Training of the surrogate head alone: the body is frozen and in inference mode."""

    stage: Literal["train_head"] = "train_head"  # type: ignore[assignment]


def _stage_of(value: Any) -> str:
    """The kind of a stage or of its table. A table without one is a `train` stage."""
    return str(value.get("stage", "train") if isinstance(value, Mapping) else getattr(value, "stage", None))


Stage = Annotated[
    Annotated[Train, Tag("train")]
    | Annotated[Finetune, Tag("finetune")]
    | Annotated[Ensemble, Tag("ensemble")]
    | Annotated[Distill, Tag("distill")]
    | Annotated[Prune, Tag("prune")]
    | Annotated[MonteCarlo, Tag("monte_carlo")]
    | Annotated[Generate, Tag("generate")]
    | Annotated[Head, Tag("head")]
    | Annotated[TrainHead, Tag("train_head")],
    Discriminator(_stage_of),
]
