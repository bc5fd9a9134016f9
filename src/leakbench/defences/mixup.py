from dataclasses import dataclass, replace
from typing import ClassVar

from ..train.recipe import Recipe
from ._stages import Which, edit_stages
from .base import Defence


@dataclass(frozen=True)
class Mixup(Defence):
    r"""Train on mixtures of two records with the same mixture of their labels.

    Formula: x = s x_i + (1 - s) x_j,  q = s onehot(y_i) + (1 - s) onehot(y_j),  s ~ Beta(alpha, alpha) for each batch,
             j a random permutation of the batch
    Source:  Zhang et al. 2018, arXiv 1710.09412; as a defence Li et al. 2021, arXiv 2002.12062, alpha 1
    Differs: Li et al. add a penalty (MMD) that draws the outputs of training records to those of others; this is
             mixup alone
    Limits:  shadow-model attacks (LiRA) see it
    """

    name: ClassVar[str] = "mixup"
    source: ClassVar[str] = "Zhang et al. 2018, arXiv 1710.09412"

    alpha: float = 1.0  # parameter of the Beta distribution of shares
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        return edit_stages(base, self.stages, augment=lambda old: replace(old, mixup=self.alpha))
