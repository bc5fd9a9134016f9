"""Makes `import torchvision` work where its build does not fit torch's."""

import importlib
from importlib.util import find_spec
from typing import Any

MISSING = ("nms", "qnms")  # the compiled operators that torchvision describes to torch when it is imported
_kept: list[Any] = []  # torch forgets operators when their library object goes


def prepare_torchvision() -> None:
    """Import torchvision, if it is installed; what imports it later finds it whole.

    Built for CUDA beside a torch without, it cannot load its compiled operators and fails on import, and so
    does whatever imports it. With their names declared it loads; its networks and transforms need no more.
    """
    if find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "DEF")
        for operator in MISSING:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        importlib.import_module("torchvision")
