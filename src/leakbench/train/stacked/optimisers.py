"""SGD with momentum and Adam on stacked parameters: torch's update rules, each weight by itself.

The rules are written out, because models can leave a stack one by one, and because the setup of `torch.optim` takes
longer than training a group of small models. The plain loop uses `torch.optim`, and tests compare the two.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..recipe.settings import Optimiser
from .products import Gradient, Product, value

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015, arXiv 1412.6980; torch's defaults


class StackedOptimiser:
    """The update rule of a recipe's optimiser, and its state for the leaves of a stack."""

    def __init__(self, optimiser: Optimiser, leaves: Mapping[str, Tensor]) -> None:
        self.rule = optimiser
        self.steps, self.lr = 0, optimiser.lr
        self.update = self._adam if optimiser.name == "adam" else self._sgd
        size = 2 if optimiser.name == "adam" else 1
        self.state = {name: [torch.zeros_like(leaf) for _ in range(size)] for name, leaf in leaves.items()}

    def begin(self, lr: float) -> None:
        """A step begins, in which each leaf moves once."""
        self.steps, self.lr = self.steps + 1, lr

    def move(self, name: str, leaf: Tensor, gradient: Gradient) -> None:
        """Move a leaf against its gradient."""
        self.update(leaf, gradient, self.state[name])

    def keep(self, positions: list[int]) -> None:
        """Reduce the state to that of the models at `positions`."""
        self.state = {name: [value[positions] for value in values] for name, values in self.state.items()}

    def _sgd(self, leaf: Tensor, g: Gradient, state: list[Tensor]) -> None:
        """v <- momentum v + g;  leaf <- leaf - lr v."""
        (v,) = state
        if isinstance(g, Product):
            g.join(v, self.rule.momentum)
        else:
            torch.add(
                value(g, leaf), v, alpha=self.rule.momentum, out=v
            )  # one pass over memory instead of two
        if self.rule.weight_decay:
            v.add_(leaf, alpha=self.rule.weight_decay)
        leaf.add_(v, alpha=-self.lr)

    def _adam(self, leaf: Tensor, g: Gradient, state: list[Tensor]) -> None:
        """m, v <- running means of g, g^2;  leaf <- leaf - lr m' / (sqrt(v') + epsilon), ' freed of bias."""
        m, v = state
        g = value(g, leaf)
        if self.rule.weight_decay:
            g = g.add(leaf, alpha=self.rule.weight_decay)
        m.lerp_(g, 1.0 - BETA_1)
        v.mul_(BETA_2).addcmul_(g, g, value=1.0 - BETA_2)
        root = v.sqrt().div_(math.sqrt(1.0 - BETA_2**self.steps)).add_(EPSILON)
        leaf.addcdiv_(m, root, value=-self.lr / (1.0 - BETA_1**self.steps))
