import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.errors import InputError
from leakbench.data import DESIGNS, Dataset, load
from leakbench.data.designs import Disjoint, RandomHalf, Single


def data(pool, dev=3, test=20, classes=2, gap=7):
    """A table whose parts lie in it in no simple order; rows outside the parts, too."""
    n = gap + pool + dev + test
    rows = np.random.default_rng(n).permutation(n)
    y = np.arange(n) % classes
    cuts = np.split(rows[gap:], [pool, pool + dev])
    parts = dict(zip(("pool", "dev", "test"), map(np.sort, cuts), strict=True))
    names = tuple(map(str, range(classes)))
    return Dataset("d", np.zeros((n, 1), np.float32), y, names, parts)


sizes, seeds = st.integers(60, 130), st.integers(0, 10**9)


class TestRandomHalf:
    @settings(deadline=None)
    @given(n=sizes, pairs=st.integers(1, 6), seed=seeds)
    def test_properties(self, n, pairs, seed):
        dataset = data(n)
        split = RandomHalf(2 * pairs).split(dataset, seed)
        assert split.members.shape == split.audited.shape == (2 * pairs, n)
        assert split.audited.all()
        assert (split.members.sum(axis=0) == pairs).all()  # every record in exactly half of the models
        assert (split.members[::2] == ~split.members[1::2]).all()
        assert set(split.members.sum(axis=1)) <= {n // 2, (n + 1) // 2}
        assert split.targets == tuple(range(2 * pairs))
        np.testing.assert_array_equal(split.records, dataset.parts["pool"])
        assert all(np.array_equal(dev, dataset.parts["dev"]) for dev in split.dev)
        np.testing.assert_array_equal(split.population(dataset), dataset.parts["test"])
        again, other = (
            RandomHalf(2 * pairs).split(dataset, seed),
            RandomHalf(2 * pairs).split(dataset, seed + 1),
        )
        np.testing.assert_array_equal(split.members, again.members)
        assert (split.members != other.members).any()

    def test_pairs_differ_and_records_are_equally_likely(self):
        members = RandomHalf(1000).split(data(60), 0).members[::2]
        assert len(np.unique(members, axis=0)) == 500
        assert np.abs(members.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(500)

    @pytest.mark.parametrize("models", [0, 1, 5, -2])
    def test_odd_numbers(self, models):
        with pytest.raises(InputError, match=f"an even number of at least 2 .*got {models}"):
            RandomHalf(models)

    def test_more_models_leave_the_first_ones_as_they_are(self):
        few, many = RandomHalf(4).split(data(60), 3), RandomHalf(8).split(data(60), 3)
        np.testing.assert_array_equal(few.members, many.members[:4])


class TestDisjoint:
    @settings(max_examples=50, deadline=None)
    @given(n=sizes, shadows=st.integers(1, 6), seed=seeds)
    def test_properties(self, n, shadows, seed):
        dataset = data(n)
        split = Disjoint(shadows).split(dataset, seed)
        half = np.array([np.isin(split.records, dev) for dev in split.dev]) | split.audited  # [M, N]
        assert split.members.shape == (1 + shadows, n)
        assert split.targets == (0,)
        assert (half[1:] == half[1]).all() and (half[0] == ~half[1]).all()  # shadows share the other half
        assert abs(int(half[0].sum()) - int(half[1].sum())) <= 1
        for m in range(1 + shadows):
            size = int(half[m].sum())
            inside = int(split.members[m].sum())
            outside = int((split.audited[m] & ~split.members[m]).sum())
            assert inside == outside == size * 45 // 100
            assert len(split.dev[m]) == size - inside - outside >= size // 10
            assert not split.members[m, ~split.audited[m]].any()
            assert not np.isin(split.dev[m], split.records[split.audited[m]]).any()
        again = Disjoint(shadows).split(dataset, seed)
        np.testing.assert_array_equal(split.members, again.members)
        assert all(np.array_equal(a, b) for a, b in zip(split.dev, again.dev, strict=True))
        assert (split.members != Disjoint(shadows).split(dataset, seed + 1).members).any()
        assert len(np.unique(split.members[1:], axis=0)) == shadows

    def test_no_shadows(self):
        with pytest.raises(InputError, match=r"shadows must be at least 1, got 0; the design 'single'"):
            Disjoint(0)


class TestSingle:
    def test_the_given_split(self):
        dataset = data(50, test=30)
        split = Single().split(dataset, 0)
        assert split.members.shape == (1, 80) and split.audited.all() and split.targets == (0,)
        np.testing.assert_array_equal(split.records[split.members[0]], dataset.parts["pool"])
        np.testing.assert_array_equal(split.records[~split.members[0]], dataset.parts["test"])
        assert len(split.population(dataset)) == 0

    @settings(deadline=None)
    @given(pool=sizes, test=st.integers(40, 90), seed=seeds)
    def test_shadows_treat_members_and_others_alike(self, pool, test, seed):
        split = Single(4).split(data(pool, test=test), seed)
        assert split.members.shape == (5, pool + test) and split.targets == (0,) and len(split.dev) == 5
        assert (split.members[1:].sum(axis=0) == 2).all()

    def test_odd_shadows(self):
        with pytest.raises(InputError, match=r"0 or an even number .*got 3"):
            Single(3)

    def test_no_test_part(self):
        with pytest.raises(InputError, match=r"must have a test part, the non-members"):
            Single().split(data(50, test=0), 0)


@pytest.mark.parametrize("name", DESIGNS.names())
class TestEvery:
    def test_digits(self, name):
        dataset = load("digits")
        split = DESIGNS.make(name).split(dataset, 0)
        for m, members in enumerate(split.members):
            rows = split.records[members]
            assert set(dataset.y[rows]) == set(range(10))
            assert not np.isin(split.dev[m], rows).any()
            assert not np.isin(split.population(dataset), rows).any()

    def test_a_class_of_one_record(self, name):
        dataset = data(60, test=61, classes=2)
        pool, test = dataset.parts["pool"], dataset.parts["test"]
        y = np.zeros_like(dataset.y)
        y[test[0] if name == "single" else pool[0]] = 1
        rare = Dataset("d", dataset.x, y, ("often", "once"), dataset.parts)
        with pytest.raises(
            InputError, match=r"got none of class 'once' among the \d+ of model \d; keep more"
        ):
            DESIGNS.get(name)().split(rare, 0)

    def test_no_records(self, name):
        dataset = data(0, test=4)
        with pytest.raises(InputError, match=r"members and non-members, got 0 and \d for model 0"):
            DESIGNS.get(name)().split(dataset, 0)

    def test_inputs_are_not_written_to(self, name):
        dataset = data(80)
        for array in (dataset.x, dataset.y, *dataset.parts.values()):
            array.setflags(write=False)
        DESIGNS.get(name)().split(dataset, 0)

    def test_it_says_what_it_is(self, name):
        design = DESIGNS.get(name)
        assert design.source and design.summary().endswith(".") and "Source:" in (design.__doc__ or "")
