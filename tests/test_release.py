"""The files of a release agree with the package."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()


@pytest.mark.parametrize("key", ["version", "license"])
def test_the_citation_is_of_this_version(key: str) -> None:
    assert f"\n{key}: {PROJECT[key]}\n" in (ROOT / "CITATION.cff").read_text()


def test_ci_begins_with_the_oldest_python_that_is_supported_and_runs_what_developers_run() -> None:
    versions = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", WORKFLOW)[1])  # type: ignore[index]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert versions == [f"3.{minor}" for minor in range(11, 11 + len(versions))]
    told = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if " :: Python :: 3." in name]
    assert told == versions
    assert "make test" in WORKFLOW and re.search(r"^test:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    asked = [
        each.replace(" ", "").replace("matplotlib-base", "matplotlib")
        for each in recipe["requirements"]["run"]
    ]
    assert asked == [f"python{PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert recipe["package"] == {key: PROJECT[key] for key in ("name", "version")}
    (command,) = PROJECT["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [" = ".join(command)]
    assert recipe["about"]["license"] == PROJECT["license"]


def test_the_image_holds_what_the_build_needs_and_nothing_that_is_missing() -> None:
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert all((ROOT / name).exists() for name in names)
    kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(kept) == sorted(names)
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= set(names)
