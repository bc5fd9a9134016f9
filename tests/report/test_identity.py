"""Every file of a report says of which run it is: a mixture is told, and no file of the user is replaced."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.report.rows import edit_rows

from leakbench.cli.app import main
from leakbench.cli.partial_report import PartialReport
from leakbench.core.atomic_files import one_at_a_time
from leakbench.core.errors import InputError
from leakbench.core.results import ROWS_INSIDE, CaseScores, Curve, Exposure, Row
from leakbench.evaluation.decisions.verify import verify
from leakbench.report.files import remove, write
from leakbench.report.identity import FILES, changed, run_of
from leakbench.report.results import Results

EXPOSED = Exposure("none", "loss", np.arange(3), None, *np.zeros((7, 3)), None)
MASK = np.ones((1, 3), dtype=bool)
SCORED = CaseScores(
    "none",
    None,
    None,
    np.arange(1),
    np.arange(3),
    np.arange(3),
    MASK,
    MASK,
    {"loss": np.ones((1, 3), np.int32)},
    {},
    {},
)


CURVE = Curve("none", "loss", None, [0.0, 0.5, 1.0], [0.0, float("nan"), 1.0], [0.0] * 3, [1.0] * 3)


def results(n: int, exposed: bool = True) -> Results:
    row = Row("auc", n / 100, attack="loss")
    curves = [CURVE, replace(CURVE, attack="gap", adaptive=True, slice="class=1")] * exposed
    arrays = {"exposures": [EXPOSED] * exposed, "scores": [SCORED] * exposed}
    return Results("audit", f"run {n}", [row], curves, **arrays)  # type: ignore[arg-type]


def runs(folder: Path) -> dict[str, str | None]:
    return {name: run_of(folder / name) for name in FILES if (folder / name).exists()}


def test_every_file_says_of_which_run_it_is_and_says_so_again_when_it_is_drawn_again(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    first = runs(tmp_path)
    (identity,) = set(first.values())
    assert first.keys() == FILES.keys() and identity
    assert pq.read_schema(tmp_path / "records.parquet").metadata[b"identity"].decode() == identity
    assert main(["report", str(tmp_path)]) == 0
    assert runs(tmp_path) == first
    write(results(1), tmp_path / "same")
    write(results(2), tmp_path / "other")
    assert runs(tmp_path / "same") == first and identity not in runs(tmp_path / "other").values()
    other = replace(EXPOSED, vulnerability=np.ones(3))
    write(replace(results(1), exposures=[other]), tmp_path / "exposed")
    assert identity not in runs(tmp_path / "exposed").values()


@pytest.mark.parametrize("name", [name for name in FILES if name != "report.json"])
def test_a_file_of_another_run_is_named(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in (1, 2):
        write(results(n), tmp_path / str(n))
    os.replace(tmp_path / "2" / name, tmp_path / "1" / name)
    for given in (tmp_path / "1", tmp_path / "1" / "report.json"):
        before = {each: (tmp_path / "1" / each).read_bytes() for each in FILES}
        assert main(["report", str(given)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {tmp_path / '1' / name} is of another run") and said.count("\n") == 1
        assert f"run the audit or the study again with --out {tmp_path / '1'}" in said
        assert {each: (tmp_path / "1" / each).read_bytes() for each in FILES} == before
    write(results(3), tmp_path / "1")  # as it says
    assert Results.load(tmp_path / "1").title == "run 3"


def test_report_json_and_its_rows_are_enough(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    for name in set(FILES) - {"report.json", "results.parquet"}:
        (tmp_path / name).unlink()
    assert Results.load(tmp_path).rows == results(1).rows
    (tmp_path / "report.json").rename(tmp_path / "other.json")
    assert Results.load(tmp_path / "other.json").rows == results(1).rows


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"loss")] ^= 1
    path.write_bytes(content)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _forged(path: Path) -> None:
    """The rows of another run, under the identity of this one."""
    about = pq.read_schema(path).metadata
    write(results(2), path.parent / "other")
    table = pq.read_table(path.parent / "other" / "results.parquet")
    pq.write_table(table.replace_schema_metadata(about), path)


def _swapped(path: Path) -> None:
    write(results(2), path.parent / "other")
    os.replace(path.parent / "other" / "results.parquet", path)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(b""), "is damaged, or was not written by leakbench"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
            "is damaged, or was not written by leakbench",
        ),
        (_pipe, "is damaged, or was not written by leakbench"),
        (_flip, "was changed after it was written"),
        (lambda path: edit_rows(path.parent, lambda rows: rows[0].update(value=0.5)), "was changed after"),
        (lambda path: edit_rows(path.parent, lambda rows: rows.clear()), "was changed after it was written"),
        (_forged, "was changed after it was written"),
        (_swapped, "is of another run"),
    ],
)
def test_rows_that_are_not_those_of_the_report_are_never_read(
    tmp_path: Path, damage: Callable[[Path], object], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(results(1), tmp_path)
    damage(tmp_path / "results.parquet")
    (tmp_path / "policy.toml").write_text("[[ceilings]]\nmetric = 'auc'\nat_most = 0.9\n")
    (tmp_path / "copy.json").write_bytes((tmp_path / "report.json").read_bytes())
    folder = str(tmp_path)
    for command in (
        ["report", folder],
        ["report", str(tmp_path / "copy.json")],
        ["gate", folder, "--policy", str(tmp_path / "policy.toml")],
        ["compare", folder, folder],
        ["leaderboard", folder, "--out", str(tmp_path / "site")],
        ["bundle", folder, "--out", str(tmp_path / "bundle")],
        ["rescore", folder, "--attacks", "gap", "--out", str(tmp_path / "more")],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {tmp_path / 'results.parquet'} {what}") and said.count("\n") == 1
        assert "put back the file that was saved with it, or " in said
        assert said.endswith(f"run the audit or the study again with --out {folder}\n")
    assert main(["verify", folder]) == 1
    if (tmp_path / "results.parquet").exists() and "is damaged" in what:
        assert "or move it away and run" in said
        (tmp_path / "results.parquet").unlink()
    write(results(3), tmp_path)  # as it says
    assert Results.load(tmp_path).rows == results(3).rows
    assert not {"site", "bundle", "more"} & {path.name for path in tmp_path.iterdir()}


def test_rows_that_are_replaced_after_loading_are_saved_and_show(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    loaded = Results.load(tmp_path)
    replace(loaded, rows=results(2).rows).save(tmp_path)
    assert Results.load(tmp_path).rows == results(2).rows
    assert changed(tmp_path) == ["report.json"]


def test_a_report_without_a_column_that_later_versions_add_keeps_its_identity(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    path, before = tmp_path / "results.parquet", runs(tmp_path)
    table = pq.read_table(path)
    assert table["shadows"].null_count == table.num_rows
    pq.write_table(table.drop_columns(["shadows"]), path)
    loaded = Results.load(tmp_path)
    assert loaded.rows == results(1).rows
    loaded.save(tmp_path)
    assert runs(tmp_path) == before and changed(tmp_path) == []


def test_reports_with_their_rows_in_report_json_are_read_and_stay_as_they_were(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "old_report_with_tables", tmp_path, dirs_exist_ok=True)
    plain = json.loads((tmp_path / "report.json").read_text())
    loaded = Results.load(tmp_path)
    assert changed(tmp_path) == [] and plain["schema"] == ROWS_INSIDE
    assert loaded.to_dict()["results"] == plain["results"] and len(loaded.curves) == 1
    loaded.save(tmp_path)
    again = json.loads((tmp_path / "report.json").read_text())
    assert again["results"] == plain["results"] and "curves" not in again
    assert again["schema"] == ROWS_INSIDE and again["tables"] == plain["tables"]
    assert changed(tmp_path) == [] and set(runs(tmp_path).values()) == {plain["identity"]}
    assert {each.status for each in verify(tmp_path)} <= {"ok", "note"}
    shutil.copytree(tmp_path, tmp_path / "edited", ignore=shutil.ignore_patterns("edited"))
    edit_rows(tmp_path / "edited", lambda rows: rows.pop())
    assert [each.text for each in verify(tmp_path / "edited") if each.part == "rows"] == [
        "results.parquet and report.json hold other rows"
    ]
    (tmp_path / "results.parquet").unlink()
    assert Results.load(tmp_path).rows == loaded.rows


def test_curves_are_kept_beside_report_json_and_come_back(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    assert "curves" not in json.loads((tmp_path / "report.json").read_text())
    loaded = Results.load(tmp_path)
    assert repr(loaded.curves) == repr(results(1).curves)
    assert changed(tmp_path) == []
    loaded.save(tmp_path)
    assert changed(tmp_path) == [] and repr(Results.load(tmp_path).curves) == repr(loaded.curves)
    table = pq.read_table(tmp_path / "curves.parquet")
    pq.write_table(
        table.slice(0, 5).replace_schema_metadata(table.schema.metadata), tmp_path / "curves.parquet"
    )
    assert changed(tmp_path) == ["curves.parquet"]


def test_a_report_that_keeps_its_curves_in_report_json_is_read_and_stays_as_it_was(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "old_report", tmp_path, dirs_exist_ok=True)
    assert changed(tmp_path) == []
    loaded = Results.load(tmp_path)
    assert [c.attack for c in loaded.curves] == ["loss", "gap"]
    loaded.save(tmp_path)
    assert changed(tmp_path) == [] and not (tmp_path / "curves.parquet").exists()
    assert Results.load(tmp_path).identity == loaded.identity


def test_reports_of_before_there_was_an_identity_are_read(tmp_path: Path) -> None:
    page = write(results(1), tmp_path)
    plain = json.loads((tmp_path / "report.json").read_text())
    plain |= {"schema": ROWS_INSIDE, "results": results(1).to_dict()["results"]}
    del plain["identity"], plain["tables"]["results.parquet"]
    (tmp_path / "report.json").write_text(json.dumps(plain))
    with pytest.raises(InputError, match="is of another run"):
        Results.load(tmp_path)
    for name in ("results.parquet", "records.parquet", "scores.parquet", "curves.parquet"):
        table = pq.read_table(tmp_path / name)
        pq.write_table(table.replace_schema_metadata({"schema": plain["schema"]}), tmp_path / name)
    old = page.read_text()
    page.write_text("\n".join(line for line in old.splitlines() if "leakbench-run" not in line))
    assert Results.load(tmp_path).title == "run 1"
    write(results(2), tmp_path)


@pytest.mark.parametrize("identity", [3, None, "<script>", "\ud800", ["a"]])
def test_an_identity_that_is_none_is_refused(tmp_path: Path, identity: object) -> None:
    (tmp_path / "report.json").write_text(json.dumps(results(1).to_dict() | {"identity": identity}))
    with pytest.raises(InputError, match="is not as leakbench wrote it"):
        Results.load(tmp_path)


def test_records_of_another_run_do_not_stay(tmp_path: Path) -> None:
    write(results(1), tmp_path)
    write(results(2, exposed=False), tmp_path)
    assert "records.parquet" not in runs(tmp_path)
    assert Results.load(tmp_path).title == "run 2"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("what", ["file", "link", "pipe", "folder"])
def test_a_file_that_leakbench_did_not_write_is_never_replaced(tmp_path: Path, name: str, what: str) -> None:
    out = tmp_path / "out"
    write(results(0), tmp_path / "elsewhere")
    out.mkdir()
    match what:
        case "file":
            (out / name).write_text("mine")
        case "link":
            (out / name).symlink_to(tmp_path / "elsewhere" / name)
        case "pipe":
            os.mkfifo(out / name)
        case "folder":
            (out / name).mkdir()
    before = (out / name).lstat().st_ino
    with pytest.raises(
        InputError, match=f"{out / name} would be replaced, but leakbench did not write it; move"
    ):
        write(results(1), out)
    assert [path.name for path in out.iterdir()] == [name] and (out / name).lstat().st_ino == before


def test_it_is_said_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text('{"created": 1.5, "summary": {"passed": 3}}')
    study = tmp_path / "study.toml"
    study.write_text('data = {name = "digits", records = 200}\ndefences = ["none"]\n')
    for command in (["audit", "nowhere.npz"], ["run", str(study), "--store", str(tmp_path / "store")]):
        assert main([*command, "--out", str(tmp_path)]) == 2
        assert "report.json would be replaced" in capsys.readouterr().err
    (tmp_path / "report.json").unlink()
    for content in ("mine\n", '{"level": "info", "message": "another program"}\n', "[" * 100_000):
        (tmp_path / "log.jsonl").write_text(content)
        assert main(["run", str(study), "--out", str(tmp_path), "--dry-run"]) == 2
        assert "log.jsonl must be a log of leakbench, or not there" in capsys.readouterr().err
        assert (tmp_path / "log.jsonl").read_text() == content
    (tmp_path / "log.jsonl").unlink()
    os.mkfifo(tmp_path / "log.jsonl")
    assert main(["run", str(study), "--out", str(tmp_path), "--dry-run"]) == 2
    assert main(["work", str(study), "--log", str(study)]) == 2
    assert "study.toml must be a log of leakbench" in capsys.readouterr().err


def test_of_unfinished_only_what_we_wrote_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.cli.partial_report.FIRST", 0.0)
    folder = tmp_path / "out" / "unfinished"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("mine")
    write(results(1), folder)
    (folder / ".report-abcd1234").mkdir()
    (folder / ".report-abcd1234" / "old-report.json").write_text("left over")
    PartialReport(tmp_path / "out").remove()
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    (folder / "report.html").write_text("mine")
    unfinished = PartialReport(tmp_path / "out")
    unfinished(lambda: results(2))
    unfinished.remove()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "thesis.tex": "mine",
        "report.html": "mine",
    }


def test_unfinished_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.cli.partial_report.FIRST", 0.0)
    write(results(1), tmp_path / "mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "unfinished").symlink_to(tmp_path / "mine")
    before = runs(tmp_path / "mine")
    unfinished = PartialReport(tmp_path / "out")
    unfinished(lambda: results(2))
    unfinished.remove()
    assert runs(tmp_path / "mine") == before


def test_folders_of_killed_savers_are_swept_and_no_others(tmp_path: Path) -> None:
    for name in (".report-abcd1234", ".report-abcd1235", ".report-mine", "report-abcd1234"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text("half")
    (tmp_path / ".report-abcd1235" / "thesis.tex").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.json").write_text("mine")
    (tmp_path / ".report-abcd1236").symlink_to(tmp_path / "mine")
    write(results(1), tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} - FILES.keys()
    assert left == {
        ".report-abcd1235", ".report-abcd1235/thesis.tex", ".report-mine", ".report-mine/report.json",
        "report-abcd1234", "report-abcd1234/report.json", ".report-abcd1236", "mine", "mine/report.json",
    }  # fmt: skip
    assert remove(tmp_path) and not runs(tmp_path)


SAVING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from leakbench.report.files import write
from tests_identity import results

def save(n):
    write(results(n, exposed=n % 2 == 0), Path(sys.argv[2]))
"""


