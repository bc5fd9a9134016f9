"""Methods are found, names are unique, and errors offer the nearest name."""

import pytest

from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.core.registry import Registry
from leakbench.defences import DEFENCES
from leakbench.metrics import METRICS

ALL = [(r, name) for r in (ATTACKS, DEFENCES, METRICS) for name in r.names()]


@pytest.mark.parametrize(("registry", "name"), ALL, ids=[f"{r.kind}-{n}" for r, n in ALL])
def test_every_method_says_what_it_is(registry: Registry, name: str) -> None:
    cls = registry.get(name)
    assert cls.source
    assert cls.summary().endswith((".", "?", ".)")), cls.summary()
    assert "Formula:" in cls.doc()
    assert "Source:" in cls.doc()
    if registry is DEFENCES:
        assert "Limits:" in cls.doc()


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'lira'"):
        ATTACKS.make("lyra")


def test_unknown_parameter_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        DEFENCES.make({"name": "temperature", "temprature": 2})


@pytest.mark.parametrize("value", ["warm", None, [1.0]])
def test_wrong_type_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="temperature"):
        DEFENCES.make({"name": "temperature", "temperature": value})


def test_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="temperature must be positive, got -1"):
        DEFENCES.make({"name": "temperature", "temperature": -1})


def test_a_name_taken_twice_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("defence", "leakbench.defences", DEFENCES.base)
    clash = type("Clash", (DEFENCES.get("none"),), {"name": "none"})
    monkeypatch.setattr(registry, "_from_entry_points", lambda: [clash])
    with pytest.raises(InputError, match="two defences are named 'none'"):
        registry.names()
