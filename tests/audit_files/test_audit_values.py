"""Impossible values are refused with their number, their place and what to do."""

import re

import numpy as np
import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.check import LARGEST
from leakbench.data.audit_file.read import from_arrays


def refused(says, **arrays):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        from_arrays(**arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
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


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_log_probabilities_of_zero_are_read_as_probabilities_are(dtype):
    probs = np.array([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]], dtype=dtype)
    with np.errstate(divide="ignore"):
        logits = np.log(probs)
    given = from_arrays(logits=logits, members=[1, 0, 0]).models.signals.logits
    kept = from_arrays(probs=probs, members=[1, 0, 0]).models.signals.logits
    assert given.dtype == dtype
    np.testing.assert_allclose(given, kept, rtol=np.finfo(dtype).eps, atol=0)


def test_a_logit_of_minus_infinity_has_a_probability_of_1e_30():
    given = from_arrays(logits=[[5.0, -np.inf, 6.0], [5.0, 1.0, 2.0]], members=[1, 0], labels=[1, 0])
    np.testing.assert_allclose(given.models.signals.statistic("confidence", 0)[0, 0], 1e-30, rtol=1e-12)


def test_a_record_without_a_finite_logit():
    refused("logits must be finite, got 2 NaN", logits=[[-np.inf, -np.inf], [0, 1]], members=[1, 0])


@pytest.mark.parametrize("kind", ["losses", "scores"])
def test_losses_and_scores_must_be_finite(kind):
    refused(f"{kind} must be finite, got 1 NaN or infinite of 3 values, the first at record 1",
            **{kind: [1.0, np.inf, 2.0]}, members=[1, 0, 0])  # fmt: skip


def test_losses_must_not_be_negative():
    refused("losses must be -log p >= 0, got -0.5 at record 2", losses=[1, 2, -0.5], members=[1, 0, 0])


def _repaired(name, arrays, **more):
    """The array after what the message advises."""
    with pytest.raises(InputError) as caught:
        from_arrays(**{name: arrays}, **more)
    advice = str(caught.value).rsplit("; ", 1)[1].removesuffix(", which keeps their order")
    expression = re.search(rf"-?(np\.\w+\(|{name}\b).*", advice)
    return eval(expression[0], {"np": np, name: arrays})


ADVISED = {  # what is given, and what it stands for
    "log p as losses": ("losses", lambda p: np.log(p[:, 0]), lambda p: -np.log(p[:, 0])),
    "round-off in losses": (
        "losses",
        lambda p: np.r_[-1e-9, -np.log(p[1:, 0])],
        lambda p: np.r_[0, -np.log(p[1:, 0])],
    ),
    "an infinite loss": (
        "losses",
        lambda p: np.r_[np.inf, -np.log(p[1:, 0])],
        lambda p: np.r_[69.08, -np.log(p[1:, 0])],
    ),
    "an infinite score": ("scores", lambda p: np.r_[np.inf, p[1:, 0]], lambda p: np.r_[1e30, p[1:, 0]]),
    "percentages": ("probs", lambda p: 100 * p, lambda p: p),
    "rounded percentages": ("probs", lambda p: np.round(100 * p, 1), lambda p: np.round(p, 3)),
    "votes": ("probs", lambda p: 60 * p, lambda p: p),
    "-log p as logits": ("logits", lambda p: -np.log(p), np.log),
    "log2 p as logits": ("logits", np.log2, np.log),
    "log10 p as logits": ("logits", np.log10, np.log),
    "rows that miss one": (
        "probs",
        lambda p: p * np.linspace(0.95, 1.05, 12)[:, None],
        lambda p: p,
    ),
    "a sigmoid column": (
        "probs",
        lambda p: p[:, :1],
        lambda p: np.stack([1 - p[:, 0], p[:, 0]], axis=1),
    ),
    "a sigmoid": ("probs", lambda p: p[:, 0], lambda p: np.stack([1 - p[:, 0], p[:, 0]], axis=1)),
    "a logit": ("logits", lambda p: p[:, 0], lambda p: np.stack([0 * p[:, 0], p[:, 0]], axis=1)),
    "a column of logits": ("logits", lambda p: p[:, :1], lambda p: np.stack([0 * p[:, 0], p[:, 0]], axis=1)),
}


