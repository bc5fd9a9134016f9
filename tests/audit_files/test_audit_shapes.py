"""A wrong shape is refused with the axis at fault and the repair, and the repair works."""

import re

import numpy as np
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import from_arrays
from leakbench.signals.axes import to_axes

WRONG = {  # what is done to the array: what the message must say
    "logits transposed": ("logits", lambda a: a.T, "axis 0 is 3; transpose it: logits.T"),
    "views last": ("logits", lambda a: a[..., None], "axis 1 is 3; transpose it"),
    "views second": ("logits", lambda a: np.stack([a, a], 1), "transpose it: logits.transpose(1, 0, 2)"),
    "one record less": (
        "logits",
        lambda a: a[1:],
        "N = 12, got (11, 3): axis 0 is 11; all arrays must describe",
    ),
    "one class": ("logits", lambda a: a[:, :1], "at least 2 classes"),
    "flat": ("logits", lambda a: a.ravel(), "got shape (36,)"),
    "several models": ("logits", lambda a: a[None, None], "members as [M models, N records]"),
    "no records": ("logits", lambda a: a[:0], "axis 0 is 0"),
    "no views": (
        "logits",
        lambda a: a[None][:0],
        "must not be empty, got [V views, N records, C classes] = (0, 12, 3)",
    ),
    "one-hot labels": ("labels", lambda a: np.eye(3)[a], "labels.argmax(axis=1)"),
    "fewer labels": ("labels", lambda a: a[:5], "[12], got 5 of them"),
    "a column of members": ("members", lambda a: a[:, None], "flatten it: members.ravel()"),
    "fewer members": ("members", lambda a: a[:6], "logits must be [N records, C classes] with N = 6"),
    "a number as members": ("members", lambda a: True, "got shape ()"),
    "no members array": ("members", lambda a: [], "not empty"),
    "shadows transposed": (
        "shadow_logits",
        lambda a: a.transpose(1, 0, 2),
        "shadow_logits.transpose(1, 0, 2)",
    ),
    "a shadow less": ("shadow_logits", lambda a: a[1:], "S = 4, got (3, 12, 3): axis 0 is 3"),
    "a class less": (
        "shadow_logits",
        lambda a: a[..., 1:],
        "axis 2 is 2; all models must have the same classes",
    ),
    "views of shadows": (
        "shadow_logits",
        lambda a: np.stack([a, a], 1),
        "V = 1, got (4, 2, 12, 3): axis 1 is 2",
    ),
    "one shadow flat": ("shadow_logits", lambda a: a[0], "got shape (12, 3)"),
    "shadow members transposed": ("shadow_members", lambda a: a.T, "transpose it: shadow_members.T"),
    "shadow members flat": ("shadow_members", lambda a: a[0], "[S shadow models, N records]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_axis_is_named(arrays, case):
    name, spoil, says = WRONG[case]
    arrays[name] = spoil(arrays[name])
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        from_arrays(**arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_the_proposed_transposition_repairs(order):
    right = np.arange(2 * 5 * 3).reshape(2, 5, 3)
    wrong = right.transpose(order)
    sizes = {"N": 5, "C": 3}
    with pytest.raises(InputError) as caught:
        to_axes("logits", wrong, "NC", sizes)
    repair = re.search(r"transpose\((.*?)\)", str(caught.value))
    repaired = wrong.transpose([int(i) for i in repair[1].split(",")])
    np.testing.assert_array_equal(to_axes("logits", repaired, "NC", sizes)[0], right)


def test_members_are_blamed_where_they_are_transposed(arrays):
    with pytest.raises(InputError, match=r"\(4, 12\), got \(12, 4\); transpose it: members.T"):
        from_arrays(logits=arrays["shadow_logits"], members=arrays["shadow_members"].T)


def test_views_of_the_target_need_views_of_the_shadows(arrays):
    arrays["logits"] = np.stack([arrays["logits"]] * 2)
    with pytest.raises(InputError, match=r"shadow_logits must be .* with V = 2, got"):
        from_arrays(**arrays)


def test_views_of_losses_are_those_of_logits(alone):
    with pytest.raises(InputError, match=r"losses must be .* with V = 1, got"):
        from_arrays(**alone, losses=np.ones((2, 12)))


def test_population_of_another_size(arrays):
    population = {"population_logits": np.ones((7, 3)), "shadow_population_logits": np.ones((4, 6, 3))}
    with pytest.raises(InputError, match=r"Z = 7, got \(4, 6, 3\): axis 1 is 6"):
        from_arrays(**arrays, **population)


@pytest.mark.parametrize(
    ("drop", "says"),
    [
        ("members", "'members' is missing"),
        ("shadow_members", "shadow_logits needs shadow_members"),
        ("shadow_logits", r"shadow_\* must hold the same kinds of outputs as the target, logits, got none"),
        ("logits", "give at least one of logits, probs, losses, scores"),
    ],
)
def test_what_is_missing_is_named(arrays, drop, says):
    del arrays[drop]
    with pytest.raises(InputError, match=says):
        from_arrays(**arrays)


def test_shadows_of_another_kind(arrays):
    arrays["shadow_losses"] = np.ones(arrays.pop("shadow_logits").shape[:2])
    with pytest.raises(InputError, match="logits, got losses"):
        from_arrays(**arrays)


def test_a_population_needs_the_shadows_too(arrays):
    with pytest.raises(
        InputError, match=r"shadow_population_\* must hold .* population_\*, logits, got none"
    ):
        from_arrays(**arrays, population_logits=np.ones((7, 3)))


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"logit": [1]}, "'logits' and 'logit' mean the same"),
        ({"shadow_lobits": [1]}, "did you mean 'shadow_logits'"),
        ({"weather": [1]}, "unknown array 'weather'"),
        ({"schema": "leakbench-audit/2"}, "schema must be 'leakbench-audit/1', got 'leakbench-audit/2'"),
        ({"class_names": ["a", "b"]}, r"class_names must be one name a class, \[3\]"),
        ({"groups": [1, 2]}, r"groups must be one group per record, \[12\]"),
        ({"group_x": [0.5] * 12}, "group_x must be text or integers"),
    ],
)
def test_other_names(arrays, extra, says):
    with pytest.raises(InputError, match=says):
        from_arrays(**arrays, **extra)


def test_as_many_shadow_models_as_records_keep_their_members():
    """Nothing in the shape tells the axes of a square array apart: it is read as documented, never transposed."""
    n, rng = 12, np.random.default_rng(0)
    given = {"losses": rng.random(n), "members": np.arange(n) < n // 2}
    shadows = {"shadow_losses": rng.random((n, n)), "shadow_members": rng.random((n, n)) < 0.5}
    found = from_arrays(**given, **shadows).models
    np.testing.assert_array_equal(found.members[1:], shadows["shadow_members"])
    np.testing.assert_array_equal(found.signals.losses[1:, 0], shadows["shadow_losses"])


def test_as_many_models_as_records_are_not_taken_for_each_other() -> None:
    """Every model's members have a lower loss; read across, no model's would."""
    rng = np.random.default_rng(0)
    members = rng.permuted(np.tile(np.arange(60) < 30, (60, 1)), axis=1)
    results = leakbench.audit(
        losses=rng.exponential(np.where(members, 0.2, 1.0)), members=members, attacks=["loss"]
    )
    (row,) = results.find(attack="loss", metric="auc", slice="all", target="all")
    assert abs(row.value - 5 / 6) < 0.02  # P(Exp(5) < Exp(1))
