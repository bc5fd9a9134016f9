"""Training by code that is not ours: the `[trainer]` table of a study, and the recipe of its models. Plain data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...core.user_code import NAMES_CODE, TRUSTED
from .recipe import Recipe
from .stages import Stage


@dataclass(frozen=True, kw_only=True)
class SklearnTrainer:
    """Models that are clones of a scikit-learn estimator.

    Args:
        name: "sklearn".
        estimator: "module:Class" of the classifier, or "module:function" that makes one, such as a pipeline.
            Classifiers of scikit-learn ("sklearn.ensemble:RandomForestClassifier") need no permission to be imported.
        parameters: The arguments of the class or the function.
        version: What tells code of yours from other code of that name; classes of installed libraries need none.
    """

    name: Literal["sklearn"] = "sklearn"
    estimator: str = field(metadata={**NAMES_CODE, TRUSTED: "sklearn."})
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class PythonTrainer:
    """Models that a function of the user's trains.

    Args:
        name: "python".
        function: "module:fit" of a function fit(x, y, seed, **parameters) that returns a function predict(x).
        parameters: Further keyword arguments of the function.
        version: What tells this code from other code of that name; change it whenever the code changes.
    """

    name: Literal["python"] = "python"
    function: str = field(metadata=NAMES_CODE)
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: str


CodeTrainer = SklearnTrainer | PythonTrainer


@dataclass(frozen=True, kw_only=True)
class CodeRecipe(Recipe):
    """How code that is not ours makes a model: by the trainer, or as the mean of `size` models that it trains."""

    trainer: CodeTrainer
    size: int = 1
    stages: tuple[Stage, ...] = ()  # those of a network; code has none

    def __post_init__(self) -> None:
        """Code has no stages that could be wrong."""

    def until(self, number: int) -> "CodeRecipe":
        """The recipe itself: its training is one stage."""
        return self

    @property
    def kept(self) -> list[int]:
        """A model is stored once, when it is trained."""
        return [0]

    @property
    def passes(self) -> int:
        """The number of models that are trained for one."""
        return self.size

    def describe(self) -> dict[str, Any]:
        """Plain data for the key and the report."""
        return {"trainer": asdict(self.trainer), "size": self.size}
