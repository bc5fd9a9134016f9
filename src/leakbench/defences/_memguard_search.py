"""MemGuard's classifier of members by their outputs, and the search for the least noise that confuses it."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..train.random_streams import generator

Guard = nn.Sequential  # confidences sorted upwards [B, C] to h [B, 1]: above 0 = a member
HIDDEN = (256, 128, 64)
BATCH = 64
RATE = 0.1  # length of a step on the logits
KEEP_LABEL = 10.0  # weight c2 of the second loss
CLOSE_FIRST, CLOSE_LAST = 0.1, 1e5  # weight c3 of the third loss: ten times as large each time
UNDECIDED = 1e-5  # |g - 1/2| up to which an output needs no noise
ROWS = 4096  # outputs in one search


class Noisy(NamedTuple):
    """The noisy outputs of a batch, and the distance of g = sigmoid(h) from 1/2 before and after."""

    logits: NDArray[np.float64]  # [B, C]; the given ones where the search failed
    before: NDArray[np.float64]  # [B] |g(s) - 1/2|
    after: NDArray[np.float64]  # [B] |g(s + n) - 1/2|


@torch.enable_grad()
def fit_guard(
    inside: NDArray[np.float64], outside: NDArray[np.float64], seed: int, epochs: int, lr: float
) -> Guard:
    """A classifier of the probabilities of members [n, C] and others [n', C]. Both groups have the same weight."""
    f = torch.from_numpy(np.sort(np.concatenate([inside, outside]), axis=1))
    is_member = torch.cat([torch.ones(len(inside)), torch.zeros(len(outside))])[:, None].double()
    share = torch.where(is_member > 0, len(f) / (2 * len(inside)), len(f) / (2 * len(outside)))
    random = generator(seed, "memguard")
    guard = _network(f.shape[1], random)
    optimiser = torch.optim.Adam(guard.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(f), generator=random), BATCH):
            optimiser.zero_grad()
            loss = binary_cross_entropy_with_logits(guard(f[rows]), is_member[rows], share[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return guard.requires_grad_(False)


def _network(classes: int, random: torch.Generator) -> Guard:
    layers: list[nn.Module] = []
    for n_in, n_out in zip((classes, *HIDDEN), (*HIDDEN, 1), strict=True):
        layer = nn.Linear(n_in, n_out, dtype=torch.float64)
        nn.init.xavier_uniform_(layer.weight, generator=random)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def least_noise(guard: Guard, logits: NDArray[np.float64], steps: int) -> Noisy:
    """The closest output found for each of `logits` [B, C] with its prediction, on which the classifier is undecided.

    The search has the precision of the classifier.
    """
    given = torch.from_numpy(logits.copy()).to(next(guard.parameters()).dtype)
    found = torch.cat([_search(guard, z, steps) for z in torch.split(given, ROWS)])
    before, after = ((torch.sigmoid(h(guard, z)) - 0.5).abs().double().numpy() for z in (given, found))
    moved = (found != given).any(dim=1).numpy()
    moved &= found.numpy().argmax(axis=1) == logits.argmax(
        axis=1
    )  # two logits may be equal in that precision only
    return Noisy(np.where(moved[:, None], found.double().numpy(), logits), before, after)


def h(guard: Guard, z: Tensor) -> Tensor:
    """The classifier's logit of "member" for logits z [B, C] -> [B]."""
    return guard(z.softmax(dim=1).sort(dim=1).values)[:, 0]  # type: ignore[no-any-return]


def losses(guard: Guard, x: Tensor, f: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses [B] of logits x [B, C] in place of probabilities f: h, the lead of other classes, the distance."""
    own = torch.zeros_like(x, dtype=torch.bool).scatter_(1, label[:, None], True)
    lead = x.masked_fill(own, -torch.inf).amax(dim=1) - x.gather(1, label[:, None])[:, 0]
    return h(guard, x), lead.relu(), (x.softmax(dim=1) - f).abs().sum(dim=1)


def _search(guard: Guard, z: Tensor, steps: int) -> Tensor:
    """The last outputs that were found while the weight of the third loss grew; z if there are none."""
    best, first = z.clone(), h(guard, z)
    left = torch.nonzero((torch.sigmoid(first) - 0.5).abs() > UNDECIDED)[:, 0]
    close = CLOSE_FIRST
    while len(left) and close < CLOSE_LAST * 1.5:
        x, reached = _descend(guard, z[left], first[left], close, steps)
        left = left[reached]
        best[left] = x[reached]
        close *= 10.0
    return best


@torch.enable_grad()
def _descend(guard: Guard, z: Tensor, first: Tensor, close: float, steps: int) -> tuple[Tensor, Tensor]:
    """Steps of length RATE against the gradient, at least one, until the label is kept and h has changed its sign."""
    x, f, label = z.clone(), z.softmax(dim=1), _predicted(z)
    reached = torch.zeros(len(z), dtype=torch.bool)
    for step in range(steps + 1):
        on = torch.nonzero(~reached)[:, 0]
        moved = x[on].requires_grad_(True)
        judged, lead, distance = losses(guard, moved, f[on], label[on])
        if step:
            reached[on] = (_predicted(moved.detach()) == label[on]) & (judged.detach() * first[on] <= 0)
        if step == steps or reached.all():
            break
        total = (judged.abs() + KEEP_LABEL * lead + close * distance).sum()
        (slope,) = torch.autograd.grad(total, moved)
        length = slope.norm(dim=1, keepdim=True)
        slope[reached[on]] = 0.0
        x[on] -= RATE * slope / torch.where(length > 0, length, 1.0)
    return x, reached


def _predicted(z: Tensor) -> Tensor:
    """The predicted classes [B]; of equal logits the first, which torch does not guarantee."""
    return torch.from_numpy(z.numpy().argmax(axis=1))
