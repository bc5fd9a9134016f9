"""The losses against computations written out record by record."""

import math

import numpy as np
import pytest
import torch

from leakbench.core.errors import InputError
from leakbench.train.loop import objective
from leakbench.train.losses import LOSSES
from leakbench.train.losses.hamp import top_probability
from leakbench.train.recipe import Distill, Train
from leakbench.train.recipe.settings import Privacy

K, B, C = 3, 7, 5
names = pytest.mark.parametrize("name", LOSSES.names())


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(K, B, C, generator=generator, dtype=torch.float64)
    return logits, torch.randint(C, (K, B), generator=generator)


def log_softmax(z):
    return [v - max(z) - math.log(sum(math.exp(w - max(z)) for w in z)) for v in z]


def reference_ppb(logits, labels, weight):
    """CE of all, and the KL between the sorted answers of record i of one half and of the other."""
    ce = -sum(log_softmax(z)[y] for z, y in zip(logits, labels, strict=True)) / len(labels)
    half, pairs = len(labels) // 2, 0.0
    for i in range(half):
        first, second = log_softmax(sorted(logits[i])), log_softmax(sorted(logits[half + i]))
        pairs += sum(math.exp(q) * (q - p) for p, q in zip(first, second, strict=True))
    return ce + weight * pairs / half


def test_ppb_is_the_papers(batch):
    logits, labels = batch
    found = LOSSES.make({"name": "ppb", "weight": 2.5})(logits, labels)
    reference = [reference_ppb(z, y, 2.5) for z, y in zip(logits.tolist(), labels.tolist(), strict=True)]
    np.testing.assert_allclose(found.numpy(), reference, rtol=1e-12)


def test_ppb_of_answers_of_one_shape_is_cross_entropy(batch):
    _, labels = batch
    alike = torch.arange(C, dtype=torch.float64)[torch.stack([torch.randperm(C) for _ in range(B)])].expand(
        K, B, C
    )
    plain, ppb = LOSSES.make("cross_entropy"), LOSSES.make("ppb")
    np.testing.assert_allclose(ppb(alike, labels), plain(alike, labels), rtol=1e-12)