def saver(tmp_path: Path, code: str, *arguments: object) -> subprocess.Popen[bytes]:
    (tmp_path / "tests_identity.py").write_text(Path(__file__).read_text())
    command = [
        sys.executable,
        "-c",
        SAVING + code,
        str(tmp_path),
        str(tmp_path / "out"),
        *map(str, arguments),
    ]
    return subprocess.Popen(command)


def test_two_savers_leave_one_run_and_readers_never_see_two(tmp_path: Path) -> None:
    write(results(0), tmp_path / "out")
    several = "for n in range(int(sys.argv[3]), int(sys.argv[3]) + 4):\n    save(n)\n"
    savers = [saver(tmp_path, several, first) for first in (100, 201)]
    seen = set()
    while any(each.poll() is None for each in savers):
        seen.add(Results.load(tmp_path / "out").title)
    assert [each.returncode for each in savers] == [0, 0]
    assert len(seen) > 2 and len(set(runs(tmp_path / "out").values())) == 1


def test_records_that_another_saver_wrote_while_one_waited_do_not_stay(tmp_path: Path) -> None:
    write(results(1), tmp_path / "first")
    out = tmp_path / "out"
    out.mkdir()
    waiting = threading.Thread(target=write, args=(results(2, exposed=False), out))
    with one_at_a_time(out):
        waiting.start()
        waiting.join(2)  # it has its contents by then, and asks for the folder
        shutil.copytree(tmp_path / "first", out, dirs_exist_ok=True)
    waiting.join()
    assert Results.load(out).title == "run 2" and not (out / "records.parquet").exists()


