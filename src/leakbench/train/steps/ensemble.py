"""The records that each network of an ensemble leaves out, and the jobs that train its networks."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.seeds import derive, stream
from ..job import Job
from ..model import Model, inferred
from ..networks.mean_softmax import EnsembleNetwork
from ..recipe import Ensemble, Recipe


def left_out(job: Job) -> NDArray[np.bool_]:
    """Whether each of the K networks of the job's ensemble leaves out each of the n members [n, K].

    The members come in blocks of K in a random order. In each block, member i is left out by the networks number
    i .. i + leaves_out - 1 of a newly drawn circle. So every member is left out equally often, and in a full block
    every network leaves out equally many.
    """
    number, stage = _ensemble(job)
    n, K, rng = len(job.members), stage.size, stream(job.seed, number, "left out")
    order, circles = rng.permutation(n), rng.permuted(np.tile(np.arange(K), (-(-n // K), 1)), axis=1)
    position, out = np.arange(n), np.zeros((n, K), dtype=bool)
    for j in range(stage.leaves_out):
        out[order, circles[position // K, (position + j) % K]] = True
    return out


def network_jobs(job: Job) -> list[Job]:
    """One job for each network of a job's ensemble: training on the members that it does not leave out."""
    number, stage = _ensemble(job)
    recipe = Recipe(job.recipe.architecture, (stage.training,))
    return [
        replace(job, recipe=recipe, members=job.members[~out], seed=derive(job.seed, number, "network", k))
        for k, out in enumerate(left_out(job).T)
    ]


def member_logits(model: Model, records: Tensor) -> Tensor:
    """The logits [n, C] of the model on the normalised `records` of its own members, in their order.

    For an ensemble, those of a record come from the networks that left it out, if there are any (Split-AI, Tang et al.
    2022, section 4.2).
    """
    network = model.network
    if not isinstance(network, EnsembleNetwork) or not (out := torch.from_numpy(left_out(model.job))).any():
        return inferred(network, records)
    each = torch.stack([inferred(one, records).log_softmax(dim=1) for one in network.networks])  # [K, n, C]
    out = out.to(each.device)
    heard = each.masked_fill(~out.T[:, :, None], -torch.inf).logsumexp(dim=0)
    return heard - out.sum(dim=1, keepdim=True).log()


def _ensemble(job: Job) -> tuple[int, Ensemble]:
    """The number of the job's ensemble stage, and the stage; a recipe has at most one."""
    return next((n, stage) for n, stage in enumerate(job.recipe.stages) if isinstance(stage, Ensemble))
