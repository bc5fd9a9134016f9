"""What sets the generators of images apart: how good their images are, and what they refuse."""

import pickle
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.generators import GENERATORS, synthesise
from leakbench.generators._torch import _kl, seeded

CLASSES = tuple(map(str, range(40)))  # their names

LABELS = np.repeat(np.arange(3), 7)


def rng(seed=0):
    return np.random.default_rng(seed)


def accuracy(train, test):
    """Of a linear classifier that is trained on one part and asked about the other."""
    (x, y), (other, truth) = train, test
    return (
        LogisticRegression(max_iter=500)
        .fit(x.reshape(len(x), -1), y)
        .score(other.reshape(len(other), -1), truth)
    )


def write_images(folder, x, names):
    """Images x [n, 1, h, w] in 0..1, each under the folder of its name."""
    for i, (image, name) in enumerate(zip(x, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).round().astype(np.uint8)).save(folder / name / f"{i}.png")
    return {"name": "files", "path": str(folder)}


def three(digits, n=4):
    """The first n images of the digits 0, 1, 2, with their labels."""
    x, y = digits
    rows = np.concatenate([np.flatnonzero(y == c)[:n] for c in range(3)])
    return x[rows], y[rows]


# VAE


@pytest.fixture(scope="module")
def vaes_digits(digits):
    """As many as there are real ones."""
    return synthesise(
        GENERATORS.make({"name": "image_vae", "epochs": 100}), *digits, CLASSES[:10], len(digits[1]), seed=0
    )


def test_what_is_learned_from_a_vaes_digits_holds_for_real_ones(vaes_digits, digits, more_digits) -> None:
    real, synthetic = (accuracy(train, more_digits) for train in (digits, (vaes_digits.x, vaes_digits.y)))
    assert synthetic > real - 0.1 > 0.75


def test_a_vaes_digits_differ_as_real_ones_do(vaes_digits, digits) -> None:
    def spread(x, y):
        return np.mean([x[y == c].std(axis=0).mean() for c in range(10)])

    assert 0.4 < spread(vaes_digits.x, vaes_digits.y) / spread(*digits) < 1.1


@pytest.mark.parametrize("shape", [(3, 6, 5), (2, 4, 4)])
def test_a_vae_makes_images_of_any_shape(shape) -> None:
    x, vae = rng().random((30, *shape), np.float32), GENERATORS.make({"name": "image_vae", "epochs": 1})
    assert vae.fit(x, np.arange(30) % 3, CLASSES[:3], rng())(LABELS, rng()).shape == (21, *shape)


def test_a_vae_that_diverges_says_so(digits) -> None:
    vae = GENERATORS.make({"name": "image_vae", "lr": 1e12, "epochs": 3})
    with pytest.raises(InputError, match=r"take an lr below 1e\+12"):
        vae.fit(*digits, CLASSES[:10], rng())


def test_the_divergence_is_torchs() -> None:
    q, p = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    normals = [torch.distributions.Normal(a[:, :3], (a[:, 3:] / 2).exp()) for a in (q, p)]
    torch.testing.assert_close(_kl(q, p), torch.distributions.kl_divergence(*normals).sum(1))


def test_torchs_stream_is_put_back_after_an_error() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError), seeded(rng()):
        torch.rand(3)
        raise RuntimeError
    assert torch.equal(torch.random.get_rng_state(), before)


# diffusion


@pytest.mark.parametrize("shape", [(3, 5, 6), (1, 8, 8)])
def test_diffusion_makes_images_of_any_shape(shape) -> None:
    diffusion = GENERATORS.make({"name": "diffusion", "epochs": 1, "steps": 2, "channels": [8, 8, 8]})
    x = rng().random((30, *shape), np.float32)
    made = diffusion.fit(x, np.arange(30) % 3, CLASSES[:3], rng())(LABELS, rng())
    assert made.shape == (21, *shape)


def test_guidance_pushes_towards_the_class() -> None:
    """Guidance w takes (1 + w) of the guided prediction less w of the free one."""

    class Network:
        def __call__(self, x, t, y):
            found = torch.where(y == 3, 1.0, 3.0).reshape(-1, 1, 1, 1).expand_as(x)
            return type("Output", (), {"sample": found})

    x, y = torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 2])
    plain, guided = (
        GENERATORS.make({"name": "diffusion", "steps": 1, "guidance": w})._denoised(Network(), x, y, 3)
        for w in (0, 1)
    )
    noise = 1 - np.prod(1 - np.linspace(1e-4, 0.02, 1000))
    for made, found in ((plain, 3.0), (guided, 5.0)):
        expected = np.clip((0.5 - np.sqrt(noise) * found) / np.sqrt(1 - noise), -1, 1)
        np.testing.assert_allclose(made, expected, rtol=1e-4)


@pytest.mark.slow
def test_diffusion_learns_the_digits(digits, more_digits) -> None:
    diffusion = GENERATORS.make(
        {"name": "diffusion", "channels": [16, 32], "epochs": 70, "batch_size": 32, "lr": 2e-3, "steps": 15}
    )
    made = synthesise(diffusion, *digits, CLASSES[:10], len(digits[1]), seed=0)
    assert accuracy((made.x, made.y), more_digits) > 0.8


