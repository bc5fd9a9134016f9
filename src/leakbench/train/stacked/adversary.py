"""Adversarial regularisation on a stack of models, each against an adversary of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from ..adversary import new_adversary, reference_rows
from ..model import Model
from ..recipe.settings import Optimiser
from ..stage_data import StageData
from .optimisers import StackedOptimiser
from .products import Gradient
from .stack import Stack
from .stage import Batch, StackedStage


class AdversarialStage(StackedStage):
    """min_f max_h  CE(f) + weight * gain(h, f) for each model, as `AdversarialLearner`."""

    def __init__(self, models: Sequence[Model], material: StageData, number: int) -> None:
        super().__init__(models, material, number)
        assert self.stage.adversary is not None
        self.rule = self.stage.adversary
        self.reference = [reference_rows(self.rule, material, k) for k in range(len(models))]
        self.adversary = Stack([new_adversary(model, material, number) for model in models])
        self.adversary_optimiser = StackedOptimiser(
            Optimiser("adam", self.rule.lr), self.adversary.parameters()
        )

    def step(self, batch: Batch, lr: float, epoch: int, costs: Tensor | None) -> Tensor:
        """The adversaries' steps, then the models'."""
        for _ in range(self.rule.steps):
            self._step_adversary(batch)
        return super().step(batch, lr, epoch, costs)

    def loss(
        self, logits: Tensor, targets: Tensor, labels: Tensor, epoch: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The loss of the stage plus weight / 2 * mean log sigmoid(h) on these members.

        d / dz = p (d / dp - sum p d / dp) of p = softmax(z)
        """
        p = logits.softmax(dim=-1)
        loss, slope, each = super().loss(logits, targets, labels, epoch)
        h = self._judged(p, labels)
        half = 0.5 * self.rule.weight
        in_p = self.adversary.backward(
            torch.sigmoid(-h).mul_(half / h.shape[1])[..., None], _ignore, onward=True
        )
        assert in_p is not None
        in_p = in_p[..., : p.shape[-1]]
        slope = slope + p * (in_p - (p * in_p).sum(dim=-1, keepdim=True))
        return loss + half * logsigmoid(h).mean(dim=1), slope, each

    def keep(self, positions: list[int]) -> None:
        """Go on with the live models at `positions` alone."""
        super().keep(positions)
        self.adversary.keep(positions)
        self.adversary_optimiser.keep(positions)

    def _step_adversary(self, batch: Batch) -> None:
        """Step up the gain (mean log sigmoid(h) on members + mean log sigmoid(-h) on others) / 2."""
        B = batch.rows.shape[1]
        others = torch.stack(
            [self.reference[k][self.draws[k].reference(len(self.reference[k]), B)] for k in self.live]
        )
        members = self.material.records(batch.rows.flatten())
        both = (members, self.material.dev_records(others.flatten()))
        judged = [self.forward(x.view(*others.shape, *x.shape[1:]), batch) for x in both]
        p = torch.cat(judged, dim=1).softmax(dim=-1)
        h = self._judged(p, torch.cat([batch.labels, self.material.dev_y[others]], dim=1))
        slope = torch.cat([torch.sigmoid(-h[:, :B]).neg_(), torch.sigmoid(h[:, B:])], dim=1).mul_(0.5 / B)
        self.adversary_optimiser.begin(self.rule.lr)
        self.adversary.backward(slope[..., None], self._move_adversary)

    def _judged(self, p: Tensor, labels: Tensor) -> Tensor:
        """The logits of "member" [L, B] of probabilities p [L, B, C] and labels [L, B]."""
        known = torch.cat([p, one_hot(labels, p.shape[-1]).to(p.dtype)], dim=-1)
        return self.adversary.forward(known)[..., 0]

    def _move_adversary(self, name: str, gradient: Gradient) -> None:
        self.adversary_optimiser.move(name, self.adversary.leaves[name], gradient)


def _ignore(name: str, gradient: Gradient) -> None:
    """The adversary stays as it is in the models' step."""
