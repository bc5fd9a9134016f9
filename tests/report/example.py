"""Made-up results of realistic shape, from the closed form of two Gaussians that lie d apart."""

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from scipy.special import ndtr, ndtri

from leakbench.core.results import (
    Curve,
    ExposedRecord,
    Flag,
    FoundBy,
    LayerSize,
    Overlap,
    Row,
    SyntheticSample,
)
from leakbench.report.page import render
from leakbench.report.results import Results

ATTACKS = {
    "gap": 0.35, "loss": 0.62, "confidence": 0.62, "entropy": 0.41, "modified_entropy": 0.63, "calibration": 0.85,
    "mast": 0.87, "rmia": 1.0, "lira_global": 0.83, "lira": 0.97, "logistic_regression": 0.6, "random_forest": 0.5,
}  # fmt: skip
DEFENCES = {
    "none": 1.0,
    "label_smoothing": 1.12,
    "early_stopping": 0.36,
    "weight_decay": 0.62,
    "temperature": 1.0,
}
ACCURACY = {
    "none": 0.957,
    "label_smoothing": 0.962,
    "early_stopping": 0.941,
    "weight_decay": 0.955,
    "temperature": 0.957,
}
MASKED = {"label_smoothing": 0.8, "temperature": 0.1}  # what a non-adaptive attacker sees of the leakage
COST = {"none": 1.0, "label_smoothing": 1.02, "early_stopping": 0.41, "weight_decay": 1.0, "temperature": 1.0}
SLICES = [
    *(f"class={c}" for c in range(10)),
    "correct=yes",
    "correct=no",
    "loss=0-20%",
    "loss=80-100%",
    "worst",
]
RATES = (0.1, 0.01, 0.001)
TARGETS = 16


def binomial(value: float, n: int) -> tuple[float, float]:
    """A Wilson interval, good enough for a picture."""
    centre, z = value + 1.92 / n, 1.96
    half = z * math.sqrt(value * (1 - value) / n + 0.96 / n**2)
    return max(0.0, (centre - half) / (1 + 3.84 / n)), min(1.0, (centre + half) / (1 + 3.84 / n))


def gaussian(d: float, n: int, **of: object) -> Iterator[Row]:
    """Every metric of an attack whose members score d higher, on n records a side."""
    common = {"n_members": n, "n_nonmembers": n, **of}

    def row(metric: str, value: float, half: float, chance: float | None = 0.5) -> Row:
        low = -1.0 if metric == "advantage" else 0.0
        ends = max(low, value - half), min(1.0, value + half)
        return Row(metric, value, *ends, **common, chance=chance)  # type: ignore[arg-type]

    auc, advantage = float(ndtr(d / math.sqrt(2))), float(2 * ndtr(d / 2) - 1)
    yield row("auc", auc, 1.1 / math.sqrt(n))
    yield row("advantage", advantage, 1.4 / math.sqrt(n), 0.0)
    yield row("balanced_accuracy", 0.5 + advantage / 2 - 0.003, 0.9 / math.sqrt(n))
    yield row("balanced_accuracy_best", 0.5 + advantage / 2, 0.8 / math.sqrt(n))
    for rate in RATES:
        tpr = float(ndtr(d + ndtri(rate)))
        detail = {"fpr": math.floor(rate * n) / n, "false_positives": math.floor(rate * n)}
        yield Row(f"tpr@fpr={rate:g}", tpr, *binomial(tpr, n), **common, chance=rate, detail=detail)  # type: ignore[arg-type]
    tpr = float(ndtr(d + ndtri(1 / n)))
    yield Row("tpr@fpr=0", tpr, *binomial(tpr, n), **common)  # type: ignore[arg-type]
    at_1 = float(ndtr(d + ndtri(0.01)))
    yield row("ppv@fpr=0.01", at_1 / (at_1 + 0.01), 0.4 / math.sqrt(n * at_1), None)
    yield row("precision@fpr=0.01,prior=0.1", at_1 / (at_1 + 0.09), 0.5 / math.sqrt(n * at_1), 0.1)


