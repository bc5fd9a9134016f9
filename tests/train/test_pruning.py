"""Pruning against masks and rankings worked out manually, and narrow networks against masked ones."""

import copy

import pytest
import torch
from torch import nn

from leakbench.core.errors import InputError
from leakbench.train.networks.build import initialised, laid_out, loaded, unset
from leakbench.train.random_streams import generator
from leakbench.train.recipe import ARCHITECTURES, Architecture, Prune
from leakbench.train.steps.pruning import prune

IMAGES = (3, 32, 32)
NORMS = (nn.BatchNorm2d, nn.GroupNorm)


def _network(name, shape=IMAGES, **options):
    """A network whose scales, shifts and statistics are all different, as after training."""
    network = initialised(unset(Architecture(name, **options), shape, 10), generator(0, "init"))
    drawn = generator(1, "norms")
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, NORMS):
                layer.weight.uniform_(0.5, 1.5, generator=drawn)
                layer.bias.uniform_(-0.5, 0.5, generator=drawn)
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.2, 0.2, generator=drawn)
                layer.running_var.uniform_(0.5, 1.5, generator=drawn)
    return network.eval()


def _mlp(*matrices):
    """A network of these weights, and biases that tell its units apart."""
    widths = [len(matrices[0][0])] + [len(m) for m in matrices]
    network = unset(Architecture(hidden=tuple(widths[1:-1])), (widths[0],), widths[-1])
    with torch.no_grad():
        for layer, matrix in zip(network.layers, matrices, strict=True):
            layer.weight.copy_(torch.as_tensor(matrix))
            layer.bias.copy_(torch.arange(len(matrix)))
    return network


FIRST, SECOND = [[0.1, -0.2], [3.0, -4.0]], [[0.3, 6.0], [-0.4, 5.0], [0.0, 7.0]]


def test_the_smallest_half_of_the_weights_is_zeroed():
    network = _mlp(FIRST, SECOND)
    masks = prune(network, Prune(sparsity=0.5), (2,))
    assert masks["layers.0.weight"].tolist() == [[False, False], [True, True]]
    assert masks["layers.1.weight"].tolist() == [[False, True]] * 3
    assert network.layers[0].weight.tolist() == [[0, 0], [3, -4]]
    assert network.layers[1].weight.tolist() == [[0, 6], [0, 5], [0, 7]]


def test_global_ranks_all_weights_together_and_layer_each_on_its_own():
    small, large = [[0.1, 0.2], [0.3, 0.4]], [[5.0, 6.0], [7.0, 8.0]]
    together, each = _mlp(small, large), _mlp(small, large)
    prune(together, Prune(sparsity=0.5), (2,))
    prune(each, Prune(sparsity=0.5, scope="layer"), (2,))
    assert together.layers[0].weight.count_nonzero() == 0 and together.layers[1].weight.count_nonzero() == 4
    assert each.layers[0].weight.tolist() == [[0, 0], pytest.approx([0.3, 0.4])]
    assert each.layers[1].weight.tolist() == [[0, 0], [7, 8]]
    assert each.layers[0].bias.tolist() == [0, 1]  # biases stay


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.77, 0.999])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_exactly_so_many_weights_are_zero(sparsity, scope):
    network = _network("cnn", (1, 8, 8))
    masks = prune(network, Prune(sparsity=sparsity, scope=scope), (1, 8, 8))
    assert set(masks) == {"first.weight", "second.weight"}
    weights = dict(network.named_parameters())
    counts = [weights[name].numel() for name in masks]
    zeros = [int((weights[name] == 0).sum()) for name in masks]
    assert zeros == [int((~mask).sum()) for mask in masks.values()]
    if scope == "global":
        assert sum(zeros) == round(sparsity * sum(counts))
    else:
        assert zeros == [round(sparsity * n) for n in counts]


def test_weights_that_are_zero_already_count():
    network = _mlp([[0.0, 1.0, 0.0, 2.0], [3.0, 4.0, 5.0, 6.0]], [[9.0, 9.0]])
    masks = prune(network, Prune(sparsity=0.3, layers="all"), (4,))  # 3 of 10
    assert masks["layers.0.weight"].tolist() == [[False, False, False, True], [True] * 4]
    assert all(masks["layers.1.weight"].flatten())


def test_layers_are_chosen_by_kind():
    def pruned(layers):
        return sorted(prune(_network("cnn", (1, 8, 8)), Prune(layers=layers), (1, 8, 8)))

    assert pruned("auto") == pruned("conv") == ["first.weight", "second.weight"]
    assert pruned("linear") == ["last.weight"]
    assert pruned("all") == ["first.weight", "last.weight", "second.weight"]
    assert list(prune(_mlp(FIRST, SECOND), Prune(), (2,))) == ["layers.0.weight", "layers.1.weight"]
    with pytest.raises(
        InputError, match=r"layers 'conv' .* 0 convolutions and 2 linear layers; choose layers = \"auto\""
    ):
        prune(_mlp(FIRST, SECOND), Prune(layers="conv"), (2,))


