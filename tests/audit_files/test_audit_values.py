"""Impossible values are refused with their number, their place and what to do."""

import re

import numpy as np
import pytest

from leakbench.errors import InputError
from leakbench.signals.files import from_arrays


def refused(says, **arrays):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        from_arrays(**arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_must_be_finite(alone, bad, dtype):
    alone["logits"] = alone["logits"].astype(dtype)
    alone["logits"][[4, 9], [2, 0]] = bad
    refused(
        "logits must be finite, got 2 NaN or infinite of 36 values, the first at record 4, class 2", **alone
    )


def test_the_model_and_the_view_are_named(arrays):
    arrays["logits"] = np.stack([arrays["logits"]] * 2)
    arrays["shadow_logits"] = np.stack([arrays["shadow_logits"]] * 2, axis=1)
    arrays["shadow_logits"][3, 1, 5, 0] = np.nan
    refused("the first at model 3, view 1, record 5, class 0", **arrays)
    arrays["shadow_logits"][1, 0, 6, :2] = np.inf
    refused("shadow_logits must be finite, got 3 NaN", **arrays)
    refused("the first at model 1, view 0, record 6, class 0", **arrays)


@pytest.mark.parametrize("kind", ["losses", "scores"])
def test_losses_and_scores_must_be_finite(kind):
    refused(f"{kind} must be finite, got 1 NaN or infinite of 3 values, the first at record 1",
            **{kind: [1.0, np.inf, 2.0]}, members=[1, 0, 0])  # fmt: skip


def test_losses_must_not_be_negative():
    refused("losses must be -log p >= 0, got -0.5 at record 2", losses=[1, 2, -0.5], members=[1, 0, 0])


def test_probabilities_must_sum_to_one():
    probs = np.full((4, 2), 0.5)
    probs[1] *= 1.01
    probs[3] *= 1.2
    refused("probs must sum to 1 over the classes (within 0.001), got 1.2 at record 3, the worst row",
            probs=probs, members=[1, 0, 0, 1])  # fmt: skip


def test_rounded_probabilities_pass():
    probs = np.array([[0.3334, 0.3333, 0.3334], [0.1, 0.2, 0.7]], dtype=np.float16)
    assert from_arrays(probs=probs, members=[1, 0]).models.signals.logits.dtype == np.float32


def test_probabilities_must_not_be_negative():
    probs = np.array([[0.5, 0.5], [-0.25, 1.25]])
    refused("probs must not be negative, got -0.25 at record 1, class 0", probs=probs, members=[1, 0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y: y + 1, "they start at 1: save labels - 1"),
        (lambda y: np.r_[-1, y[1:]], "labels must lie in 0..2, got -1 at record 0 (1 such)"),
        (lambda y: np.r_[y[:-1], 7], "labels must lie in 0..2, got 7 at record 11 (1 such)"),
        (lambda y: y + 0.5, "labels must be integers 0..C-1, got"),
        (lambda y: np.r_[np.nan, y[1:]], "labels must be integers 0..C-1, got nan at record 0"),
        (lambda y: np.array(["cat"] * 12), "got 'cat' at record 0; number the classes"),
    ],
)
def test_labels_out_of_range(alone, change, says):
    alone["labels"] = np.r_[0, 1, 2, alone["labels"][3:]]
    refused(says, **alone | {"labels": change(alone["labels"])})


def test_labels_without_logits_have_no_upper_bound():
    given = from_arrays(losses=[1, 2, 3], members=[1, 0, 0], labels=[0, 50, 7])
    assert given.models.signals.labels.tolist() == [0, 50, 7]
    refused("labels must lie 0 or more, got -1 at record 1", losses=[1, 2], members=[1, 0], labels=[0, -1])


def test_whole_labels_of_a_float_type_pass(alone):
    alone["labels"] = alone["labels"].astype(np.float32)
    assert from_arrays(**alone).models.signals.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (np.ones(12), "got all of 12 marked; add records that the model did not train on"),
        (np.zeros(12), "got none of 12 marked; add records that the model trained on"),
        (np.arange(12), "members must be true/false or 0/1, got 2 at record 2"),
        (np.r_[np.nan, np.ones(11)], "members must be true/false or 0/1, got nan at record 0"),
        (np.array(["yes"] * 12), "members must be true/false or 0/1, got dtype <U3"),
    ],
)
def test_members(alone, members, says):
    refused(says, **alone | {"members": members})


def test_a_model_among_several_without_members(arrays):
    arrays["shadow_members"][2] = False
    refused(
        "got none of 12 marked for model 2", logits=arrays["shadow_logits"], members=arrays["shadow_members"]
    )


@pytest.mark.parametrize("dtype", [complex, "U5"])
def test_numbers_must_be_numbers(alone, dtype):
    refused("logits must hold real numbers", **alone | {"logits": alone["logits"].astype(dtype)})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float16, np.float32])
def test_zero_and_one_are_membership(alone, dtype):
    made = from_arrays(**alone | {"members": alone["members"].astype(dtype)})
    np.testing.assert_array_equal(made.models.members[0], alone["members"])