@pytest.mark.parametrize("case", ADVISED)
def test_advice_that_is_followed_gives_the_right_array(case):
    name, spoiled, right = ADVISED[case]
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 12)
    members = np.arange(12) % 2
    repaired = from_arrays(**{name: _repaired(name, spoiled(probs), members=members)}, members=members)
    meant = from_arrays(**{name: right(probs)}, members=members)
    field = "logits" if name == "probs" else name
    np.testing.assert_allclose(
        getattr(repaired.models.signals, field), getattr(meant.models.signals, field), rtol=1e-12
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("scale", "saved"), [(1, "logits"), (100, "logits / 100"), (50, "logits / 50")])
def test_probabilities_are_no_logits(scale, saved):
    """A softmax of probabilities would hide most of what they say: every attack would read it as certain as noise."""
    probs = np.random.default_rng(0).dirichlet(np.ones(4), (3, 30)).round(3)
    members = np.random.default_rng(1).random((3, 30)) < 0.5
    logits = np.log(np.maximum(probs, 1e-9))
    logits[1] = scale * probs[1]  # one of the models
    refused(f"got probabilities of model 1: none is negative, and each row sums to {scale}; save {saved} as probs",
            logits=logits, members=members)  # fmt: skip


def test_logits_that_are_positive_and_sum_to_nearly_as_much_pass():
    """As an untrained network's on records that are alike, or equal."""
    row = np.array([0.9, 0.7, 0.3])
    for apart in (0.0, 0.03):
        z = row + apart * np.random.default_rng(0).random((40, 3))
        from_arrays(logits=z, members=np.arange(40) % 2)


@pytest.mark.parametrize("scale", [0.0, 1.0, 300.0])
def test_logits_of_saturated_or_undecided_models_pass(scale):
    z = np.stack([np.zeros(40), 20 * (scale > 1) + scale * np.random.default_rng(0).random(40)], axis=1)
    for logits in (z, -z, np.log(np.full((40, 2), 0.5)), z - z.max()):
        from_arrays(logits=logits, members=np.arange(40) % 2)


def test_what_contradicts_the_arrays_in_use_is_said():
    rng = np.random.default_rng(0)
    probs, labels, members = (
        rng.dirichlet(np.ones(4), (2, 40)),
        rng.integers(0, 4, 40),
        rng.random((2, 40)) < 0.5,
    )
    losses = -np.log(probs[:, np.arange(40), labels])
    given = {"logits": np.log(probs), "labels": labels, "members": members}
    assert from_arrays(**given, losses=losses, probs=probs).notes == (
        "not used: probs (logits are there too)",
        "not used: losses (they follow from logits and labels)",
    )
    for name, array in (("losses", losses), ("probs", probs)):
        (note,) = from_arrays(**given, **{name: array[:, ::-1]}).notes
        assert re.search("; [0-9]+% of them differ, so check the order of all arrays", note)
    (note,) = from_arrays(**given, probs=probs[:, :20]).notes
    assert note.endswith("; they do not fit the other arrays")


def test_the_largest_values_raise_no_warning():
    rng = np.random.default_rng(0)
    members = rng.permutation(4 * 60).reshape(4, 60) % 2 == 0
    logits = rng.normal(size=(4, 60, 3)) * LARGEST / 8
    attacks = ("lira", "rmia", "logistic_regression", "base")
    found, half = (
        leakbench.audit(attacks=attacks, logits=z, labels=np.arange(60) % 3, members=members)
        for z in (logits, logits / 2**300)
    )
    for attack in attacks:
        values = [run.find(attack=attack, metric="auc", slice="all", target="all") for run in (found, half)]
        assert values[0][0].value == pytest.approx(values[1][0].value, abs=1e-12)


@pytest.mark.parametrize("kind", ["losses", "scores", "logits"])
def test_values_whose_squares_overflow_are_refused(kind):
    values = np.r_[np.arange(11.0), 1e300]
    refused(f"{kind} must lie within -1e+100..1e+100, got 1e+300 at record 11",
            **{kind: np.stack([values, values], 1) if kind == "logits" else values},
            members=np.arange(12) % 2)  # fmt: skip


def test_what_is_no_cross_entropy_is_no_loss():
    refused("save what is no cross-entropy as scores, with higher = more likely a member",
            losses=[1.0, -2.0, 3.0], members=[1, 0, 0])  # fmt: skip


def test_a_column_of_labels_is_read(alone):
    column = from_arrays(**alone | {"labels": alone["labels"][:, None]})
    np.testing.assert_array_equal(column.models.signals.labels, alone["labels"])


@pytest.mark.parametrize("shape", [(1, 12), (12, 1, 1), (3, 4)])
def test_labels_of_other_shapes_are_flattened(alone, shape):
    repair = _repaired(
        "labels", alone["labels"].reshape(shape), logits=alone["logits"], members=alone["members"]
    )
    np.testing.assert_array_equal(repair, alone["labels"])


