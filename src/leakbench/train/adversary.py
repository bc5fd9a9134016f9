"""Adversarial regularisation: the model is trained against a network that separates its members from others."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, one_hot

from .loop import Learner
from .model import Model
from .networks.build import initialised
from .random_streams import ModelStreams, generator
from .recipe import Train
from .stage_data import StageData


class MembershipDiscriminator(nn.Module):
    """h(f(x), y): the logit of "member" [B], from probabilities [B, C] and labels [B] (Nasr et al., figure 2)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.probabilities = _layers(classes, 1024, 512, 64)
        self.labels = _layers(classes, 512, 64)
        self.both = nn.Sequential(_layers(128, 256, 64), nn.Linear(64, 1))

    def forward(self, probabilities: Tensor, y: Tensor) -> Tensor:
        """The logit of "member"."""
        labels = one_hot(y, self.classes).to(probabilities.dtype)
        return self.both(torch.cat([self.probabilities(probabilities), self.labels(labels)], dim=1))[:, 0]  # type: ignore[no-any-return]


def gain(members: Tensor, others: Tensor) -> Tensor:
    """The adversary's objective, from its logits: (mean log h on members + mean log(1 - h) on others) / 2."""
    return 0.5 * (logsigmoid(members).mean() + logsigmoid(-others).mean())


class AdversarialLearner(Learner):
    r"""min_f max_h  CE(f) + weight * gain(h, f): the adversary steps up its gain, then the model steps against it.

    Source: Nasr, Shokri, Houmansadr 2018, section 4, arXiv 1807.05852, algorithm 1.
    """

    def __init__(
        self, model: Model, material: StageData, stage: Train, draws: ModelStreams, number: int
    ) -> None:
        super().__init__(model, material, stage, draws)
        assert stage.adversary is not None
        self.rule = stage.adversary
        self.reference = material.public if self.rule.reference == "public" else material.dev[0]
        classes = inferred_classes(model, material)
        with torch.random.fork_rng(devices=[]):
            adversary = initialised(
                MembershipDiscriminator(classes), generator(model.seed, number, "adversary")
            )
        self.adversary = adversary.to(material.device)
        self.adversary_optimiser = torch.optim.Adam(self.adversary.parameters(), lr=self.rule.lr)

    def step(self, order: Tensor) -> Tensor:
        """The adversary's steps, then the model's."""
        for _ in range(self.rule.steps):
            self._step_adversary(order)
        return super().step(order)

    def loss(self, logits: Tensor, targets: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cross-entropy (or the loss of the stage) plus the adversary's gain on these members."""
        fooled = logsigmoid(self.adversary(logits.softmax(dim=1), targets)).mean()
        loss, each = super().loss(logits, targets, labels)
        return loss + self.rule.weight * 0.5 * fooled, each

    def _step_adversary(self, order: Tensor) -> None:
        members, reference = self.material.rows[0][order], self._draw(len(order))
        with torch.no_grad():
            inside = self.forward(self.material.records(members))
            outside = self.forward(self.material.dev_records(reference))
        h_in = self.adversary(inside.softmax(dim=1), self.material.y[members])
        h_out = self.adversary(outside.softmax(dim=1), self.material.dev_y[reference])
        self.adversary_optimiser.zero_grad()
        (-gain(h_in, h_out)).backward()  # type: ignore[no-untyped-call]
        self.adversary_optimiser.step()

    def _draw(self, batch: int) -> Tensor:
        return self.reference[self.draws.reference(len(self.reference), batch)]


def inferred_classes(model: Model, material: StageData) -> int:
    """The number of classes C, from one prediction."""
    with torch.no_grad():
        training = model.network.training
        width: int = model.network.eval()(material.records(material.rows[0][:1])).shape[1]
        model.network.train(training)
    return width


def _layers(*widths: int) -> nn.Sequential:
    pairs = itertools.pairwise(widths)
    return nn.Sequential(*(part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU())))
