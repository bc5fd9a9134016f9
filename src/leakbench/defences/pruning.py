from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ..core.errors import InputError
from ..train.recipe import Prune, Pruner, Recipe
from ._stages import finetuning
from .base import Defence


@dataclass(frozen=True)
class Pruning(Defence):
    r"""Prune the trained model, then fine-tune it on its members: the baseline of SynthShield.

    Formula: `rounds` times (prune, fine-tune); after round r of R the share 1 - (1 - sparsity)^(r/R) is gone.
             Fine-tuning goes on as the last training stage did, for `epochs` in all, half of its own by default
    Source:  Yuan, Zhang 2022, section 3, arXiv 2202.03335 (mia_prune); iterative: Han et al. 2015, arXiv 1506.02626
    Limits:  the authors find that it raises the risk: fine-tuning on the members fits what is left of the
             network to them
    """

    name: ClassVar[str] = "pruning"
    source: ClassVar[str] = "Yuan, Zhang 2022, arXiv 2202.03335"

    pruner: Pruner = "l1_unstructured"  # which weights or channels are pruned
    sparsity: float = 0.6  # share of the weights that is pruned
    scope: Literal["global", "layer"] = "global"  # rank over all layers, or within each
    layers: Literal["auto", "conv", "linear", "all"] = "auto"  # layers that are pruned
    rounds: int = 1  # times that pruning and fine-tuning alternate
    epochs: int | None = None  # epochs of fine-tuning in all; None: half of the last stage's
    l1: float = 0.0  # L1 penalty of the weights while fine-tuning

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1, got {self.rounds}; 1 prunes once")
        self._prune(1)
        if self.epochs is not None and self.epochs < self.rounds:
            raise InputError(f"epochs must be at least one a round ({self.rounds}), got {self.epochs}")

    def recipe(self, base: Recipe) -> Recipe:
        last = base.training[-1]
        total = self.epochs or max(self.rounds, last.epochs // 2)
        stages = [*base.stages]
        for r in range(1, self.rounds + 1):
            epochs = total * r // self.rounds - total * (r - 1) // self.rounds
            stages += [self._prune(r), finetuning(last, "members", epochs=epochs, l1=self.l1)]
        return replace(base, stages=tuple(stages))

    def _prune(self, r: int) -> Prune:
        """The pruning of round r. Zeros add up; removed channels are missing in the next round."""
        kept = (1.0 - self.sparsity) ** ((r if self.pruner == "l1_unstructured" else 1) / self.rounds)
        sparsity = self.sparsity if self.rounds == 1 else 1.0 - kept
        return Prune(pruner=self.pruner, sparsity=sparsity, scope=self.scope, layers=self.layers)
