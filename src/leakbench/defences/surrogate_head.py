from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ..core.errors import InputError, unknown
from ..train.losses import LOSSES
from ..train.recipe import Finetune, Head, Recipe, Train, TrainHead
from ..train.recipe.settings import Optimiser, Schedule
from ._stages import like
from .base import Defence

FITS = ("in_place", "logits", "predicted", "true")
LOSS_NAMES = ("cross_entropy", "mse")


@dataclass(frozen=True)
class SurrogateHead(Defence):
    r"""Put a trainable head in the place of the softmax over the logits z of the trained network, the body.

    Formula: released logits h(z) = W1 z + b (degree 1), or W1 z + W2 z^2 + b (degree 2), z^2 by coordinate. `fit`:
             "in_place": Adam(`lr`) for `epochs` on the members, body frozen, by `loss`;
             "logits": argmin sum |h(z) - z|^2 over the members, in closed form;
             "predicted", "true": argmin CE(h(z), argmax z or y) + `l2` / 2 |W|^2 over the members, by L-BFGS.
             Then `finetune`: Adam(`finetune_lr`) on the whole network for `epochs`, by cross-entropy or MSE.
             MSE compares the raw h(z) with onehot(y): the head replaces the softmax, so nothing comes behind it
    Source:  github.com/dianujer/entropy_driven_MIA_defenses, whose M-6 to M-16 and M-19 to M-25 these are:

             fit         loss or finetune   degree 1   degree 2
             in_place    cross_entropy      M-6        M-19
             in_place    mse                M-16       -
             logits      none               M-13       M-21
             logits      mse                M-7        M-25
             logits      cross_entropy      M-8        M-24
             predicted   none               M-14       -
             predicted   mse                M-9        -
             predicted   cross_entropy      M-10       -
             true        none               M-15       M-20
             true        mse                M-11       M-23
             true        cross_entropy      M-12       M-22

    Differs: the fits are solved, not left after 200 epochs: argmax z is separable by z, and so are labels that the
             network has learned, so that without a penalty the cross-entropy has no minimum, and where the epochs
             end decides. `l2` is on standardised features and on b. The authors' network ends in a softmax before
             the head's place; here z are logits
    Limits:  "logits" has the solution h(z) = z: without fine-tuning it is the undefended model. A linear head that
             can be inverted hides nothing from an adaptive attacker; the output is a function of z in every case.
             20 epochs are the authors', of 47 steps each: on few records the fresh head of "in_place" is still
             half-trained after them, so raise `epochs` or `lr` there
    """

    name: ClassVar[str] = "surrogate_head"
    source: ClassVar[str] = "github.com/dianujer/entropy_driven_MIA_defenses"

    degree: Literal[1, 2] = 1  # degree of the head in the logits
    fit: Literal["in_place", "logits", "predicted", "true"] = "in_place"  # the target of its fit
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"  # the loss of the head
    finetune: Literal["none", "cross_entropy", "mse"] = "none"  # loss that then trains the body
    epochs: int = 20  # epochs of the head and of fine-tuning
    lr: float = 1e-3  # the head's learning rate
    finetune_lr: float = 1e-5  # the body's learning rate
    l2: float = 1.0  # squared penalty of the head

    def __post_init__(self) -> None:
        for what, value, known in (
            ("fit of a surrogate head:", self.fit, FITS),
            ("loss of a surrogate head:", self.loss, LOSS_NAMES),
            ("finetune of a surrogate head:", self.finetune, ("none", *LOSS_NAMES)),
        ):
            if value not in known:
                raise unknown(what, value, known)
        if self.fit != "in_place" and self.loss != "cross_entropy":
            raise InputError(
                f'loss is that of training in place, and fit is {self.fit!r}; set fit = "in_place", '
                f"or finetune = {self.loss!r} to fine-tune by it"
            )
        if self.epochs < 1:
            raise InputError(f"epochs must be at least 1, got {self.epochs}")
        for lr in (self.lr, self.finetune_lr):
            Optimiser("adam", lr=lr)
        self._head()

    def recipe(self, base: Recipe) -> Recipe:
        stages = [*base.stages, self._head()]
        if self.fit == "in_place":
            stages.append(self._training(base, TrainHead, self.loss, self.lr))
        if self.finetune != "none":
            stages.append(self._training(base, Finetune, self.finetune, self.finetune_lr))
        return replace(base, stages=tuple(stages))

    def _training(self, base: Recipe, kind: type[Train], loss: str, lr: float) -> Train:
        """A stage on the members, in batches (and with augmentation or privacy) as the last one of `base`."""
        return like(
            base.training[-1],
            kind,
            on="members",
            epochs=self.epochs,
            optimiser=Optimiser("adam", lr=lr),
            schedule=Schedule(),
            loss=LOSSES.make(loss),
            patience=None,
        )

    def _head(self) -> Head:
        fit = "later" if self.fit == "in_place" else self.fit
        return Head(degree=self.degree, fit=fit, l2=self.l2)
