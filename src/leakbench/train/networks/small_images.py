"""torchvision's networks, made for 224 x 224 images, with a stem (and for VGG a head) for 32 x 32."""

from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType

from torch import nn

from ...core.torchvision_compat import prepare_torchvision


def small_image_network(name: str, channels: int, classes: int) -> nn.Module:
    """The network `name` of torchvision for images [B, channels, h, w], untrained."""
    family = next(family for family in FAMILIES if name.startswith(family))
    return FAMILIES[family](_models(), name, channels, classes)


def _models() -> ModuleType:
    prepare_torchvision()
    import torchvision

    return torchvision.models  # type: ignore[no-any-return]


def _stem(channels: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, bias=False)


def _vgg(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    """The convolutions of VGG, average pooling and one linear layer instead of three of width 4096."""
    plan = {"vgg11_bn": "A", "vgg13_bn": "B", "vgg16_bn": "D", "vgg19_bn": "E"}[name]
    features = models.vgg.make_layers(models.vgg.cfgs[plan], batch_norm=True)
    features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True  # changes nothing at 32 x 32; 28 x 28 has a fifth halving left
    head = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "classifier": nn.Linear(512, classes)}
    return nn.Sequential(OrderedDict(features=features, **head))


def _resnet(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    network = getattr(models, name)(weights=None, num_classes=classes)
    network.conv1 = _stem(channels, 64)
    network.maxpool = nn.Identity()
    return network  # type: ignore[no-any-return]


def _densenet(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    network = getattr(models, name)(weights=None, num_classes=classes)
    network.features.conv0 = _stem(channels, network.features.conv0.out_channels)
    network.features.pool0 = nn.Identity()
    return network  # type: ignore[no-any-return]


def _mobilenet(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    network = getattr(models, name)(weights=None, num_classes=classes)
    network.features[0][0] = _stem(channels, 32)
    network.features[2].conv[1][0].stride = (1, 1)  # the first strided stage: 32 x 32 ends at 4 x 4
    return network  # type: ignore[no-any-return]


def _googlenet(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    network = getattr(models, name)(weights=None, num_classes=classes, aux_logits=False, init_weights=False)
    network.conv1.conv = _stem(channels, 64)
    return network  # type: ignore[no-any-return]


def _inception(models: ModuleType, name: str, channels: int, classes: int) -> nn.Module:
    """One 3x3 convolution to the 192 channels that the first mixed block reads, in place of five."""
    network = getattr(models, name)(weights=None, num_classes=classes, aux_logits=False, init_weights=False)
    network.Conv2d_1a_3x3 = models.inception.BasicConv2d(channels, 192, kernel_size=3, padding=1)
    for stage in ("Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"):
        setattr(network, stage, nn.Identity())
    return network  # type: ignore[no-any-return]


FAMILIES: dict[str, Callable[[ModuleType, str, int, int], nn.Module]] = {
    "vgg": _vgg,
    "resnet": _resnet,
    "densenet": _densenet,
    "mobilenet": _mobilenet,
    "googlenet": _googlenet,
    "inception": _inception,
}
