"""A table of the report in LaTeX, with the rules of the package booktabs."""

from .tables import Cell, Table

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--",
    "∞": r"$\infty$", "ε": r"$\varepsilon$", "δ": r"$\delta$", "≤": r"$\leq$", "×": r"$\times$", "\u00a0": "~",
    "\u202f": r"\,",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}  # fmt: skip


def latex(table: Table) -> str:
    r"""The columns that the report shows first, as a `tabular`; the note of a cell follows its value.

    >>> from .tables import Column
    >>> columns = [Column("Attack", numeric=False), Column("AUC")]
    >>> print(latex(Table(columns, [[Cell("base_score"), Cell(".61", "[.6, .62]")]])))
    \begin{tabular}{lr}
    \toprule
    Attack & AUC \\
    \midrule
    base\_score & .61 {\footnotesize [.6, .62]} \\
    \bottomrule
    \end{tabular}
    """
    usual = [i for i, column in enumerate(table.columns) if column.usual]
    columns = [table.columns[i] for i in usual]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in columns)}}}",
        r"\toprule",
        " & ".join(_escaped(column.title) for column in columns) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(line[i]) for i in usual) + r" \\" for line in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    first = "{}" if cell.text.startswith("[") else ""  # which is no option of the line before
    return first + _escaped(cell.text) + (rf" {{\footnotesize {_escaped(cell.note)}}}" if cell.note else "")


def _escaped(text: str) -> str:
    """The text with LaTeX's own characters escaped, and those that a plain font lacks written out."""
    return "".join(SPECIAL.get(mark, mark) for mark in text)
