"""A recipe: an architecture and an ordered list of stages, all plain data (no torch here)."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ...core.errors import InputError
from .architecture import Architecture
from .stages import Distill, Ensemble, Generate, Head, MonteCarlo, Stage, Train, TrainHead


@dataclass(frozen=True)
class Recipe:
    """How a model is made: its architecture and its stages, in order.

    Raises InputError if no stage trains, or if a stage needs synthetic records, a trained model, a surrogate head or a
    single network that the stages before it do not give.
    """

    architecture: Architecture = field(default_factory=Architecture)
    stages: tuple[Stage, ...] = (Train(),)

    def __post_init__(self) -> None:
        if not any(isinstance(stage, Train) for stage in self.stages):
            raise InputError("a recipe must have a stage that trains, got none; add a `train` stage")
        made = trained = headed = False
        for number, stage in enumerate(self.stages):
            if isinstance(stage, Train) and stage.on == "synthetic" and not made:
                raise InputError(
                    f"stage {number} ({stage.stage}) trains on synthetic records, but no stage before makes any; "
                    "put a `generate` stage before it"
                )
            if isinstance(stage, Distill) and not trained:
                raise InputError(
                    f"stage {number} (distill) needs a teacher, but no stage before it trains one; "
                    "put a `train` stage before it"
                )
            self._check_networks(number)
            if isinstance(stage, TrainHead) and not headed:
                raise InputError(
                    f"stage {number} (train_head) needs a surrogate head, but no stage before it adds one; "
                    "put a `head` stage before it"
                )
            made |= isinstance(stage, Generate)
            headed = (headed or isinstance(stage, Head)) and not isinstance(stage, Distill)
            trained |= isinstance(stage, Train)

    def _check_networks(self, number: int) -> None:
        """Raise InputError if stage `number` does not fit the model of the stages before."""
        stage = self.stages[number]
        before = [s for s in self.stages[:number] if not isinstance(s, Generate)]
        if (
            before
            and isinstance(before[-1], Ensemble | MonteCarlo)
            and not isinstance(stage, Generate | Distill)
        ):
            raise InputError(
                f"stage {number} ({stage.stage}) needs a single network, but the {before[-1].stage} stage before "
                "has several; put it before that stage, or a `distill` stage between them"
            )
        if before and isinstance(stage, Ensemble):
            raise InputError(
                f"stage {number} (ensemble) starts with fresh networks, so that the {before[-1].stage} stage "
                "before would have no effect; leave that one out"
            )
        if isinstance(stage, MonteCarlo) and not (before and self.architecture.dropout):
            raise InputError(
                f"stage {number} (monte_carlo) needs a trained network with dropout, got dropout = "
                f"{self.architecture.dropout} after {len(before)} stages; set dropout in the [architecture] table"
            )

    @property
    def training(self) -> tuple[Train, ...]:
        """The stages that train."""
        return tuple(stage for stage in self.stages if isinstance(stage, Train))

    @property
    def passes(self) -> int:
        """The number of passes over the records while a model is trained: roughly its cost."""
        return sum(stage.epochs * stage.networks for stage in self.training)

    @property
    def needs_dev(self) -> bool:
        """Whether a stage uses dev records: to stop early, or as an adversary's reference."""
        return any(
            stage.patience is not None or (stage.adversary and stage.adversary.reference == "dev")
            for stage in self.training
        )

    @property
    def needs_public(self) -> bool:
        """Whether a stage uses public records."""
        return any(
            stage.fitted_on == "public"
            if isinstance(stage, Generate)
            else isinstance(stage, Train)
            and (stage.on == "public" or (stage.adversary and stage.adversary.reference == "public"))
            for stage in self.stages
        )

    def until(self, number: int) -> "Recipe":
        """The recipe that ends with stage `number`. Raises InputError if no stage up to there trains."""
        return Recipe(self.architecture, self.stages[: number + 1])

    @property
    def kept(self) -> list[int]:
        """The stages after which a model is stored: those that train, and the last."""
        return [n for n, s in enumerate(self.stages) if isinstance(s, Train) or n == len(self.stages) - 1]

    def describe(self) -> dict[str, Any]:
        """Plain data for the key and the report."""
        return {
            "architecture": asdict(self.architecture),
            "stages": [stage.describe() for stage in self.stages],
        }
