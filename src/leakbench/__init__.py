"""Does a classifier leak who was in its training set, and which defence really stops it?

`audit` reads the saved outputs of any model; `run` trains, defends and attacks what a study file describes.
"""

import os
from typing import TYPE_CHECKING, Any

# MKL, which torch multiplies matrices with, otherwise rounds a product by where its factors lie in memory, and so by
# which other models are trained at once. It reads this when it is first used; what is set already stays.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

__version__ = "0.1.0"
__all__ = ["InputError", "Results", "Study", "audit", "run"]

if TYPE_CHECKING:
    from .auditing import audit
    from .errors import InputError
    from .results import Results
    from .running import run
    from .study import Study


def __getattr__(name: str) -> Any:
    """Import the parts on first use, so that `import leakbench` costs next to nothing."""
    homes = {
        "InputError": "errors",
        "Results": "results",
        "Study": "study",
        "audit": "auditing",
        "run": "running",
    }
    if name not in homes:
        raise AttributeError(f"module 'leakbench' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{homes[name]}", __name__), name)
    globals()[name] = value
    return value
