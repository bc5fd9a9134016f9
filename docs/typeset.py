"""Docstrings as Markdown: one item for each section, and the plain text of formulas as mathematics."""

import html
import re

GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "theta",
            "mu",
            "pi",
            "rho",
            "sigma",
            "tau",
            "phi",
            "Phi",
        ],
        ["α", "β", "γ", "δ", "ε", "θ", "μ", "π", "ρ", "σ", "τ", "φ", "Φ"],
        strict=True,
    )
)
SIGNS = {
    " - ": " − ",
    " * ": " · ",
    "!=": "≠",
    ">=": "≥",
    "<=": "≤",
    "->": "→",
    "~ ": "∼ ",
    "x~": "x̃",
    "y~": "ỹ",
}
LOWERED = r"(?<=[\w)\]'|])_(\{[^{}]*\}|\([^()]*\)|[A-Za-z0-9]+)"
RAISED = r"\^(\{[^{}]*\}|\([^()]*\)|-?[A-Za-z0-9]+)"
SECTION = re.compile(r"^(Formula|Shapes|Source|Differs|Limits|Bounds):\s*", re.MULTILINE)


def mathematics(text: str) -> str:
    """A formula of a docstring in HTML: `s_in >= tau^2` with lowered and raised parts, signs and Greek letters.

    >>> mathematics("max_{c != y} z_c <= tau^2 `fpr`")
    'max<sub>c ≠ y</sub> z<sub>c</sub> ≤ τ<sup>2</sup> `fpr`'
    """
    code = r"(`[^`]*`)"
    return "".join(part if part.startswith("`") else _typeset(part) for part in re.split(code, text))


def _typeset(text: str) -> str:
    for plain, sign in SIGNS.items():
        text = text.replace(plain, sign)
    text = html.escape(text, quote=False)
    for pattern, tag in ((LOWERED, "sub"), (RAISED, "sup")):
        text = re.sub(pattern, lambda found: f"<{tag}>{found[1].strip('{}')}</{tag}>", text)  # noqa: B023
    for pattern, sign in ((r"\bsum(?=<sub>| \|)", "Σ"), (r"\bsqrt\b ?", "√"), (r"\binfinity\b", "∞")):
        text = re.sub(pattern, sign, text)
    text = re.sub(rf"\b({'|'.join(GREEK)})\b", lambda found: GREEK[found[1]], text)
    return escaped(text)


def escaped(text: str) -> str:
    """Text in which Markdown finds no emphasis."""
    return re.sub(r"([*_#])", r"\\\1", text)


def docstring(doc: str) -> str:
    """A plug-in's docstring as Markdown: its first paragraphs, then an item for each section."""
    lead, *parts = SECTION.split(doc)
    items = []
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = [line.strip() for line in body.strip().splitlines()]
        if name == "Formula":
            shown = "<br>".join(map(mathematics, lines))
        else:
            shown = (plain if name == "Source" else mathematics)(" ".join(lines))
        items.append(f"- **{name}**: {shown}\n")
    return plain(lead.strip()) + "\n\n" + "".join(items)


def plain(text: str) -> str:
    """Prose with its code spans, in which Markdown finds no emphasis and HTML no tag."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else escaped(html.escape(part, quote=False)) for part in parts
    )
