from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit

from ._vae import Vae
from .base import Labels, Records, Sampler

if TYPE_CHECKING:
    from torch import Tensor

LEAST_LOG_SD = -4.0  # of a standardised column; keeps the likelihood of a constant one finite


@dataclass(frozen=True)
class TabularVae(Vae):
    r"""Squeeze rows through a few numbers that look normal, then draw new rows from normal numbers and a class.

    Formula: minimise E_q[-log p(x | z, y)] + beta KL(q(z | x, y) || p(z | y)),  p(x | z, y) Bernoulli for columns
             of 0 and 1, for the others N(mu(z, y), sd(z, y)^2) after standardising;  p(z | y) = N(m_y, diag v_y),
             learned;  a new row: z ~ p(z | y), then x ~ p(x | z, y)
    Shapes:  table [n, D] -> [m, D];  z [B, latent]
    Source:  Kingma, Welling 2014, arXiv 1312.6114; for tables: Xu et al. 2019, section 4.4, arXiv 1907.00503
    Differs: the class is given to encoder and decoder; Gaussian columns in place of Xu's mixtures of modes
    Limits:  whole numbers above 1 come out as fractions, and a column of several peaks as one broad one
    """

    name: ClassVar[str] = "tabular_vae"
    source: ClassVar[str] = "Kingma, Welling 2014, arXiv 1312.6114; Xu et al. 2019, arXiv 1907.00503"
    images: ClassVar[bool] = False
    batch_size: int = 128

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        import torch

        from ._torch import fit_vae

        bits = ((x == 0) | (x == 1)).all(axis=0)  # [D]
        n_bits, n_reals = int(bits.sum()), int((~bits).sum())
        mean, sd = x[:, ~bits].mean(axis=0), np.maximum(x[:, ~bits].std(axis=0), 1e-6)
        rows = torch.tensor(np.hstack([x[:, bits], (x[:, ~bits] - mean) / sd]))

        def negative_log_likelihood(out: "Tensor", rows: "Tensor") -> "Tensor":
            logits, mu, log_sd = torch.split(out, [n_bits, n_reals, n_reals], dim=1)
            log_sd = log_sd.clamp(min=LEAST_LOG_SD)
            surprise = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, rows[:, :n_bits], reduction="none"
            )
            return surprise.sum(1) + (((rows[:, n_bits:] - mu) / log_sd.exp()) ** 2 / 2 + log_sd).sum(1)

        decoded = fit_vae(rows, y, len(classes), n_bits + 2 * n_reals, negative_log_likelihood, self, rng)

        def sample(labels: Labels, rng: np.random.Generator) -> Records:
            logits, mu, log_sd = np.split(decoded(labels, rng), [n_bits, n_bits + n_reals], axis=1)
            made = np.empty((len(labels), len(bits)), np.float32)
            made[:, bits] = rng.random(logits.shape) < expit(logits)
            noise = rng.standard_normal(mu.shape) * np.exp(np.maximum(log_sd, LEAST_LOG_SD))
            made[:, ~bits] = mean + sd * (mu + noise)
            return made

        return sample
