from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ..generators import GENERATORS
from ..train.recipe import Finetune, Generate, GeneratorField, Prune, Pruner, Recipe
from ..train.recipe.settings import Augment, Optimiser
from .base import Defence


@dataclass(frozen=True)
class SynthShield(Defence):
    r"""Prune the trained model, then fine-tune it on synthetic records alone, so that it forgets its members.

    Formula: prune; then min CE(f(x~), y~) + l1 sum |w| over the surviving weights, (x~, y~) from a generator
             fitted on the model's own members (or on public records)
    Source:  SynthShield, github.com/lycogno/mia-icpr: sparsity .5 to .75, SGD 1e-3, momentum .9, weight decay
             1e-4, batches of 256, 20 to 40 epochs, crops and flips, hard labels
    Differs: shadow models go through every stage on their own members (the authors' are neither pruned nor
             fine-tuned); the authors name no generator. Crops and flips are set by `augment`.
    Limits:  the weights start from a model that saw the members, and nothing is certified to be forgotten; a
             generator fitted on the members may copy them
    """

    name: ClassVar[str] = "synthshield"
    source: ClassVar[str] = "SynthShield, github.com/lycogno/mia-icpr"

    sparsity: float = 0.6  # share of the weights that is pruned
    pruner: Pruner = "l1_unstructured"  # which weights or channels are pruned
    scope: Literal["global", "layer"] = "global"  # rank over all layers, or within each
    layers: Literal["auto", "conv", "linear", "all"] = "auto"  # layers that are pruned
    generator: GeneratorField = field(
        default_factory=lambda: GENERATORS.make("image_vae")
    )  # makes the synthetic records
    fitted_on: Literal["members", "public"] = "members"  # records that the generator is fitted on
    size: float = 1.0  # synthetic records per member
    epochs: int = 20  # epochs of fine-tuning
    batch_size: int = 256  # records per batch
    lr: float = 1e-3  # learning rate
    l1: float = 1e-4  # L1 penalty of the surviving weights
    augment: Augment = field(default_factory=Augment)  # augmentation while fine-tuning

    def recipe(self, base: Recipe) -> Recipe:
        prune = Prune(pruner=self.pruner, sparsity=self.sparsity, scope=self.scope, layers=self.layers)
        generate = Generate(generator=self.generator, fitted_on=self.fitted_on, size=self.size)
        finetune = Finetune(
            on="synthetic",
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimiser=Optimiser(lr=self.lr, weight_decay=1e-4),
            l1=self.l1,
            augment=self.augment,
        )
        return replace(base, stages=(*base.stages, prune, generate, finetune))
