"""Results in a notebook: a few lines of HTML without styles or scripts of their own."""

from markupsafe import Markup

from ..core.results import ResultData
from .tables.tables import Cell, glance
from .verdict import verdict
from .view import View


def summary_html(results: ResultData) -> str:
    """The title, the verdict, and the table at the top of the report."""
    view = View(results)
    table = glance(view)
    head = Markup("").join(Markup("<th>{}</th>").format(column.title) for column in table.columns)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(map(_cell, line))) for line in table.lines
    )
    return str(
        Markup("<h4>{}</h4><p>{}</p><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
            results.title, verdict(view).text, head, body
        )
    )


def _cell(cell: Cell) -> Markup:
    note = Markup("<br><small>{}</small>").format(cell.note) if cell.note else ""
    return Markup("<td>{}{}</td>").format(cell.text, note)
