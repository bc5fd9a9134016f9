"""What LiRA's scripts and TF Privacy saved is read as it was meant."""

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import read
from leakbench.signals.statistics import logodds

M, N, V, C = 11, 20, 2, 3


@pytest.fixture
def study():
    rng = np.random.default_rng(0)
    return {
        "logits": rng.normal(size=(M, N, V, C)).astype(np.float32),
        "keep": rng.random((M, N)) < 0.5,
        "labels": rng.integers(0, C, N),
    }


def write(study, root, name="experiment-{}_11", save=None):
    for m in range(M):
        folder = root / name.format(m)
        folder.mkdir(parents=True)
        np.save(folder / "keep.npy", study["keep"][m])
        save(folder, study["logits"][m])
    np.save(root / "y_train.npy", study["labels"])


def authors(folder, logits):
    (folder / "logits").mkdir()
    np.save(folder / "logits" / "0000000050.npy", np.zeros((N, 1, V, C)))  # an earlier epoch
    np.save(folder / "logits" / "0000000100.npy", logits[:, None])


def one_folder(folder, logits):
    (folder / "logits").mkdir()
    np.save(folder / "logits" / "0000000100.npy", logits)


def one_file(folder, logits):
    np.save(folder / "logits.npy", logits)


@pytest.mark.parametrize("save", [authors, one_folder, one_file])
@pytest.mark.parametrize("name", ["experiment-{}_11", "{}"])
def test_lira(study, tmp_path, save, name):
    write(study, tmp_path, name, save)
    given = read(tmp_path)
    assert given.targets == tuple(range(M))
    np.testing.assert_array_equal(given.models.signals.logits, study["logits"].transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(given.models.members, study["keep"])
    np.testing.assert_array_equal(given.models.signals.labels, study["labels"])


def test_lira_without_views(study, tmp_path):
    write(study, tmp_path, save=lambda folder, logits: np.save(folder / "logits.npy", logits[:, 0]))
    assert read(tmp_path).models.signals.shape == (M, 1, N)


def test_lira_scores_are_log_odds(study, tmp_path):
    """The scores that the authors' score.py saves for one view a time: [N, V]."""
    labels = study["labels"]
    phi = np.stack(
        [[logodds(z[:, v].astype(float), labels) for v in range(V)] for z in study["logits"]]
    )  # [M, V, N]
    phi = dict(enumerate(phi))
    order = iter(range(M))

    def scores(folder, logits):
        (folder / "scores").mkdir()
        np.save(folder / "scores" / "0000000100.npy", phi[next(order)].T)

    write(study, tmp_path, save=scores)
    given = read(tmp_path)
    assert given.kind == "losses"
    np.testing.assert_allclose(
        given.models.signals.statistics("logodds"), list(phi.values()), rtol=1e-9, atol=1e-9
    )


def test_lira_on_the_first_records_only(study, tmp_path):
    study["logits"] = study["logits"][:, :15]
    write(study, tmp_path, save=one_file)
    np.testing.assert_array_equal(read(tmp_path).models.members, study["keep"][:, :15])


def test_lira_with_unfinished_experiments(study, tmp_path):
    write(study, tmp_path, save=one_file)
    (tmp_path / "experiment-3_11" / "logits.npy").unlink()
    given = read(tmp_path)
    assert len(given.targets) == M - 1
    assert "left out 1 experiments without logits: experiment-3_11" in given.notes
    np.testing.assert_array_equal(given.models.members, np.delete(study["keep"], 3, axis=0))


def test_lira_without_labels(study, tmp_path):
    write(study, tmp_path, save=one_file)
    (tmp_path / "y_train.npy").unlink()
    given = read(tmp_path)
    assert given.models.signals.labels is None
    assert any("y_train.npy" in note for note in given.notes)


def test_epochs_go_by_their_numbers(study, tmp_path):
    def save(folder, logits):
        (folder / "logits").mkdir()
        np.save(folder / "logits" / "9.npy", np.zeros((N, V, C)))
        np.save(folder / "logits" / "10.npy", logits)

    write(study, tmp_path, save=save)
    given = read(tmp_path)
    np.testing.assert_array_equal(given.models.signals.logits, study["logits"].transpose(0, 2, 1, 3))
    assert "of several epochs the last was read: logits/10.npy" in given.notes


def test_last_epochs_that_differ_are_named(study, tmp_path):
    write(study, tmp_path, save=one_folder)
    (tmp_path / "experiment-3_11" / "logits" / "0000000100.npy").rename(
        tmp_path / "experiment-3_11" / "logits" / "0000000050.npy"
    )
    assert (
        "the last logits are not those of one epoch: 0000000050.npy, 0000000100.npy" in read(tmp_path).notes
    )


def both(folder, logits):
    one_file(folder, logits)
    np.save(folder / "scores.npy", logits[..., 0])


@pytest.mark.parametrize(
    ("spoil", "kind", "note"),
    [
        (lambda root: None, "logits", "not used: the scores of 11 experiments"),
        (lambda root: (root / "y_train.npy").unlink(), "losses", "not used: the logits of 11 experiments"),
        (
            lambda root: (root / "experiment-3_11" / "logits.npy").unlink(),
            "losses",
            "not used: the logits of 10 experiments",
        ),
        (
            lambda root: (root / "experiment-3_11" / "scores.npy").unlink(),
            "logits",
            "not used: the scores of 10 experiments",
        ),
    ],
)
def test_what_most_experiments_hold_is_read(study, tmp_path, spoil, kind, note):
    write(study, tmp_path, save=both)
    spoil(tmp_path)
    given = read(tmp_path)
    assert (given.kind, len(given.targets)) == (kind, M)
    assert note in given.notes


@pytest.mark.parametrize("name", ["labels.npy", "train_labels.npy", "y.npy", "cifar10_y_train.npy"])
def test_labels_of_another_name(study, tmp_path, name):
    write(study, tmp_path, save=one_file)
    (tmp_path / "y_train.npy").rename(tmp_path / name)
    np.save(tmp_path / "x_train.npy", np.zeros((N, 4)))
    given = read(tmp_path)
    np.testing.assert_array_equal(given.models.signals.labels, study["labels"])
    assert f"the labels were read from {name}" in given.notes


def test_labels_that_are_a_single_value(study, tmp_path):
    write(study, tmp_path, save=authors)
    np.save(tmp_path / "y_train.npy", np.array(3.0))
    with pytest.raises(InputError, match="labels must be one integer a record"):
        read(tmp_path)


def test_labels_that_may_be_either_are_not_guessed(study, tmp_path):
    write(study, tmp_path, save=one_file)
    (tmp_path / "y_train.npy").rename(tmp_path / "labels.npy")
    np.save(tmp_path / "y_test.npy", study["labels"])
    given = read(tmp_path)
    assert given.models.signals.labels is None
    assert any("labels.npy, y_test.npy may be, rename one" in note for note in given.notes)


def test_lira_of_different_shapes(study, tmp_path):
    write(study, tmp_path, save=one_file)
    np.save(tmp_path / "experiment-3_11" / "logits.npy", study["logits"][3, :, :1])
    with pytest.raises(
        InputError, match=r"experiment-0_11 has \(2, 20, 3\), experiment-3_11 has \(1, 20, 3\)"
    ):
        read(tmp_path)


def test_lira_with_a_short_keep(study, tmp_path):
    write(study, tmp_path, save=one_file)
    np.save(tmp_path / "experiment-3_11" / "keep.npy", np.arange(10))
    with pytest.raises(InputError, match=r"keep\.npy must be one flag a record, \[20\], got shape \(10,\)"):
        read(tmp_path)


def test_lira_before_inference(study, tmp_path):
    write(study, tmp_path, save=lambda folder, logits: None)
    with pytest.raises(InputError, match="run their inference first"):
        read(tmp_path)


@pytest.fixture
def tf_privacy():
    rng = np.random.default_rng(0)
    return {
        "logits_train": rng.normal(size=(6, C)),
        "logits_test": rng.normal(size=(4, C)),
        "labels_train": rng.integers(0, C, 6),
        "labels_test": rng.integers(0, C, 4),
        "entropy_train": rng.random(6),
        "entropy_test": rng.random(4),
    }


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_tf_privacy(tf_privacy, tmp_path, form):
    path = tmp_path / "a.npz"
    if form == "npz":
        np.savez(path, **tf_privacy)
    else:
        path = tmp_path
        for name, array in tf_privacy.items():
            np.save(path / f"{name}.npy", array)
    given = read(path)
    assert given.models.members.tolist() == [[True] * 6 + [False] * 4]
    logits = np.concatenate([tf_privacy["logits_train"], tf_privacy["logits_test"]])
    np.testing.assert_array_equal(given.models.signals.logits[0, 0], logits)
    assert given.models.signals.labels.tolist()[6:] == tf_privacy["labels_test"].tolist()
    assert given.notes == ("not used: entropy_test, entropy_train",)


def test_tf_privacy_losses(tmp_path):
    np.savez(tmp_path / "a.npz", loss_train=[0.1, 0.2], loss_test=[0.3, 0.4, 0.5])
    given = read(tmp_path / "a.npz")
    assert given.models.signals.losses.tolist() == [[[0.1, 0.2, 0.3, 0.4, 0.5]]]
    assert given.models.members.tolist() == [[True, True, False, False, False]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"logits_test": None}, "logits_train is there, but not its other half"),
        ({"labels_test": np.zeros(3)}, r"labels_test must have 4 records as the others, got \(3,\)"),
        ({"logits_test": np.zeros((4, 2))}, r"must agree but for the records, got \(6, 3\) and \(4, 2\)"),
    ],
)
def test_tf_privacy_halves_that_do_not_fit(tf_privacy, tmp_path, change, says):
    arrays = {name: array for name, array in (tf_privacy | change).items() if array is not None}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=says):
        read(tmp_path / "a.npz")
