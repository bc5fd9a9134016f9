"""Wide residual networks."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import relu


class Block(nn.Module):
    """BatchNorm, ReLU, 3x3 convolution, twice; the shortcut is 1x1 where width or resolution change."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(a), nn.BatchNorm2d(b)
        self.conv1 = nn.Conv2d(a, b, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
        self.shortcut = None if a == b and stride == 1 else nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, a, h, w] -> [B, b, h / stride, w / stride]."""
        active = relu(self.norm1(x))
        through = x if self.shortcut is None else self.shortcut(active)
        return through + self.conv2(relu(self.norm2(self.conv1(active))))  # type: ignore[no-any-return]


def wrn(channels: int, classes: int, depth: int, width: int) -> nn.Module:
    """WRN-depth-width: three stages of (depth - 4) / 6 blocks, of widths 16, 32 and 64 times `width`.

    Source:  Zagoruyko, Komodakis 2016, table 1, arXiv 1605.07146; pre-activation as in their code
    """
    widths = (16, 16 * width, 32 * width, 64 * width)
    blocks = [
        Block(a if first else b, b, stride if first else 1)
        for a, b, stride in zip(widths, widths[1:], (1, 2, 2), strict=False)
        for first in [True] + [False] * ((depth - 4) // 6 - 1)
    ]
    layers = {
        "stem": nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        "blocks": nn.Sequential(*blocks),
        "norm": nn.BatchNorm2d(widths[-1]),
        "relu": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "linear": nn.Linear(widths[-1], classes),
    }
    return nn.Sequential(OrderedDict(layers))
