"""The studies that come with leakbench: in the folder `studies` of an installed package, or of a checkout."""

import tomllib
from pathlib import Path

from ..core.errors import InputError, unknown

DEMO = "digits-demo"
PACKAGE = Path(__file__).parents[1]


def shipped_studies() -> dict[str, Path]:
    """The study files by name: the path in the folder without its suffix, such as `small/entropy`."""
    folder = next((p for p in (PACKAGE / "studies", PACKAGE.parents[1] / "studies") if p.is_dir()), None)
    if folder is None:
        raise InputError(f"the studies of leakbench are missing beside {PACKAGE}; install leakbench again")
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.toml")}
    return dict(sorted(found.items()))


def shipped_study(name: str) -> Path:
    """The file of a study. Raises InputError for an unknown name."""
    studies = shipped_studies()
    if name not in studies:
        raise unknown("study", name, studies)
    return studies[name]


def titles() -> dict[str, str]:
    """The title of each study by its name."""
    return {name: tomllib.loads(path.read_text("utf-8"))["title"] for name, path in shipped_studies().items()}
