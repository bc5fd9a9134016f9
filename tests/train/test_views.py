import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakbench.core.errors import InputError
from leakbench.signals.views import View, parse_views

IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5) + 1


def slow(view, x):
    """Pixel by pixel: mirror, then move right and down."""
    out = np.zeros_like(x)
    h, w = x.shape[2:]
    for i in range(h):
        for j in range(w):
            a, b = i - view.down, j - view.right
            if 0 <= a < h and 0 <= b < w:
                out[:, :, i, j] = x[:, :, a, w - 1 - b if view.flip else b]
    return out


VIEWS = st.builds(View, st.booleans(), st.integers(-7, 7), st.integers(-7, 7))


@given(VIEWS)
def test_a_view_is_what_the_slow_form_gives(view):
    assert np.array_equal(view(IMAGES), slow(view, IMAGES))


@given(st.lists(VIEWS, min_size=1, unique=True))
def test_names_are_read_back(views):
    assert parse_views([view.name for view in views]) == tuple(views)


def test_sets_and_repetitions():
    assert parse_views("flip") == (View(flip=True),)
    assert len(parse_views("shift1")) == 9 and parse_views("shift1")[0] == View()
    assert len(parse_views(["identity", "shift1", "flip+shift1", "flip"])) == 18
    assert parse_views("shift0") == (View(),)
    assert parse_views("flip+shift:2,0") == (View(True, 2, 0),)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "flipp",
        "shift",
        "shift:1",
        "shift:a,b",
        "shift-1",
        "flip+",
        "flipshift1",
        "+shift1",
        "shift1+flip",
        "flip\n",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="a view must be"):
        parse_views([name])


def test_no_view_and_tables():
    with pytest.raises(InputError, match="at least one view"):
        parse_views([])
    table = np.ones((3, 4), np.float32)
    assert np.array_equal(View()(table), table) and View()(table) is not table
    with pytest.raises(InputError, match=r"'flip' needs images .* got records of shape \[4\]"):
        View(flip=True)(table)
