"""The networks: what they answer, where they come from, and how stored weights find back into them."""

import numpy as np
import pytest
import torch
from torch import nn

from leakbench.core.errors import InputError
from leakbench.train.networks.build import BUILDERS, initialised, laid_out, loaded, unset
from leakbench.train.networks.stored import fit_shapes
from leakbench.train.random_streams import generator
from leakbench.train.recipe import ARCHITECTURES, Architecture

LIGHT = ("mlp", "column_fc", "cnn", "wrn", "resnet18", "mobilenet_v2", "googlenet", "vgg11_bn")
TINY = {"depth": 10, "width": 1}  # a WRN of 80,000 parameters
BUILT_IN = [
    pytest.param(name, marks=() if name in LIGHT else pytest.mark.slow)
    for name in ARCHITECTURES
    if name != "custom"
]


def _weights(network):
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}


def _parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """Writes a module of its own for each call and names a function of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(body, function="make"):
        module = f"factory_{tmp_path.name}_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{module}.py").write_text(f"from torch import nn\n{body}\n")
        return Architecture("custom", factory=f"{module}:{function}")

    return write


def test_every_architecture_of_the_recipe_has_a_builder():
    assert set(BUILDERS) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_every_network_answers_in_both_modes(name, shape):
    network = initialised(unset(Architecture(name), shape, 7), generator(0, "init"))
    x = torch.rand(2, *shape, generator=generator(1))
    with torch.no_grad():
        for logits in (network.train()(x), network.eval()(x)):
            assert logits.shape == (2, 7) and logits.isfinite().all()
    assert float((logits[0] - logits[1]).abs().max()) > 0  # it looks at the record


@pytest.mark.parametrize(
    (
        "architecture",
        "parameters",
    ),  # published: WRN-16-4 and 28-10 in table 5 of the paper, 2.7 and 36.5 million
    [
        (Architecture("wrn"), 2_748_890),
        (Architecture("resnet18"), 11_173_962),
        (Architecture("mobilenet_v2"), 2_236_682),
        pytest.param(Architecture("wrn", depth=28, width=10), 36_479_194, marks=pytest.mark.slow),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_networks_have_the_published_size(architecture, parameters):
    assert _parameters(unset(architecture, (3, 32, 32), 10)) == parameters


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "wrn"])
def test_small_images_keep_their_resolution_to_the_end(name):
    """32 x 32 ends at 4 x 4 (8 x 8 in a WRN), before everything is pooled into one."""
    seen = []
    network = unset(Architecture(name), (3, 32, 32), 10)
    last = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
    last.register_forward_hook(lambda module, x, y: seen.append(tuple(y.shape[2:])))
    network.eval()(torch.zeros(1, 3, 32, 32))
    assert seen == [(8, 8) if name == "wrn" else (4, 4)]


def test_dropped_follows_the_layers():
    mlp, cnn = unset(Architecture(hidden=(8, 5)), (9,), 4), unset(Architecture("cnn"), (1, 9, 10), 4)
    assert mlp.dropped == (8, 5) and cnn.dropped == (32 * 3 * 3,)
    mlp.layers[0].out_features, cnn.last.in_features = 6, 90
    assert mlp.dropped == (6, 5) and cnn.dropped == (90,)
    assert unset(Architecture("column_fc"), (9,), 4).dropped == (256, 128)
    assert not hasattr(unset(Architecture("wrn", depth=10, width=1), (1, 8, 8), 4), "dropped")


@pytest.mark.parametrize("name", ["mlp", "cnn", "wrn", "mobilenet_v2"])
def test_networks_share_nothing_and_draw_only_from_their_stream(name):
    before = torch.random.get_rng_state()
    one, two, same = (unset(Architecture(name, **TINY), (3, 16, 16), 10, seed=k) for k in (1, 2, 1))
    assert not {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in two.parameters()}
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    for network, seed in ((one, 5), (two, 5)):
        initialised(network, generator(seed, "init"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    initialised(two, generator(6, "init"))
    assert not any(
        torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True) if a.ndim > 1
    )
    assert torch.equal(before, torch.random.get_rng_state())


def test_normalising_layers_start_afresh():
    network = unset(Architecture("wrn", **TINY), (3, 16, 16), 10)
    norm = network.norm
    with torch.no_grad():
        norm.weight.fill_(3.0), norm.bias.fill_(2.0), norm.running_mean.fill_(1.0)
    initialised(network, generator(0, "init"))
    assert norm.weight.eq(1).all() and norm.bias.eq(0).all() and norm.running_mean.eq(0).all()


@pytest.mark.parametrize("name", ["wrn", "mobilenet_v2"])
def test_group_norm_takes_every_batchnorms_place(name):
    batch, group = (
        unset(Architecture(name, norm=norm, **TINY), (3, 16, 16), 10) for norm in ("batch", "group")
    )
    norms = [m for m in group.modules() if isinstance(m, nn.GroupNorm)]
    assert [m.num_channels for m in norms] == [
        m.num_features for m in batch.modules() if isinstance(m, nn.BatchNorm2d)
    ]
    assert all(m.num_groups <= 32 and m.num_channels % m.num_groups == 0 for m in norms)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in group.modules())


def test_records_mix_under_batchnorm_only():
    one, others = torch.rand(1, 3, 16, 16), torch.rand(5, 3, 16, 16)
    for norm in ("batch", "group"):
        network = unset(Architecture("wrn", norm=norm, **TINY), (3, 16, 16), 10).train()
        alone, together = network(one), network(torch.cat([one, others]))[:1]
        assert torch.allclose(alone, together, atol=1e-5) == (norm == "group")


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_opacus_computes_each_records_gradient(name):
    from opacus.grad_sample import GradSampleModule

    network = initialised(unset(Architecture(name, norm="group"), (3, 8, 8), 10), generator(0, "init"))
    per_record = GradSampleModule(network, loss_reduction="sum")
    with pytest.warns():  # of the hooks
        per_record(torch.rand(2, 3, 8, 8)).logsumexp(1).sum().backward()
    assert all(p.grad_sample.shape == (2, *p.shape) for p in network.parameters())


def test_records_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match=r"'resnet18' needs images .* got records of shape \[20\]; use 'mlp'"
    ):
        unset(Architecture("resnet18"), (20,), 10)
    with pytest.raises(
        InputError, match=r"'resnet9' must take 2 records of shape \[3, 4, 4\].*take larger images"
    ):
        unset(Architecture("resnet9"), (3, 4, 4), 10)


def test_a_factory_decides_on_its_own_weights(factory):
    body = "def make(shape, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0], classes))"
    architecture = factory(body)
    networks = [unset(architecture, (6,), 3, seed) for seed in (1, 1, 2)]
    first, again, other = (network[1].weight for network in networks)
    assert torch.equal(first, again) and not torch.equal(first, other)
    kept = first.clone()
    assert torch.equal(initialised(networks[0], generator(0, "init"))[1].weight, kept)
    stored = _weights(networks[0])
    x = torch.rand(4, 6)
    assert torch.equal(loaded(architecture, (6,), 3, stored)(x), networks[0](x))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("def other(shape, classes): pass", "must name something in .* got no 'make' there"),
        ("import absent_module", r"must be importable, got .*No module named 'absent_module'"),
        ("def make(shape): pass", "must return a network when called with .* got TypeError"),
        ("def make(shape, classes): return 3", r"must return a torch.nn.Module, got int"),
        (
            "def make(shape, classes): return nn.Linear(6, classes + 1)",
            r"logits \[2, 3\], got \[2, 4\]; change the fac",
        ),
        (
            "def make(shape, classes): return nn.Linear(5, classes)",
            r"logits \[2, 3\], got RuntimeError: mat1",
        ),
        ("def make(shape, classes): return nn.LSTM(6, classes)", r"logits \[2, 3\], got tuple"),
    ],
    ids=["no function", "no import", "arguments", "no module", "classes", "records", "no tensor"],
)
def test_a_wrong_factory_is_refused(factory, body, problem):
    with pytest.raises(InputError, match=problem):
        unset(factory(body), (6,), 3)


def test_a_factory_must_be_named_and_found():
    with pytest.raises(InputError, match=r'must be "module:name".* got .nonsense.'):
        unset(Architecture("custom", factory="nonsense"), (6,), 3)
    with pytest.raises(InputError, match="No module named 'no_such_module'; install it"):
        unset(Architecture("custom", factory="no_such_module:make"), (6,), 3)


@pytest.mark.parametrize("name", ["mlp", "cnn", "wrn"])
def test_stored_weights_give_the_same_answers(name):
    shape = (3, 16, 16)
    network = laid_out(initialised(unset(Architecture(name, **TINY), shape, 5), generator(3, "init")))
    x = torch.rand(9, *shape, generator=generator(4))
    with torch.no_grad():
        network.train()(x)  # so that running statistics are not the initial ones
        expected = network.eval()(x)
    again = loaded(Architecture(name, **TINY), shape, 5, _weights(network))
    assert torch.equal(again(x), expected) and not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_the_batches_that_batchnorm_counted_stay_an_integer():
    architecture = Architecture("wrn", **TINY)
    weights = _weights(unset(architecture, (3, 16, 16), 5)) | {
        "norm.num_batches_tracked": np.array(2**53 + 1)
    }
    again = loaded(architecture, (3, 16, 16), 5, weights)
    assert again.norm.num_batches_tracked.item() == 2**53 + 1  # which no float holds


def test_weights_of_other_networks_are_refused():
    shape = (3, 16, 16)
    cnn, mlp = (unset(Architecture(name), shape, 5) for name in ("cnn", "mlp"))
    with pytest.raises(InputError, match=r"'first.bias' of shape \(16,\), got None"):
        fit_shapes(cnn, _weights(mlp))
    with pytest.raises(InputError, match=r"'first.weight' of shape \(16, 3, 3, 3\), got \(16, 3, 1, 1\)"):
        fit_shapes(cnn, _weights(cnn) | {"first.weight": np.zeros((16, 3, 1, 1), np.float32)})
    with pytest.raises(InputError, match=r"'first.weight' of shape \(16, 3, 3, 3\), got \(16, 27\)"):
        fit_shapes(cnn, _weights(cnn) | {"first.weight": np.zeros((16, 27), np.float32)})
    fewer = {"last.weight": np.zeros((4, 512), np.float32), "last.bias": np.zeros(4, np.float32)}
    with pytest.raises(InputError, match=r"'last.bias' of shape \(5,\), got \(4,\)"):
        loaded(Architecture("cnn"), shape, 5, _weights(cnn) | fewer)
