"""A surrogate head on a network, in the place of the softmax: another function of its logits."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.utils import skip_init

LINEAR, SQUARE = "surrogate.linear.weight", "surrogate.square.weight"


class SurrogateHead(nn.Module):
    """W1 z + b, with degree 2 also W2 z^2, of logits z [B, C] -> [B, C]. The weights are still to be set."""

    def __init__(self, classes: int, degree: int) -> None:
        super().__init__()
        self.linear = skip_init(nn.Linear, classes, classes)  # type: ignore[no-untyped-call]
        self.square = skip_init(nn.Linear, classes, classes, bias=False) if degree == 2 else None  # type: ignore[no-untyped-call]

    def forward(self, z: Tensor) -> Tensor:
        """The logits of the head [B, C]."""
        linear = self.linear(z)
        return linear if self.square is None else linear + self.square(z * z)  # type: ignore[no-any-return]


class Headed(nn.Module):
    """A network, the `body`, whose logits [B, C] go through a surrogate head.

    A frozen body (its parameters need no gradient) stays in inference mode, in training too.
    """

    def __init__(self, body: nn.Module, surrogate: SurrogateHead) -> None:
        super().__init__()
        self.body, self.surrogate = body, surrogate

    @property
    def frozen(self) -> bool:
        """Whether the body is frozen."""
        return not any(p.requires_grad for p in self.body.parameters())

    @property
    def dropped(self) -> tuple[int, ...]:
        """The number of units of the body under each dropout mask. AttributeError if the body takes no masks."""
        widths: tuple[int, ...] = self.body.dropped  # type: ignore[assignment]
        return () if self.frozen else widths

    def train(self, mode: bool = True) -> "Headed":
        """Set the mode; a frozen body stays in inference mode."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """The logits of the head [B, C]; `masks` are for the body."""
        return self.surrogate(self.body(x, masks) if masks else self.body(x))  # type: ignore[no-any-return]


def body_of(network: nn.Module) -> nn.Module:
    """The network without its surrogate head, if it has one."""
    return network.body if isinstance(network, Headed) else network


def headed_like(body: nn.Module, classes: int, weights: Mapping[str, object]) -> nn.Module:
    """`body` under the head that `weights` have; `body` itself if they have none."""
    if LINEAR not in weights:
        return body
    return Headed(body, SurrogateHead(classes, 2 if SQUARE in weights else 1))