KILLED = """
replace = os.replace
for at in range(7):
    child = os.fork()
    if not child:
        calls = iter(range(100))
        def stopping(source, target):
            if next(calls) == at:
                os._exit(9)
            replace(source, target)
        os.replace = stopping
        save(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    os.rename(sys.argv[2], f"{sys.argv[2]}-{at}-{os.waitstatus_to_exitcode(status)}")
    import shutil
    shutil.copytree(f"{sys.argv[2]}-first", sys.argv[2])
"""


def test_a_save_that_is_killed_between_two_files_is_told_and_mended_by_the_next(tmp_path: Path) -> None:
    for name in ("out", "out-first"):
        write(results(1), tmp_path / name)
    assert saver(tmp_path, KILLED).wait() == 0
    told = []
    for at, code in enumerate([9, 9, 9, 9, 9, 9, 0]):
        folder = tmp_path / f"out-{at}-{code}"
        mixed = len(set(runs(folder).values())) > 1
        try:
            told.append(Results.load(folder).title)
            assert not mixed
        except InputError as error:
            told.append("")
            assert mixed and "is of another run" in str(error)
        assert bool(list(folder.glob(".report-*"))) == (code == 9)
        write(results(3), folder)
        assert (
            Results.load(folder).title == "run 3" and {path.name for path in folder.iterdir()} == FILES.keys()
        )
    assert told == ["run 1", "", "", "", "", "", "run 2"]
