"""Tensors, text and other forms that Python callers give are converted, or refused in one line."""

import re

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import from_arrays


def refused(says, **arrays):
    with pytest.raises(InputError, match=re.escape(says)):
        from_arrays(**arrays)


@pytest.mark.parametrize("kind", ["bfloat16", "float8", "grad", "negated", "rows", "nested"])
def test_tensors_are_converted(alone, kind):
    torch = pytest.importorskip("torch")
    exact = np.round(alone["logits"] * 4) / 4  # exact in bfloat16
    plain = torch.tensor(exact, dtype=torch.float32)
    given = {
        "bfloat16": plain.bfloat16(),
        "float8": (plain.sign() * 2).to(torch.float8_e4m3fn),
        "grad": plain.clone().requires_grad_(),
        "negated": torch._neg_view(-plain),
        "rows": list(plain.clone().requires_grad_()),
        "nested": [[*plain.bfloat16()]],
    }[kind]
    read = from_arrays(logits=given, members=alone["members"]).models.signals.logits[0, 0]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, 2 * np.sign(exact) if kind == "float8" else exact)


def test_probabilities_in_bfloat16_may_miss_one():
    torch = pytest.importorskip("torch")
    probs = torch.softmax(torch.sin(torch.arange(3000.0)).reshape(1000, 3), 1).bfloat16()
    assert abs(probs.float().sum(1) - 1).max() > 0.002
    from_arrays(probs=probs, members=np.arange(1000) % 2)
    refused("probs must sum to 1", probs=probs.float().numpy() * 1.0001, members=np.arange(1000) % 2)


def test_a_tensor_without_values_is_refused():
    torch = pytest.importorskip("torch")
    refused("logits must be an array, or lists of one shape, got Tensor (Cannot copy out of meta tensor",
            logits=torch.empty(12, 3, device="meta"), members=np.arange(12) % 2)  # fmt: skip


NAMES = np.array(["ant", "bee", "cat"])


@pytest.mark.parametrize(
    "form", [list, lambda labels: np.array(labels, np.bytes_), lambda labels: np.array(labels, object)]
)
def test_labels_that_are_class_names(alone, form):
    for order in ([0, 1, 2], [2, 0, 1]):
        names = NAMES[order]
        given = from_arrays(
            **alone | {"labels": form(names[alone["labels"]].tolist()), "class_names": names.tolist()}
        )
        np.testing.assert_array_equal(given.models.signals.labels, alone["labels"])
        assert given.class_names == tuple(names)


def test_labels_that_are_text(alone):
    spelled = from_arrays(**alone | {"labels": alone["labels"].astype(str)})
    np.testing.assert_array_equal(spelled.models.signals.labels, alone["labels"])
    by_loss = from_arrays(
        losses=np.ones(12), members=alone["members"], labels=NAMES[[2, 0, 1]][alone["labels"]]
    )
    assert [by_loss.class_names[i] for i in by_loss.models.signals.labels] == [
        NAMES[[2, 0, 1]][i] for i in alone["labels"]
    ]
    text = alone | {"labels": NAMES[np.arange(12) % 3]}
    says = "labels must be integers 0..C-1 or names of class_names, got "
    refused(f"{says}'ant'; save class_names in the order of the columns of the outputs", **text)
    refused(f"{says}'cat'", **text | {"class_names": ["ant", "bee", "cow"]})
    refused("where each name stands once", **text | {"class_names": ["ant", "bee", "cat", "cat"]})
    refused("must be numbers or UTF-8 text, got other bytes", **alone | {"groups": np.array([b"\xff"] * 12)})


def test_membership_in_other_forms(alone):
    numbers, signs = np.flatnonzero(alone["members"]), np.where(alone["members"], 1, -1)
    refused("from record numbers save np.isin(np.arange(N), members)", **alone | {"members": numbers})
    refused("save members > 0", **alone | {"members": signs})
