"""Makes `import torchvision` work where its build does not fit torch's."""

import importlib
from importlib.util import find_spec
from typing import Any

MISSING = ("nms", "qnms")  # the compiled operators that torchvision describes to torch when it is imported
_kept: list[Any] = []  # torch drops operators when their library object is deleted


def prepare_torchvision() -> None:
    """Import torchvision if it is installed, so that later imports of it succeed.

    A torchvision for CUDA beside a torch without CUDA cannot load its compiled operators and fails on import. It loads
    once their names are declared; its networks and transforms need no more.
    """
    if find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in MISSING:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _kept.append(library)
        importlib.import_module("torchvision")
