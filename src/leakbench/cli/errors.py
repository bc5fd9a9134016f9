"""What went wrong, on one line for the terminal."""

import typer

# typer's own place for it differs between versions
USAGE_ERROR: type[BaseException] = typer.BadParameter.__bases__[0]
EXTRAS = {  # optional packages: what for, and the extra that brings them
    "torch": ("training", "train"),
    "safetensors": ("training", "train"),
    "filelock": ("training", "train"),
    "fsspec": ("a store under a URL", "train"),
    "torchvision": ("this architecture", "prune"),
    "torch_pruning": ("structured pruning", "prune"),
    "opacus": ("DP-SGD", "dp"),
    "diffusers": ("this generator", "generators"),
    "ray": ("a Ray cluster", "ray"),
    "s3fs": ("a store in S3", "s3"),
    "python_calamine": ("a workbook", "xlsx"),
}


def explained(error: BaseException) -> str:
    """The error on one line. A missing module is the user's to install only where it is optional."""
    if isinstance(error, ModuleNotFoundError):
        if error.name not in EXTRAS:
            raise error
        needed_for, extra = EXTRAS[error.name]
        return f"{needed_for} needs {error.name}; install it with: pip install 'leakbench[{extra}]'"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif isinstance(error, USAGE_ERROR):
        text = error.format_message().rstrip(".")  # type: ignore[attr-defined]
        text += f"; see {error.ctx.command_path} --help" if error.ctx else ""  # type: ignore[attr-defined]
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
