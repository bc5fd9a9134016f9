"""Arrays in the layouts that Privacy Meter, LeakPro, SACRO-ML and lira_analysis write are read as they were meant."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.data.audit_file import leakpro, sacro_ml
from leakbench.data.audit_file.read import read
from leakbench.signals.statistics import log_softmax, logodds, loss

DOCS = Path(__file__).parents[2] / "docs"
M, N, V, C, Z = 6, 20, 2, 3, 9


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def halves(rng, models=M):
    """Complementary pairs, as `split_dataset_for_training` of Privacy Meter draws them."""
    drawn = np.stack([rng.permutation(N) < N // 2 for _ in range(models // 2)])
    return np.stack([drawn, ~drawn], axis=1).reshape(models, N)


@pytest.fixture
def lira_analysis(rng, tmp_path):
    """najeebjebreel/lira_analysis, `attacks/lira.py`: generate_logits, compute_scores and _plot_leave_one_out."""
    keep, labels = halves(rng), rng.integers(0, C, N)
    logits = rng.normal(size=(M, N, V, C)).astype(np.float32)
    np.save(tmp_path / "keep_indices.npy", keep)
    np.save(tmp_path / "membership_labels.npy", keep)
    np.save(tmp_path / "online_scores_leave_one_out.npy", rng.normal(size=(M, N)))
    (tmp_path / "train_config.yaml").write_text("model: mlp\n")
    for m in range(M):
        for part, array in (("logits", logits[m][:, None]), ("scores", scores_of(logits[m], labels))):
            (tmp_path / f"model_{m}" / part).mkdir(parents=True)
            np.save(tmp_path / f"model_{m}" / part / f"{part}.npy", array)
    return {"keep": keep, "labels": labels, "logits": logits}


def scores_of(logits, labels):
    return np.stack([logodds(logits[:, v].astype(float), labels) for v in range(V)], axis=1)


def test_lira_analysis_with_labels(lira_analysis, tmp_path):
    np.save(tmp_path / "y_train.npy", lira_analysis["labels"])
    given = read(tmp_path)
    np.testing.assert_array_equal(given.models.members, lira_analysis["keep"])
    np.testing.assert_array_equal(given.models.signals.logits, lira_analysis["logits"].transpose(0, 2, 1, 3))
    assert given.understood == (
        "LiRA's experiments: logits, members from keep_indices.npy, labels from y_train.npy",
        "6 target models, 20 records, 3 classes, 2 views, members: 10",
    )


def test_lira_analysis_keeps_no_labels_so_its_scores_are_read(lira_analysis, tmp_path):
    """`membership_labels.npy` is not a file of labels."""
    given = read(tmp_path)
    want = [scores_of(z, lira_analysis["labels"]).T for z in lira_analysis["logits"]]
    assert given.kind == "losses" and given.models.signals.labels is None
    np.testing.assert_allclose(given.models.signals.statistics("logodds"), want, rtol=1e-9, atol=1e-9)


def test_lira_analysis_models_go_by_their_numbers(lira_analysis, tmp_path):
    """A model without outputs is left out with its row of keep_indices.npy."""
    for part in ("logits", "scores"):
        (tmp_path / "model_2" / part / f"{part}.npy").unlink()
    np.testing.assert_array_equal(read(tmp_path).models.members, np.delete(lira_analysis["keep"], 2, axis=0))
    np.save(tmp_path / "keep_indices.npy", lira_analysis["keep"][:3])
    with pytest.raises(
        InputError, match=r"keep_indices\.npy must have a row for model_3, got shape \(3, 20\)"
    ):
        read(tmp_path)


@pytest.fixture
def privacy_meter(rng, tmp_path):
    """privacytrustlab/ml_privacy_meter: `get_signals.py` and `models/utils.py`; softmax in single precision."""
    keep, signals = halves(rng), rng.uniform(0.1, 1, size=(N, M)).astype(np.float32)
    population = rng.uniform(0.1, 1, size=(Z, M)).astype(np.float32)
    for folder in ("models", "signals", "report/exp"):
        (tmp_path / folder).mkdir(parents=True)
    np.save(tmp_path / "models" / "memberships.npy", keep)
    (tmp_path / "models" / "model_0.pkl").write_bytes(b"\x80\x04.")
    np.save(tmp_path / "signals" / "rmia_signals.npy", signals)
    np.save(tmp_path / "signals" / "rmia_signals_pop.npy", population)
    return {"keep": keep, "signals": signals, "population": population}


def test_privacy_meter(privacy_meter, tmp_path):
    given = read(tmp_path)
    np.testing.assert_array_equal(given.models.members, privacy_meter["keep"])
    np.testing.assert_allclose(
        given.models.signals.losses[:, 0], -np.log(privacy_meter["signals"].T), rtol=1e-6
    )
    population = given.models.population.signals.losses[:, 0]
    np.testing.assert_allclose(population, -np.log(privacy_meter["population"].T), rtol=1e-6)
    assert given.understood[1] == "6 target models, 20 records, members: 10, population: 9"


def test_privacy_meter_of_fewer_models_than_were_drawn(privacy_meter, tmp_path):
    """`load_models` ends at `num_models`, and the memberships are those of all that were trained."""
    np.save(tmp_path / "signals" / "rmia_signals.npy", privacy_meter["signals"][:, :4])
    np.save(tmp_path / "signals" / "rmia_signals_pop.npy", privacy_meter["population"][:, :4])
    np.testing.assert_array_equal(read(tmp_path).models.members, privacy_meter["keep"][:4])


def test_privacy_meter_with_both_algorithms(privacy_meter, tmp_path):
    np.save(tmp_path / "signals" / "loss_signals.npy", privacy_meter["signals"])
    np.save(tmp_path / "signals" / "rmia_ramia_signals.npy", np.zeros((5 * N, M)))
    given = read(tmp_path)
    assert "rmia_signals.npy" in given.understood[0] and "not used: loss_signals.npy" in given.notes


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda s: np.save(s / "rmia_signals.npy", np.full((N - 2, M), 0.5)),
            "N = 18 as in signals/rmia_signals",
        ),
        (lambda s: np.save(s / "rmia_signals.npy", np.full((N, M), 1.5)), "must hold probabilities in 0..1"),
        (
            lambda s: np.save(s / "rmia_signals.npy", np.full((N, M), np.nan)),
            "must hold probabilities in 0..1",
        ),
        (lambda s: np.save(s / "rmia_signals.npy", np.full(N, 0.5)), "must be [N records, M models]"),
        (
            lambda s: np.save(s / "rmia_signals_pop.npy", np.full((Z, 2), 0.5)),
            "must be [Z records, 6 models]",
        ),
        (lambda s: (s / "rmia_signals.npy").unlink(), "run the audit of Privacy Meter first"),
    ],
)
def test_privacy_meter_that_does_not_fit(privacy_meter, tmp_path, spoil, says):
    spoil(tmp_path / "signals")
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_privacy_meter_result(rng, tmp_path):
    """`get_audit_results` in `audit.py`."""
    keep, scores = halves(rng)[0], rng.random(N)
    file = tmp_path / "attack_result_0.npz"
    np.savez(
        file,
        fpr=[0, 1],
        tpr=[0, 1],
        auc=0.5,
        one_tenth_fpr=0.0,
        zero_fpr=0.0,
        scores=scores,
        memberships=keep,
    )
    given = read(file)
    assert given.kind == "scores" and given.models.members.tolist() == [keep.tolist()]
    assert given.models.signals.scores.tolist() == [[scores.tolist()]]


@pytest.fixture
def leakpro_result(rng):
    """`MIAResult.save` of aidotse/LeakPro, `leakpro/reporting/mia_result.py`: members first."""
    return {
        "result_name": "LiRA", "result_type": "MIAResult", "id": "LiRA-online", "tpr": [0.0, 1.0], "fpr": [0.0, 1.0],
        "roc_auc": 0.5, "config": {"online": True}, "fixed_fpr": {"TPR@1%FPR": 0.1}, "accuracy": [0.5, 0.5],
        "signal_values": rng.normal(size=N).tolist(), "true_labels": [1.0] * (N // 2) + [0.0] * (N // 2),
        "tp": [0, 10], "fp": [0, 10], "tn": [10, 0], "fn": [10, 0],
    }  # fmt: skip


def write_result(root, result, name="0a1b"):
    (root / "data_objects").mkdir(exist_ok=True)
    (root / "data_objects" / f"{name}.json").write_text(json.dumps(result))
    return root / "data_objects" / f"{name}.json"


def test_leakpro_result(leakpro_result, tmp_path):
    file = write_result(tmp_path, leakpro_result)
    for path in (tmp_path, file.parent, file):
        given = read(path)
        assert given.models.signals.scores.ravel().tolist() == leakpro_result["signal_values"]
        assert given.models.members.tolist() == [[True] * 10 + [False] * 10]
        assert given.understood[0] == "LeakPro's result: the scores of its attack 'LiRA'"


def test_leakpro_results_of_several_attacks(leakpro_result, tmp_path):
    write_result(tmp_path, leakpro_result)
    write_result(tmp_path, leakpro_result | {"result_name": "RMIA"}, "2c3d")
    with pytest.raises(
        InputError, match=r"2 attacks; name one of data_objects/0a1b\.json \(LiRA\), .*\(RMIA\)"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[" * 100_000, "no readable JSON"),
        (b"\x80\x04\x95", "no readable JSON"),
        (b"[1, 2]", "must be a result of LeakPro"),
        (b'{"result_name": "OSLO", "signal_values": null, "true_labels": [1, 0]}', "predict labels alone"),
        (b'{"result_name": "x", "signal_values": [[1], [2]], "true_labels": [1, 0]}', "a list of numbers"),
        (b'{"result_name": "x", "signal_values": [1, 2], "true_labels": [true, "a"]}', "a list of numbers"),
        (
            b'{"result_name": "x", "signal_values": [1e999, 2, 3, 4], "true_labels": [1, 0, 1, 0]}',
            "scores must be",
        ),
        (
            b'{"result_name": "x", "signal_values": [%s, 2], "true_labels": [1, 0]}' % (b"9" * 400),
            "double precision",
        ),
        (b'{"result_name": "x", "signal_values": [1, 2, 3], "true_labels": [1, 0]}', "scores must be"),
    ],
)
def test_leakpro_results_that_are_none(tmp_path, content, says):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        read(file)
    assert "\n" not in str(caught.value)


@pytest.fixture
def leakpro_cache(rng, tmp_path):
    """`cache_logits` of aidotse/LeakPro, `leakpro/attacks/utils/model_handler.py`; 12 models sort by number."""
    logits, keep = rng.normal(size=(13, N, C)).astype(np.float32), halves(rng, 12)
    cache = tmp_path / "attack_cache"
    cache.mkdir()
    np.save(cache / "target_logits.npy", logits[12])
    for s in range(12):
        np.save(cache / f"sm_{s}_logits.npy", logits[s])
    return {"cache": cache, "logits": logits, "keep": keep, "labels": rng.integers(0, C, N)}


def export(given):
    """What the lines of `EXPORT` save."""
    np.save(given["cache"] / "labels.npy", given["labels"])
    np.save(given["cache"] / "members.npy", np.arange(N) < N // 2)
    np.save(given["cache"] / "shadow_members.npy", given["keep"])


def test_leakpro_cache(leakpro_cache, leakpro_result, tmp_path):
    export(leakpro_cache)
    write_result(tmp_path, leakpro_result)  # the logits say more than the scores of one attack
    for path in (tmp_path, leakpro_cache["cache"]):
        given = read(path)
        logits = np.concatenate([leakpro_cache["logits"][12:], leakpro_cache["logits"][:12]])
        np.testing.assert_array_equal([z[0] for z in given.models.signals.logits], logits)
        np.testing.assert_array_equal(given.models.members[1:], leakpro_cache["keep"])
        assert given.targets == (0,)
        assert given.understood[1] == "1 target model, 12 shadow models, 20 records, 3 classes, members: 10"


def test_leakpro_models_of_two_classes_have_one_column(leakpro_cache, tmp_path):
    leakpro_cache["labels"] %= 2
    export(leakpro_cache)
    for file in leakpro_cache["cache"].glob("*_logits.npy"):
        np.save(file, np.load(file)[:, :1])
    z, y = leakpro_cache["logits"][12, :, 0].astype(float), leakpro_cache["labels"]
    given = read(tmp_path)
    np.testing.assert_allclose(
        given.models.signals.statistics("loss")[0, 0], np.logaddexp(0, np.where(y, -z, z))
    )


def test_leakpro_cache_without_membership_says_how_to_export_it(leakpro_cache, leakpro_result, tmp_path):
    with pytest.raises(InputError, match="pickles, which can run code") as caught:
        read(tmp_path)
    code = str(caught.value).split("in Python: ")[1]
    assert code == "; ".join(leakpro.EXPORT)
    compile(code, "export", "exec")
    write_result(tmp_path, leakpro_result)
    assert read(tmp_path).kind == "scores"


@pytest.mark.parametrize("other", [np.zeros((N + 1, C)), np.zeros((N, C), "M8[s]"), np.zeros((N, C), int)])
def test_leakpro_shadow_models_of_other_audits(leakpro_cache, tmp_path, other):
    export(leakpro_cache)
    np.save(leakpro_cache["cache"] / "sm_3_logits.npy", other)
    with pytest.raises(InputError, match="must have one shape"):
        read(tmp_path)


@pytest.fixture
def sacro(rng):
    """The arrays of LIRAAttack(report_individual=True) in SACRO-ML 2.0.1, as it was seen to write them."""
    labels, logits = rng.integers(0, C, N), rng.normal(size=(N, C))
    individual = {
        "member": np.repeat([1, 0], N // 2), "member_prob": rng.normal(size=N), "label": labels,
        "target_logit": logodds(logits, labels), "out_p_norm": rng.random(N), "out_prob": rng.random(N),
        "out_mean": rng.normal(size=N), "out_std": rng.random(N),
    }  # fmt: skip
    return {"individual": individual, "losses": loss(log_softmax(logits), labels)}


CURVES = {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0], "roc_thresh": [1.0, 0.0]}


def write_sacro(folder, individual, name="report_arrays_ce7cf46d_instance_0.npz", prefix="individual."):
    curves = CURVES if prefix else {}
    np.savez_compressed(
        folder / name, **curves, **{f"{prefix}{key}": array for key, array in individual.items()}
    )
    (folder / "report.json").write_text("{}")
    (folder / "shadow_models" / "0").mkdir(parents=True, exist_ok=True)
    (folder / "shadow_models" / "0" / "model.pkl").write_bytes(b"\x80\x04.")
    return folder / name


@pytest.mark.parametrize("prefix", ["individual.", ""])
def test_sacro_attack(sacro, tmp_path, prefix):
    individual = dict(sacro["individual"])
    if not prefix:  # later than 2.0.1, `_externalise_individual` in sacroml/attacks/attack.py
        individual["score"] = individual.pop("member_prob")
    name = "report_arrays_ce7cf46d_instance_0.npz" if prefix else "lira_individual_ce7cf46d_instance_0.npz"
    file = write_sacro(tmp_path, individual, name, prefix)
    for path in (tmp_path, file):
        given = read(path)
        np.testing.assert_allclose(given.models.signals.losses[0, 0], sacro["losses"], rtol=1e-9)
        scores = individual["member_prob" if prefix else "score"]
        assert given.models.signals.scores.ravel().tolist() == scores.tolist()
        assert given.models.signals.labels.tolist() == individual["label"].tolist()
        assert given.models.members.tolist() == [[True] * 10 + [False] * 10]


def test_sacro_attack_whose_raw_value_is_no_score(sacro, tmp_path):
    """QMIAAttack: the score is a log-odds, and `member_prob` its margin over the threshold."""
    qmia = {name: sacro["individual"][name] for name in ("member", "member_prob")}
    given = read(write_sacro(tmp_path, qmia | {"score": np.arange(N), "threshold": np.arange(N)}))
    assert given.models.signals.scores.ravel().tolist() == qmia["member_prob"].tolist()


def test_sacro_attack_that_kept_its_curve_alone(tmp_path):
    np.savez(tmp_path / "report_arrays_a2397fb2_instance_0.npz", **CURVES)
    with pytest.raises(InputError, match="report_individual=True"):
        read(tmp_path)


def test_sacro_attacks_in_one_folder(sacro, tmp_path):
    for n in range(2):
        write_sacro(tmp_path, sacro["individual"], f"report_arrays_ce7cf46d_instance_{n}.npz")
    with pytest.raises(InputError, match=r"name one of report_arrays_ce7cf46d_instance_0\.npz, report"):
        read(tmp_path)


@pytest.mark.parametrize("value", ["a", np.nan, np.inf, 1])
def test_sacro_values_that_are_no_log_odds(sacro, tmp_path, value):
    with pytest.raises(InputError, match="target_logit must hold finite log-odds"):
        read(write_sacro(tmp_path, sacro["individual"] | {"target_logit": np.full(N, value)}))


def test_sacro_target_says_how_to_export_it(tmp_path):
    (tmp_path / "target.yaml").write_text("dataset_name: digits\n")
    (tmp_path / "proba_train.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match="saved as pickles") as caught:
        read(tmp_path)
    code = str(caught.value).split("in Python: ")[1]
    assert code == "; ".join(sacro_ml.EXPORT)
    compile(code, "export", "exec")


def test_what_was_read_is_said_in_two_lines(privacy_meter, tmp_path, capsys):
    out = tmp_path / "r"
    assert main(["audit", str(tmp_path), "--out", str(out), "--attacks", "loss", "--metrics", "auc"]) == 0
    assert capsys.readouterr().err.splitlines()[:2] == [
        "Privacy Meter's log folder: signals/rmia_signals.npy, models/memberships.npy, signals/rmia_signals_pop.npy",
        "6 target models, 20 records, members: 10, population: 9",
    ]


@pytest.mark.parametrize("lines", [leakpro.EXPORT, sacro_ml.EXPORT])
def test_the_lines_that_export_stand_in_the_docs(lines):
    assert "\n".join(lines) in (DOCS / "audit-file.md").read_text()
