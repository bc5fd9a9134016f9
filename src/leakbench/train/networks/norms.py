"""GroupNorm in BatchNorm's place."""

from torch import Tensor, nn


class Groups(nn.Module):
    """A GroupNorm whose output may be overwritten.

    torchvision's networks do so, and Opacus, which hooks into layers with parameters, forbids it of theirs.
    """

    def __init__(self, groups: int, channels: int, affine: bool) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised records, of the shape of x."""
        return self.norm(x).clone()  # type: ignore[no-any-return]


def with_group_norm(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm, in place: DP-SGD needs layers in which the records of a batch do not mix.

    Groups: at most 32, and as many as divide the channels.
    Source: Wu, He 2018, arXiv 1803.08494; Opacus, `ModuleValidator.fix`
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                width = child.num_features
                groups = max(g for g in range(1, min(32, width) + 1) if width % g == 0)
                setattr(parent, name, Groups(groups, width, child.affine))
    return network
