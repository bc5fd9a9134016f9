"""Hostile study files, each from a number: a published study in which a few values or lines are others."""

import re
from pathlib import Path

import numpy as np

from leakbench.core.errors import InputError
from leakbench.pipeline.study import Study

from . import hostile

STUDIES = sorted((Path(__file__).parents[2] / "studies").rglob("*.toml"))
VALUES = (
    "0", "-1", "1e300", "nan", "inf", f"{2**63}", "1" + "0" * 4000, "9" * 5000, "0x" + "f" * 9000, "true",
    '"x"', '""', '"\\u0000"', '"\\u001b[31m"', "[]", "{}", "[[]]", "[1, 2]", "{a = 1}", "1979-05-27",
    "07:32:00", '"é"', f'"{"x" * 10_000}"',
    "[" * 900 + "]" * 900, "[" * 5000, "{a = " * 400 + "1" + "}" * 400, "0.5", '["none"]', "{name = 1}", "[{}]",
    '{name = "none"}', '{stage = "train"}', '[{stage = ["train"]}]', '[{stage = "x"}]', "{factory = 'os:system'}",
)  # fmt: skip
LINES = (
    "\x00",
    "[[[",
    "a =",
    "= 1",
    "[data]",
    "[[stages]]",
    "key = 'v'",
    "\udcff",
    "architecture.factory = 'os:system'",
)


def hostile_study(number: int, folder: Path) -> Path:
    """The study of a number, a file in `folder`."""
    rng = np.random.default_rng([19, number])
    lines = hostile.chosen(rng, STUDIES).read_text().splitlines()
    for _ in range(int(rng.integers(3))):
        at = hostile.chosen(rng, [i for i, line in enumerate(lines) if "=" in line] or [0])
        how = rng.integers(5)
        if how == 0:
            lines[at] = f"{lines[at].split('=')[0]}= {hostile.chosen(rng, VALUES)}"
        elif how < 3 and (places := list(re.finditer(r"=\s*([^,{}\[\]#]+)", lines[at]))):
            place = hostile.chosen(rng, places)
            lines[at] = lines[at][: place.start(1)] + hostile.chosen(rng, VALUES) + lines[at][place.end(1) :]
        elif how == 3:
            lines.insert(at, hostile.chosen(rng, LINES))
        else:
            del lines[at]
    path = folder / f"{number}.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return path


def outcome(path: Path) -> str:
    """ "refused" in one line, or "right": a study that its own description makes again."""
    try:
        study = Study.load(path)
    except InputError as error:
        assert len(str(error)) < 2000, error
        return "refused"
    assert Study.of(study.describe()).describe() == study.describe()
    return "right"