def curve(defence: str, attack: str, adaptive: bool | None, d: float, n: int) -> Curve:
    fpr = np.concatenate([[0.0], np.geomspace(1 / n, 1, 60)])
    tpr = ndtr(d + ndtri(np.clip(fpr, 0.3 / n, 1)))
    band = [binomial(float(t), n // 4) for t in tpr]
    return Curve(defence, attack, adaptive, fpr.tolist(), tpr.tolist(), *map(list, zip(*band, strict=True)))


def image(seed: int) -> str:
    """A data URI of a small blurred scribble."""
    from PIL import Image

    strokes = np.random.default_rng(seed).normal(size=(4, 4))
    pixels = np.kron(strokes > 0.3, np.full((2, 2), 230)) + np.random.default_rng(seed).integers(
        0, 25, (8, 8)
    )
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def utility(defence: str, n: int) -> Iterator[Row]:
    accuracy = ACCURACY[defence]
    gap = 0.034 * DEFENCES[defence]
    yield Row("accuracy", accuracy, accuracy - 0.006, accuracy + 0.006, defence=defence, n_nonmembers=n)
    yield Row(
        "train_accuracy",
        min(0.999, accuracy + gap),
        accuracy + gap - 0.002,
        min(1, accuracy + gap + 0.002),
        defence=defence,
    )
    yield Row("generalisation_gap", gap, gap - 0.006, gap + 0.006, defence=defence)
    cost = COST[defence]
    yield Row("train_seconds", 3.12 * cost, 3.05 * cost, 3.19 * cost, defence=defence, unit="s")
    yield Row("train_cost_ratio", cost, cost * 0.97, cost * 1.03, defence=defence, unit="x")
    about = {"repeats": 30, "interval": "5th to 95th percentile of the calls"}
    yield Row("latency_batch_1", 0.021, 0.019, 0.034, defence=defence, unit="ms", detail=about)


def leakage(defence: str, adaptive: bool | None, n: int, strength: float) -> Iterator[Row]:
    """Every attack on every slice and every target; the best, chosen on one half and measured on the other."""
    scale = DEFENCES.get(defence, 1.0) * strength
    for attack, d in ATTACKS.items():
        of = {"defence": defence, "attack": attack, "adaptive": adaptive}
        yield from gaussian(d * scale, n, slice="all", **of)
        for k, part in enumerate(SLICES):
            harder = 1.0 + 0.25 * math.sin(2.1 * k) + (0.8 if part in ("correct=no", "worst") else 0.0)
            count = max(40, n // (120 if part == "correct=no" else 20))
            selected = "correct=no" if part == "worst" else None
            yield from gaussian(d * scale * harder, count, slice=part, selected=selected, **of)
        for target in range(TARGETS):
            yield next(gaussian(d * scale, n // TARGETS, target=str(target), **of))
    best = gaussian(scale, n // 2, defence=defence, attack="best", adaptive=adaptive, selected="rmia")
    yield from (r for r in best if r.metric == "auc" or r.metric in [f"tpr@fpr={rate:g}" for rate in RATES])


def differences(defence: str, n: int) -> Iterator[Row]:
    """Each attack against itself on the undefended model."""
    of = {"n_members": n, "n_nonmembers": n, "defence": defence, "adaptive": True}
    for attack, d in ATTACKS.items():
        auc = [float(ndtr(d * scale / math.sqrt(2))) for scale in (DEFENCES[defence], 1.0)]
        tpr = [float(ndtr(d * scale + ndtri(0.01))) for scale in (DEFENCES[defence], 1.0)]
        for metric, (ours, none), half in (("auc", auc, 0.01), ("tpr@fpr=0.01", tpr, 0.006)):
            change = ours - none
            yield Row(f"{metric}-difference", change, change - half, change + half, attack=attack, **of)  # type: ignore[arg-type]


PROVENANCE = {
    "started": "2026-03-14T09:26:53+00:00",
    "seconds": 79.8,
    "command": "leakbench run studies/digits.toml --out report",
    "versions": {"leakbench": "0.1.0", "python": "3.12.4", "numpy": "2.3.1", "torch": "2.13.0"},
    "data": {
        "name": "digits",
        "fingerprint": "b1946ac92492d2347c6235b4d2611184",
        "records": 1797,
        "classes": 10,
    },
    "hardware": {"cpu": "x86_64", "cores": 2, "memory": "8 GiB"},
    "seed": 0,
}
STUDY = {
    "title": "digits",
    "seed": 0,
    "attacks": "standard-2026",
    "data": {"name": "digits"},
    "design": {"name": "random_half", "models": 16},
    "defences": ["none", {"name": "label_smoothing", "epsilon": 0.1}, "early_stopping"],
    "stages": [{"name": "train", "epochs": 60, "optimiser": "adam", "weight_decay": 0.0}],
}


def methods() -> list[dict[str, object]]:
    from leakbench.attacks.loss import Loss

    attack = {"kind": "attack", "doc": Loss.__doc__, "source": Loss.source}
    made = [
        {**attack, "name": name, "parameters": {"views": 1} if name == "lira" else {}} for name in ATTACKS
    ]
    text = "Trains towards a softened label.\n\nFormula: (1 - e) y + e / C\nLimits:  amplifies leakage (2021)"
    defence = {
        "kind": "defence",
        "doc": text,
        "source": "Szegedy et al. 2016",
        "parameters": {"epsilon": 0.1},
    }
    return [*made, *({**defence, "name": name} for name in DEFENCES)]


@cache
def run(n: int = 28_752) -> Results:
    """A study of 5 defences."""
    rows: list[Row] = []
    curves: list[Curve] = []
    records: list[ExposedRecord] = []
    for defence, scale in DEFENCES.items():
        rows += utility(defence, n)
        for adaptive in (True, False) if defence != "none" else (True,):
            strength = 1.0 if adaptive else MASKED.get(defence, 0.97)
            rows += leakage(defence, adaptive, n, strength)
            curves += [curve(defence, a, adaptive, d * scale * strength, n) for a, d in ATTACKS.items()]
        if defence != "none":
            rows += differences(defence, n)
        records += [
            ExposedRecord(defence, 31 * k + 7, str(k % 10), (4.4 - 0.2 * k) * scale, 1 - 0.06 * k, image(k))
            for k in range(8)
        ]
    ignored = "Its shadow models were trained without it; a real attacker would not."
    weaker = "gap reaches .70, above lira_global (.69)."
    flags = [
        *(Flag("L101", "The attacker ignored the defence", ignored, d) for d in DEFENCES if d != "none"),
        Flag("L203", "A weaker attack beats a stronger one", weaker, "temperature", "gap"),
    ]
    notes = [
        "tpr@fpr=0.0001: needs 10,000 non-members at least; a slice has fewer",
        "boundary_distance: needs the model itself, and only its answers are kept",
    ]
    return Results(
        "run", "Digits, four defences", rows, curves, flags, records, methods(), PROVENANCE, STUDY, notes
    )


SHIELDED = {  # leakage and accuracy of a study of SynthShield, its ablations and its baselines
    "none": (1.0, 0.957), "label_smoothing": (1.12, 0.962), "dp_sgd-noisy": (0.08, 0.871), "dmp": (0.45, 0.931),
    "prune_finetune-0.5": (0.98, 0.949), "synthshield-0.3": (0.82, 0.951), "synthshield-0.5": (0.61, 0.944),
    "synthshield-0.7": (0.40, 0.921), "synthshield_public-0.5": (0.47, 0.939), "synthshield_tabdiff-0.5": (0.66, 0.945),
    "fewer_epochs-2": (0.12, 0.875), "fewer_epochs-4": (0.3, 0.922), "fewer_epochs-8": (0.58, 0.943),
    "fewer_epochs-16": (0.83, 0.953),
}  # fmt: skip
BASELINES = {d: accuracy for d, (_, accuracy) in SHIELDED.items() if d.startswith("fewer_epochs-")}
CROSSED = ("none", "dmp", "synthshield-0.3", "synthshield-0.5", "synthshield-0.7", "synthshield_public-0.5")
STRONG = ("loss", "rmia", "lira")


def shield_of(defence: str) -> Iterator[Row]:
    """Utility, cost and size."""
    _, accuracy = SHIELDED[defence]
    yield Row("accuracy", accuracy, accuracy - 0.004, accuracy + 0.004, defence=defence)
    cost = 1.0 + 0.9 * defence.startswith("synthshield")
    yield Row("train_seconds", 3.12 * cost, 3.05 * cost, 3.19 * cost, defence=defence, unit="s")
    yield Row("train_cost_ratio", cost, cost * 0.97, cost * 1.03, defence=defence, unit="x")
    calls = {"interval": "5th to 95th percentile of the calls"}
    yield Row("latency_batch_1", 0.021, 0.019, 0.034, defence=defence, unit="ms", detail=calls)
    yield Row("latency_batch_1024", 1.21, 1.19, 1.74, defence=defence, unit="ms", detail=calls)
    sparsity = float(defence.rpartition("-")[2]) if defence.startswith(("synthshield", "prune")) else 0.0
    of = {"defence": defence, "detail": {"interval": "lowest to highest of the models"}}
    yield Row("parameters", 1_234_567.0, 1_234_567.0, 1_234_567.0, **of)  # type: ignore[arg-type]
    left = 1_234_567.0 - 1_200_000 * sparsity
    yield Row("nonzero_parameters", left, left - 2_000, left + 2_000, **of)  # type: ignore[arg-type]
    yield Row("multiply_adds", 812.0, 812.0, 812.0, **of)  # type: ignore[arg-type]
    yield Row("bytes_on_disk", 4_950_112.0, 4_950_112.0, 4_950_112.0, unit="B", **of)  # type: ignore[arg-type]
    yield Row("sparsity", sparsity, sparsity, sparsity, **of)  # type: ignore[arg-type]
    if defence == "dp_sgd-noisy":
        yield Row("epsilon", 2.974, defence=defence, detail={"delta": 1e-5, "accountant": "prv"})
    if defence == "dmp":
        yield Row("epsilon", math.inf, defence=defence, detail={"delta": 1e-5, "accountant": "prv"})


def attacked(d: float, n: int, **of: object) -> Iterator[Row]:
    """Three attacks and the best of them."""
    for attack in STRONG:
        yield from gaussian(d * ATTACKS[attack], n, attack=attack, **of)
    best = gaussian(d, n // 2, attack="best", selected="rmia", **of)
    yield from (r for r in best if r.metric == "auc" or r.metric in [f"tpr@fpr={rate:g}" for rate in RATES])


def crossings(n: int) -> Iterator[Row]:
    """Every attacker's guess of the defence against every other victim."""
    for victim in CROSSED:
        for shadows in CROSSED[1:]:
            if shadows != victim:
                d = SHIELDED[victim][0]
                seen = d * (0.95 - 0.6 * abs(d - SHIELDED[shadows][0]))
                yield from attacked(seen, n, defence=victim, adaptive=False, shadows=shadows)


def paired(metric: str, ours: float, theirs: float, half: float, **of: object) -> Row:
    """A difference whose interval reaches `half` to either side."""
    change = ours - theirs
    return Row(metric, change, change - half, change + half, **of)  # type: ignore[arg-type]


def beside_baselines(n: int) -> Iterator[Row]:
    """Each defence and the baseline of the nearest accuracy."""
    for defence, (d, accuracy) in SHIELDED.items():
        if defence == "none" or defence in BASELINES:
            continue
        against = min(BASELINES, key=lambda b: abs(BASELINES[b] - accuracy))
        of = {"defence": defence, "against": against}
        yield paired("accuracy_difference", accuracy, BASELINES[against], 0.005, **of)
        for attack in STRONG:
            both = [ATTACKS[attack] * scale for scale in (d, SHIELDED[against][0])]
            more = {**of, "attack": attack, "adaptive": True, "n_members": n, "n_nonmembers": n}
            aucs = [float(ndtr(each / math.sqrt(2))) for each in both]
            yield paired("auc-difference", *aucs, 0.01, **more)  # type: ignore[arg-type,misc]
            for rate in (0.01, 0.001):
                tprs = [float(ndtr(each + ndtri(rate))) for each in both]
                yield paired(f"tpr@fpr={rate:g}-difference", *tprs, 0.006, **more)  # type: ignore[arg-type,misc]


def from_the_generator(n: int) -> Iterator[Row]:
    """What synthetic records give away, and the two parts of a defence's leakage."""
    defence, twin = "synthshield-0.5", "synthshield_public-0.5"
    for attack, d in (("domias", 0.6), ("nearest_neighbour", 0.35)):
        found = gaussian(d, n, defence=defence, attack=attack, slice="generator")
        yield from (r for r in found if r.metric in ("auc", "advantage", "tpr@fpr=0.01"))
    for attack in STRONG:
        aucs = [
            float(ndtr(ATTACKS[attack] * SHIELDED[each][0] / math.sqrt(2)))
            for each in (defence, twin, "none")
        ]
        of = {"defence": defence, "attack": attack, "adaptive": True, "detail": {"twin": twin}}
        yield paired("leakage_in_weights", aucs[1], 0.5, 0.01, **of)
        yield paired("leakage_from_generator", aucs[0], aucs[1], 0.012, **of)


def samples() -> Iterator[SyntheticSample]:
    """Digits beside their nearest, and records of a table."""
    for k in range(20):
        yield SyntheticSample(
            "synthshield-0.5", "ddpm", str(k % 10), 1.37 + 0.1 * k, image(k), image(k + 100)
        )
        yield SyntheticSample("synthshield_tabdiff-0.5", "tabdiff", f"class {k % 3}", 0.25 * k)


def layers() -> Iterator[LayerSize]:
    for defence, sparsity in (("none", 0.0), ("synthshield-0.5", 0.5), ("synthshield-0.7", 0.7)):
        for layer, weights in (("conv1", 432.0), ("conv2", 4_608.0), ("conv3", 1_180_000.0)):
            yield LayerSize(defence, layer, "Conv2d", weights, sparsity * weights, weights)
        yield LayerSize(defence, "fc", "Linear", 20_490.0, 0.0, 20_490.0)


@cache
def shielded(n: int = 20_000) -> Results:
    """A study of 14 defences with all that SynthShield adds."""
    rows: list[Row] = [*crossings(n), *beside_baselines(n), *from_the_generator(n)]
    curves: list[Curve] = []
    for defence, (d, _) in SHIELDED.items():
        rows += shield_of(defence)
        rows += attacked(d, n, defence=defence, adaptive=True)
        curves += [curve(defence, a, True, d * ATTACKS[a], n) for a in STRONG]
        if defence != "none":
            masked = d * MASKED.get(defence, 0.9)
            rows += attacked(masked, n, defence=defence, adaptive=False, shadows="none")
            rows += [
                paired("auc-difference", *(float(ndtr(ATTACKS[a] * each / math.sqrt(2))) for each in (d, 1.0)),
                       0.01, defence=defence, attack=a, adaptive=True)  # type: ignore[misc]
                for a in STRONG
            ]  # fmt: skip
    return Results(
        "run", "SynthShield beside fewer epochs", rows, curves, methods=methods(), provenance=PROVENANCE,
        study=STUDY, samples=list(samples()), layers=list(layers()),
    )  # fmt: skip


@cache
def audit(n: int = 10_000, strength: float = 0.9) -> Results:
    """An audit of one model."""
    rows = [Row("accuracy", 0.912, 0.904, 0.92), Row("train_accuracy", 0.998, 0.996, 0.999)]
    rows += leakage("none", None, n, strength)
    curves = [curve("none", a, None, d * strength, n) for a, d in ATTACKS.items()]
    records = [ExposedRecord("none", 11 * k, None, 3.0 - 0.1 * k, None) for k in range(10)]
    flags = [Flag("L001", "Few non-members", "10,000 resolve an FPR of 0.1 % and no lower one.")]
    return Results("audit", "cnn_logits.npz", rows, curves, flags, records, methods(), PROVENANCE, {}, [])


@cache
def small() -> Results:
    """The study in brief: every section, few rows, images, and the members that attacks find together."""
    results, attacks = run(), ("lira", "rmia", "gap")
    slices = ("all", "class=1", "class=2")
    rows = [
        r
        for r in results.rows
        if r.attack in (None, "best", *attacks) and r.slice in slices and r.target == "all"
    ]
    counts = [[90, 60, 10], [60, 100, 10], [10, 10, 20]]
    found = [FoundBy(["lira", "rmia"], 50, 3), FoundBy(["rmia"], 40, 5), FoundBy(["gap"], 10, 9)]
    overlaps = [
        Overlap(d, "fpr=0.01", list(attacks), "rmia", 1000, 1000, counts, 140, found, []) for d in DEFENCES
    ]
    return replace(
        results,
        rows=[*rows, *(Row("train_cost_ratio", 1.2, 1.1, 1.3, defence=d, unit="x") for d in DEFENCES)],
        curves=[c for c in results.curves if c.attack in attacks],
        overlaps=overlaps,
        flags=[
            *results.flags,
            *(Flag("F09", "Tied scores", f"scores tie: {k}", "none", "gap") for k in range(41)),
        ],
    )


def silent(n: int = 10_000) -> Results:
    """An audit that finds nothing."""
    return audit(n, strength=0.0)


HOSTILE = "<script>document.title='owned'</script>\"'>&$\\frac{$</svg>"


def hostile() -> Results:
    """Every name is an attempt to leave its place."""
    h = HOSTILE
    rows = [
        *gaussian(1.0, 2_000, defence=h, attack=h, adaptive=True, slice="all"),
        *gaussian(0.5, 2_000, defence=h, attack=h, adaptive=False, slice="all"),
        *gaussian(1.0, 2_000, defence=h, attack="best", adaptive=True, slice="all", selected=h),
        *gaussian(1.0, 200, defence=h, attack="best", adaptive=True, slice=f"class={h}", selected=h),
        *gaussian(1.0, 200, defence=h, attack=h, adaptive=True, slice=h),
        Row("accuracy", 0.9, 0.89, 0.91, defence=h),
        Row(h, 1.0, defence=h, unit=h),
        Row(h, 1.0, defence=h, attack=h, adaptive=True, detail={h: h}),
        *gaussian(0.5, 2_000, defence=h, attack=h, adaptive=False, shadows=f"{h}2"),
        *gaussian(0.5, 2_000, defence=h, attack=h, slice="generator"),
        Row("auc-difference", 0.1, 0.0, 0.2, defence=h, attack=h, adaptive=True, against=f"{h}2"),
        Row("leakage_in_weights", 0.1, 0.0, 0.2, defence=h, attack=h, detail={"twin": h}),
        Row("epsilon", 1.0, defence=h, detail={"delta": h}),
        Row("parameters", 1.0, 0.0, 2.0, defence=h, detail={"interval": h}),
    ]
    curves = [curve(h, h, adaptive, 1.0, 2_000) for adaptive in (True, False)]
    records = [ExposedRecord(h, 1, h, 1.0, 0.5, bad) for bad in (
        h, "javascript:alert(1)", "http://example.org/x.png", 'data:image/png;base64,AA" onerror="alert(1)',
        "data:text/html;base64,AAAA", "data:image/svg+xml;base64,AAAA")]  # fmt: skip
    samples = [SyntheticSample(h, h, h, 1.0, r.image, r.image) for r in records]
    method = {"kind": h, "name": h, "doc": h, "source": h, "parameters": {h: h}}
    return Results(
        "run",
        h,
        rows,
        curves,
        [Flag(h, h, h, h, h)],
        records,
        [method],
        {h: {h: h}, "started": h},
        {h: [h, {h: h}]},
        [h],
        samples,
        [LayerSize(h, h, h, 10.0, 5.0, 10.0)],
    )


def empty() -> Results:
    """Nothing at all."""
    return Results("run", "empty", [])


@cache
def page(name: str) -> str:
    """The page of the results of a function here, rendered once for all tests that read it."""
    results: Results = globals()[name]()
    return render(results)
