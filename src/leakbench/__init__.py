"""Does a classifier leak who was in its training set, and which defence really stops it?

`audit` reads the saved outputs of any model; `audit_training` trains shadow models with the user's own code; `run`
trains, defends and attacks what a study file describes.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from .core import errors
from .core.version import __version__

# MKL, which torch multiplies matrices with, otherwise rounds a product by where its factors lie in memory, and so by
# which other models are trained at once. It reads this when it is first used; what is set already stays.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

sys.modules[f"{__name__}.errors"] = errors  # the errors that a caller may catch have a public place

if TYPE_CHECKING:
    from .core.errors import InputError
    from .evaluation.audit import audit
    from .evaluation.decisions.compare import compare
    from .evaluation.decisions.gate import gate
    from .evaluation.decisions.leaderboard import leaderboard
    from .evaluation.decisions.verify import verify
    from .evaluation.difference import difference
    from .pipeline.any_model.audit_training import audit_training
    from .pipeline.any_model.scorer import membership_auc_scorer
    from .pipeline.rescore import rescore
    from .pipeline.run import run
    from .pipeline.study import Study
    from .report.results import Results

__all__ = [
    "InputError",
    "Results",
    "Study",
    "__version__",
    "audit",
    "audit_training",
    "compare",
    "difference",
    "gate",
    "leaderboard",
    "membership_auc_scorer",
    "rescore",
    "run",
    "verify",
]
_HOMES = {
    "InputError": "core.errors",
    "Results": "report.results",
    "Study": "pipeline.study",
    "audit": "evaluation.audit",
    "audit_training": "pipeline.any_model.audit_training",
    "compare": "evaluation.decisions.compare",
    "difference": "evaluation.difference",
    "gate": "evaluation.decisions.gate",
    "leaderboard": "evaluation.decisions.leaderboard",
    "membership_auc_scorer": "pipeline.any_model.scorer",
    "rescore": "pipeline.rescore",
    "run": "pipeline.run",
    "verify": "evaluation.decisions.verify",
}


def __getattr__(name: str) -> Any:
    """Import the parts on first use, so that `import leakbench` costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'leakbench' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted(__all__)