def test_mse_is_torchs_on_raw_answers(batch):
    logits, labels = batch
    one_hot = torch.nn.functional.one_hot(labels, C).double()
    expected = [torch.nn.functional.mse_loss(z, q).item() for z, q in zip(logits, one_hot, strict=True)]
    mse = LOSSES.make("mse")
    np.testing.assert_allclose(mse(logits, labels).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(mse(logits, one_hot).numpy(), expected, rtol=1e-12)


def test_smoothed_cross_entropy_is_torchs(batch):
    logits, labels = batch
    own = LOSSES.make({"name": "cross_entropy", "smoothing": 0.2})(logits, labels)
    theirs = [
        torch.nn.functional.cross_entropy(z, y, label_smoothing=0.2)
        for z, y in zip(logits, labels, strict=True)
    ]
    np.testing.assert_allclose(own, theirs, rtol=1e-12)


def test_a_student_learns_the_teachers_distribution(batch):
    """T^2 times the cross-entropy of softmax(z / T) to the teacher's distribution (Hinton et al. 2015)."""
    logits, _ = batch
    taught = torch.softmax(
        torch.randn(K, B, C, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), -1
    )
    found, _ = objective(Distill(temperature=3.0), logits, taught, taught.argmax(-1))
    reference = -9 * (taught * torch.log_softmax(logits / 3, -1)).sum(-1).mean(-1)
    np.testing.assert_allclose(found, reference, rtol=1e-12)


@names
@pytest.mark.parametrize("epoch", [0, 1])
def test_each_model_has_its_own_loss(name, epoch, batch):
    logits, labels = batch
    loss = LOSSES.make(name).at(epoch)
    together = loss(logits, labels)
    assert together.shape == (K,)
    for k in range(K):
        np.testing.assert_allclose(loss(logits[k : k + 1], labels[k : k + 1])[0], together[k], rtol=1e-12)


@names
@pytest.mark.parametrize("z", [0.0, 1e4])
def test_extreme_answers_have_finite_gradients(name, z):
    logits = torch.full((1, 2, C), 0.0)
    logits[0, :, 0] = z
    logits.requires_grad_()
    LOSSES.make(name)(logits, torch.tensor([[0, 1]])).sum().backward()
    assert logits.grad.isfinite().all()


@names
def test_one_record_makes_a_batch(name):
    assert LOSSES.make(name)(torch.zeros(2, 1, C), torch.zeros(2, 1, dtype=torch.int64)).isfinite().all()


def softmax(z):
    return [math.exp(v) for v in log_softmax(z)]


def entropy(z):
    return -sum(p * math.log(p) for p in softmax(z))


def reference_focal(z, y, gamma):
    p = softmax(z)[y]
    return -((1 - p) ** gamma) * math.log(p)


def reference_ccl(z, y, form, alpha, beta, gamma):
    p = softmax(z)[y]
    convex = reference_focal(z, y, gamma) if form == "focal_ccel" else -math.log(p)
    concave = -(p + p * p / 2) if form == "ccql" else -math.exp(p)
    return beta * (alpha * convex + (1 - alpha) * concave)


def reference_hamp(z, y, gamma, alpha):
    """The label's probability by bisection; then KL and entropy class by class, times C as `Differs` says."""
    low, high, classes = 1 / len(z), 1.0, len(z)
    for _ in range(100):
        top = (low + high) / 2
        rest = (1 - top) / (classes - 1)
        h = -sum(q * math.log(q) for q in [top] + [rest] * (classes - 1) if q > 0)
        low, high = (top, high) if h > gamma * math.log(classes) else (low, top)
    soft = [top if c == y else rest for c in range(classes)]
    kl = sum(q * math.log(q / p) for q, p in zip(soft, softmax(z), strict=True) if q > 0)
    return classes * (kl / classes - alpha * entropy(z))


REFERENCE = {
    "penalty": (
        {"name": "entropy_regularization", "weight": 0.3},
        lambda z, y: -log_softmax(z)[y] - 0.3 * entropy(z),
    ),
    "inverse": (
        {"name": "entropy_regularization", "form": "inverse"},
        lambda z, y: -log_softmax(z)[y] + 2 / (1 + entropy(z)),
    ),
    "focal": ({"name": "focal", "gamma": 1.7}, lambda z, y: reference_focal(z, y, 1.7)),
    **{
        form: (
            {"name": "convex_concave", "form": form, "alpha": 0.6, "beta": 0.3, "gamma": 2.0},
            lambda z, y, form=form: reference_ccl(z, y, form, 0.6, 0.3, 2.0),
        )
        for form in ("ccel", "ccql", "focal_ccel")
    },
    "hamp": ({"name": "hamp", "gamma": 0.8, "alpha": 0.05}, lambda z, y: reference_hamp(z, y, 0.8, 0.05)),
    "hamp, hard labels": (
        {"name": "hamp", "gamma": 0.0, "alpha": 0.0},
        lambda z, y: -log_softmax(z)[y],
    ),
}


@pytest.mark.parametrize(("table", "reference"), REFERENCE.values(), ids=REFERENCE)
def test_losses_of_single_records_are_the_papers(batch, table, reference):
    logits, labels = batch
    found = LOSSES.make(table)(logits, labels)
    expected = [
        sum(reference(z, y) for z, y in zip(zs, ys, strict=True)) / B
        for zs, ys in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert LOSSES.make(table).per_record


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.95])
def test_hamps_labels_have_the_asked_entropy(classes, gamma):
    top = top_probability(gamma, classes)
    rest = (1 - top) / (classes - 1)
    h = -sum(q * math.log(q) for q in [top] + [rest] * (classes - 1) if q > 0)
    assert h == pytest.approx(gamma * math.log(classes), abs=1e-12) and top > rest


