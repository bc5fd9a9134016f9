"""The architecture of a network, as plain data (no torch here)."""

from dataclasses import dataclass, field
from typing import Literal

from ...core.checks import within
from ...core.errors import InputError, unknown
from ...core.user_code import NAMES_CODE

TORCHVISION = (
    "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "resnet18", "resnet34", "resnet50", "densenet121",
    "densenet161", "densenet169", "mobilenet_v2", "googlenet", "inception_v3",
)  # fmt: skip
DROPOUT = ("mlp", "column_fc", "cnn")  # architectures with dropout
ARCHITECTURES = ("mlp", "column_fc", "cnn", "resnet9", "wrn", *TORCHVISION, "custom")


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    `mlp`: linear layers of widths `hidden`; `column_fc`: 256 and 128, dropout .1 unless another is set
    (mia_prune). `cnn`: two strided convolutions and a linear layer. `resnet9`; `wrn`: a wide ResNet of `depth` and
    `width`. The others are torchvision's with a stem for 32 x 32 images. `custom` calls `factory`,
    "module:function", with the shape of a record and the number of classes: that code runs, so a study that names it
    must be allowed to (`--allow-imports`). Dropout acts on each hidden layer of an MLP, and on what the CNN's linear
    layer reads; the others have none. `norm` "group" puts GroupNorm in BatchNorm's place, which DP-SGD needs.
    """

    name: str = "mlp"
    hidden: tuple[int, ...] = (128, 64)  # mlp only
    dropout: float | None = None  # None: .1 in column_fc, else 0
    channels: tuple[int, int] = (16, 32)  # cnn only
    depth: int = 16  # wrn only
    width: int = 4  # wrn only
    norm: Literal["batch", "group"] = "batch"
    factory: str | None = field(default=None, metadata=NAMES_CODE)  # custom only

    def __post_init__(self) -> None:
        if self.name not in ARCHITECTURES:
            raise unknown("architecture", self.name, ARCHITECTURES)
        if self.name == "column_fc":
            object.__setattr__(self, "hidden", (256, 128))
        default = 0.1 if self.name == "column_fc" else 0.0
        dropout = default if self.dropout is None else self.dropout
        object.__setattr__(self, "dropout", dropout)
        within("dropout", dropout, 0.0, 1.0)
        if dropout and self.name not in DROPOUT:
            raise InputError(
                f"dropout must go with an architecture that has it ({', '.join(DROPOUT)}), got {self.name!r}; "
                "leave it out"
            )
        for width in (*self.hidden, *self.channels, self.width):
            within("a layer's width", width, 1)
        if len(self.channels) != 2:
            raise InputError(f"channels must be two numbers, one a convolution, got {self.channels}")
        within("depth", self.depth, 1, 1000)
        if self.name == "wrn" and (self.depth < 10 or (self.depth - 4) % 6):
            raise InputError(f"depth of a wrn must be 6 n + 4, such as 16 or 28, got {self.depth}")
        if (self.name == "custom") != (self.factory is not None):
            raise InputError(
                'a factory ("module:function") goes with architecture "custom" and with no other, '
                f"got name {self.name!r} and factory {self.factory!r}"
            )
