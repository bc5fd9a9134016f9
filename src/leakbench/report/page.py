"""The report as one self-contained page: no network access, no foreign script, readable without scripts."""

import base64
import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..core.results import ResultData, Row
from . import overlap, wording, worst_case
from . import predicted_risk as outputs
from .figures import roc as plots
from .figures.forest import forest
from .figures.svg import mark_path, tone
from .figures.tradeoff import tradeoff
from .flag_groups import flag_groups
from .grades import limits_in_words
from .notes import grouped
from .numbers import COSTS, SIZES, count, metric_title, percent
from .officer import officer
from .protocol import protocol, rests_on
from .record_browser import browser, by_chance
from .study_toml import toml_text
from .tables import cross, matched, origin, per_record, privacy, samples, sizes, tables
from .tables.latex import SPECIAL
from .tables.white_box import white_box
from .verdict import main_standings, verdict
from .view import BASELINE, FEW, View, distinct

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MOST_SLICED = 4  # defences with an ROC of each slice
MOST_NOTES = 60
MOST_CASES = 60  # of a kind of flag


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(package_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals |= {
        "count": count,
        "percent": percent,
        "tone": tone,
        "mark_path": mark_path,
        "latex_characters": SPECIAL,
    }
    made.filters["csp_hash"] = _csp_hash
    return made


def page_template(name: str) -> "Template":
    """A template of this package, with escaping."""
    return _environment().get_template(name)


def _csp_hash(text: str) -> str:
    """What a Content-Security-Policy says to allow exactly this style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def render(results: ResultData) -> str:
    """The page as HTML."""
    view = View(results)
    told = verdict(view)
    first, _, rest = _unbroken(told.text).partition(". ")
    return page_template("page.html").render(
        results=results,
        view=view,
        contents=[],
        css=Markup(package_file("page.css")),
        script=Markup(package_file("page.js")),
        verdict=f"{first}." if rest else first,
        grade=_grade(view),
        rests=rests_on(view),
        forest=forest(view),
        headline=tables.headline(view),
        officer=officer(view),
        protocol=protocol(view),
        grades=_unbroken(limits_in_words()),
        summary=[_unbroken(text) for text in (rest, *_beyond(told.text, wording.summary(view))) if text],
        date=str(results.provenance.get("started", "")).replace("T", " ")[:16],
        glance=tables.glance(view),
        flags={"groups": flag_groups(results), "kinds": len({f.code for f in results.flags})},
        figures=_figures(view),
        matched=matched.matched(view),
        leakage=tables.leakage(view),
        worst_case=worst_case.worst_case(view),
        bounds=privacy.bounds(view),
        overlaps=overlap.sections(view),
        single=per_record.per_record(view),
        matrices=cross.matrices(view) if view.cross else [],
        origins=origin.origins(view),
        generators=origin.generators(view),
        white_box=white_box(view),
        pictures=samples.pictures(results),
        distances=samples.distances(results),
        utility=tables.utility(view),
        costs=tables.costs(view),
        sizes=sizes.sizes(view),
        layers=sizes.layers(results),
        outputs=_outputs(view),
        slices=tables.slice_table(view),
        records=browser(view),
        by_chance=by_chance(view),
        lists=[(d, _unbroken(listed)) for d in view.drawn if (listed := wording.list_of(view, d))],
        methods=[_method(m) for m in results.methods],
        provenance=_flat(results.provenance),
        study=toml_text(results.study),
        left_out=_left_out(view),
        few=FEW,
        notes=grouped(results.notes),
        most_notes=MOST_NOTES,
        most_cases=MOST_CASES,
        utility_intervals=_other_intervals(
            r for r in view.utility if r.metric not in SIZES and not r.metric.startswith(COSTS)
        ),
        cost_intervals=_other_intervals(r for r in view.utility if r.metric.startswith(COSTS)),
        size_intervals=_other_intervals(r for r in view.utility if r.metric in SIZES),
    )


def _grade(view: View) -> str:
    """The grade that the first sentence gives."""
    mains = main_standings(view)
    first = mains.get(BASELINE) or next(iter(mains.values()), None)
    return "" if first is None or view.void else first.grade.label.replace(" ", "-")


def _beyond(headline: str, paragraphs: list[str]) -> list[str]:
    """The paragraphs without the sentences at their beginning that the headline begins with."""
    first, *rest = paragraphs
    ends = [match.end() for match in re.finditer(r"\. ", f"{first} ")]
    repeated = max((end for end in ends if f"{headline} ".startswith(f"{first} "[:end])), default=0)
    return [text for text in (first[repeated:].strip(), *rest) if text]


def package_file(name: str) -> str:
    """The text of a file of this package."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def _unbroken(text: str) -> str:
    """With spaces between a number and its unit, and within an interval, that no line breaks at."""
    return re.sub(
        r"(?<=\d) (?=%|points|to [−+\d])|(?<=\d to) (?=[−+\d])|(?<=%) (?=CI )|(?<=CI) ", "\u00a0", text
    )


def _figures(view: View) -> dict[str, Any]:
    return {
        "tradeoff": tradeoff(view),
        "tradeoff_narrow": tradeoff(view, narrow=True),
        "worst_case": worst_case.worst_case_figure(view),
        "roc": [(d, plot) for d in view.drawn if (plot := plots.roc(view, d))],
        "roc_slices": [(d, each) for d in view.drawn[:MOST_SLICED] if (each := plots.roc_slices(view, d))],
        "slices": [(d, plot) for d in view.drawn if (plot := plots.slices(view, d))],
    }


def _outputs(view: View) -> dict[str, Any]:
    return {
        "risk": [_unbroken(text) for text in outputs.risk(view)],
        "table": outputs.outputs(view),
        "entropy": outputs.histograms(view, "entropy"),
        "loss": outputs.histograms(view, "loss"),
        "words": [_unbroken(text) for text in outputs.predictor_words(view)],
        "scatters": [(title, _unbroken(text), plot) for title, text, plot in outputs.scatters(view)],
        "correlations": outputs.correlations(view),
    }


def _method(method: Mapping[str, Any]) -> dict[str, Any]:
    doc = inspect.cleandoc(str(method.get("doc") or ""))
    first, _, rest = doc.partition("\n\n")
    name = method.get("label") or method.get("name", "")
    return {
        "kind": "",
        "source": "",
        "parameters": {},
        **method,
        "name": name,
        "first": first,
        "rest": rest.strip("\n"),
    }


def _flat(table: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Nested tables as dotted names and texts."""
    lines: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{path}{key}.")
        elif value is not None:
            listed = isinstance(value, list | tuple)
            lines.append((f"{path}{key}", ", ".join(map(str, value)) if listed else _text(value)))
    return lines


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _other_intervals(rows: Iterable[Row]) -> list[str]:
    """The kinds of interval that rows name as their own, each with the metrics that have it."""
    named: dict[str, list[str]] = {}
    for r in rows:
        if (interval := r.detail.get("interval")) and r.lo != r.hi:
            named.setdefault(str(interval), []).append(metric_title(r.metric))
    return [f"{', '.join(distinct(titles))}: {interval}" for interval, titles in named.items()]


def _left_out(view: View) -> list[str]:
    """What the page does not show, though results.parquet holds it."""
    notes = []
    if view.n_single:
        notes.append(f"{count(view.n_single)} numbers of single targets")
    if more := len(view.defences) - len(view.drawn):
        notes.append(f"the figures of {more} more defences")
    sliced = {c.defence for c in view.results.curves if c.slice != "all"}
    if len(sliced) > MOST_SLICED:
        notes.append(f"the ROC curves of slices of {len(sliced) - MOST_SLICED} more defences")
    return notes
