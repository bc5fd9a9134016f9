"""Table generators keep what they promise to keep, against references of their own."""

import os
import warnings

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.data import load
from leakbench.generators import GENERATORS, synthesise
from leakbench.generators.chow_liu import dependence_tree, mutual_information

CLASSES = tuple(map(str, range(40)))  # their names


def made_of(spec, x, n, y=None, labels=None):
    y = np.zeros(len(x), np.int64) if y is None else y
    sampler = GENERATORS.make(spec).fit(
        x.astype(np.float32), y, CLASSES[: y.max() + 1], np.random.default_rng(1)
    )
    return sampler(np.zeros(n, np.int64) if labels is None else labels, np.random.default_rng(2))


def correlated(n, r, seed=0):
    """Two columns that are normal with correlation r, seen through exp and a count."""
    z = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, r], [r, 1]], n)
    return np.column_stack([np.exp(z[:, 0]), np.round(3 * z[:, 1])])


def chain(n, columns=8, seed=0):
    """Bits of which each equals the one before with probability .9, in shuffled order."""
    rng = np.random.default_rng(seed)
    bits = (rng.random((n, columns)) < 0.1).cumsum(axis=1) % 2
    return (bits ^ (rng.random((n, 1)) < 0.5))[:, rng.permutation(columns)].astype(np.float64)


@pytest.mark.parametrize("shrinkage", [0.05, 0.6])
def test_the_copula_keeps_margins_and_shrinks_the_correlation(shrinkage):
    x = correlated(2000, 0.8)
    made = made_of({"name": "gaussian_copula", "shrinkage": shrinkage}, x, 20000)
    for j in range(2):
        assert np.isin(made[:, j], x[:, j].astype(np.float32)).all()
        quantiles = (np.quantile(part[:, j], [0.1, 0.5, 0.9]) for part in (made, x))
        np.testing.assert_allclose(*quantiles, rtol=0.1)
    of_logs = np.corrcoef(np.log(made[:, 0]), made[:, 1])[0, 1]
    assert abs(of_logs - (1 - shrinkage) * 0.8) < 0.03


def test_the_copula_is_that_of_statsmodels():
    api = pytest.importorskip("statsmodels.distributions.copula.api")
    from scipy.special import ndtri
    from scipy.stats import rankdata, spearmanr

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
    z = ndtri((rankdata(x, axis=0) - 0.5) / 300)
    u = api.GaussianCopula(0.7 * np.corrcoef(z.T) + 0.3 * np.eye(4), k_dim=4).rvs(20000, rng=rng)
    made = made_of({"name": "gaussian_copula", "shrinkage": 0.3}, x, 20000)
    np.testing.assert_allclose(spearmanr(made).statistic, spearmanr(u).statistic, atol=0.03)


def test_the_copula_needs_fewer_records_than_columns_and_copies_a_lone_one():
    x = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    made = made_of("gaussian_copula", x, 300)
    assert len(np.unique(made, axis=0)) > 200
    np.testing.assert_array_equal(made_of("gaussian_copula", x[:1], 3), np.repeat(x[:1], 3, axis=0))


@pytest.mark.parametrize("shrinkage", [0, -0.1, 1.1, float("nan")])
def test_shrinkage_is_a_share(shrinkage):
    with pytest.raises(InputError, match="shrinkage must be above 0 and at most 1, got"):
        GENERATORS.make({"name": "gaussian_copula", "shrinkage": shrinkage})


def test_mutual_information_is_that_of_scikit_learn():
    from sklearn.metrics import mutual_info_score

    x = chain(200)
    x[:, 0] = 1.0  # tells nothing
    slow = [[mutual_info_score(a, b) for b in x.T] for a in x.T]
    np.testing.assert_allclose(mutual_information(x), slow, atol=1e-12)


