"""A scikit-learn scorer, with which a search over parameters trades accuracy against leakage."""

from typing import Any

from numpy.typing import ArrayLike

from .audit_training import audit_training


def membership_auc_scorer(
    estimator: Any, x: Any, y: ArrayLike, *, models: int = 8, attack: str = "rmia", seed: int = 0
) -> float:
    """Minus the AUC of an attack on models with the parameters of the estimator: greater is better, -0.5 is no leak.

    The estimator is not attacked as it was fitted: clones of it are trained on random halves of the records given, so
    in a search over k folds on 1/(2k) of the data. Leakage falls with more records; compare settings by the scorer, and
    audit the one that you choose on all of the data.

    Args:
        estimator: a scikit-learn classifier or pipeline.
        x: N records, of which each model is trained on half.
        y: the labels [N].
        models: how many models are trained for each setting and fold, in this process; an even number.
        attack: the name of an attack.
        seed: of the design, of each model's training, and of the attack.

    Other arguments than the defaults are given with `functools.partial(membership_auc_scorer, models=16)`.

    Raises InputError as `audit_training` does.
    """
    results = audit_training(
        estimator,
        x,
        y,
        models=models,
        attacks=[attack],
        metrics=["auc"],
        seed=seed,
        processes=1,
        progress=False,
    )
    (row,) = results.find(attack=attack, metric="auc", slice="all", target="all")
    return -row.value
