"""What every generator promises, over all of them."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from leakbench.core.content_key import canonical
from leakbench.core.errors import InputError
from leakbench.generators import GENERATORS, Generator, synthesise

CLASSES = tuple(map(str, range(40)))  # their names

NAMES = GENERATORS.names()
EXAMPLES = {  # parameters without which a generator is not complete, or takes long
    "diffusion": {"epochs": 1, "steps": 2, "channels": [8, 8]},
    "image_vae": {"epochs": 20, "hidden": 64},
    "external": {"factory": "sklearn.mixture:GaussianMixture"},
    "files": {"path": "records.npz"},
}
UNFITTED = {"bootstrap", "chow_liu", "external", "files", "gaussian_copula"}  # `fit` draws nothing
UNSKILLED = {"diffusion"}  # with the parameters above; see test_image_generators.py
KINDS = [
    (name, kind) for name in NAMES for kind in ("images", "tables") if getattr(GENERATORS.get(name), kind)
]


@pytest.fixture
def records(kind, digits, bits):
    return {"images": digits, "tables": bits}[kind]


@pytest.fixture
def generator(name, kind, folder) -> Generator:
    return GENERATORS.make(_example(name, kind, folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits, bits):
    """Where the records lie as files."""
    folder = tmp_path_factory.mktemp("files")
    for kind, (x, y) in {"images": digits, "tables": bits}.items():
        np.savez(folder / f"{kind}.npz", x=x, y=y)
    return folder


@pytest.fixture
def sampler(name, kind, generator, records, fitted):
    """The generator fitted with seed 0, once for all tests."""
    if (name, kind) not in fitted:
        fitted[name, kind] = _fit(generator, records, 0)
    return fitted[name, kind]


@pytest.fixture(scope="module")
def fitted():
    return {}


def _example(name, kind, folder):
    example = EXAMPLES.get(name, {})
    if name == "files":
        example = {"path": str(folder / f"{kind}.npz")}
    return {"name": name, **example}


def _fit(generator, records, seed):
    x, y = records
    return generator.fit(x, y, CLASSES[: y.max() + 1], np.random.default_rng(seed))


def _global_states():
    legacy = np.random.get_state()[1]  # noqa: NPY002
    return random.getstate(), legacy.tolist(), torch.random.get_rng_state().tolist()


every = pytest.mark.parametrize(("name", "kind"), KINDS)


@every
def test_new_records_are_like_the_real_ones(sampler, records, kind) -> None:
    made = sampler(np.array([2, 0, 0, 1, 2, 0]), np.random.default_rng(1))
    assert made.shape == (6, *records[0].shape[1:])
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert made.min() < made.max()
    if kind == "images":
        assert made.min() >= 0 and made.max() <= 1


@every
def test_fit_takes_all_randomness_from_its_stream(generator, sampler, records) -> None:
    labels, before = np.repeat([0, 1, 2], 5), _global_states()
    again, other = (_fit(generator, records, seed)(labels, np.random.default_rng(1)) for seed in (0, 1))
    np.testing.assert_array_equal(sampler(labels, np.random.default_rng(1)), again)
    assert (again != other).any() or generator.name in UNFITTED
    assert _global_states() == before


@every
def test_sampling_takes_all_randomness_from_its_stream(sampler) -> None:
    labels, before = np.array([1] * 9), _global_states()
    one, two, again = (sampler(labels, np.random.default_rng(seed)) for seed in (1, 2, 1))
    assert (one != two).any()
    np.testing.assert_array_equal(one, again)
    assert _global_states() == before


@every
def test_records_are_of_the_class_that_was_asked_for(sampler, records, name) -> None:
    if name in UNSKILLED:
        pytest.skip("needs longer training: a test of its own")
    x, y = records
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(y.max() + 1), 12))
    made = sampler(labels, np.random.default_rng(1))
    centres = np.stack([x[y == c].mean(axis=0).ravel() for c in range(y.max() + 1)])  # [C, D]
    nearest = ((made.reshape(len(made), 1, -1) - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.7


@every
def test_describes_itself_in_plain_data(generator, name) -> None:
    described = generator.describe()
    assert canonical(described)
    assert described["name"] == name
    assert {"Formula:", "Shapes:", "Source:"} <= set(generator.doc().split())


@pytest.mark.parametrize("name", [n for n in NAMES if len([k for k in KINDS if k[0] == n]) == 1])
def test_the_other_kind_of_records_is_refused(name, digits, bits) -> None:
    generator = GENERATORS.make({"name": name, **EXAMPLES.get(name, {})})
    x, y = bits if generator.images else digits
    with pytest.raises(InputError, match=f"{name}.*does not make"):
        synthesise(generator, x, y, CLASSES[: y.max() + 1], 10, seed=0)


def test_all_generators_can_be_listed_without_their_libraries() -> None:
    heavy = ["torch", "torchvision", "diffusers", "pgmpy", "statsmodels"]
    code = (
        "import sys; from leakbench.generators import GENERATORS; GENERATORS.names();"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("size", [10, 61])
def test_synthesise_keeps_the_shares_of_the_classes(bits, size) -> None:
    x, y = bits
    made = synthesise(GENERATORS.make("bootstrap"), x, y, CLASSES[:3], size, seed=3)
    assert np.abs(np.bincount(made.y, minlength=3) - np.bincount(y) * size / len(y)).max() < 1
    assert made.x.shape == (size, 12)
    assert made.seconds > 0


def test_synthesise_names_a_class_without_records(bits) -> None:
    with pytest.raises(InputError, match="none of class '3'"):
        synthesise(GENERATORS.make("bootstrap"), *bits, CLASSES[:4], 10, seed=0)