@pytest.mark.slow  # pgmpy's import alone takes seconds
@pytest.mark.parametrize("seed", [0, 1])
def test_the_tree_is_that_of_pgmpy(seed):
    pytest.importorskip("pgmpy")
    import pandas as pd

    rng = np.random.default_rng(seed)
    x = chain(150, 10, seed)
    x = np.abs(x - (rng.random(x.shape) < 0.15))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pgmpy renames its modules
        from pgmpy.estimators import TreeSearch

        found = TreeSearch(pd.DataFrame(x.astype(int)), root_node=0, n_jobs=1)
        edges = found.estimate(estimator_type="chow-liu", show_progress=False).edges()
    _, parents = dependence_tree(mutual_information(x))
    own = {frozenset((j, int(p))) for j, p in enumerate(parents) if j != p}
    assert own == {frozenset(edge) for edge in edges}


@pytest.mark.parametrize(("pseudo_count", "kept"), [(0, 1.0), (1000, 0.5)])
def test_the_tree_keeps_means_and_pairs(pseudo_count, kept):
    x = chain(1000)
    made = made_of({"name": "chow_liu", "pseudo_count": pseudo_count}, x, 20000)
    np.testing.assert_allclose(made.mean(axis=0), x.mean(axis=0), atol=0.02)
    _, parents = dependence_tree(mutual_information(x))
    for j, parent in enumerate(parents):
        if j != parent:
            real, fake = (np.corrcoef(part[:, j], part[:, parent])[0, 1] for part in (x, made))
            assert abs(fake - kept * real) < 0.03
    if pseudo_count == 0:
        np.testing.assert_allclose(np.corrcoef(made.T), np.corrcoef(x.T), atol=0.1)


@pytest.mark.parametrize("x", [[[1.0]], [[0.0, 1.0]], [[1.0, 1.0], [0.0, 1.0]]])
def test_the_smallest_tables_have_a_tree(x):
    made = made_of("chow_liu", np.array(x), 4)
    assert np.isin(made, x).all()


def test_chow_liu_names_what_is_no_bit():
    x = chain(20)
    x[3, 5] = 0.25
    with pytest.raises(InputError, match=r"columns of 0 and 1, got 0\.25 in column 5"):
        made_of("chow_liu", x, 1)


def test_the_vae_learns_bits_and_numbers_of_each_class():
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    bit = rng.random((600, 3)) < np.where(y[:, None] == 0, 0.2, 0.8)
    real = rng.normal(np.where(y == 0, 100.0, 300.0), 10.0)
    x = np.column_stack([bit[:, 0], real, bit[:, 1:], np.full(600, 7.0)])
    spec = {"name": "tabular_vae", "epochs": 40, "hidden": 32, "latent": 2, "lr": 0.01}
    labels = np.repeat([1, 0], 2000)
    made = made_of(spec, x, 0, y, labels)
    assert set(np.unique(made[:, [0, 2, 3]])) == {0.0, 1.0}
    np.testing.assert_allclose(made[:, 4], 7.0, atol=0.01)
    for c, mean in ((0, 100.0), (1, 300.0)):
        rows = labels == c
        shares = (part[:, [0, 2, 3]].mean(axis=0) for part in (made[rows], x[y == c]))
        np.testing.assert_allclose(*shares, atol=0.1)
        assert abs(made[rows, 1].mean() - mean) < 10
        assert 5 < made[rows, 1].std() < 25


