from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit

from ._vae import Vae
from .base import Labels, Records, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageVae(Vae):
    r"""Squeeze each image into a few numbers that are normal given its class, then decode fresh ones.

    Formula: minimise E_q[-log p(x | z, y)] + beta KL(q(z | x, y) || p(z | y)) over the encoder q, the decoder and
             the prior p(z | y) = N(mu_y, diag v_y), with log p(x | z, y) = sum_d x_d log m_d + (1 - x_d) log(1 - m_d);
             a new image is m(z, y), z ~ p(z | y)
    Shapes:  images [n, c, h, w] in 0..1 -> [m, c, h, w] in 0..1;  z [m, latent]
    Source:  Kingma, Welling 2014, arXiv 1312.6114; given the class, with a prior of each class: Sohn, Lee, Yan
             2015 (NeurIPS); beta: Higgins et al. 2017 (ICLR)
    Differs: pixels between 0 and 1 under a Bernoulli likelihood, as is usual for MNIST; the mean m is released,
             no pixel noise is added. Two hidden layers each, for images of any size and number of channels.
    Limits:  soft images, closer to the mean of their class than real ones (on MNIST two thirds as spread out), the
             more so the fewer records, pixels and epochs; of photographs little more than colours (take `diffusion`)
    """

    name: ClassVar[str] = "image_vae"
    source: ClassVar[str] = "Kingma, Welling 2014, arXiv 1312.6114; Sohn, Lee, Yan 2015"
    tables: ClassVar[bool] = False

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        import torch

        from ._torch import fit_vae

        shape = x.shape[1:]
        pixels = torch.tensor(x).flatten(1)  # [n, D]
        logits = fit_vae(pixels, y, len(classes), pixels.shape[1], _cross_entropy, self, rng)
        return lambda labels, rng: expit(logits(labels, rng)).reshape(-1, *shape)


def _cross_entropy(logits: "Tensor", pixels: "Tensor") -> "Tensor":
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(1)  # [B]
