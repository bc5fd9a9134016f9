"""A policy: what a report must show before a model is released."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...core.config import build
from ...core.errors import InputError
from ...core.regular_files import read_regular
from ...core.results import BEST
from ...metrics import METRICS, Metric

TEMPLATE = """\
# What a report must show: leakbench gate REPORT --policy FILE

confidence = 0.95          # all intervals together: the level of each is corrected for the number of comparisons
suite = "standard-2027"    # the suite of attacks of the report; leave it out to accept any
attacks = []               # attacks that must have been measured on every defence judged, such as "lira"
nonmembers = 1000          # least number of scores of non-members behind each number
models = 1                 # least number of targets behind each number
blind_at_chance = true     # members and non-members must not differ by themselves

# The upper end of the interval must not lie above `at_most`. A ceiling holds for every row that it describes.
[[ceilings]]
metric = "auc"
attack = "best"            # the strongest attack, or the label of one
at_most = 0.6

[[ceilings]]
metric = "tpr"
fpr = 0.01
attack = "best"
at_most = 0.03
# defence = "*"            # a defence of the study; * stands for any text
# slice = "all"            # such as "class=3", "group:sex=*" or "worst"
# adaptive = true          # false: the non-adaptive attacker
"""


@dataclass(frozen=True)
class Ceiling:
    """The largest value that the upper end of an interval may have."""

    at_most: float  # the ceiling; rates are fractions
    metric: str = "auc"  # one of `leakbench list metrics`
    fpr: float | None = None  # the false-positive rate of the metric, where it has one
    attack: str = BEST  # the label of an attack; best: the strongest; best_white_box: with the parameters
    defence: str = "*"  # the study's label; * stands for any text
    slice: str = "all"  # as in the results, such as class=3 or group:sex=*; * stands for any text
    adaptive: bool = True  # false: the attacker whose shadow models did not go through the defence

    @cached_property
    def measured(self) -> Metric:
        """The metric with its parameter. Raises InputError if there is none of that name."""
        return METRICS.make({"name": self.metric} | ({} if self.fpr is None else {"fpr": self.fpr}))


@dataclass(frozen=True)
class Policy:
    """What a report must show."""

    ceilings: tuple[Ceiling, ...] = ()  # at least one
    confidence: float = 0.95  # that all intervals together contain the true values
    suite: str | None = None  # the suite of attacks that the report must have; None: any
    attacks: tuple[str, ...] = ()  # labels of attacks that must have been measured on every defence judged
    nonmembers: int = 0  # least number of scores of non-members behind each number
    models: int = 0  # least number of targets behind each number
    blind_at_chance: bool = False  # whether an attack that sees nothing of the model must be at chance level

    def __post_init__(self) -> None:
        if not self.ceilings:
            raise InputError("a policy must have at least one ceiling, got none; add a [[ceilings]] table")
        if not 0.5 <= self.confidence < 1:
            raise InputError(
                f"confidence must be at least 0.5 and below 1, got {self.confidence}; 95 % is 0.95"
            )
        for ceiling in self.ceilings:
            ceiling.measured  # noqa: B018  # an unknown metric is refused

    @classmethod
    def load(cls, path: str | Path) -> "Policy":
        """Read a TOML file. Raises InputError, naming the key that is not as it must be."""
        try:
            table = tomllib.loads(read_regular(Path(path).resolve()).decode())
        except OSError as error:
            raise InputError(
                f"cannot read {path}: {error.strerror}; `leakbench gate --init {path}` writes one"
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} must be a policy in TOML; {error}") from None
        return build(cls, table, str(path))
