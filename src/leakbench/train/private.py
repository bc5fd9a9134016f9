"""DP-SGD: Opacus computes each record's gradient, clips it and adds the noise; its accountant gives epsilon."""

import math
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.log import root_logger_kept
from .loop import Learner, objective
from .model import Model
from .random_streams import ModelStreams
from .recipe import Generate, Head, Recipe, Train
from .recipe.settings import Privacy
from .stage_data import StageData

PROMISED = (
    1e-9,
    1e-7,
    1e-6,
    1e-5,
    1e-4,
    1e-3,
    3e-3,
    0.01,
    0.03,
    0.06,
    0.1,
    0.2,
    0.3,
    0.5,
)  # deltas of a promise
VACUOUS = 50.0  # the epsilon above which bounds are vacuous
EPSILON_ERROR = 0.01  # of the PRV accountant, Opacus' own default
TINY = 1e-6  # added to the norm of a gradient by Opacus
History = list[tuple[float, float, int]]  # (noise, share of the members in a batch, steps) of each stage


class PrivateLearner(Learner):
    r"""g = (sum_i g_i min(1, clip / |g_i|) + N(0, (noise clip)^2)) / (expected batch), by Poisson sampling.

    The L1 penalty, which no record enters, is added after the noise. Raises InputError for a network with
    BatchNorm, in which a record's gradient depends on the others of the batch.

    Source: Abadi et al. 2016, algorithm 1, arXiv 1607.00133; Opacus, arXiv 2109.12298.
    """

    def __init__(self, model: Model, material: StageData, stage: Train, draws: ModelStreams) -> None:
        assert stage.privacy is not None
        refuse_batchnorm(model.network)
        # Opacus lays gradients out channels first; torch's fused optimisers read them in the layout of the weights
        model.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        super().__init__(model, material, stage, draws)
        opacus = _opacus()
        images = (layer for layer in model.network.modules() if isinstance(layer, nn.Conv2d))
        self._hooks = [layer.register_forward_pre_hook(_contiguous) for layer in images]
        self.share = min(1.0, stage.batch_size / self.n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._per_record = opacus.grad_sample.GradSampleModule(model.network, loss_reduction="mean")
            self.noisy = opacus.optimizers.DPOptimizer(
                self.optimiser,
                noise_multiplier=stage.privacy.noise,
                max_grad_norm=stage.privacy.clip,
                expected_batch_size=self.share * self.n,
                loss_reduction="mean",
                generator=draws.noise,
            )

    def batches(self) -> list[Tensor]:
        """The batches of an epoch; each holds each record with the same probability, and may be empty."""
        return [self.draws.poisson(self.n, self.share) for _ in range(batches_an_epoch(self.n, self.stage))]

    def step(self, order: Tensor) -> Tensor:
        """One step on the clipped and noisy gradient: of an empty batch, on the noise alone."""
        targets, labels = self.material.targets(0, order)[None], self.material.labels(0, order)[None]
        losses, _ = objective(self.stage, self.logits(order)[None], targets, labels, self.epoch)
        loss = losses[0]
        self.noisy.zero_grad()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about the hooks of Opacus for per-record gradients
            loss.backward()  # type: ignore[no-untyped-call]
        self.noisy.pre_step()
        with torch.no_grad():
            for parameter in self.penalised:
                parameter.grad.add_(parameter.sign(), alpha=self.stage.l1)  # type: ignore[union-attr]
            for parameter, mask in self.masked:
                parameter.grad.mul_(mask)  # type: ignore[union-attr]
        self.optimiser.step()
        return loss.detach() if len(order) else torch.zeros_like(loss)

    def finish(self) -> None:
        """Remove the hooks from the network."""
        self._per_record.to_standard_module()
        for hook in self._hooks:
            hook.remove()


def _contiguous(layer: nn.Module, read: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a convolution reads, laid out channels first: Opacus 1.6 takes other layouts for this one."""
    return tuple(x.contiguous() for x in read)


def _opacus() -> ModuleType:
    """The library, without the handler that importing it adds to the root logger."""
    with root_logger_kept():
        import opacus
    return opacus  # type: ignore[no-any-return]


def refuse_batchnorm(network: nn.Module) -> None:
    """Raise InputError for a network with BatchNorm, in which the records of a batch are mixed."""
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules()):
        raise InputError(
            'DP-SGD needs a network without BatchNorm, which mixes the records of a batch; set norm = "group" '
            "in the [architecture] table"
        )


def batches_an_epoch(n: int, stage: Train) -> int:
    """Steps of an epoch over n records."""
    return math.ceil(n / min(stage.batch_size, n))


class Spent(NamedTuple):
    """A privacy loss, and the accountant that computed it."""

    epsilon: float
    delta: float
    accountant: str


def spent(recipe: Recipe, members: int) -> Spent | None:
    """The privacy loss of the stages on `members` members, by Opacus' accountant, at their largest delta.

    None for a recipe without DP-SGD; infinite if a stage, a generator or a head uses members without it, or without
    noise. The PRV accountant, which is tight, is used where epsilon is below VACUOUS. Above that its grid does not fit
    into memory, and the larger bound of the RDP accountant is used.
    """
    private = _private(recipe)
    if not private:
        return None
    delta = max(privacy.delta for _, privacy in private)
    bare = any(s.on == "members" and not s.privacy for s in recipe.training)
    fitted = any(isinstance(s, Generate | Head) and s.depends_on_members for s in recipe.stages)
    if bare or fitted or any(not privacy.noise for _, privacy in private):
        return Spent(math.inf, delta, "none")
    history = _history(private, members)
    (bound,) = _rdp_epsilons(history, [delta])
    if bound > VACUOUS:
        return Spent(bound, delta, "rdp")
    return Spent(_prv_epsilons(history, [delta])[0], delta, "prv")


def promise(recipe: Recipe, members: int, accountant: str) -> list[tuple[float, float]]:
    """(delta, epsilon) at several deltas of the stages that `spent` accounts for, by the accountant that it names."""
    epsilons = {"rdp": _rdp_epsilons, "prv": _prv_epsilons}[accountant]
    return list(zip(PROMISED, epsilons(_history(_private(recipe), members), PROMISED), strict=True))


def _private(recipe: Recipe) -> list[tuple[Train, Privacy]]:
    return [(s, s.privacy) for s in recipe.training if s.on == "members" and s.privacy]


def _history(private: list[tuple[Train, Privacy]], members: int) -> History:
    return [
        (privacy.noise, min(1.0, s.batch_size / members), s.epochs * batches_an_epoch(members, s))
        for s, privacy in private
    ]


def _rdp_epsilons(history: History, deltas: Sequence[float]) -> list[float]:
    """The epsilon of Opacus' RDP accountant at each delta; the Renyi divergences are computed once."""
    rdp, orders = _opacus().accountants.analysis.rdp, _opacus().accountants.RDPAccountant.DEFAULT_ALPHAS
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # log(1 - share) of a batch of all records
        warnings.simplefilter("ignore")  # the best order may be the largest one
        spent_by_order = sum(
            rdp.compute_rdp(q=share, noise_multiplier=noise, steps=steps, orders=orders)
            for noise, share, steps in history
        )
        found = (rdp.get_privacy_spent(orders=orders, rdp=spent_by_order, delta=delta) for delta in deltas)
        return [float(epsilon) for epsilon, _ in found]


def _prv_epsilons(history: History, deltas: Sequence[float]) -> list[float]:
    """The epsilon of Opacus' PRV accountant at each delta; the losses are convolved once, for the smallest delta.

    Source: Gopi, Lee and Wutschitz 2021, arXiv 2106.02848; upper bounds, with an error of at most EPSILON_ERROR
    """
    prv = _opacus().accountants.analysis.prv
    steps, error = [steps for _, _, steps in history], min(deltas) / 1000
    with np.errstate(divide="ignore"):
        losses = [prv.PoissonSubsampledGaussianPRV(share, noise) for noise, share, _ in history]
        size = prv.compute_safe_domain_size(losses, steps, EPSILON_ERROR, error)
        mesh = EPSILON_ERROR / np.sqrt(sum(steps) * np.log(12 / error) / 2)
        domain = prv.Domain.create_aligned(-size, size, mesh)
        cut = [prv.TruncatedPrivacyRandomVariable(loss, domain.t_min, domain.t_max) for loss in losses]
        total = prv.compose_heterogeneous([prv.discretize(loss, domain) for loss in cut], steps)
        return [float(total.compute_epsilon(delta, error, EPSILON_ERROR)[2]) for delta in deltas]
