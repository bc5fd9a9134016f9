"""A leaderboard takes only reports whose numbers follow from their scores, and says what makes a number doubtful."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache, reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from tests.report.rows import edit_rows
from tests.report.test_browser import CHROMIUM, drive

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.core.results import CaseScores, Flag, Row
from leakbench.evaluation.decisions.leaderboard import leaderboard
from leakbench.evaluation.kept_scores import kept_sample
from leakbench.metrics.auc import Auc
from leakbench.metrics.tpr_at_fpr import TprAtFpr
from leakbench.report.results import Results

N, HOSTILE = 600, "<script>alert(1)</script>"
STRENGTH = {"none": 0.9, "soft": 0.5, HOSTILE: 0.6}
METHODS = {"gap": ("labels", 0.3), "label_only_boosted": ("labels", 0.8), "lira": ("scores", 1.0)}


@cache
def study(title: str = "made", targets: int = 8, version: int = 5, seed: int = 0) -> Results:
    """A study of three defences whose attacks find Gaussian scores, with rows that its scores give."""
    rng = np.random.default_rng(seed)
    pairs = [rng.permutation(np.arange(N) % 2 == 0) for _ in range(targets // 2)]
    members = np.array([half for one in pairs for half in (one, ~one)])
    rows, cases, places = list[Row](), list[CaseScores](), np.arange(N)
    for defence, strength in STRENGTH.items():
        kinds = (None,) if defence == "none" else (True, False)
        for adaptive in kinds:
            less = 0.3 if adaptive is False else 1.0
            scores = {
                a: rng.normal(size=members.shape) + less * strength * share * members
                for a, (_, share) in METHODS.items()
            }
            ranks = {
                a: s.ravel().argsort().argsort().reshape(s.shape).astype(np.int32) + 1
                for a, s in scores.items()
            }
            shadows = "none" if adaptive is False else None
            half = np.broadcast_to(places % 2 == 0, members.shape)
            everything = {"all": np.ones(members.shape, dtype=bool)}
            case = CaseScores(
                defence,
                adaptive,
                shadows,
                np.arange(targets),
                places,
                places,
                members,
                half,
                ranks,
                {},
                everything,
            )
            cases.append(case)
            for attack, selected in [*((a, None) for a in METHODS), ("best", "lira")]:
                for metric in (Auc(), TprAtFpr(0.01)):
                    sample = kept_sample(case, selected or attack)
                    e = metric.estimate(metric.unchosen(sample) if selected else sample)
                    about = {"attack": attack, "selected": selected, "defence": defence}
                    kind = {"adaptive": adaptive, "shadows": shadows, "chance": metric.chance}
                    rows.append(
                        Row(metric.label, e.value, e.lo, e.hi, e.n_members, e.n_nonmembers, **about, **kind)
                    )
        rows.append(Row("accuracy", 0.9, 0.88, 0.92, defence=defence))
    attacks = [
        {"kind": "attack", "label": a, "name": a, "version": version if a == "lira" else 1, "access": access}
        for a, (access, _) in METHODS.items()
    ]
    defence = {
        "kind": "defence",
        "label": "dropout",
        "name": "dropout",
        "source": "Srivastava 2014",
        "doc": "",
    }
    return Results(
        "run",
        title,
        rows,
        methods=[*attacks, defence],
        provenance={"data": {"name": "made", "records": N, "fingerprint": "f"}, "attacks": list(METHODS)},
        study={"defences": ["none", {"name": "dropout", "label": "soft"}, HOSTILE]},
        scores=cases,
    )


def entries(*folders: str | Path) -> dict:
    return {e.defence: e for e in leaderboard(*folders).entries}


def test_a_row_has_the_strongest_attack_the_non_adaptive_one_and_labels_alone(tmp_path: Path) -> None:
    made = study()
    made.save(tmp_path / "a")
    found = entries(tmp_path / "a")
    assert set(found) == set(STRENGTH)
    (row,) = made.find(metric="auc", defence="soft", attack="best", adaptive=True)
    (naive,) = made.find(metric="auc", defence="soft", attack="best", adaptive=False)
    soft = found["soft"]
    assert (soft.auc, soft.non_adaptive, soft.tpr.metric) == (row, naive, "tpr@fpr=0.01")
    assert found["none"].non_adaptive is None and soft.source == "Srivastava 2014"
    case = next(case for case in made.scores if case.defence == "soft" and case.adaptive)
    expected = Auc().estimate(kept_sample(case, "label_only_boosted").rest)
    labels = soft.labels_only
    assert (labels.attack, labels.value, labels.lo) == ("label_only_boosted", expected.value, expected.lo)


def test_doubts_make_an_entry_unreliable_and_missing_attacks_incomplete(tmp_path: Path) -> None:
    study(targets=4).save(tmp_path / "few")
    (found, *_) = leaderboard(tmp_path / "few").entries
    assert found.evaluation == "unreliable" and "only 4 models" in found.footnotes[0]
    flags = [
        Flag("F18", "Too few", "m", "soft"),
        Flag("F19", "Labels", "m", "soft"),
        Flag("F03", "Below", "m", "soft"),
    ]
    replace(study(version=4), flags=flags).save(tmp_path / "flagged")
    flagged = entries(tmp_path / "flagged")
    assert {d: e.evaluation for d, e in flagged.items()} == {
        "none": "incomplete",
        "soft": "unreliable",
        HOSTILE: "incomplete",
    }
    notes = flagged["soft"].footnotes
    assert notes[:2] == ["F18 Too few", "F19 Labels"] and not any("F03" in note for note in notes)
    assert "earlier versions of lira" in notes and any("stacked of standard-2027" in note for note in notes)
    whole = replace(study(title="w"), provenance=study().provenance | {"attacks": ["full-2027"]})
    whole.save(tmp_path / "whole")
    assert {e.evaluation for e in entries(tmp_path / "whole").values()} == {"complete"}
    only_naive = replace(study(), rows=[r for r in study().rows if r.adaptive is not True])
    only_naive.save(tmp_path / "naive")
    assert "no adaptive attacker was measured" in entries(tmp_path / "naive")["soft"].footnotes


def test_reported_numbers_stand_beside_measured_ones(tmp_path: Path) -> None:
    study().save(tmp_path / "a")
    (tmp_path / "a.toml").write_text(
        'report = "a"\nsource = "us"\n[[reported]]\ndefence = "soft"\nmetric = "auc"\nvalue = 0.5\nsource = "t. 1"\n'
        '[[reported]]\ndefence = "soft"\nmetric = "accuracy"\nvalue = 0.9\nsource = "t. 1"\n'
        '[[unreliable]]\ndefence = "none"\nreason = "its code has a fault"\n'
    )
    found = entries(tmp_path / "a.toml")
    (note,) = [text for text in found["soft"].footnotes if "reported" in text]
    assert note.startswith("AUC reported as 0.500 (t. 1), measured higher: 0.6")
    assert found["soft"].source == "us" and found["none"].evaluation == "unreliable"
    reported, measured = found["soft"].beside_reported.lines[1][1:3]
    assert (reported.text, measured.text, measured.note) == ("90.0 %", "90.0 %", "[88.0, 92.0]")
    (tmp_path / "b.toml").write_text('report = "a"\n[[unreliable]]\ndefence = "sofd"\nreason = "x"\n')
    with pytest.raises(InputError, match="did you mean 'soft'"):
        leaderboard(tmp_path / "b.toml")


def test_what_is_no_entry_is_refused_with_the_reason(tmp_path: Path) -> None:
    def refused(results: Results, said: str, **options: str) -> None:
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        results.save(tmp_path / "r")
        with pytest.raises(InputError, match=said):
            leaderboard(tmp_path / "r", **options)

    made = study()
    refused(replace(made, kind="audit"), "must be the report of a study")
    refused(replace(made, scores=[]), "has no scores.parquet")
    refused(study(targets=2), "at least 4 models that are targets, got 2")
    refused(made, "rescore .* --attacks standard-2026", suite="standard-2026")
    refused(made, "unknown attack 'standard-2028'", suite="standard-2028")
    wrong = [replace(r, value=0.5) if (r.attack, r.metric) == ("best", "auc") else r for r in made.rows]
    refused(replace(made, rows=wrong), "is 0.5, but its scores give")
    made.save(tmp_path / "a")
    with pytest.raises(InputError, match="given once"):
        leaderboard(tmp_path / "a", tmp_path / "a")
    with pytest.raises(InputError, match="at least one report"):
        leaderboard()
    edit_rows(tmp_path / "a", lambda rows: rows[0].update(value=0.87))
    with pytest.raises(InputError, match="was changed after it was written"):
        leaderboard(tmp_path / "a")


def test_the_site_is_one_folder_without_network_and_everything_in_it_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study(title=HOSTILE).save(tmp_path / "a")
    study(title="other", seed=1).save(tmp_path / "b")
    site = tmp_path / "site"
    assert main(["leaderboard", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(site)]) == 0
    assert "leaderboard:" in capsys.readouterr().out
    pages = sorted(site.glob("*.html"))
    assert len(pages) == 1 + 2 * len(STRENGTH)
    for page in pages:
        text = page.read_text()
        assert "<script>alert" not in text and text.count("<script>") == 1
        assert "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" in text
        assert "http://" not in text and "https://" not in text
    index = (site / "index.html").read_text()
    assert all(page.name in index for page in pages if page.name != "index.html")
    plain = json.loads((site / "leaderboard.json").read_text())
    assert plain["schema"] == "leakbench-leaderboard/2" and len(plain["entries"]) == 2 * len(STRENGTH)
    assert {e["page"] for e in plain["entries"]} == {page.name for page in pages} - {"index.html"}


def test_a_site_is_replaced_by_its_successor_and_nothing_else_is(tmp_path: Path) -> None:
    study().save(tmp_path / "a")
    study(title="other", seed=1).save(tmp_path / "b")
    site = tmp_path / "site"
    leaderboard(tmp_path / "a", tmp_path / "b").save(site)
    (site / "entry-mine.html").write_text("mine")
    plain = site / "leaderboard.json"
    plain.write_text(plain.read_text().replace("leakbench-leaderboard/2", "leakbench-leaderboard/1"))
    leaderboard(tmp_path / "a").save(site)
    assert len(list(site.glob("entry-*.html"))) == len(STRENGTH) + 1 and (site / "entry-mine.html").exists()
    (site / "index.html").write_text("mine")
    with pytest.raises(InputError, match="leakbench did not write it"):
        leaderboard(tmp_path / "a").save(site)


def test_a_leaderboard_json_gives_the_site_of_its_reports(tmp_path: Path) -> None:
    study(title=HOSTILE).save(tmp_path / "a")
    study(title="other", seed=1).save(tmp_path / "b")
    (tmp_path / "b.toml").write_text(
        'report = "b"\n[[reported]]\ndefence = "soft"\nmetric = "auc"\nvalue = 0.5\nsource = "t. 1"\n'
    )
    reports, boards = (tmp_path / "a", tmp_path / "b.toml"), [tmp_path / "a.json", tmp_path / "b.json"]
    for report, board in zip(reports, boards, strict=True):
        leaderboard(report).save(tmp_path / "site")
        (tmp_path / "site" / "leaderboard.json").rename(board)
    expected = leaderboard(*reports).files()
    assert "<h2>Attacks</h2>" in expected[leaderboard(reports[0]).entries[0].file]
    assert leaderboard(*boards).files() == expected
    assert leaderboard(boards[1], reports[0]).files() == expected
    with pytest.raises(InputError, match="given once"):
        leaderboard(reports[0], boards[0])
    with pytest.raises(InputError, match="must have the suite standard-2027"):
        leaderboard(boards[0], suite="standard-2027")


def _set(*path: str | int, to: object) -> Callable[[dict], object]:
    """A change of the value at a path."""
    *above, last = path
    return lambda plain: reduce(getitem, above, plain).__setitem__(last, to)


CHANGES = {
    "earlier schema": (_set("schema", to="leakbench-leaderboard/1"), "of schema 'leakbench-leaderboard/2', got"),
    "no entries": (lambda plain: plain.pop("entries"), "'entries' is missing"),
    "entries of text": (_set("entries", to="none"), "not as leakbench wrote it"),
    "unknown study": (_set("entries", 0, "run", to="f"), "'f' is missing"),
    "a list as study": (_set("entries", 0, "run", to=[]), "not as leakbench wrote it"),
    "text for a number": (_set("entries", 0, "auc", "value", to="0.5"), "fields disagree"),
    "no number": (_set("entries", 0, "auc", "value", to=None), "not as leakbench wrote it"),
    "no finite number": (_set("studies", 0, "data", "records", to=float("nan")), "must be a finite number"),
    "endless number": (_set("entries", 0, "auc", "n_members", to=10**400), "must be a finite number"),
    "AUC above 1": (_set("entries", 0, "auc", "value", to=9e18), "between 0 and 1"),
    "far interval": (_set("entries", 0, "accuracy", "hi", to=9e18), "between 0 and 1"),
    "foreign page": (_set("entries", 0, "page", to="../index.html"), "fields disagree"),
    "wrong evaluation": (_set("entries", 0, "evaluation", to="complete"), "fields disagree"),
    "unknown key": (_set("entries", 0, "onload", to="x"), "one is unknown"),
    "a note of text": (_set("entries", 0, "notes", to="none"), "not as leakbench wrote it"),
    "entry given twice": (lambda plain: plain["entries"].append(plain["entries"][0]), "fields disagree"),
    "study given twice": (lambda plain: plain["studies"].append(plain["studies"][0]), "fields disagree"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_json_that_leakbench_did_not_write_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    study().save(tmp_path / "a")
    plain = leaderboard(tmp_path / "a").to_dict()
    change, said = CHANGES[name]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(plain))
    assert leaderboard(path).to_dict() == plain
    change(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(InputError, match=said) as refused:
        leaderboard(path)
    assert "\n" not in str(refused.value)


def test_no_json_and_no_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match="cannot read"):
        leaderboard(path)
    for text in ("", "[" * 100_000, "[]", '"text"', '{"schema": []}', "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(InputError, match=r"must be a leaderboard\.json"):
            leaderboard(path)
    study().save(tmp_path / "a")
    deep = f'"records": {"[" * 1500}{"]" * 1500}'
    path.write_text(leaderboard(tmp_path / "a").text().replace(f'"records": {N}', deep))
    with pytest.raises(InputError, match=r"nested too deeply|recursion"):
        leaderboard(path)


def test_scripts_in_a_json_are_escaped(tmp_path: Path) -> None:
    study().save(tmp_path / "a")
    plain = leaderboard(tmp_path / "a").to_dict()
    plain["studies"][0] |= {
        "title": HOSTILE,
        "file": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
        "data": {"name": "made", HOSTILE: HOSTILE},
    }
    for entry in plain["entries"]:
        entry |= {"source": HOSTILE, "matched": dict.fromkeys(("against", "verdict", "unmatched"), HOSTILE)}
        entry["notes"].append({"text": HOSTILE, "doubt": False})
        for row in (entry["auc"], *(each["auc"] for each in entry["by_attack"])):
            row["attack"] = row["selected"] = HOSTILE
    (tmp_path / "x.json").write_text(json.dumps(plain))
    pages = leaderboard(tmp_path / "x.json", title=HOSTILE).files()
    for name, text in pages.items():
        assert name.endswith(".json") or ("<script>alert" not in text and text.count("<script>") == 1)


SHOWN = """
const table = document.getElementById("leakage"), form = table.closest("section").querySelector("form");
const heads = [...table.tHead.rows[0].cells], auc = heads.findIndex((h) => h.textContent === "AUC");
heads[auc].querySelector("button").click();
const sorted = [...table.tBodies[0].rows].map((r) => Number(r.cells[auc].dataset.v));
const select = form.querySelector("select");
select.value = "soft"; select.dispatchEvent(new Event("input", { bubbles: true }));
return {
  sorted, said: form.querySelector("output").textContent, hidden: form.hidden,
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  cut: table.scrollWidth > table.parentElement.clientWidth,
};
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "cut"), [(420, True), (1400, False)])
def test_the_page_sorts_filters_and_fits(width: int, cut: bool, tmp_path: Path) -> None:
    study().save(tmp_path / "a")
    board = leaderboard(tmp_path / "a")
    found = drive(board.files()["index.html"], SHOWN, tmp_path, width)
    aucs = sorted((e.auc.value for e in board.entries), reverse=True)
    assert found == {"sorted": aucs, "said": "1 of 3 rows", "hidden": False, "wide": False, "cut": cut}