OWN = '''
import numpy as np

class Noisy:
    """Hands its records out again, with noise on the columns that are not discrete."""

    def __init__(self, sd=1.0, columns=None):
        self.sd, self.columns = sd, columns

    def set_random_state(self, seed):
        self.rng = np.random.default_rng(seed)

    def fit(self, table, discrete_columns=()):
        self.table, self.discrete = self.rng.permutation(table), list(discrete_columns)

    def sample(self, n):
        made = self.table[self.rng.integers(len(self.table), size=n)]
        noise = self.rng.normal(0, self.sd, made.shape)
        noise[:, self.discrete] = 0
        return (made + noise)[:, : self.columns]

class Mute:
    def fit(self, table): ...
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_generator.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return np.column_stack([np.arange(12.0) * 10, np.arange(12) % 2]), np.repeat([0, 1], 6)


def test_an_external_generator_is_fitted_on_each_class(own):
    x, y = own
    spec = {"name": "external", "factory": "own_generator:Noisy", "options": {"sd": 0.5}}
    labels = np.array([1, 0] * 20)
    made = made_of(spec, x, 0, y, labels)
    assert ((made[:, 0] > 55) == (labels == 1)).all()
    assert np.isin(made[:, 1], (0, 1)).all()
    assert 0.3 < np.abs(made[:, 0] - np.round(made[:, 0], -1)).mean() < 0.6
    np.testing.assert_array_equal(made, made_of(spec, x, 0, y, labels))


def test_scikit_learn_s_mixtures_serve_as_generators():
    x, y = correlated(400, 0.8), np.repeat([0, 1], 200)
    options = {"n_components": 2, "covariance_type": "full"}
    spec = {"name": "external", "factory": "sklearn.mixture:GaussianMixture", "options": options}
    made = made_of(spec, x, 500, y)
    np.testing.assert_allclose(made.mean(axis=0), x[:200].mean(axis=0), atol=0.4)


def test_options_are_the_same_as_a_table_and_as_text():
    table = {"name": "external", "factory": "a:B", "options": {"b": [1, {"c": 2}], "a": None}}
    one = GENERATORS.make(table)
    two = GENERATORS.make(table | {"options": '{"a": null, "b": [1, {"c": 2}]}'})
    assert one == two
    assert hash(one) == hash(two)
    assert GENERATORS.make({"name": "external", **one.parameters()}) == one


@pytest.mark.parametrize(
    ("factory", "options", "says"),
    [
        ("own_generator", {}, 'factory must be "module:Class"'),
        (
            "no_such_package.part:Any",
            {},
            "No module named 'no_such_package'; install its package",
        ),
        ("own_generator:Nosy", {}, "got no 'Nosy' there"),
        ("own_generator:Noisy", {"sdd": 1}, "got TypeError from Noisy.*sdd"),
        ("own_generator:Noisy", {"sd": "wide"}, "got .* from sample"),
        (
            "own_generator:Noisy",
            {"columns": 1},
            r"must return \[4, 2\] finite numbers, got float64 of shape \[4, 1\]",
        ),
        ("own_generator:Noisy", {"sd": 1e999}, "options must be a table of plain values"),
        ("own_generator:Noisy", "[1]", "options must be a table"),
        ("own_generator:Noisy", "{", "options must be a table"),
        ("own_generator:Mute", {}, "must make an object with fit and sample"),
    ],
)
def test_what_is_wrong_with_an_external_generator_is_one_line(own, factory, options, says):
    x, y = own
    with pytest.raises(InputError, match=says) as caught:
        made_of({"name": "external", "factory": factory, "options": options}, x, 4, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gaussian_copula", "chow_liu"])
def test_synthetic_locations_train_a_classifier(name):
    """On 1,200 real records of Location-30; a guess is right 3 % of the time."""
    if not os.environ.get("LEAKBENCH_DATA"):
        pytest.skip("LEAKBENCH_DATA is not set: no real data to read")
    from sklearn.naive_bayes import BernoulliNB

    data = load("location30")
    rows = data.parts["pool"][:1200]
    made = synthesise(GENERATORS.make(name), data.x[rows], data.y[rows], CLASSES[:30], 1200, seed=0)
    real, fake = (
        BernoulliNB().fit(x, y).score(data.x[data.parts["test"]], data.y[data.parts["test"]])
        for x, y in ((data.x[rows], data.y[rows]), (made.x, made.y))
    )
    assert fake > 0.8 * real