@pytest.mark.parametrize(
    ("pruner", "scope", "left"),  # the biases 0, 1, 2 tell which units are left
    [
        ("l1_structured", "layer", [[1, 2], [1, 2]]),  # norms 2, 4, 6 and 10, 11, 45
        ("l2_structured", "layer", [[0, 2], [1, 2]]),  # norms 2, 1.6, 6 and the same
        ("l1_structured", "global", [[1, 2], [2]]),  # over their means: .5, 1, 1.5 and .45, .5, 2.05
    ],
)
def test_units_of_the_smallest_norm_are_removed(pruner, scope, left):
    first = [[2.0, 0, 0, 0, 0, 0], [0.7, 0.7, 0.7, 0.7, 0.6, 0.6], [6.0, 0, 0, 0, 0, 0]]
    network = _mlp(first, [[10.0, 0, 0], [0, 11.0, 0], [0, 0, 45.0]], [[1.0, 1.0, 1.0]])
    assert prune(network, Prune(pruner=pruner, sparsity=0.45, scope=scope), (6,)) == {}
    assert [layer.bias.tolist() for layer in network.layers[:2]] == left
    assert network.layers[1].weight.shape == (len(left[1]), len(left[0])) and network.dropped == tuple(
        map(len, left)
    )


def test_layers_are_compared_by_norms_and_not_by_their_squares():
    # over their means .5, .67, 1.83 and .63, 1, 1.38; squared .18, .33, 2.5 and .36, .91, 1.7
    network = _mlp(
        torch.diag(torch.tensor([3.0, 4, 11])), torch.diag(torch.tensor([2.5, 4, 5.5])), [[1.0] * 3]
    )
    prune(network, Prune(pruner="l2_structured", sparsity=1 / 3), (3,))
    assert [layer.bias.tolist() for layer in network.layers[:2]] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_exactly_so_many_channels_go_and_one_stays(sparsity):
    for scope in ("layer", "global"):
        network = _network("cnn", (1, 8, 8), channels=(10, 30))
        prune(network, Prune(pruner="l1_structured", sparsity=sparsity, scope=scope), (1, 8, 8))
        widths = [network.first.out_channels, network.second.out_channels]
        assert min(widths) >= 1 and network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
        if scope == "layer":
            assert widths == [max(1, n - round(sparsity * n)) for n in (10, 30)]
        else:
            assert sum(widths) == max(2, 40 - round(sparsity * 40))


def test_equal_channels_do_not_all_go():
    network = _network("cnn", (1, 8, 8), channels=(8, 8))
    nn.init.constant_(network.first.weight, 1.0), nn.init.constant_(network.second.weight, 1.0)
    prune(network, Prune(pruner="l1_structured", sparsity=0.25), (1, 8, 8))
    assert network.first.out_channels + network.second.out_channels == 12


def test_filters_whose_outputs_are_added_are_ranked_together():
    network = _network("resnet9")
    scales = network.layer1[1].weight.detach().clone()
    filters = [network.layer1[0].weight, network.residual1.layers[1][0].weight]
    norms = sum(w.detach().abs().sum((1, 2, 3)) for w in filters)
    prune(network, Prune(pruner="l1_structured", sparsity=0.25, scope="layer"), IMAGES)
    kept = norms.argsort()[32:].sort().values
    assert torch.equal(network.layer1[1].weight, scales[kept])
    assert network.residual1.layers[1][0].out_channels == 96


def test_slim_removes_the_smallest_scales():
    network = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
    )
    network[1].weight.data = torch.tensor([0.9, -0.1, -0.8, 0.3])
    network[4].weight.data = torch.tensor([-0.2, 0.7, 0.05])
    prune(network, Prune(pruner="slim", sparsity=3 / 7), (1, 8, 8))
    assert network[1].weight.tolist() == pytest.approx([0.9, -0.8, 0.3])
    assert network[4].weight.tolist() == pytest.approx([0.7])
    with pytest.raises(InputError, match="slim ranks channels by the scales of BatchNorm"):
        prune(_network("cnn", (1, 8, 8)), Prune(pruner="slim"), (1, 8, 8))


def _masked(network, narrow):
    """`network` with everything zero that makes a channel which `narrow` no longer has."""
    masked, smaller = copy.deepcopy(network), dict(narrow.named_modules())
    gone = 0
    with torch.no_grad():
        for name, layer in list(masked.named_modules())[:-1]:
            marks = "weight" if isinstance(layer, NORMS) else "bias"
            if isinstance(layer, (nn.Conv2d, *NORMS)) and getattr(layer, marks) is not None:
                removed = ~torch.isin(getattr(layer, marks), getattr(smaller[name], marks))
                layer.weight[removed], layer.bias[removed] = 0.0, 0.0
                gone += int(removed.sum())
    assert gone
    return masked


