"""The recipe of a model as plain data: an architecture and stages in order (no torch here)."""

from .architecture import ARCHITECTURES, TORCHVISION, Architecture
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
    "Distill",
    "Ensemble",
    "Finetune",
    "Generate",
    "GeneratorField",
    "Head",
    "MonteCarlo",
    "Prune",
    "Pruner",
    "Recipe",
    "Source",
    "Stage",
    "Train",
    "TrainHead",
]
