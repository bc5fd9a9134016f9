"""Output maps against slow references, written from their formulas with loops, and a study of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicSpline

import leakbench.pipeline.train
from leakbench.core.errors import InputError
from leakbench.defences import DEFENCES
from leakbench.defences import _memguard_search as memguard
from leakbench.defences._simplex import log_distribution
from leakbench.defences.defender import Defender, Records
from leakbench.defences.hamp_output import reordered
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.report.results import Results
from leakbench.signals.statistics import log_softmax

ROWS = arrays(np.float32, (4, 5), elements=st.floats(-30, 30, width=32)).map(lambda z: z.astype(np.float64))


def _logits(n: int = 12, c: int = 10, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(5).normal(0, spread, (n, c))


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def _defender(c: int = 4, x: np.ndarray | None = None, seed: int = 0) -> Defender:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (60, 6)).astype(np.float32) if x is None else x
    weight, y = rng.normal(0, 2, (int(np.prod(x.shape[1:])), c)), rng.integers(0, c, len(x))
    half = len(x) // 2
    sides = Records(x[:half], y[:half]), Records(x[half:], y[half:])
    return Defender(
        seed, lambda x: x.reshape(len(x), -1).astype(float) @ weight, lambda: sides[0], lambda: sides[1]
    )


@given(ROWS, st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_top_k_shares_the_rest_evenly(z: np.ndarray, k: int) -> None:
    released = np.exp(log_softmax(DEFENCES.make({"name": "top_k", "k": k}).output(z)))
    for row, found in zip(z, released, strict=True):
        f, kept = _softmax(row), sorted(range(5), key=lambda c: (-row[c], c))[:k]
        left = [c for c in range(5) if c not in kept]
        expected = [f[c] if c in kept else sum(f[left]) / len(left) for c in range(5)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_clipping_limits_the_norm_and_leaves_short_answers(z: np.ndarray) -> None:
    defence = DEFENCES.make({"name": "logit_clipping", "tau": 2.0, "p": 1.0})
    for row, found in zip(z, defence.output(z), strict=True):
        v = row - row.mean()
        expected = v if np.abs(v).sum() <= 2.0 else 2.0 * v / np.abs(v).sum()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_normalised_logits_have_one_length() -> None:
    out = DEFENCES.make({"name": "logit_normalisation", "scale": 7.0}).output(_logits())
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 7.0)
    np.testing.assert_allclose(
        DEFENCES.make("logit_normalisation").output(_logits() + 3.0),
        DEFENCES.make("logit_normalisation").output(_logits()),
    )


def test_negative_values_become_zero_and_nothing_becomes_uniform() -> None:
    found = np.exp(log_distribution(np.array([[0.5, -0.2, 1.5], [-1.0, -2.0, 0.0]])))
    np.testing.assert_allclose(found, [[0.25, 0.0, 0.75], [1 / 3, 1 / 3, 1 / 3]], atol=1e-12)


def _upsampled(f: np.ndarray) -> np.ndarray:
    classes = len(f)
    return CubicSpline(np.arange(classes), f)(np.linspace(0, classes - 1, 3 * (classes - 1) + 1))


def _truncated(x: np.ndarray, rank: int) -> np.ndarray:
    left, s, right = np.linalg.svd(x, full_matrices=False)
    return right[:rank].T @ np.diag(1 / s[:rank]) @ left[:, :rank].T


def _dynamics(u: np.ndarray, psi: np.ndarray, rank: int) -> np.ndarray:
    inverse = _truncated(psi[:, :-1], rank)
    move, read = psi[:, 1:] @ inverse, u[:-1] @ inverse
    predicted = [read @ psi[:, 0]] + [read @ (move @ psi[:, k]) for k in range(len(u) - 1)]
    return np.array(predicted)[::3]


def _approximated(kind: str, **parameters: object) -> np.ndarray:
    table = {"name": "output_approximation", "kind": kind, **parameters}
    return np.exp(log_softmax(DEFENCES.make(table).output(_logits())))


def _distribution(values: np.ndarray) -> np.ndarray:
    positive = np.maximum(values, 0)
    return positive / positive.sum()


def test_dmd_is_linear_dynamics_of_delays() -> None:
    found = _approximated("dmd", rank=2)
    for row, z in zip(found, _logits(), strict=True):
        u = _upsampled(_softmax(z))
        psi = np.array([[u[max(k - lag, 0)] for k in range(len(u))] for lag in (2, 1, 0)])
        np.testing.assert_allclose(row, _distribution(_dynamics(u, psi, 2)), atol=1e-9)


def test_koopman_is_linear_dynamics_of_bumps() -> None:
    found = _approximated("koopman", rank=2)
    for row, z in zip(found, _logits(), strict=True):
        u = _upsampled(_softmax(z))
        psi = np.array([np.exp(-((u - i) ** 2) / 2) for i in range(11)])
        np.testing.assert_allclose(row, _distribution(_dynamics(u, psi, 2)), atol=1e-6)


def test_random_fourier_approaches_the_kernel() -> None:
    from leakbench.defences._series import fourier

    rng, d = np.random.default_rng(0), 200_000
    psi = fourier(np.array([[0.2, 0.9]]), rng.normal(0, np.sqrt(1.2), d), rng.uniform(0, 2 * np.pi, d))[0]
    assert psi[:, 0] @ psi[:, 1] == pytest.approx(np.exp(-0.6 * 0.7**2), abs=0.01)
    assert not np.allclose(_approximated("random_fourier"), _approximated("random_fourier", seed=1))


def test_polynomial_is_the_least_squares_fit() -> None:
    for row, z in zip(_approximated("polynomial"), _logits(), strict=True):
        u = _upsampled(_softmax(z))
        grid = np.linspace(-1, 1, len(u))
        fit = np.polyval(np.polyfit(grid, u, 6), grid)[::3]
        np.testing.assert_allclose(row, _distribution(fit), atol=1e-9)


def test_taylor_is_softmax_to_first_order() -> None:
    z = _logits()
    exact = np.array([_softmax(row / 1e4) for row in z])
    np.testing.assert_allclose(_approximated("taylor"), exact, atol=1e-7)


def _sifted(u: np.ndarray) -> np.ndarray:
    h, t = u.copy(), np.arange(len(u))
    for _ in range(20):
        inner = range(1, len(u) - 1)
        up = [k for k in inner if h[k] > h[k - 1] + 1e-12 and h[k] >= h[k + 1]]
        down = [k for k in inner if -h[k] > -h[k - 1] + 1e-12 and -h[k] >= -h[k + 1]]
        if not up or not down:
            return h
        ends = (0, len(u) - 1)
        envelopes = [
            CubicSpline(sorted({*knots, *ends}), h[sorted({*knots, *ends})], bc_type="natural")(t)
            for knots in (up, down)
        ]
        mean = (envelopes[0] + envelopes[1]) / 2
        small = (mean**2).sum() < 0.2 * (h**2).sum()
        h = h - mean
        if small:
            return h
    return h


def test_an_attacker_reads_no_probability_below_half_of_the_noise() -> None:
    z = _logits(200, 4, 3.0)[None]
    for queries in (1, 16):
        parameters = {"scale": 0.1, "memoised": queries == 1, "queries": queries}
        defence = _chain({"name": "gaussian_noise", **parameters})
        read = np.exp(defence.observed(_defender())(z))
        assert read.min() == pytest.approx(0.05 / queries**0.5) and read.max() > 0.9


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_emd_keeps_the_first_intrinsic_mode(spread: float) -> None:
    z = np.concatenate([_logits(60, spread=spread), np.zeros((1, 10))])
    found = np.exp(log_softmax(DEFENCES.make({"name": "output_approximation", "kind": "emd"}).output(z)))
    for row, logits in zip(found, z, strict=True):
        mode = _sifted(_upsampled(_softmax(logits)))[::3]
        np.testing.assert_allclose(row, _distribution(mode), atol=1e-8)


def test_hamp_puts_the_values_of_another_answer_in_the_records_order() -> None:
    defender, z = _defender(), _logits(7, 4)
    low, high = defender.members().x.min(axis=0), defender.members().x.max(axis=0)
    found = DEFENCES.make("hamp_output").release(defender)(z[None])[0]
    r = defender.stream("random inputs").uniform(low, high, (7, 6)).astype(np.float32)
    for row, own, other in zip(found, z, defender.query(r), strict=True):
        expected = np.empty(4)
        for place in range(4):
            expected[sorted(range(4), key=lambda c: -own[c])[place]] = sorted(other, reverse=True)[place]
        np.testing.assert_array_equal(row, expected)


def test_hamp_keeps_the_first_of_tied_classes_in_the_lead() -> None:
    found = reordered(np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, 2.0, 2.0]]))
    assert found.argmax() == 1
    np.testing.assert_allclose(found, [[0.0, 1.0, 1.0]])


def test_hamp_draws_bits_for_bits_and_pixels_in_the_range_of_all() -> None:
    bits = (np.random.default_rng(0).random((40, 6)) < 0.5).astype(np.float32)
    images = np.random.default_rng(0).uniform(0, 1, (40, 1, 2, 2)).astype(np.float32)
    images[:, 0, 0, 0] = 0.0
    for x, check in (
        (bits, lambda r: set(np.unique(r)) == {0, 1}),
        (images, lambda r: r[:, 0, 0, 0].max() > 0.9),
    ):
        queries: list[np.ndarray] = []
        defender = _defender(x=x)
        listening = Defender(
            0,
            lambda r, o=defender, a=queries: (a.append(r), o.query(r))[1],
            defender.members,
            defender.public,
        )
        DEFENCES.make("hamp_output").release(listening)(_logits(500, 4))
        assert check(np.concatenate(queries))


def test_fresh_noise_is_averaged_away_and_memoised_noise_is_not() -> None:
    z, defender = _logits(400, 4, 1.0)[None], _defender()

    def error(**parameters: object) -> float:
        defence = Study.of(
            {
                "data": {"name": "digits"},
                "defences": [{"name": "gaussian_noise", "scale": 0.02, **parameters}],
            }
        ).defences[1]
        return float(np.std(np.exp(log_softmax(defence.observed(defender)(z))) - np.exp(log_softmax(z))))

    single, averaged = error(memoised=True, queries=25), error(memoised=False, queries=25)
    assert 0.01 < single < 0.03
    assert averaged == pytest.approx(single / 5, rel=0.2)


@pytest.mark.parametrize("name", ["laplace_noise", "gaussian_noise"])
def test_noise_has_its_scale_and_differs_between_models_and_records(name: str) -> None:
    defence, z = DEFENCES.make({"name": name, "scale": 0.01}), np.zeros((1, 5000, 4))
    first, other = (np.exp(defence.release(_defender(seed=seed))(z))[0] for seed in (0, 1))
    assert abs(np.corrcoef(first[:, 0], other[:, 0])[0, 1]) < 0.05
    assert len(np.unique(first[:, 0])) == 5000
    sd = 0.01 * (2**0.5 if name == "laplace_noise" else 1) * 0.75**0.5  # normalising takes the mean off
    assert np.std(first) == pytest.approx(sd, rel=0.05)


def _chain(*parts: object):
    return Study.of(
        {"data": {"name": "digits"}, "defences": [{"chain": list(parts), "label": "all"}]}
    ).defences[1]


def test_a_chain_is_undone_around_the_noise_that_is_averaged() -> None:
    silent = {"name": "gaussian_noise", "scale": 0.0, "memoised": False, "queries": 3}
    z = _logits(20, 4)[None]
    back = _chain("temperature", silent, "uniform_mixing").observed(_defender())(z)
    np.testing.assert_allclose(log_softmax(back), log_softmax(z), atol=1e-9)


def test_a_later_part_asks_the_model_behind_the_earlier_ones() -> None:
    z = _logits(6, 4)[None]
    alone = _chain("hamp_output").release(_defender())
    behind = _chain("hamp_output", {"name": "temperature", "temperature": 2.0}).release(_defender())
    np.testing.assert_allclose(behind(z), alone(z) / 2)
    divided = _chain({"name": "temperature", "temperature": 2.0}, "hamp_output").release(_defender())(z)
    values = np.sort(divided[0], axis=1)
    assert not np.allclose(values, np.sort(alone(z)[0], axis=1))  # other random inputs
    weight = _defender().query(np.eye(6, dtype=np.float32))
    assert np.abs(values).max() <= np.abs(weight).sum(axis=0).max() / 2  # x in 0..1, answers halved


def test_two_noises_of_a_chain_are_not_the_same() -> None:
    part, z = {"name": "gaussian_noise", "scale": 0.01}, np.zeros((1, 2000, 4))
    twice = np.exp(_chain(part, part).release(_defender())(z))
    once = np.exp(_chain(part).release(_defender())(z))
    assert np.std(twice) == pytest.approx(2**0.5 * np.std(once), rel=0.1)


def _forward(guard: memguard.Guard, z: np.ndarray) -> float:
    value = np.sort(_softmax(z))
    for layer in guard:
        linear = hasattr(layer, "weight")
        value = layer.weight.numpy() @ value + layer.bias.numpy() if linear else np.maximum(value, 0)
    return float(value[0])


def _objective(guard: memguard.Guard, x: np.ndarray, z: np.ndarray, close: float) -> float:
    label = int(z.argmax())
    lead = max(v for c, v in enumerate(x) if c != label) - x[label]
    return abs(_forward(guard, x)) + 10 * max(0.0, lead) + close * np.abs(_softmax(x) - _softmax(z)).sum()


def _search(guard: memguard.Guard, z: np.ndarray, steps: int) -> np.ndarray:
    """Algorithm 1 of Jia et al. with numerical slopes, for one answer."""
    best, first, close = z, _forward(guard, z), 0.1
    while close <= 1e5:
        x, done = z.copy(), False
        for _ in range(steps):
            slope = np.empty(len(x))
            for c in range(len(x)):
                e = np.zeros(len(x))
                e[c] = 1e-7
                slope[c] = (_objective(guard, x + e, z, close) - _objective(guard, x - e, z, close)) / 2e-7
            x = x - 0.1 * slope / np.linalg.norm(slope)
            done = x.argmax() == z.argmax() and _forward(guard, x) * first <= 0
            if done:
                break
        if not done:
            break
        best, close = x, close * 10
    return best


@pytest.fixture(scope="module")
def guard() -> memguard.Guard:
    rng = np.random.default_rng(0)
    sides = [np.array([_softmax(z) for z in rng.normal(0, s, (60, 3))]) for s in (4.0, 1.0)]
    return memguard.fit_guard(*sides, seed=1, epochs=30, lr=1e-3)


def test_the_guard_tells_certain_answers_from_others(guard: memguard.Guard) -> None:
    assert _forward(guard, np.array([6.0, 0.0, 0.0])) > 0 > _forward(guard, np.array([0.3, 0.0, 0.1]))


def test_memguards_search_is_algorithm_1(guard: memguard.Guard) -> None:
    z = np.random.default_rng(3).normal(0, 2.5, (6, 3))
    found = memguard.least_noise(guard, z, steps=40)
    changed = np.abs(found.logits - z).max(axis=1) > 0
    assert changed.sum() >= 3
    for row, answer in zip(found.logits, z, strict=True):
        np.testing.assert_allclose(row, _search(guard, answer, 40), atol=1e-3)  # a step is .1 long
    g = [1 / (1 + np.exp(-_forward(guard, row))) for row in found.logits]
    np.testing.assert_allclose(found.after, np.abs(np.array(g) - 0.5), atol=1e-9)
    np.testing.assert_array_equal(found.logits.argmax(axis=1), z.argmax(axis=1))
    assert (found.after <= found.before + 1e-12)[changed].mean() > 0.5


def test_memguards_losses_in_closed_form(guard: memguard.Guard) -> None:
    x, z = np.array([0.1, 0.7, -1.0]), np.array([0.9, 0.2, -1.0])
    given = [torch.from_numpy(v[None]) for v in (x, _softmax(z))]
    found = memguard.losses(guard, *given, torch.tensor([0]))
    distance = np.abs(_softmax(x) - _softmax(z)).sum()
    np.testing.assert_allclose([float(v) for v in found], [_forward(guard, x), 0.6, distance], atol=1e-12)


def test_each_answer_is_searched_for_by_itself(guard: memguard.Guard) -> None:
    z = np.random.default_rng(3).normal(0, 2.5, (6, 3))
    alone = [memguard.least_noise(guard, row[None], steps=40).logits[0] for row in z]
    np.testing.assert_allclose(memguard.least_noise(guard, z, steps=40).logits, alone, atol=1e-9)


def test_memguard_spends_its_budget_of_distance() -> None:
    z, defender = np.random.default_rng(3).normal(0, 1, (300, 4)), _defender()

    def distance(epsilon: float) -> np.ndarray:
        defence = DEFENCES.make({"name": "memguard", "epsilon": epsilon, "epochs": 60, "steps": 60})
        released = defence.release(defender)(z)
        return np.abs(np.exp(log_softmax(released)) - np.exp(log_softmax(z))).sum(axis=1)

    full, small = distance(2.0), distance(0.05)
    assert full.max() > 0.1
    assert small.mean() < 0.06 < full.mean()
    same = np.isclose(small, full) | (small == 0)
    assert same.all()  # noise is used whole or not at all
    expected = np.minimum(1, 0.05 / full[full > 0])
    assert (small > 0).sum() == pytest.approx(expected.sum(), abs=4 * np.sqrt(expected.sum()))


TABLE = {
    "data": {"name": "digits", "records": 300, "public": 100},
    "design": {"name": "random_half", "models": 6},
    "architecture": {"hidden": [32]},
    "stages": [{"epochs": 15}],
    "query": {"noise": 2},
    "attacks": ["gap", "loss", "lira"],
    "metrics": ["auc", "balanced_accuracy"],
    "non_adaptive": False,
    "defences": [
        "uniform_mixing",
        "label_only",
        "hamp_output",
        {"name": "memguard", "epochs": 10, "steps": 4},
        {"name": "output_approximation", "kind": "taylor", "label": "taylor"},
        {"name": "gaussian_noise", "memoised": False, "queries": 4},
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def results(store: Path) -> Results:
    return run(Study.of(TABLE), store)


def _one(results: Results, defence: str, metric: str, attack: str | None = None) -> float:
    (row,) = results.find(slice="all", target="all", defence=defence, metric=metric, attack=attack)
    return row.value


@pytest.mark.parametrize("defence", ["uniform_mixing", "taylor"])
@pytest.mark.parametrize("attack", ["loss", "lira"])
def test_a_one_to_one_map_changes_nothing_for_who_knows_it(
    results: Results, defence: str, attack: str
) -> None:
    plain = _one(results, "none", "auc", attack)
    assert _one(results, defence, "auc", attack) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("defence", ["uniform_mixing", "label_only", "hamp_output", "memguard", "taylor"])
def test_who_keeps_the_label_keeps_accuracy_and_gap(results: Results, defence: str) -> None:
    for metric, attack in (("accuracy", None), ("generalisation_gap", None), ("balanced_accuracy", "gap")):
        assert _one(results, defence, metric, attack) == _one(results, "none", metric, attack)


def test_labels_alone_leak_the_gap_and_no_more(results: Results) -> None:
    gap = _one(results, "none", "auc", "gap")
    assert _one(results, "label_only", "auc", "loss") == pytest.approx(gap, abs=1e-9)


def test_latency_includes_the_map(results: Results) -> None:
    for size in (1, 1024):
        plain = _one(results, "none", f"latency_batch_{size}")
        assert _one(results, "memguard", f"latency_batch_{size}") > 3 * plain


def test_noise_changes_predictions_of_what_is_released_alone(results: Results) -> None:
    """Utility reads one answer; the attacker reads the mean of four, which is closer to the model's."""
    assert _one(results, "gaussian_noise", "accuracy") < _one(results, "none", "accuracy")


def test_a_second_run_makes_no_answer_again(
    results: Results, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    fit = memguard.fit_guard
    monkeypatch.setattr(memguard, "fit_guard", lambda *a, **k: (calls.append(1), fit(*a, **k))[1])
    again = run(Study.of(TABLE), store)
    assert len(calls) == 1  # to measure the latency
    for defence in ("memguard", "hamp_output", "gaussian_noise"):
        assert _one(again, defence, "auc", "lira") == _one(results, defence, "auc", "lira")


def test_answers_do_not_depend_on_the_other_defences(results: Results, tmp_path: Path) -> None:
    alone = run(
        Study.of({**TABLE, "defences": ["hamp_output", TABLE["defences"][5]], "attacks": ["lira"]}), tmp_path
    )
    for defence in ("hamp_output", "gaussian_noise"):
        assert _one(alone, defence, "auc", "lira") == _one(results, defence, "auc", "lira")


def test_without_public_records_memguard_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(leakbench.pipeline.train, "train_group", never)
    table = {**TABLE, "data": {"name": "digits", "records": 500}}
    with pytest.raises(InputError, match="needs public records, and 'digits' has none; set `public`"):
        run(Study.of(table), tmp_path)