CASES = [
    ("cnn", "l1_structured", {}),
    ("cnn", "l2_structured", {}),
    ("resnet18", "l1_structured", {}),
    ("mobilenet_v2", "l2_structured", {}),
    ("vgg11_bn", "slim", {}),
    ("resnet9", "l1_structured", {"norm": "group"}),
    ("wrn", "slim", {"depth": 10, "width": 1}),
]
OTHERS = [
    pytest.param(name, "l1_structured", {}, marks=pytest.mark.slow)
    for name in ("googlenet", "resnet34", "resnet50", "densenet121", "inception_v3")
]


@pytest.mark.parametrize(("name", "pruner", "options"), CASES + OTHERS)
def test_a_narrow_network_answers_as_the_masked_one(name, pruner, options):
    shape = (3, 16, 16)
    network = _network(name, shape, **options).requires_grad_(False)
    narrow = copy.deepcopy(network)
    prune(narrow, Prune(pruner=pruner, sparsity=0.4), shape)
    x = torch.rand(3, *shape, generator=generator(2))
    expected = _masked(network, narrow)(x)
    assert torch.allclose(narrow(x), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(network(x), expected, atol=1e-3)


LIGHT = ("cnn", "mlp", "resnet18", "mobilenet_v2", "googlenet", "vgg11_bn")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in LIGHT else pytest.mark.slow) for n in ARCHITECTURES if n != "custom"],
)
def test_stored_narrow_weights_give_the_same_answers(name):
    network = _network(name)
    prune(network, Prune(pruner="l1_structured", sparsity=0.5), IMAGES)
    weights = {key: value.detach().numpy() for key, value in network.state_dict().items()}
    again = loaded(Architecture(name), IMAGES, 10, weights)
    x = torch.rand(2, *IMAGES, generator=generator(2))
    with torch.no_grad():
        assert torch.equal(again(x), laid_out(network)(x))
    for one, two in zip(again.modules(), network.modules(), strict=True):
        assert str(one) == str(two)  # the attributes say what the tensors are


def test_stored_group_norms_keep_the_size_of_their_groups():
    network = _network("resnet9", norm="group")
    prune(network, Prune(pruner="l2_structured", sparsity=0.3), IMAGES)
    weights = {key: value.detach().numpy() for key, value in network.state_dict().items()}
    again = loaded(Architecture("resnet9", norm="group"), IMAGES, 10, weights)
    assert [str(m) for m in again.modules()] == [str(m) for m in network.modules()]
    assert again.layer3[1].norm.num_channels / again.layer3[1].norm.num_groups == 512 / 32


@pytest.mark.parametrize("pruner", ["l1_unstructured", "l1_structured"])
def test_nothing_is_left_behind(pruner):
    network = _network("wrn", depth=10, width=1).train()
    network.stem.weight.requires_grad_(False)
    statistics = network.blocks[0].norm1.running_mean.sum().item()
    before = torch.random.get_rng_state()
    prune(network, Prune(pruner=pruner, sparsity=0.0), IMAGES)
    assert torch.equal(before, torch.random.get_rng_state())
    assert network.blocks[0].norm1.running_mean.sum().item() == statistics
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in network.modules())
    assert all(p.grad is None and p.is_leaf for p in network.parameters())
    assert [n for n, p in network.named_parameters() if not p.requires_grad] == ["stem.weight"]


def test_a_pruned_network_trains_on():
    network = _network("mobilenet_v2", (3, 8, 8)).train()
    prune(network, Prune(pruner="l1_structured", sparsity=0.5), (3, 8, 8))
    before = [p.detach().clone() for p in network.parameters()]
    network(torch.rand(4, 3, 8, 8)).logsumexp(1).sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert all(p.grad is not None for p in network.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_pruning_works_without_gradients_around_it_and_on_frozen_weights():
    network = _network("cnn", (1, 8, 8)).requires_grad_(False)
    with torch.no_grad():
        prune(network, Prune(pruner="l1_structured", sparsity=0.5), (1, 8, 8))
    assert network.first.out_channels < 16 and not any(p.requires_grad for p in network.parameters())


class Own(nn.Module):
    """A layer that the pruner does not know."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return x * self.scale[:, None, None]


@pytest.mark.parametrize(
    "layer", [Own(), nn.Conv2d(4, 4, 1, groups=2), nn.PReLU(4)], ids=lambda m: type(m).__name__
)
def test_layers_that_cannot_be_narrower_are_refused(layer):
    network = nn.Sequential(nn.Conv2d(1, 4, 3), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(InputError, match=r"channels cannot be removed from a .* use l1_unstructured"):
        prune(network, Prune(pruner="l1_structured"), (1, 8, 8))


def test_a_network_without_channels_to_remove_is_refused():
    stage = Prune(pruner="l1_structured", layers="linear")
    with pytest.raises(
        InputError, match="must have channels to remove, but their outputs are the network's own"
    ):
        prune(_network("cnn", (1, 8, 8)), stage, (1, 8, 8))


@pytest.mark.slow
def test_group_norms_that_share_channels_are_refused():
    with pytest.raises(InputError, match="where GroupNorms share them in different groups"):
        prune(_network("densenet121", norm="group"), Prune(pruner="l1_structured"), IMAGES)
