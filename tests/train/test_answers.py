"""Queries in parts give the bits of one query."""

import pytest
import torch

from leakbench.train.networks import build
from leakbench.train.networks.build import answers, initialised, unset
from leakbench.train.random_streams import generator
from leakbench.train.recipe import Architecture


@pytest.mark.parametrize("name", ["cnn", "resnet9", "wrn"])
def test_parts_change_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = Architecture(name, depth=10, width=1) if name == "wrn" else Architecture(name)
    network = initialised(unset(architecture, (3, 16, 16), 4), generator(0, "init")).eval()
    records, sizes = torch.randn(50, 3, 16, 16, generator=generator(0, "records")), []
    network.register_forward_pre_hook(lambda _, read: sizes.append(len(read[0])))
    with torch.no_grad():
        whole = answers(network, records)
        monkeypatch.setattr(build, "VALUES_IN_PART", 20 * records[0].numel())
        monkeypatch.setattr(build, "FEWEST_IN_PART", 1)
        assert torch.equal(answers(network, records), whole)
    assert sizes == [50, 20, 20, 10]


def test_a_table_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "VALUES_IN_PART", 1)
    monkeypatch.setattr(build, "FEWEST_IN_PART", 1)
    network = torch.nn.Linear(3, 2)
    network.register_forward_pre_hook(lambda _, read: sizes.append(len(read[0])))
    sizes: list[int] = []
    answers(network, torch.zeros(7, 3))
    assert sizes == [7]