def test_without_diffusers_one_line_says_what_to_install(digits, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setattr(
        "leakbench.cli.app.app", lambda **_: GENERATORS.make("diffusion").fit(*digits, CLASSES[:10], rng())
    )
    assert main([]) == 2
    expected = "error: this generator needs diffusers; install it with: pip install 'leakbench[generators]'\n"
    assert capsys.readouterr().err == expected


# files


def test_files_are_used_equally_often(digits, tmp_path) -> None:
    x, y = three(digits)
    files = GENERATORS.make(write_images(tmp_path, x, y.astype(str)))
    made = files.fit(x, y, CLASSES[:3], rng())(np.repeat(np.arange(3), [8, 6, 4]), rng())
    for c, counts in enumerate([[2] * 4, [1, 1, 2, 2], [1] * 4]):
        part = made[[slice(8), slice(8, 14), slice(14, 18)][c]]
        same = np.isclose(part[:, None], x[y == c], atol=1 / 255).all(axis=(2, 3, 4))  # [drawn, files]
        assert sorted(same.sum(axis=0)) == counts


@pytest.mark.parametrize("folders", [("0", "1", "2"), ("zebra", "ant", "10")], ids=["numbers", "names"])
def test_folders_are_classes_by_name_or_by_number(digits, tmp_path, folders) -> None:
    """Also where the data set's own names are in no alphabetical order."""
    x, y = three(digits)
    files = GENERATORS.make(write_images(tmp_path, x, [folders[c] for c in y]))
    made = files.fit(x, y, ("zebra", "ant", "10"), rng())(np.array([2, 1, 0]), rng())
    same = [
        np.isclose(made[i], x[y == c], atol=1 / 255).all(axis=(1, 2, 3)).any()
        for i, c in enumerate([2, 1, 0])
    ]
    assert same == [True] * 3


def test_images_with_a_csv_of_labels(digits, tmp_path) -> None:
    x, y = three(digits, 2)
    write_images(tmp_path, x, ["images"] * 6)
    lines = [f"images/{i}.png,{c}" for i, c in enumerate(y)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]))
    files = GENERATORS.make({"name": "files", "path": str(tmp_path)})
    np.testing.assert_allclose(
        files.fit(x, y, CLASSES[:3], rng())(y, rng()).sum(axis=0), x.sum(axis=0), atol=6 / 255
    )


def test_other_files_are_another_generator(digits, tmp_path) -> None:
    x, y = three(digits)
    spec = write_images(tmp_path / "one", x, y.astype(str))
    first, again = GENERATORS.make(spec).describe(), GENERATORS.make(spec).describe()
    write_images(tmp_path / "one", x[::-1], y[::-1].astype(str))
    changed = GENERATORS.make(spec).describe()
    assert first == again
    assert first["parameters"] == changed["parameters"]
    assert first["content"] != changed["content"]


def test_a_folder_whose_classes_differ_is_refused(digits, tmp_path) -> None:
    x, y = three(digits)
    files = GENERATORS.make(write_images(tmp_path, x, y.astype(str)))
    with pytest.raises(InputError, match=r"data set's 10 classes, 0, 1, 2, .*, got 3 in .*: 0, 1, 2;"):
        files.fit(*digits, CLASSES[:10], rng())


def test_a_class_without_a_record_is_refused(tmp_path) -> None:
    """Only a format that holds the classes' names, such as CIFAR's, can have one."""
    names = {"label_names": ["cat", "dog", "frog", "ship"]}
    batch = {"data": np.zeros((3, 3072), np.uint8), "labels": [0, 1, 3]}
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    files = GENERATORS.make({"name": "files", "path": str(tmp_path)})
    with pytest.raises(InputError, match="none of class 'frog'"):
        files.fit(
            rng().random((4, 3, 32, 32), np.float32), np.arange(4), ("cat", "dog", "frog", "ship"), rng()
        )


def test_records_of_another_shape_are_refused(digits, tmp_path) -> None:
    x, y = three(digits)
    files = GENERATORS.make(write_images(tmp_path, x, y.astype(str)))
    with pytest.raises(InputError, match=r"shape of the real ones, \[1, 28, 28\], got \[1, 8, 8\]"):
        files.fit(rng().random((9, 1, 28, 28), np.float32), np.arange(9) % 3, CLASSES[:3], rng())


@pytest.mark.parametrize("kind", ["", "no-such-folder"])
def test_a_path_that_is_missing_is_refused(kind) -> None:
    with pytest.raises(InputError, match="files' needs a path" if not kind else "must be a file or a folder"):
        GENERATORS.make({"name": "files", "path": kind}).describe()


# bootstrap


def test_the_bootstrap_hands_out_members_of_the_class(digits) -> None:
    x, y = digits
    labels = np.tile(np.arange(10), 30)
    made = GENERATORS.make("bootstrap").fit(x, y, CLASSES[:10], rng())(labels, rng())
    flat = {record.tobytes(): int(c) for record, c in zip(x, y, strict=True)}
    assert [flat[record.tobytes()] for record in made] == labels.tolist()
    assert len({record.tobytes() for record in made}) > 150


# parameters


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "image_vae", "latent": 0},
        {"name": "image_vae", "beta": -1.0},
        {"name": "diffusion", "channels": [8, 12]},
        {"name": "diffusion", "channels": []},
        {"name": "diffusion", "steps": 1001},
        {"name": "diffusion", "epochs": 0},
        {"name": "diffusion", "guidance": float("nan")},
        {"name": "diffusion", "dropout_label": 1.0},
        {"name": "files", "path": "x", "format": "image_foldre"},
    ],
    ids=lambda spec: f"{spec['name']}-{list(spec)[-1]}",
)
def test_parameters_out_of_range_are_refused(spec) -> None:
    with pytest.raises(InputError, match=list(spec)[-1]):
        GENERATORS.make(spec)
