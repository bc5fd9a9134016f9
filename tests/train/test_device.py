"""Engines: what they refuse, what their models' keys hold, and that a step stays on its device.

A step on the device "meta", which has shapes and no numbers, fails as on a GPU where a tensor is left elsewhere.
"""

import dataclasses

import numpy as np
import pytest
import torch

from leakbench.core import cpu
from leakbench.core.errors import InputError
from leakbench.train import learners
from leakbench.train.device import at_work, require_precision, resident, room
from leakbench.train.loss_traces import blank
from leakbench.train.losses import LOSSES
from leakbench.train.model import start
from leakbench.train.networks.build import laid_out
from leakbench.train.random_streams import ModelStreams
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.recipe.engine import CPU, ENGINE_VERSION, FLOAT32_VERSION, Engine
from leakbench.train.recipe.settings import Adversary, Augment, Optimiser, Privacy
from leakbench.train.run_stages import train_group
from leakbench.train.stacked.engine import _stage, stackable
from leakbench.train.stage_data import material
from leakbench.train.tensors import Normaliser

META = torch.device("meta")
SMALL, CNN = Architecture(hidden=(24, 12), dropout=0.2), Architecture("cnn", channels=(3, 5), dropout=0.3)
STAGES = {
    "sgd": (SMALL, {}),
    "adam": (CNN, {"optimiser": Optimiser("adam", lr=0.01, weight_decay=0.1)}),
    "all that is done to images": (CNN, {"augment": Augment(shift=2, flip=True, mixup=1.0)}),
    "l1": (SMALL, {"l1": 0.1}),
    "a larger network": (Architecture("wrn", depth=10, width=1), {"augment": Augment(shift=1, flip=True)}),
    "resnet9": (Architecture("resnet9"), {}),
    "adversary": (SMALL, {"adversary": Adversary(reference="dev")}),
} | {name: (SMALL, {"loss": LOSSES.make(name)}) for name in sorted(LOSSES.names())}


def on_meta(found, dataset):
    """The same material, but without numbers, on another device."""

    def moved(value):
        if isinstance(value, torch.Tensor):
            return value.to(META)
        return [each.to(META) for each in value] if isinstance(value, list) else value

    values = {f.name: moved(getattr(found, f.name)) for f in dataclasses.fields(found)}
    return dataclasses.replace(found, **values | {"normalise": Normaliser((0.1,), (0.3,), META)})


@pytest.mark.parametrize(("architecture", "changes"), STAGES.values(), ids=STAGES.keys())
def test_every_tensor_of_a_step_lies_on_the_device(digits, make_jobs, architecture, changes):
    stage = Train(epochs=1, batch_size=32, **changes)
    models = [start(digits, job) for job in make_jobs(Recipe(architecture, (stage,)), 2)]
    found = on_meta(material(digits, models, 0), digits)
    for model in models:
        laid_out(model.network).to(META).train()
    numbers = torch.arange(32, device=META)
    learner = learners._learner(models[0], found, stage, ModelStreams(1, 0, META), 0)
    learner.begin(0)
    assert learner.step(numbers).device == META
    assert learner.costs.device == META if stage.traced else learner.costs is None
    if stackable([model.network for model in models], stage, digits.x.shape[1:]):
        run = _stage(models, found, 0)
        costs = blank(stage, 2, len(found.rows[0]), META)
        assert run.step(next(run.batches()), 0.1, 0, costs).device == META


def test_a_model_of_another_engine_has_a_key_of_its_own(make_jobs):
    (job,) = make_jobs(Recipe(SMALL, (Train(epochs=1),)), 1)
    others = [
        Engine(precision="bfloat16"),
        Engine("cuda"),
        Engine("cuda", "tf32"),
        Engine("cuda", deterministic=True),
    ]
    described = [
        dataclasses.replace(job, engine=engine).describe("")["engine"] for engine in (CPU, Engine(), *others)
    ]
    assert described[:2] == [FLOAT32_VERSION] * 2  # a job whose precision nobody chose trains in float32
    assert all(described.count(each) == 1 and each["version"] == ENGINE_VERSION for each in described[2:])


