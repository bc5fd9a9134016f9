"""The common part of generators that are torch networks. They import it in `fit`, because it needs torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..core.errors import InputError
from ._vae import Vae
from .base import Labels, Records, Sampler

CHUNK = 1024  # records made at a time, which bounds the memory


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch's global stream from `rng` while the block runs; then restore it.

    Draw on the CPU, so that a seed gives the same numbers on every device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng.integers(2**63)))
        yield


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit_vae(
    x: Tensor,
    y: Labels,
    classes: int,
    outputs: int,
    reconstruction: Callable[[Tensor, Tensor], Tensor],
    vae: Vae,
    rng: np.random.Generator,
) -> Sampler:
    """Fit a VAE, given the class, to x [n, D] and y [n]. Returns a sampler of the decoder's output [m, outputs].

    q(z | x, y) and p(z | y) are normal with a diagonal covariance; p's are free parameters of each class.
    `reconstruction` of the decoder's output [B, outputs] and of records [B, D] is -log p(x | z, y) [B]. Raises
    InputError if the fit diverges.
    """
    x, given = x.to(device()), _one_hot(y, classes)
    with seeded(rng):
        encoder = _network(x.shape[1] + classes, vae.hidden, 2 * vae.latent)
        decoder = _network(vae.latent + classes, vae.hidden, outputs)
        prior = torch.zeros(classes, 2 * vae.latent, device=device(), requires_grad=True)  # N(0, I) at first
        parameters = [*encoder.parameters(), *decoder.parameters(), prior]
        optimiser = torch.optim.Adam(parameters, vae.lr)
        for _ in range(vae.epochs):
            for rows in torch.split(torch.randperm(len(x)), vae.batch_size):
                q, p = encoder(torch.cat([x[rows], given[rows]], 1)), given[rows] @ prior  # [B, 2 latent]
                output = decoder(torch.cat([_normal(q), given[rows]], 1))
                optimiser.zero_grad()
                (reconstruction(output, x[rows]) + vae.beta * _kl(q, p)).mean().backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    if not all(p.isfinite().all() for p in parameters):
        raise InputError(f"the VAE diverged: its weights are not finite; take an lr below {vae.lr:g}")

    def sample(labels: Labels, rng: np.random.Generator) -> Records:
        given = _one_hot(labels, classes)
        with torch.no_grad(), seeded(rng):
            inputs = torch.cat([_normal(given @ prior), given], 1)
            outputs = [decoder(part).cpu() for part in torch.split(inputs, CHUNK)]
        return np.asarray(torch.cat(outputs))  # [m, outputs]

    return sample


def _network(inputs: int, hidden: int, outputs: int) -> nn.Module:
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(hidden, outputs)).to(device())


def _one_hot(y: Labels, classes: int) -> Tensor:
    return one_hot(torch.tensor(y), classes).float().to(device())  # [n, C]


def _normal(parameters: Tensor) -> Tensor:
    """A draw [B, latent] from the normal whose means and log variances are the halves of [B, 2 latent]."""
    mean, log_variance = parameters.chunk(2, 1)
    return mean + (log_variance / 2).exp() * torch.randn(mean.shape).to(mean.device)


def _kl(q: Tensor, p: Tensor) -> Tensor:
    """KL(q || p) [B] of normals with these means and log variances [B, 2 latent]."""
    (q_mean, q_log), (p_mean, p_log) = q.chunk(2, 1), p.chunk(2, 1)
    return (((q_mean - p_mean) ** 2 + q_log.exp()) / p_log.exp() - 1 + p_log - q_log).sum(1) / 2
