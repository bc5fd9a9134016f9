"""Opens files of unknown origin only if they are regular files. Links are not followed, pipes do not block."""

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST = 2**28  # bytes of a file that is read whole
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # Windows has neither


class NotRegularError(OSError):
    """A link, a folder, a pipe or a device stands in the place of a file."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. Raises NotRegularError where it is something else, OSError as `open` does."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NotRegularError(errno.EINVAL, "not a regular file", str(path))
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | _PLAIN))


def read_regular(path: Path) -> bytes:
    """The content of a regular file. Raises ValueError for more than MOST bytes, else as `open_regular` does."""
    with open_regular(path) as file:
        content = file.read(MOST + 1)
    if len(content) > MOST:
        raise ValueError(f"more than {MOST} bytes")
    return content


def parse_json(content: bytes | str) -> Any:
    """The content of a JSON text. Raises ValueError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_folder(path: Path) -> bool:
    """Whether there is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()
