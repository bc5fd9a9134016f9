import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.errors import InputError
from ..core.torchvision_compat import prepare_torchvision
from ._checks import require_positive
from .base import Generator, Labels, Records, Sampler

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 1000  # of noise: T of the paper
CHUNK = 256  # images made at a time, which bounds the memory


@dataclass(frozen=True)
class Diffusion(Generator):
    r"""Learn to separate noise from images at every noise level, then turn pure noise into an image of a class.

    Formula: with x_t = sqrt(a_t) x + sqrt(1 - a_t) e,  e ~ N(0, I),  a_t = prod_{s <= t} (1 - b_s), t = 1 .. 1000:
             minimise |e - e_theta(x_t, t, y)|^2, y left out with probability `dropout_label`;
             sampling takes `steps` of these t, without new noise (DDIM), with
             e = (1 + w) e_theta(x_t, t, y) - w e_theta(x_t, t),  w = `guidance`
    Shapes:  images [n, c, h, w] in 0..1 -> [m, c, h, w] in 0..1
    Source:  Ho, Jain, Abbeel 2020, arXiv 2006.11239; steps: Song, Meng, Ermon 2021, arXiv 2010.02502; guidance:
             Ho, Salimans 2022, arXiv 2207.12598; the network is the UNet of Hugging Face diffusers
    Differs: the learning rate falls linearly to zero, in place of an average over the weights. Attention only at
             the lowest resolution. Sides are padded to what the network can halve, and cut again.
    Limits:  needs a GPU for more than small images, and there the same seed gives only nearly the same images;
             fitted on few records for many epochs, it can reproduce them: Carlini et al. 2023, arXiv 2301.13188
    """

    name: ClassVar[str] = "diffusion"
    source: ClassVar[str] = "Ho et al. 2020, arXiv 2006.11239; Song et al. 2021, arXiv 2010.02502"
    tables: ClassVar[bool] = False
    package: ClassVar[str | None] = "diffusers"
    epochs: int = 200  # passes over the data
    batch_size: int = 128  # records per batch
    lr: float = 5e-4  # learning rate
    steps: int = 50  # denoising steps of a sample
    guidance: float = 0.5  # weight of classifier-free guidance
    channels: tuple[int, ...] = (64, 128, 128)  # of each resolution, from the image's own to the lowest
    dropout_label: float = 0.1  # share of records trained without their label

    def __post_init__(self) -> None:
        sizes = ("epochs", "batch_size", "lr", "steps", "channels")
        require_positive({name: value for name, value in self.parameters().items() if name in sizes})
        if self.steps > LEVELS:
            raise InputError(f"steps must be at most {LEVELS}, got {self.steps}")
        if any(width % 8 for width in self.channels):
            raise InputError(f"channels must be multiples of 8, got {self.channels}")
        if not self.guidance >= 0:
            raise InputError(f"guidance must be at least 0, got {self.guidance}")
        if not 0 < self.dropout_label < 1:
            raise InputError(f"dropout_label must lie between 0 and 1, got {self.dropout_label}")

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        import torch

        from ..core.cpu import threads
        from ._torch import device, seeded

        images = torch.from_numpy(_padded(x, 2 ** (len(self.channels) - 1)))
        with seeded(rng):
            network = self._network(x.shape[1], len(classes)).to(device())
            with threads(1):
                self._train(network, images, torch.tensor(y), len(classes))

        def sample(labels: Labels, rng: np.random.Generator) -> Records:
            with torch.no_grad(), seeded(rng):
                noise = torch.randn(len(labels), *images.shape[1:])
                chunks = zip(torch.split(noise, CHUNK), torch.split(torch.tensor(labels), CHUNK), strict=True)
                made = [
                    self._denoised(network, z.to(device()), y.to(device()), len(classes)).cpu()
                    for z, y in chunks
                ]
            pixels = (torch.cat(made).clamp(-1, 1) + 1) / 2
            return np.asarray(pixels[..., : x.shape[2], : x.shape[3]])

        return sample

    def _network(self, colours: int, classes: int) -> Any:
        """e_theta(x_t [B, c, h, w], t [B], y [B]), not yet fitted; y = `classes` is that of a label left out."""
        prepare_torchvision()
        from diffusers import UNet2DModel

        blocks = len(self.channels)
        return UNet2DModel(
            in_channels=colours,
            out_channels=colours,
            block_out_channels=self.channels,
            down_block_types=("DownBlock2D",) * blocks,
            up_block_types=("UpBlock2D",) * blocks,
            norm_num_groups=math.gcd(32, *self.channels),
            num_class_embeds=classes + 1,
        )

    def _train(self, network: Any, x: "Tensor", y: "Tensor", classes: int) -> None:
        """Fit the network to images x [n, c, h, w] in -1..1. Everything random is drawn on the CPU."""
        import torch
        from diffusers import DDPMScheduler

        noising, place = DDPMScheduler(LEVELS), network.device
        optimiser = torch.optim.Adam(network.parameters(), self.lr)
        updates = self.epochs * math.ceil(len(x) / self.batch_size)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, updates)
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(len(x)), self.batch_size):
                t, noise = torch.randint(LEVELS, (len(rows),)), torch.randn(len(rows), *x.shape[1:])
                given = y[rows].masked_fill(torch.rand(len(rows)) < self.dropout_label, classes)
                noisy = noising.add_noise(x[rows], noise, t)
                found = network(noisy.to(place), t.to(place), given.to(place)).sample
                optimiser.zero_grad()
                torch.nn.functional.mse_loss(found, noise.to(place)).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()

    def _denoised(self, network: Any, x: "Tensor", y: "Tensor", classes: int) -> "Tensor":
        """Images [m, c, h, w] of classes y [m], made from noise x [m, c, h, w]."""
        import torch
        from diffusers import DDIMScheduler

        scheduler = DDIMScheduler(
            LEVELS, timestep_spacing="trailing"
        )  # from the last level on: x is pure noise
        scheduler.set_timesteps(self.steps)
        both = torch.cat([y, torch.full_like(y, classes)])  # [2 m] with the label, without it
        for t in scheduler.timesteps:
            given, free = network(torch.cat([x, x]), t, both).sample.chunk(2)
            x = scheduler.step((1 + self.guidance) * given - self.guidance * free, t, x).prev_sample
        return x


def _padded(x: Records, multiple: int) -> Records:
    """Images [n, c, h, w] in 0..1 as -1..1, sides grown to a multiple by repeating the border."""
    h, w = x.shape[2:]
    return np.pad(2 * x - 1, ((0, 0), (0, 0), (0, -h % multiple), (0, -w % multiple)), mode="edge")
