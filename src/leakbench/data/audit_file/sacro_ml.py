"""Reads what SACRO-ML (aisdc) saved of an attack: its scores for each record, in an npz file beside `report.json`.

Version 2.0.1 (AI-SDC/SACRO-ML, `sacroml/attacks/report.py`) writes `report_arrays_<id>_instance_0.npz` with
`individual.member` [N], `individual.member_prob` [N], and of LiRA `individual.target_logit` and `individual.label`;
later ones write `lira_individual_<id>_instance_0.npz` with `member`, `score`, ... The target is saved as pickles, which
are not read: `EXPORT` saves its arrays.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from .other_tools import Arrays

PREFIX = "individual."
CURVES = {"fpr", "tpr", "roc_thresh"}
READ = {
    "member": "members",
    "member_prob": "scores",
    "score": "scores",
    "target_logit": "losses",
    "label": "labels",
}
FILES = ("report_arrays_*.npz", "*_individual_*.npz")
TARGET = "target.yaml"
EXPORT = (  # with sacroml installed
    "import numpy as np",
    "from sacroml.attacks.target import Target",
    "target = Target()",
    "target.load('target')",
    "x, y = (np.concatenate([getattr(target, f'{name}_{part}') for part in ('train', 'test')]) for name in 'Xy')",
    "members = np.arange(len(y)) < len(target.y_train)",
    "np.savez('audit.npz', probs=target.model.predict_proba(x), labels=y, members=members)",
)


def sacro_files(path: Path) -> list[Path]:
    """The npz files of attacks in a folder without npy files. Raises InputError for a target that was saved."""
    if (path / TARGET).exists():
        raise InputError(
            f"{path} is a target that SACRO-ML saved as pickles, which can run code when they are read, so it is "
            f"refused; export its arrays in Python: {'; '.join(EXPORT)}"
        )
    return (
        [] if any(path.glob("*.npy")) else sorted({file for pattern in FILES for file in path.glob(pattern)})
    )


def sacro_names(names: Collection[str]) -> dict[str, str]:
    """The arrays to read, by our names; none where the arrays are not those of SACRO-ML.

    Raises InputError for an attack that kept its ROC curve alone.
    """
    prefix = PREFIX if any(name.startswith(PREFIX) for name in names) else ""
    if set(names) == CURVES:
        raise InputError(
            "SACRO-ML kept the ROC curve of this attack alone; run LIRAAttack or QMIAAttack with report_individual=True"
        )
    there = [name for name in READ if prefix + name in names]
    if "member" not in there or not {"member_prob", "target_logit"} & set(there):
        return {}
    return {READ[name]: prefix + name for name in reversed(there)}  # member_prob in place of score


def of_attack(arrays: Arrays) -> Arrays:
    """The arrays with losses in place of log-odds; labels stand with losses alone. Raises InputError."""
    if "losses" not in arrays:
        return {name: array for name, array in arrays.items() if name != "labels"}
    if arrays["losses"].dtype.kind != "f" or not np.isfinite(arrays["losses"]).all():
        raise InputError(
            f"target_logit must hold finite log-odds of floating type, got {arrays['losses'].dtype}"
        )
    return arrays | {"losses": np.logaddexp(0.0, -arrays["losses"].astype(np.float64))}
