"""A saved report with its scores, for decisions that measure it again."""

from pathlib import Path

from ...core.errors import InputError
from ...core.results import CaseScores
from ...report.array_tables import read_scores
from ...report.identity import changed
from ...report.results import Results


def whole(report: str | Path | Results) -> tuple[Results, list[CaseScores]]:
    """Results with their scores, from a folder or as they were measured.

    Raises InputError for a folder whose report was changed after it was written, or is none.
    """
    if isinstance(report, Results):
        return report, report.scores
    folder = folder_of(report)
    results = Results.load(folder)
    if files := changed(folder):
        raise InputError(
            f"{folder} was changed after it was written ({', '.join(files)}), or an earlier version of leakbench wrote "
            "it; run the audit or the study again"
        )
    return results, read_scores(folder)


def folder_of(report: str | Path) -> Path:
    """The folder of a report that is named by its folder or by one of its files."""
    path = Path(report)
    return path.parent if path.is_file() else path