def test_only_rows_that_are_one_hot_are_said_to_be(alone):
    with pytest.raises(InputError) as caught:
        from_arrays(**alone | {"labels": np.stack([alone["labels"]] * 2, axis=1)})
    assert "argmax" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.zeros(12, "M8[D]"), "got dtype datetime64[D]"),
        (np.zeros(12, [("a", "f8")]), "got dtype"),
        (np.zeros(12, complex), "got dtype complex128"),
        ([None] * 12, "must hold numbers or text, got Python objects of type NoneType"),
        ([[1], [1, 2]], "lists of one shape"),
        (np.ma.masked_array(np.zeros(12), np.arange(12) == 3), "must have no masked values"),
        ({1: 2}, "must hold numbers or text, got Python objects of type dict"),
    ],
)
@pytest.mark.parametrize("name", ["losses", "labels", "members", "groups"])
def test_what_is_no_array_of_numbers(name, value, says):
    refused(says, **{"losses": np.ones(12), "members": np.arange(12) % 2} | {name: value})


def test_objects_that_are_numbers_are_read(alone):
    given = from_arrays(**{name: array.astype(object) for name, array in alone.items()})
    np.testing.assert_array_equal(given.models.signals.logits[0, 0], alone["logits"])
    assert given.fingerprint == from_arrays(**alone).fingerprint


def test_groups_that_name_single_records():
    n = 1200
    refused("group_id must hold at most 1000 different groups, got 1200", losses=np.ones(n),
            members=np.arange(n) % 2, group_id=np.arange(n))  # fmt: skip


def test_probabilities_must_sum_to_one():
    probs = np.full((4, 2), 0.5)
    probs[1] *= 1.01
    probs[3] *= 1.2
    refused("got 1.2 at record 3, the worst row",
            probs=probs, members=[1, 0, 0, 1])  # fmt: skip


def test_the_largest_probabilities_alone_are_completed_as_advised():
    rng = np.random.default_rng(0)
    full = rng.dirichlet(np.ones(10), 50)
    probs = np.where(full >= np.sort(full)[:, -3:-2], full, 0.0)
    members = np.arange(50) % 2
    with pytest.raises(InputError, match="where only the largest were released") as caught:
        from_arrays(probs=probs, members=members)
    advice = str(caught.value).rpartition("its zeros: ")[2]
    completed = eval(advice, {"np": np, "probs": probs})
    expected = np.where(probs > 0, full, (1 - probs.sum(-1, keepdims=True)) / 7)
    np.testing.assert_allclose(completed, expected)
    from_arrays(probs=completed, members=members)


def test_rounded_probabilities_pass():
    probs = np.array([[0.3334, 0.3333, 0.3334], [0.1, 0.2, 0.7]], dtype=np.float16)
    assert from_arrays(probs=probs, members=[1, 0]).models.signals.logits.dtype == np.float32


def test_probabilities_must_not_be_negative():
    probs = np.array([[0.5, 0.5], [-0.25, 1.25]])
    refused("probs must be probabilities >= 0, got -0.25 at record 1, class 0", probs=probs, members=[1, 0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y: y + 1, "they start at 1: save labels - 1"),
        (lambda y: np.r_[-1, y[1:]], "labels must lie in 0..2, got -1 at record 0 (1 such)"),
        (lambda y: np.r_[y[:-1], 7], "labels must lie in 0..2, got 7 at record 11 (1 such)"),
        (lambda y: y + 0.5, "labels must be integers 0..C-1, got"),
        (lambda y: np.r_[np.nan, y[1:]], "labels must be integers 0..C-1, got nan at record 0"),
        (
            lambda y: np.array(["cat"] * 12),
            "got 'cat'; save class_names in the order of the columns of the outputs",
        ),
    ],
)
def test_labels_out_of_range(alone, change, says):
    alone["labels"] = np.r_[0, 1, 2, alone["labels"][3:]]
    refused(says, **alone | {"labels": change(alone["labels"])})


def test_labels_of_half_precision_pass():
    assert from_arrays(
        scores=[0.5, 1.5], labels=np.array([1, 0], np.float16), members=[1, 0]
    ).models.signals.labels.tolist() == [1, 0]


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
        (
            np.r_[np.nan, np.ones(11)],
            "got nan at record 0; leave the records that are neither out",
        ),
        (
            np.array(["yes"] * 12),
            "got dtype <U3; save members == 'yes', or the value that members have",
        ),
        (np.arange(12) % 2 + 1, "got 2 at record 1; save members == 2"),
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
