"""From pixels to float32 [n, channels, height, width] in 0..1."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ._files import BAD_CONTENT, LONGEST, describe_content
from .base import Floats

MOST_EXPANSION, ALWAYS_ROOM = 100, 2**27  # pixels of all images for each byte of their files, and any number
MOST_PIXELS = 50_000_000  # of one image; 150 MB in colour
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})


def is_image(name: str) -> bool:
    """Whether the file name is an image's."""
    return Path(name).suffix.lower() in SUFFIXES


def scale(pixels: NDArray[np.uint8]) -> Floats:
    """Pixels 0..255 [n, ...] as float32 in 0..1."""
    out = np.empty(pixels.shape, np.float32)
    return np.divide(pixels, np.float32(255), out=out)


def decode(sources: Sequence[tuple[str, Path | bytes]]) -> Floats:
    """Images, each a name and a file or its content, as [n, 1 or 3, height, width].

    Three channels if any of them has colour. Raises InputError for what is no image, for more than 8 bits a
    channel, and for an image of another size than the first.
    """
    pixels = []
    packed = unpacked = 0
    for name, source in sources:
        pixels.append(_pixels(name, source))
        packed += len(source) if isinstance(source, bytes) else source.stat().st_size
        unpacked += pixels[-1].size
        if unpacked > MOST_EXPANSION * packed + ALWAYS_ROOM:
            raise InputError(
                f"images must hold at most {MOST_EXPANSION} times as many pixels as bytes beyond {ALWAYS_ROOM}, "
                f"got {unpacked} pixels up to {name}; save smaller images"
            )
    size = pixels[0].shape[:2]
    for (name, _), image in zip(sources, pixels, strict=True):
        if image.shape[:2] != size:
            raise InputError(
                f"images must all have one size, got height x width {_by(size)} for {sources[0][0]} and "
                f"{_by(image.shape)} for {name}; resize them first, or set resize"
            )
    channels = max(image.shape[2] for image in pixels)
    out = np.empty((len(pixels), channels, *size), np.uint8)
    for place, image in zip(out, pixels, strict=True):
        place[...] = image.transpose(2, 0, 1)  # a grey image fills the three channels
    return scale(out)


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"


def _content(file: Path) -> bytes:
    """The bytes of a regular file."""
    if not file.is_file():
        raise FileNotFoundError(file)
    return file.read_bytes()


@contextmanager
def _silent() -> Iterator[None]:
    """Turn the warnings of Pillow into errors, or ignore harmless ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pixels(name: str, source: Path | bytes) -> NDArray[np.uint8]:
    """One image as [height, width, 1 or 3]."""
    from PIL import Image

    try:
        content = source if isinstance(source, bytes) else _content(source)
        with _silent(), Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"images must have at most {MOST_PIXELS} pixels, got {image.width} x {image.height} for {name}"
                )
            if image.mode[0] in "IF":
                raise InputError(f"images must have 8 bits a channel, got mode {image.mode} for {name}")
            grey = image.mode in ("L", "LA", "1")
            mode = "L" if grey else "RGB"
            array: NDArray[Any] = np.asarray(image if image.mode == mode else image.convert(mode))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name} must be an image, got no such file") from None
    except (*BAD_CONTENT, Image.DecompressionBombError) as error:
        reason = f"{describe_content(content[:256])} ({str(error)[:LONGEST]})"
        raise InputError(f"{name} must be an image, got {reason}") from None
    return array[:, :, None] if grey else array
