"""What records.parquet tells of each record, against a loop over records and targets."""

import numpy as np
import pytest

from attacks.worlds import world
from leakbench.attacks import ATTACKS
from leakbench.evaluation.measure import Case, attack_all
from leakbench.evaluation.vulnerable_records import exposures


@pytest.mark.parametrize("targets", [8, 7])  # medians of even and of odd numbers of targets
def test_means_and_medians_are_those_of_a_loop(targets: int) -> None:
    attacked = attack_all(Case("none", world(n=60), tuple(range(targets))), {"loss": ATTACKS.make("loss")}, 0)
    (found,) = exposures(attacked, 0)
    scores, sample = attacked.scores["loss"].scores, attacked.samples["loss"]
    p = np.full(scores.shape, np.nan)
    p[sample.model, sample.row] = sample.p_values
    for n, inside in enumerate(attacked.case.members.T):
        assert found.member[n] == pytest.approx(inside.mean())
        assert found.score_in[n] == pytest.approx(scores[inside, n].mean())
        assert found.score_out[n] == pytest.approx(scores[~inside, n].mean())
        assert found.p_value[n] == pytest.approx(np.median(p[inside, n]))
