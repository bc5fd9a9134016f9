"""Defences with the same generator share one look at it, each under its own label."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from leakbench.core.progress import NullProgress
from leakbench.core.store import Store
from leakbench.pipeline import generator_audit as generated
from leakbench.pipeline.generator_audit import audit_generators
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, query_models
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer

COPIES = {"name": "synthetic_only", "generator": "bootstrap"}
TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [8]},
    "stages": [{"stage": "train", "epochs": 1}],
    "attacks": ["loss"],
    "defences": [
        {**COPIES, "label": "first"},
        {"chain": [COPIES, "temperature"], "label": "second"},
        {**COPIES, "label": "other", "size": 0.5},
    ],
}


def test_the_same_generator_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, calls = Study.of(TABLE), Counter()
    for name in ("domias", "nearest_neighbour", "copied", "collapsed", "nearest"):
        measure = getattr(generated, name)

        def counted(*given: object, name: str = name, measure=measure) -> object:
            calls[name] += 1
            return measure(*given)

        monkeypatch.setattr(generated, name, counted)
    from leakbench.data.load import load

    dataset = load(study.file.data)
    trainer = Trainer(dataset, study.design.split(dataset, 0), 0, Store(tmp_path))
    found = audit_generators(
        query_models(study, Querier(trainer), checked_recipes(study, trainer.dataset), NullProgress()),
        trainer,
        NullProgress(),
    )
    generators, targets = 2, 4
    assert calls["domias"] == calls["nearest_neighbour"] == generators * targets
    assert calls["nearest"] == generators
    assert calls["copied"] == calls["collapsed"] == generators  # the first target's records raise the flag

    for kind in (found.rows, found.flags, found.samples):
        assert {x.defence for x in kind} == {"first", "second", "other"}
        labelled = {label: [x for x in kind if x.defence == label] for label in ("first", "second", "other")}
        assert [replace(x, defence="first") for x in labelled["second"]] == labelled["first"] != []
    own = {label: [row.value for row in found.rows if row.defence == label] for label in ("first", "other")}
    assert own["first"] != own["other"]
    assert {flag.code for flag in found.flags} == {"F11"}
