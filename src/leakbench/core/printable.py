"""Text from files and users, made safe to print."""

import unicodedata

STEERING = (
    "Cc",
    "Cs",
    "Zl",
    "Zp",
)  # categories: control characters, lone surrogates, line and paragraph separators
REORDERING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")  # bidirectional controls


def printable(text: str) -> str:
    r"""The text on one line, with escapes in place of the characters that steer a terminal.

    >>> print(printable("caf\u00e9 \x1b[31mred\n"))
    café \x1b[31mred\n
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    category, direction = unicodedata.category(character), unicodedata.bidirectional(character)
    return category in STEERING or direction in REORDERING
