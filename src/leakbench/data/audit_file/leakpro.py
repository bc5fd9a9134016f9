"""Reads what LeakPro saved: the scores of one attack, or its cache of logits with exported membership.

`data_objects/*.json` (aidotse/LeakPro, `leakpro/reporting/mia_result.py`) holds the scores of one attack,
`signal_values` [N], and `true_labels` [N]. `attack_cache` (`leakpro/attacks/utils/model_handler.py`) holds
`target_logits.npy` and `sm_0_logits.npy`, ... [N, C] of the audited records, training records first. LeakPro keeps
labels and the shadow models' membership in pickles, which are not read: `EXPORT` saves them as arrays.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.regular_files import parse_json, read_regular
from .names import listed
from .other_tools import Arrays, Read

CACHE, RESULTS, TARGET = "attack_cache", "data_objects", "target_logits.npy"
EXPORTED = ("labels", "members", "shadow_members")
EXPORT = (  # in the session that ran the audit
    "import numpy as np",
    "from pathlib import Path",
    "from leakpro.attacks.mia_attacks.abstract_mia import AbstractMIA",
    "from leakpro.attacks.utils.shadow_model_handler import ShadowModelHandler",
    "cache, handler = Path('leakpro_output/attack_cache'), AbstractMIA.handler",
    "rows = np.concatenate([handler.train_indices, handler.test_indices])",
    "numbers = sorted(int(file.stem.split('_')[1]) for file in cache.glob('sm_*_logits.npy'))",
    "np.save(cache / 'labels.npy', handler.get_labels(rows))",
    "np.save(cache / 'members.npy', np.arange(len(rows)) < len(handler.train_indices))",
    "np.save(cache / 'shadow_members.npy', ShadowModelHandler().get_in_indices_mask(numbers, rows).T)",
)


def leakpro_files(path: Path) -> list[Path]:
    """The cached logits of the target in `path` or below, if they are there; else the results of attacks; else none."""
    caches = [folder / TARGET for folder in (path, path / CACHE) if (folder / TARGET).exists()]
    results = sorted((path if path.name == RESULTS else path / RESULTS).glob("*.json"))
    complete = [file for file in caches if not _missing(file.parent)]
    return complete[:1] or results or caches[:1]


def read_leakpro(path: Path, files: list[Path], read: Read) -> tuple[Arrays, list[str], str]:
    """The arrays of a LeakPro folder by our names, notes, and what was read. Raises InputError."""
    file, *others = files
    if file.name == TARGET:
        return _cache(file.parent, read)
    if others:
        told = listed(f"{each.relative_to(path)} ({_result(each)['result_name']})" for each in files)
        raise InputError(f"{path} holds the scores of {len(files)} attacks; name one of {told}")
    return read_leakpro_result(file)


def read_leakpro_result(file: Path) -> tuple[Arrays, list[str], str]:
    """The scores of one attack. Raises InputError where the file is not a result of LeakPro with scores."""
    result = _result(file)
    arrays = {
        name: _numbers(file, key, result[key])
        for name, key in (("scores", "signal_values"), ("members", "true_labels"))
    }
    note = "scores of one attack alone; its logits and labels allow every attack (docs/audit-file.md)"
    return arrays, [note], f"LeakPro's result: the scores of its attack {str(result['result_name'])[:80]!r}"


def _result(file: Path) -> dict[str, Any]:
    try:
        result = parse_json(read_regular(file))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is no readable JSON file: {str(error)[:100]}; write it again") from None
    wanted = ("result_name", "signal_values", "true_labels")
    if not isinstance(result, dict) or any(result.get(name) is None for name in wanted):
        raise InputError(
            f"{file} must be a result of LeakPro with {', '.join(wanted)}; attacks that predict labels alone save no "
            "scores"
        )
    return result


def _numbers(file: Path, name: str, values: Any) -> NDArray[Any]:
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise InputError(f"{file}: {name} must be a list of numbers")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise InputError(f"{file}: {name} must be numbers of double precision") from None


def _missing(folder: Path) -> list[str]:
    return [f"{name}.npy" for name in EXPORTED if not (folder / f"{name}.npy").exists()]


def _cache(folder: Path, read: Read) -> tuple[Arrays, list[str], str]:
    if missing := _missing(folder):
        raise InputError(
            f"{folder} holds LeakPro's logits, but not {listed(missing)}: LeakPro keeps these in pickles, which can "
            f"run code when they are read; export them in Python: {'; '.join(EXPORT)}"
        )
    numbered = {int(found[1]): file for file in folder.glob("sm_*_logits.npy") if (found := _number(file))}
    shadows = [_two_columns(read(numbered[number])) for number in sorted(numbered)]
    if len({array.shape for array in shadows}) > 1 or any(array.dtype.kind != "f" for array in shadows):
        raise InputError(
            f"{folder}: all sm_*_logits.npy must have one shape and a floating type; remove those of other audits"
        )
    arrays = {name: read(folder / f"{name}.npy") for name in EXPORTED}
    arrays["logits"] = _two_columns(read(folder / TARGET))
    if shadows:
        arrays["shadow_logits"] = np.stack(shadows)
    else:
        del arrays["shadow_members"]
    read_as = f"LeakPro's cache: {TARGET}, {len(shadows)} shadow models (sm_*_logits.npy), {listed(EXPORTED)}"
    return arrays, [], read_as


def _number(file: Path) -> re.Match[str] | None:
    return re.fullmatch(r"sm_(\d{1,9})_logits\.npy", file.name)


def _two_columns(logits: NDArray[Any]) -> NDArray[Any]:
    """Logits [N, C]; LeakPro's models for two classes give the logit of the second one alone, [N, 1]."""
    if logits.ndim == 2 and logits.shape[1] == 1 and logits.dtype.kind == "f":
        return np.concatenate([np.zeros_like(logits), logits], axis=1)
    return logits
