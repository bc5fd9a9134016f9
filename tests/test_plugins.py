"""A package of a third party adds a method of every kind, by its entry points alone."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leakbench.attacks.suite import make_attacks
from leakbench.core.errors import InputError
from leakbench.core.registry import plural

PLUGINS = {  # the class of each kind
    "attack": "Margin",
    "defence": "Soften",
    "metric": "KolmogorovSmirnov",
    "loss": "SquaredCrossEntropy",
    "generator": "Grey",
    "design": "Alternating",
    "format": "Dots",
    "dataset": "DotsByName",
    "canary_kind": "Inverted",
}
REGISTRIES = """
from leakbench.attacks import ATTACKS
from leakbench.data import DATASETS, DESIGNS, FORMATS
from leakbench.data.canaries import CANARIES
from leakbench.defences import DEFENCES
from leakbench.generators import GENERATORS
from leakbench.metrics import METRICS
from leakbench.train.losses import LOSSES
found = [ATTACKS, DATASETS, DESIGNS, FORMATS, CANARIES, DEFENCES, GENERATORS, METRICS, LOSSES]
print(json.dumps({r.kind: [n for n in r.names() if n.startswith("third_party")] for r in found}))
"""
STUDY = """
[data]
name = "third_party_set"
[design]
name = "third_party_alternating"
[canaries]
share = 0.4
kinds = ["third_party_inverted"]
[architecture]
hidden = [8]
[[stages]]
epochs = 3
loss = "third_party_squared"
"""


def build(folder: Path, module: str, points: dict[str, str]) -> Path:
    """A wheel of one module with entry points `group: module:name`."""
    info = "third_party-1.0.dist-info"
    files = {
        "third_party.py": module,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "".join(f"[{group}]\nown = {name}\n" for group, name in points.items()),
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for name, text in files.items()
    }
    record = [f"{name},sha256={digests[name].rstrip(b'=').decode()},{len(files[name])}" for name in files]
    wheel = folder / "third_party-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,"])}.items():
            archive.writestr(name, text)
    return wheel


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    }
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = (Path(__file__).parent / "plugins" / "example_plugins.py").read_text()
    points = {f"leakbench.{plural(kind)}": f"third_party:{name}" for kind, name in PLUGINS.items()}
    folder = tmp_path_factory.mktemp("plugins")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder / "site"),
    ]
    subprocess.run([*pip, str(build(folder, module, points))], check=True, capture_output=True)
    return folder / "site"


def test_methods_of_every_kind_are_found(site: Path) -> None:
    done = python(site, "-c", f"import json\n{REGISTRIES}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == PLUGINS.keys()
    assert all(len(names) == 1 for names in found.values()), found


def test_a_study_takes_them(site: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        'attacks = ["third_party_margin"]\ndefences = ["third_party_soften"]\n'
        'metrics = ["standard", { name = "third_party_ks", above = 0.25 }]\n' + STUDY
    )
    arguments = [
        "run",
        str(tmp_path / "study.toml"),
        "--store",
        str(tmp_path / "store"),
        "--out",
        str(tmp_path),
    ]
    done = python(site, "-m", "leakbench", *arguments, "--processes", "1")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "results.parquet").to_pylist()
    by = {(r["defence"], r["attack"], r["metric"]): r for r in rows if r["slice"] == "all"}
    for defence in ("none", "third_party_soften"):
        own = by[defence, "third_party_margin", "third_party_ks@above=0.25"]
        assert own["chance"] == -0.25 and -0.25 <= own["value"] <= 0.75
        assert by[defence, "third_party_margin", "auc"]["chance"] == 0.5
    assert "third_party_ks" in (tmp_path / "report.html").read_text()


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    wheel = build(tmp_path, "import a_module_that_is_not_there", {"leakbench.metrics": "third_party:Own"})
    done = python(wheel, "-m", "leakbench", "list", "metrics")  # Python reads a wheel as a folder
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert (
        "the metric 'own' of the package 'third-party' cannot be imported: ModuleNotFoundError" in done.stderr
    )


NAMELESS = """
from dataclasses import dataclass
from leakbench.attacks import Attack
@dataclass(frozen=True)
class Own(Attack):
    pass
"""


@pytest.mark.parametrize("module", ["class Own: pass", NAMELESS], ids=["other", "nameless"])
def test_a_class_that_is_no_method_of_its_kind_is_refused(module: str, tmp_path: Path) -> None:
    wheel = build(tmp_path, module, {"leakbench.attacks": "third_party:Own"})
    done = python(wheel, "-m", "leakbench", "list", "attacks")
    assert done.returncode == 2
    assert "must be a dataclass with a name, derived from leakbench.attacks.base.Attack" in done.stderr


def test_an_attack_that_needs_an_unknown_statistic_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from leakbench.attacks.gap import Gap

    monkeypatch.setattr(Gap, "needs", property(lambda self: ("hingee",)))
    with pytest.raises(
        InputError, match="statistic that attack 'mine' needs: 'hingee'; did you mean 'hinge'"
    ):
        make_attacks([{"name": "gap", "label": "mine"}])