def test_hamp_is_least_where_the_answer_is_the_soft_label():
    top = top_probability(0.7, C)
    answer = torch.tensor([top] + [(1 - top) / (C - 1)] * (C - 1), dtype=torch.float64).log()[None, None]
    answer.requires_grad_()
    loss = LOSSES.make({"name": "hamp", "gamma": 0.7, "alpha": 0.0})(answer, torch.tensor([[0]]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12) and answer.grad.abs().max() < 1e-12


def reference_relaxed(logits, labels, epoch, alpha, upper, flattened):
    """RelaxLoss on one batch and its gradient by each logit, the soft labels t held fixed."""
    n, p = len(labels), [softmax(z) for z in logits]
    ce = [-math.log(q[y]) for q, y in zip(p, labels, strict=True)]
    mean = sum(ce) / n
    hard = [[(q[c] - (c == y)) / n for c in range(len(q))] for q, y in zip(p, labels, strict=True)]
    if epoch % 2 == 0:
        sign = 1 if mean > alpha else -1
        return abs(mean - alpha), [[sign * g for g in row] for row in hard]
    if mean > alpha:
        return mean, hard
    total, gradient = 0.0, []
    for q, y, own, row in zip(p, labels, ce, hard, strict=True):
        top = min(q[y], upper)
        t = [top if c == y else (1 - top) / (len(q) - 1) for c in range(len(q))]
        soft = -sum(a * math.log(b) for a, b in zip(t, q, strict=True))
        softly = [(b - a) / n for a, b in zip(t, q, strict=True)]
        if flattened == "all":
            total, gradient = total + soft / n, [*gradient, softly]
            continue
        wrong = max(q) > q[y]
        total += (wrong * soft - own) / n
        gradient.append([wrong * s - h for s, h in zip(softly, row, strict=True)])
    return total, gradient


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
@pytest.mark.parametrize("alpha", [0.5, 4.5, 5.0, 1e3])  # the means are 5.6, 4.2, 4.7
@pytest.mark.parametrize(("flattened", "upper"), [("wrong", 1.0), ("wrong", 0.2), ("all", 1.0), ("all", 0.2)])
def test_relaxloss_is_the_papers_and_so_is_its_gradient(batch, epoch, alpha, flattened, upper):
    logits, labels = batch
    logits = logits.clone().requires_grad_()
    loss = LOSSES.make({"name": "relaxloss", "alpha": alpha, "upper": upper, "flattened": flattened})
    found = loss.at(epoch)(logits, labels)
    found.sum().backward()
    for k in range(K):
        zs, ys = logits[k].tolist(), labels[k].tolist()
        value, gradient = reference_relaxed(zs, ys, epoch, alpha, upper, flattened)
        assert found[k].item() == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(logits.grad[k], gradient, rtol=1e-9, atol=1e-12)


def test_each_model_of_a_stack_relaxes_by_its_own_mean(batch):
    """In the middle of the three means one model flattens while another still descends."""
    logits, labels = batch
    means = LOSSES.make("cross_entropy")(logits, labels)
    alpha = means.median().item() + 1e-6
    odd = LOSSES.make({"name": "relaxloss", "alpha": alpha}).at(1)(logits, labels)
    assert (odd == means).tolist() == (means > alpha).tolist()
    assert 0 < (means > alpha).sum() < K


def test_relaxloss_flattens_the_other_classes_and_leaves_the_label():
    logits = torch.tensor([[[2.0, 1.0, -1.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    loss = LOSSES.make({"name": "relaxloss", "alpha": 9.0, "flattened": "all"}).at(1)
    loss(logits, torch.tensor([[0]])).sum().backward()
    gradient = logits.grad[0, 0].tolist()
    assert gradient[0] == pytest.approx(0.0, abs=1e-12)
    assert gradient[1] > 0 > gradient[2]  # down with the likely, up with the unlikely


@names
@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("classes", [2, C])
@pytest.mark.parametrize("z", [-500.0, 0.0, 500.0])
def test_probabilities_of_exactly_0_and_1_are_met_with_finite_values(name, epoch, classes, z):
    """In the engines' float32, with p_y = 1, p_y = 0, and all classes tied."""
    logits = torch.zeros(1, 3, classes)
    logits[0, :, 0] = z
    logits.requires_grad_()
    value = LOSSES.make(name).at(epoch)(logits, torch.tensor([[0, 1, 0]]))
    value.sum().backward()
    assert value.isfinite().all() and logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0])
def test_focal_loss_has_a_gradient_at_certainty(gamma):
    logits = torch.tensor([[[500.0, 0.0]]], requires_grad=True)
    LOSSES.make({"name": "focal", "gamma": gamma})(logits, torch.tensor([[0]])).sum().backward()
    assert (logits.grad == 0).all()


@names
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_label_and_the_distribution_on_it_are_the_same_target(name, epoch, batch):
    logits, labels = batch
    loss = LOSSES.make(name).at(epoch)
    as_distribution = torch.nn.functional.one_hot(labels, C).to(logits.dtype)
    np.testing.assert_allclose(loss(logits, as_distribution), loss(logits, labels), rtol=1e-12)


def test_only_relaxloss_changes_from_epoch_to_epoch():
    changing = [name for name in LOSSES.names() if LOSSES.make(name).at(1) != LOSSES.make(name)]
    assert changing == ["relaxloss"]


@pytest.mark.parametrize("name", ["ppb", "relaxloss"])
def test_a_loss_of_whole_batches_cannot_be_private(name):
    with pytest.raises(InputError, match=f"each record by itself, got {name!r}"):
        Train(loss=LOSSES.make(name), privacy=Privacy())


@names
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_loss_of_single_records_is_their_mean(name, epoch, batch):
    """What `per_record` declares, and DP-SGD relies on."""
    logits, labels = batch
    loss = LOSSES.make({"name": name, "alpha": 2.0} if name == "relaxloss" else name)
    alone = torch.stack([loss.at(epoch)(logits[:, i : i + 1], labels[:, i : i + 1]) for i in range(B)])
    is_mean = np.allclose(alone.mean(dim=0), loss.at(epoch)(logits, labels), rtol=1e-9)
    assert is_mean == loss.per_record
