"""Matplotlib figures as inline SVG that follows the page's colours, fonts and width.

Figures are drawn in stand-in colours, which become CSS variables: one drawing serves light, dark and print.
"""

import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, FAINT, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0501{i:02x}" for i in range(8))
VARIABLES = {INK: "ink", MUTED: "muted", FAINT: "faint", PAPER: "paper"} | {
    colour: f"series-{i}" for i, colour in enumerate(SERIES)
}
FONT = 11.0


def figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """A figure whose units are CSS pixels, with one plain pair of axes."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width / 72, height / 72), dpi=72)
    made.patch.set_visible(False)
    return made, plain(made.add_axes((0, 0, 1, 1)))


def plain(axes: "Axes") -> "Axes":
    """Axes without a frame, in the page's colours."""
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=MUTED, linewidth=0.8)
    axes.tick_params(which="both", color=MUTED, labelcolor=MUTED, labelsize=FONT, width=0.8, length=3)
    axes.tick_params(which="minor", length=0)
    return axes


def place(
    axes: "Axes", width: float, height: float, left: float, right: float, top: float, bottom: float
) -> None:
    """Margins in pixels."""
    axes.set_position(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )


def colour(index: int) -> str:
    """The stand-in of the index-th series; 0 is the undefended model."""
    return SERIES[index % len(SERIES)]


def inline(made: "Figure", name: str, description: str) -> Markup:
    """The figure as an SVG element; `name` keeps its ids apart from those of other figures on the page."""
    import matplotlib

    buffer = io.StringIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": True}),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the fonts, and sets the text
        made.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", body, flags=re.S)
    body = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\1{name}-", body)
    body = re.sub(r"font: (\d+ )?([\d.]+)px [^;\"]*", r"font-size: \2px; font-weight: \1", body)
    body = body.replace("font-weight: ;", "").replace('font-weight: "', '"')
    body = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]).replace("\n", ""), body)
    for stand_in, variable in VARIABLES.items():
        body = body.replace(stand_in, f"var(--{variable})")
    width, height = (72 * side for side in made.get_size_inches())
    return Markup(
        f'<svg class="plot" role="img" aria-label="{escape(description)}"'
        f' viewBox="0 0 {width:g} {height:g}">{body}'
    )
