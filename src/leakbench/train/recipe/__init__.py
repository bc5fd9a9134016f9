"""The recipe of a model as plain data: an architecture and stages in order (no torch here)."""

from .architecture import ARCHITECTURES, TORCHVISION, Architecture
from .code import CodeRecipe, CodeTrainer, PythonTrainer, SklearnTrainer
from .recipe import Recipe
from .stages import (
    Distill,
    Ensemble,
    Finetune,
    Generate,
    GeneratorField,
    Head,
    MonteCarlo,
    Prune,
    Pruner,
    Source,
    Stage,
    Train,
    TrainHead,
)

__all__ = [
    "ARCHITECTURES",
    "TORCHVISION",
    "Architecture",
    "CodeRecipe",
    "CodeTrainer",
    "Distill",
    "Ensemble",
    "Finetune",
    "Generate",
    "GeneratorField",
    "Head",
    "MonteCarlo",
    "Prune",
    "Pruner",
    "PythonTrainer",
    "Recipe",
    "SklearnTrainer",
    "Source",
    "Stage",
    "Train",
    "TrainHead",
]
