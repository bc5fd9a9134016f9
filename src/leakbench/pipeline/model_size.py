"""The size of the models of a defence, before and after pruning, and the epsilon of DP-SGD."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.results import LayerSize, Row
from ..train.networks.build import loaded
from ..train.private import promise, spent
from ..train.recipe import CodeRecipe, Recipe
from ..train.sizes import Sizes, sizes
from .defended_models import DefendedModels
from .train import WEIGHTS, Trainer

RANGE = {"interval": "lowest to highest of the models"}


@dataclass(frozen=True, eq=False)
class Footprints:
    """The sizes of every model of a study, measured once for each recipe."""

    trainer: Trainer
    _measured: dict[Recipe, list[Sizes]] = field(default_factory=dict, repr=False)

    def of(self, defended: DefendedModels) -> list[Sizes]:
        """The sizes of the models of a defence [M]."""
        if defended.recipe not in self._measured:
            self._measured[defended.recipe] = [
                self._size(defended, m) for m in range(len(defended.stored.entries))
            ]
        return self._measured[defended.recipe]

    def rows(self, defended: DefendedModels, baseline: DefendedModels) -> Iterator[Row]:
        """Parameters, multiply-adds, bytes, the share of pruned weights, and the epsilon of DP-SGD; none of code."""
        if isinstance(defended.recipe, CodeRecipe):
            return
        label, found, before = defended.defence.label, self.of(defended), self.of(baseline)
        yield _over_models("parameters", label, [s.parameters for s in found])
        yield _over_models("nonzero_parameters", label, [s.nonzero for s in found])
        yield _over_models("multiply_adds", label, [s.multiply_adds for s in found])
        yield _over_models("bytes_on_disk", label, [s.bytes for s in found], "B")
        removed = [1.0 - _left(s) / max(_weights(s), _weights(b)) for s, b in zip(found, before, strict=True)]
        yield _over_models("sparsity", label, removed)
        fewest = int(defended.split.sizes.min())
        loss = spent(defended.recipe, fewest)  # the fewest members have the largest epsilon
        if loss is not None:
            about: dict[str, Any] = {"delta": loss.delta, "accountant": loss.accountant}
            if np.isfinite(loss.epsilon):
                about["promise"] = promise(defended.recipe, fewest, loss.accountant)
            yield Row("epsilon", loss.epsilon, defence=label, detail=about)

    def layers(self, defended: DefendedModels, baseline: DefendedModels) -> Iterator[LayerSize]:
        """Weights and zeros of each layer, means over the models; none if no weight was removed, and of code."""
        if isinstance(defended.recipe, CodeRecipe):
            return
        found, before = self.of(defended), self.of(baseline)
        if [s.layers for s in found] == [s.layers for s in before] or _left(found[0]) >= _weights(before[0]):
            return
        for n, layer in enumerate(found[0].layers):
            yield LayerSize(
                defended.defence.label,
                layer.name,
                layer.kind,
                float(np.mean([s.layers[n].weights for s in found])),
                float(np.mean([s.layers[n].zeros for s in found])),
                float(np.mean([s.layers[n].weights for s in before])),
            )

    def _size(self, defended: DefendedModels, m: int) -> Sizes:
        shape, classes = defended.dataset.x.shape[1:], len(defended.dataset.classes)
        weights = defended.stored.entries[m].tensors(WEIGHTS)
        return sizes(loaded(defended.recipe.architecture, shape, classes, weights), shape)


def _weights(found: Sizes) -> int:
    return sum(layer.weights for layer in found.layers)


def _left(found: Sizes) -> int:
    return sum(layer.weights - layer.zeros for layer in found.layers)


def _over_models(metric: str, label: str, values: Sequence[float], unit: str | None = None) -> Row:
    mean, low, high = float(np.mean(values)), float(min(values)), float(max(values))
    return Row(metric, mean, low, high, defence=label, unit=unit, detail=dict(RANGE))
