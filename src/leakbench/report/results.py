"""Results with what the report adds: the verdict, saving and loading."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.atomic_files import one_at_a_time
from ..core.errors import InputError, first_problem
from ..core.regular_files import parse_json, read_regular
from ..core.results import ROWS_INSIDE, SCHEMA, ResultData

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from .verdict import Verdict


@dataclass(frozen=True)
class Results(ResultData):
    """Everything that an audit or a study measured."""

    def __repr__(self) -> str:
        """The title, and the verdict."""
        return f"<Results of {self.title!r}: {self.verdict.text}>"

    def _repr_html_(self) -> str:
        """The title, the verdict and a table of the strongest numbers, for notebooks."""
        from .notebook import summary_html

        return summary_html(self)

    def to_frame(self) -> "pandas.DataFrame":
        """The rows as a pandas data frame, with one column for each field of `Row`.

        Raises InputError where pandas is not installed.
        """
        if find_spec("pandas") is None:
            raise InputError("to_frame needs the package pandas; install it (pip install pandas)")
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self.rows])

    def to_csv(self, path: str | Path) -> None:
        """Write the rows as a CSV file: one column for each field of `Row`, `detail` as JSON."""
        from pyarrow.csv import write_csv

        from .array_tables import rows_table

        write_csv(rows_table(self.rows), path)

    def to_latex(self) -> str:
        """The table at the top of the report in LaTeX, for the package booktabs, with the intervals."""
        from .tables.latex import latex
        from .tables.tables import glance
        from .view import View

        return latex(glance(View(self)))

    def plot_roc(self, defence: str | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw ROC curves on logarithmic axes.

        Args:
            defence: The defence whose attacks are drawn, at most eight with the highest AUC, the first with its
                pointwise 95 % band. None: in a study the strongest attack on each defence, else every attack.
            ax: The matplotlib axes to draw on; None: those of a new figure, `.figure` of what is returned.

        Raises InputError for an unknown defence, and where there are no curves.
        """
        from .figures.axes import roc_axes

        return roc_axes(self, defence, ax)

    def plot_tradeoff(self, ax: "Axes | None" = None) -> "Axes":
        """Draw accuracy against the TPR of the strongest attack, with 95 % intervals, one mark per defence.

        Args:
            ax: As in `plot_roc`.

        Raises InputError with fewer than two defences.
        """
        from .figures.axes import tradeoff_axes

        return tradeoff_axes(self, ax)

    def plot_attacks(
        self, metric: str = "auc", defence: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Draw a metric of every attack on one defence, with 95 % intervals.

        Args:
            metric: A metric of the rows, such as "auc" or "tpr@fpr=0.01".
            defence: The label of the defence; None: the first, of an audit the only one.
            ax: As in `plot_roc`.

        Raises InputError for an unknown defence or metric.
        """
        from .figures.axes import attack_axes

        return attack_axes(self, metric, defence, ax)

    @property
    def verdict(self) -> "Verdict":
        """How strong the evidence of leakage is, in a few sentences and as a grade of every defence."""
        from .verdict import verdict
        from .view import View

        return verdict(View(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a number that is not finite becomes null."""
        from .json_form import to_plain

        return to_plain(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Results":
        """The inverse of `to_dict`."""
        from .json_form import from_plain

        return cls(**from_plain(plain))

    def save(self, folder: str | Path) -> Path:
        """Write report.html, report.json and four parquet tables into `folder`; all or none.

        Results that were loaded hold neither the exposure of all records nor the scores: records.parquet and
        scores.parquet of the same run are left as they are, those of another run are removed. Raises InputError
        rather than replace a file that leakbench did not write.
        """
        from .files import write

        return write(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> "Results":
        """Read report.json of a folder, and the tables beside it.

        Raises InputError if it is none of ours or beside files of another run, and where results.parquet, which holds
        the rows, is missing or was changed.
        """
        from .identity import check_whole

        path = Path(folder)
        path = path / "report.json" if path.is_dir() else path
        with one_at_a_time(path.parent, reading=True):
            results = cls.load_alone(path)
            if path.name == "report.json":
                check_whole(path.parent, results.identity)
        return results

    @classmethod
    def load_alone(cls, path: Path, rows: list[dict[str, Any]] | None = None) -> "Results":
        """Read a report.json and its rows, of whatever runs the other files beside it are.

        Args:
            path: The report.json.
            rows: Plain rows in place of those in results.parquet. Default: that file must be as it was written.

        Raises InputError if it is none of ours.
        """
        try:
            plain = parse_json(read_regular(path.resolve()))
        except OSError as error:
            raise InputError(
                f"cannot read {path}: {error.strerror}; give a folder with report.json"
            ) from None
        except ValueError as error:
            raise InputError(f"{path} must be a report.json written by leakbench; {error}") from None
        if not isinstance(plain, dict) or plain.get("schema") not in (SCHEMA, ROWS_INSIDE):
            got = plain.get("schema") if isinstance(plain, dict) else type(plain).__name__
            raise InputError(
                f"{path} must have schema {SCHEMA!r} or {ROWS_INSIDE!r}, got {str(got)[:100]!r}; "
                "run the audit or the study again"
            )
        from pydantic import ValidationError

        from .identity import curves_beside, rows_beside

        try:
            given = rows_beside(path, plain) if rows is None else {"results": rows}
            return cls.from_dict(given | curves_beside(path, plain) | plain)
        except KeyError as error:
            why = f"{error.args[0]!r} is missing"
        except ValidationError as error:
            why = first_problem(error)
        except (TypeError, AttributeError) as error:
            why = str(error)
        raise not_ours(path, why)


def not_ours(path: Path, why: str) -> InputError:
    """The error for a report.json that is not as leakbench writes it."""
    why = " ".join(why.split())[:500]
    return InputError(f"{path} is not as leakbench wrote it: {why}; run the audit or the study again")
