"""The executor of a run, and the share of each worker."""

import pytest

from leakbench.cli.options import chosen_executor
from leakbench.core.errors import InputError


@pytest.mark.parametrize(
    ("gpus", "on_gpu", "given"), [(None, True, 1.0), (None, False, 0.0), (0.25, True, 0.25), (0.0, True, 0.0)]
)
def test_a_ray_worker_gets_a_gpu_where_the_study_needs_one(
    gpus: float | None, on_gpu: bool, given: float
) -> None:
    executor = chosen_executor("ray", None, None, None, gpus, on_gpu)
    assert executor.gpus == given and executor.cpus == 1


def test_local_processes_have_no_shares() -> None:
    assert chosen_executor("local", None, 2, None, None, on_gpu=True) is None
    with pytest.raises(InputError, match="add --executor ray"):
        chosen_executor("local", None, None, None, 1.0, on_gpu=False)
