"""Surrogate heads: put on a trained network, and fitted to its logits on the members of the model."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import lstsq
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import nn

from ...core.errors import InputError
from ..networks.build import initialised
from ..networks.headed import Headed, SurrogateHead
from ..random_streams import generator
from ..recipe import Head

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def with_head(network: nn.Module, classes: int, stage: Head, seed: int) -> Headed:
    """`network` under a new head, drawn from `seed` as linear layers are.

    Raises InputError if the network has a head already.
    """
    if isinstance(network, Headed):
        raise InputError(
            "a network must have one surrogate head at most, got a second; "
            "take one `head` stage, or a `distill` stage in between"
        )
    head = SurrogateHead(classes, stage.degree)
    initialised(head, generator(seed, "head"))
    return Headed(network, head)


@torch.no_grad()
def fit_head(head: SurrogateHead, stage: Head, z: Floats, y: Labels) -> None:
    """Fit the weights of `head` to the logits z [n, C] of the network and the labels y [n]."""
    fitted = _solution(stage, z, y).T  # [C, degree C + 1]
    classes = z.shape[1]
    head.linear.weight.copy_(torch.from_numpy(fitted[:, :classes].copy()))
    head.linear.bias.copy_(torch.from_numpy(fitted[:, -1].copy()))
    if head.square is not None:
        head.square.weight.copy_(torch.from_numpy(fitted[:, classes:-1].copy()))


def _solution(stage: Head, z: Floats, y: Labels) -> Floats:
    """The weights [degree C + 1, C] of z, of z^2 where the degree is 2, and of 1.

    They are found on standardised features, so that the penalty does not depend on the scale of the logits.
    """
    features = np.hstack([z**power for power in range(1, stage.degree + 1)])
    mean, sd = features.mean(axis=0), features.std(axis=0)
    sd[sd == 0] = 1.0
    design = np.hstack([(features - mean) / sd, np.ones((len(z), 1))])
    if stage.fit == "logits":
        found = lstsq(design, z)[0]
    else:
        found = logistic(design, z.argmax(axis=1) if stage.fit == "predicted" else y, z.shape[1], stage.l2)
    weights = found[:-1] / sd[:, None]
    return np.vstack([weights, found[-1] - mean @ weights])


def logistic(x: Floats, y: Labels, classes: int, l2: float) -> Floats:
    r"""Multinomial logistic regression with a penalty on every weight [F, C], classes without a record included.

    Formula: min_W sum_i (logsumexp_c(x_i W) - x_i W_{y_i}) + l2 / 2 |W|^2, by L-BFGS from W = 0
    Shapes:  x [n, F], y [n]
    """
    shape, target = (x.shape[1], classes), np.eye(classes)[y]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(shape)
        z = x @ w
        normaliser = logsumexp(z, axis=1)
        slope = x.T @ (np.exp(z - normaliser[:, None]) - target) + l2 * w
        return float(normaliser.sum() - (z * target).sum() + l2 / 2 * (w * w).sum()), slope.ravel()

    return _lowest(loss, np.zeros(shape))


def _lowest(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    limits = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-8, "ftol": 0.0}
    return np.asarray(minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=limits).x).reshape(
        start.shape
    )
