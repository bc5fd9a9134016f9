"""Findings as entries of the store: each case is attacked and measured once, by any process."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks import Attack
from ..core.checks import checked
from ..core.provenance import versions
from ..core.results import PER_RECORD, CaseScores, Curve, ExposedRecord, Exposure, Flag, Overlap, Row
from ..core.store import Entry, Made, Payload
from ..evaluation.findings import Findings, Names
from ..evaluation.measure import Case
from ..evaluation.paired_differences import PairedSamples, StrongestSample
from ..metrics import Metric
from ..metrics.statistics.differences import Compared, PairedSample
from ..metrics.statistics.intervals import Limits

CODE = hashlib.sha256(  # of the source of this library, all of it, as it was imported
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parents[1].rglob("*.py")))
).hexdigest()
PLAIN = {
    "rows": Row,
    "curves": Curve,
    "flags": Flag,
    "records": ExposedRecord,
    "overlaps": Overlap,
}  # plain data, by field of Findings


def spec(
    cases: Sequence[Case],
    attacks: Mapping[str, Attack],
    metrics: Sequence[Metric],
    names: Names,
    seed: int,
) -> dict[str, Any]:
    """The spec of the findings of cases that are measured together.

    The code is part of it: after an upgrade of this library or of its dependencies, all findings are computed again.
    """
    return {
        "cases": [
            {
                "defence": case.defence,
                "adaptive": case.adaptive,
                "shadows": case.shadows,
                "models": case.models.identity,
                "reference": case.reference and case.reference.identity,
                "targets": list(map(int, case.targets)),
                "numbers": list(map(int, case.numbers)),
                "canaries": None if case.canaries is None else [case.canary, _digest(case.canaries)],
            }
            for case in cases
        ],
        "attacks": [
            [label, attack.describe()] for label, attack in attacks.items()
        ],  # their order decides ties
        "metrics": [metric.describe() for metric in metrics],
        "classes": None if names.classes is None else list(names.classes),
        "seed": seed,
        "code": CODE,
        "versions": versions(),
    }


def _digest(texts: NDArray[np.str_]) -> str:
    return hashlib.sha256(texts.tobytes()).hexdigest()


def packed(every: Sequence[Findings]) -> Made:
    """The files of an entry that holds findings."""
    files: dict[str, Payload] = {}
    for n, found in enumerate(every):
        plain: dict[str, Any] = {name: [asdict(x) for x in getattr(found, name)] for name in PLAIN}
        plain["notes"] = found.notes
        plain["exposures"] = [_about_exposure(exposure) for exposure in found.exposures]
        plain["scores"] = [_about_scores(case) for case in found.scores]
        best = found.comparable.best.items()
        plain["attacks"] = [_about(each) | {"attack": a} for a, each in found.comparable.attacks.items()]
        plain["best"] = [
            _about(b.sample) | {"metric": m, "attack": b.attack, "shadows": b.shadows} for m, b in best
        ]
        files[f"{n}.json"] = json.dumps(plain).encode()
        samples = [*found.comparable.attacks.values(), *(b.sample for _, b in best)]
        files[f"{n}.safetensors"] = {
            **{
                f"{i}.{metric}": compared.influence
                for i, each in enumerate(samples)
                for metric, compared in each.metrics.items()
            },
            **{
                f"exposure.{i}.{name}": getattr(exposure, name)
                for i, exposure in enumerate(found.exposures)
                for name in PER_RECORD
            },
            **{
                f"scores.{i}.{name}": array
                for i, case in enumerate(found.scores)
                for name, array in _arrays_of_scores(case)
            },
        }
    return files, {"findings": len(every)}


def unpacked(entry: Entry) -> list[Findings]:
    """The findings in an entry. Raises some exception if they are not as `packed` writes them."""
    if entry.meta["findings"] != len(entry.spec["cases"]):
        raise ValueError("there must be findings about each case")
    return [_unpacked(entry, n) for n in range(len(entry.spec["cases"]))]


def _unpacked(entry: Entry, n: int) -> Findings:
    plain = entry.plain(f"{n}.json")
    arrays = entry.tensors(f"{n}.safetensors")
    lists = {name: checked(list[kind], plain[name]) for name, kind in PLAIN.items()}  # type: ignore[valid-type]
    about = [*plain["attacks"], *plain["best"]]
    samples = [_paired_sample(each, arrays, i) for i, each in enumerate(about)]
    own, rest = samples[: len(plain["attacks"])], samples[len(plain["attacks"]) :]
    comparable = PairedSamples(
        {each["attack"]: sample for each, sample in zip(plain["attacks"], own, strict=True)},
        {
            each["metric"]: StrongestSample(each["attack"], each["shadows"], sample)
            for each, sample in zip(plain["best"], rest, strict=True)
        },
    )
    exposures = [
        Exposure(**each | {name: arrays[f"exposure.{i}.{name}"] for name in PER_RECORD})
        for i, each in enumerate(plain["exposures"])
    ]
    for each in exposures:
        counts = {len(getattr(each, name)) for name in PER_RECORD}
        if len({*counts, *([] if each.label is None else [len(each.label)])}) != 1:
            raise ValueError("an exposure must have one number of records")
    notes = checked(list[str], plain["notes"])
    scores = [_scores(each, arrays, f"scores.{i}.") for i, each in enumerate(plain["scores"])]
    return Findings(**lists, notes=notes, exposures=exposures, comparable=comparable, scores=scores)


def _about_exposure(exposure: Exposure) -> dict[str, Any]:
    label = None if exposure.label is None else list(exposure.label)
    return {
        "defence": exposure.defence,
        "attack": exposure.attack,
        "label": label,
        "by_chance": exposure.by_chance,
    }


def _about(sample: PairedSample) -> dict[str, Any]:
    metrics = {m: [c.value, list(c.limits), c.unseen] for m, c in sample.metrics.items()}
    names = ("pairs", "n_members", "n_nonmembers")
    return {name: getattr(sample, name) for name in names} | {"metrics": metrics}


def _paired_sample(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], i: int) -> PairedSample:
    metrics = {
        metric: Compared(value, Limits(*limits), unseen, arrays[f"{i}.{metric}"])
        for metric, (value, limits, unseen) in about["metrics"].items()
    }
    return PairedSample(about["pairs"], about["n_members"], about["n_nonmembers"], metrics)


def _about_scores(case: CaseScores) -> dict[str, Any]:
    names = {field: list(getattr(case, field)) for field in ("ranks", "decided", "slices")}
    about = {name: getattr(case, name) for name in ("defence", "adaptive", "shadows")}
    return about | names | {"shape": list(case.member.shape)}


def _arrays_of_scores(case: CaseScores) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays by name; those of booleans as bits."""
    for name in ("target", "record", "copy_of"):
        yield name, getattr(case, name)
    for label, ranks in case.ranks.items():
        yield f"ranks.{label}", ranks
    for name in ("member", "chooses"):
        yield name, np.packbits(getattr(case, name))
    for field in ("decided", "slices"):
        for label, mask in getattr(case, field).items():
            yield f"{field}.{label}", np.packbits(mask)


def _scores(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> CaseScores:
    shape = tuple(checked(list[int], about["shape"]))

    def mask(name: str) -> NDArray[np.bool_]:
        return np.unpackbits(arrays[prefix + name], count=shape[0] * shape[1]).astype(bool).reshape(shape)

    return CaseScores(
        defence=about["defence"],
        adaptive=about["adaptive"],
        shadows=about["shadows"],
        target=arrays[prefix + "target"],
        record=arrays[prefix + "record"],
        copy_of=arrays[prefix + "copy_of"],
        member=mask("member"),
        chooses=mask("chooses"),
        ranks={label: arrays[f"{prefix}ranks.{label}"].reshape(shape) for label in about["ranks"]},
        decided={label: mask(f"decided.{label}") for label in about["decided"]},
        slices={name: mask(f"slices.{name}") for name in about["slices"]},
    )