@pytest.mark.parametrize(
    ("architecture", "shape", "changes", "precision"),
    [
        (Architecture("resnet9"), (3, 32, 32), {}, "float32"),
        (Architecture("cnn"), (3, 32, 32), {}, "bfloat16"),
        (Architecture("cnn"), (1, 28, 28), {}, "bfloat16"),
        (Architecture("cnn"), (1, 12, 12), {}, "float32"),  # trains in a stack
        (Architecture("mlp"), (3, 32, 32), {}, "float32"),
        (Architecture("column_fc"), (446,), {}, "float32"),
        (Architecture("custom", factory="a:b"), (3, 32, 32), {}, "float32"),
        (Architecture("cnn"), (3, 32, 32), {"privacy": Privacy(noise=1.0)}, "float32"),
    ],
)
def test_auto_is_bfloat16_for_cnns_on_large_images(monkeypatch, architecture, shape, changes, precision):
    recipe = Recipe(architecture, (Train(epochs=1, **changes),))
    monkeypatch.setattr(cpu, "cpu_info", lambda: {"flags": "avx512_bf16"})
    assert Engine().of(recipe, shape) == Engine(precision=precision)
    assert Engine(precision="float32").of(recipe, shape) == CPU
    assert Engine(precision="bfloat16").of(recipe, shape) == Engine(precision="bfloat16")
    assert Engine("cuda").of(recipe, shape) == Engine("cuda", "float32")
    monkeypatch.setattr(cpu, "cpu_info", lambda: {"flags": "avx2"})
    assert Engine().of(recipe, shape) == CPU


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        (SMALL, {}),
        (SMALL, {"optimiser": Optimiser("adam", lr=0.01, weight_decay=0.1)}),
        (SMALL, {"l1": 0.001}),
        (CNN, {"augment": Augment(shift=2, flip=True, mixup=1.0)}),
    ],
    ids=["sgd", "adam", "l1", "cnn"],
)
def test_a_stack_in_half_precision_trains_nearly_the_same_models(digits, make_jobs, architecture, changes):
    jobs = make_jobs(Recipe(architecture, (Train(epochs=3, batch_size=32, **changes),)), 3)
    halves = [dataclasses.replace(job, engine=Engine(precision="bfloat16")) for job in jobs]
    exact, half = train_group(digits, jobs), train_group(digits, halves)
    for one, other in zip(exact, half, strict=True):
        gap = max(np.abs(one.weights[name] - other.weights[name]).max() for name in one.weights)
        assert 1e-5 < gap < 0.1  # another rounding, and no other training
        assert other.log[-1]["train_loss"] == pytest.approx(one.log[-1]["train_loss"], rel=0.05)
    for alone, together in zip([train_group(digits, [job])[0] for job in halves], half, strict=True):
        for name, value in together.weights.items():
            np.testing.assert_array_equal(alone.weights[name], value)  # the same bits in any group
            assert value.dtype == np.float32


def test_dp_sgd_in_a_stack_stays_in_single_precision(digits, make_jobs):
    """The clipped norm must be that of the gradient that is added, or the promised epsilon does not hold."""
    jobs = make_jobs(Recipe(SMALL, (Train(epochs=1, batch_size=32, privacy=Privacy(noise=1.0)),)), 2)
    halves = [dataclasses.replace(job, engine=Engine(precision="bfloat16")) for job in jobs]
    for one, other in zip(train_group(digits, jobs), train_group(digits, halves), strict=True):
        for name, value in one.weights.items():
            np.testing.assert_array_equal(other.weights[name], value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
        ({"precision": "tf32"}, 'needs device = "cuda"'),
    ],
)
def test_what_an_engine_cannot_be_is_said(values, said):
    with pytest.raises(InputError, match=said):
        Engine(**values)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before_anything_is_trained(digits, make_jobs):
    jobs = make_jobs(Recipe(SMALL, (Train(epochs=1),)), 1)
    with pytest.raises(InputError, match=r'found none; set engine.device = "cpu"'):
        train_group(digits, [dataclasses.replace(job, engine=Engine("cuda")) for job in jobs])


def test_settings_of_torch_are_as_they_were():
    before = torch.get_num_threads()
    with at_work(Engine()) as device:
        assert torch.get_num_threads() == 1 and device.type == "cpu"
    with at_work(Engine(), training=False):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before and room(device) == float("inf")


def test_an_array_in_memory_is_not_copied():
    x = np.zeros((4, 3), np.float32)
    assert resident(x, np.float32, torch.device("cpu")).data_ptr() == x.ctypes.data


def test_half_precision_trains_nearly_the_same_model(digits, make_jobs):
    stage = Train(epochs=2, batch_size=32, optimiser=Optimiser(lr=0.02))
    jobs = make_jobs(Recipe(Architecture("wrn", depth=10, width=1), (stage,)), 1)
    halves = [dataclasses.replace(job, engine=Engine(precision="bfloat16")) for job in jobs]
    (exact,), (half,) = (train_group(digits, each) for each in (jobs, halves))
    gaps = [np.abs(exact.weights[name] - half.weights[name]).max() for name in exact.weights]
    assert 1e-4 < max(gaps) < 0.1  # another rounding, and no other training
    assert half.log[-1]["train_loss"] == pytest.approx(exact.log[-1]["train_loss"], rel=0.02)
    assert all(value.dtype != np.float16 for value in half.weights.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of what it compiles with
def test_one_compilation_serves_all_models(digits, make_jobs):
    from torch._dynamo.utils import counters

    stage = Train(epochs=2, batch_size=32, optimiser=Optimiser(lr=0.02))
    jobs = make_jobs(Recipe(Architecture("wrn", depth=10, width=1), (stage,)), 3)
    counters.clear()
    fused = train_group(digits, [dataclasses.replace(job, engine=Engine(compiled=True)) for job in jobs])
    assert counters["stats"]["unique_graphs"] == 1
    for plain, other in zip(train_group(digits, jobs), fused, strict=True):
        assert other.log[-1]["train_loss"] == pytest.approx(plain.log[-1]["train_loss"], rel=0.02)


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", None])
def test_bfloat16_on_a_cpu_needs_a_processor_that_multiplies_it(monkeypatch, flag):
    monkeypatch.setattr(cpu, "cpu_info", lambda: {"flags": f"fpu avx2 {flag}"})
    half = Engine(precision="bfloat16")
    if flag:
        require_precision(half)
    else:
        with pytest.raises(InputError, match=r'AVX512-BF16 or AMX.*take "float32"'):
            require_precision(half)
    require_precision(Engine())
    require_precision(dataclasses.replace(half, device="cuda"))
