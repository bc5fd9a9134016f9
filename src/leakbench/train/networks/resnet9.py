"""ResNet-9, the small fast network for 32 x 32 images."""

from collections import OrderedDict

from torch import Tensor, nn


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The sum [B, c, h, w]."""
        return x + self.layers(x)  # type: ignore[no-any-return]


class GlobalMax(nn.Module):
    """The maximum of each channel. Its gradient is deterministic on GPUs, unlike that of adaptive pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, c, h, w] -> [B, c]."""
        return x.amax(dim=(2, 3))


def resnet9(channels: int, classes: int) -> nn.Module:
    """Eight convolutions of widths 64, 128, 256, 512 with two residual blocks, and a linear layer.

    Source:  Page 2019, "How to train your ResNet", part 4; his DAWNBench entry for CIFAR-10
    Differs: the linear layer has a bias, and the logits are not multiplied by 0.125.
    """
    layers = {
        "prep": _block(channels, 64),
        "layer1": _block(64, 128, nn.MaxPool2d(2)),
        "residual1": Residual(_block(128, 128), _block(128, 128)),
        "layer2": _block(128, 256, nn.MaxPool2d(2)),
        "layer3": _block(256, 512, nn.MaxPool2d(2)),
        "residual3": Residual(_block(512, 512), _block(512, 512)),
        "pool": GlobalMax(),
        "linear": nn.Linear(512, classes),
    }
    return nn.Sequential(OrderedDict(layers))


def _block(a: int, b: int, *pool: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), *pool)
