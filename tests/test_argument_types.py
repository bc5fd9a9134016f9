"""Arguments of another type than a public function takes are refused in one line."""

from collections.abc import Callable

import numpy as np
import pytest

import leakbench
from leakbench import InputError

SAVED = {
    "logits": np.random.default_rng(0).normal(size=(60, 3)),
    "labels": np.arange(60) % 3,
    "members": np.arange(60) < 30,
}


@pytest.mark.parametrize("specs", [3, None, b"loss", [3], ["loss", None], {"loss"}, np.zeros(2)])
@pytest.mark.parametrize("what", ["attacks", "metrics"])
def test_methods_are_names_and_tables(what: str, specs: object) -> None:
    with pytest.raises(InputError, match=rf"{what} must be a name, or a list of names and tables, got"):
        leakbench.audit(SAVED, **{what: specs})


def test_one_table_is_a_list_of_one() -> None:
    found = leakbench.audit(SAVED, attacks={"name": "loss"})
    assert {row.attack for row in found.find(metric="auc", target="all")} >= {"loss"}


@pytest.mark.parametrize("delta", [None, "x", [], {}, float("nan"), 1.0, -0.1])
def test_delta_is_a_number_below_1(delta: object) -> None:
    with pytest.raises(InputError, match=r"delta must be (a number|at least 0 and below 1), got"):
        leakbench.audit(SAVED, attacks="loss", delta=delta)  # type: ignore[arg-type]


@pytest.mark.parametrize("study", ["studies/digits-demo.toml", None, {"data": {"name": "digits"}}])
def test_a_study_is_loaded_before_it_runs(study: object) -> None:
    run: Callable[..., object] = leakbench.run
    with pytest.raises(InputError, match=r"read a study file with leakbench\.Study\.load"):
        run(study)
