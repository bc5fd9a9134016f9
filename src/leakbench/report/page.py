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
from .figures.tradeoff import tradeoff
from .grades import limits_in_words
from .images import Album
from .notes import grouped
from .numbers import COSTS, MISSING, SIZES, count, finite, metric_title, percent
from .study_toml import toml_text
from .tables import cross, matched, origin, per_record, privacy, samples, sizes, tables
from .tables.white_box import white_box
from .verdict import verdict
from .view import FEW, View, distinct

if TYPE_CHECKING:
    from jinja2 import Template

MOST_SLICED = 4  # defences with an ROC of each slice
MOST_HISTOGRAMS = 30  # defences; they are small
MOST_RECORDS = 24  # a defence
MOST_NOTES = 60
MOST_MESSAGES, MOST_PLACES = 4, 6  # a kind of flag, and a message


@cache
def page_template(name: str) -> "Template":
    """A template of this package, with escaping."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"count": count, "percent": percent}
    return environment.from_string(package_file(name))


def render(results: ResultData) -> str:
    """The page as HTML."""
    view, script = View(results), package_file("page.js")
    return page_template("page.html").render(
        results=results,
        view=view,
        css=Markup(package_file("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        verdict=_unbroken(verdict(view).text).split(". ", 1),
        grades=_unbroken(limits_in_words()),
        summary=[_unbroken(text) for text in _beyond(verdict(view).text, wording.summary(view))],
        date=str(results.provenance.get("started", "")).replace("T", " ")[:16],
        glance=tables.glance(view),
        flags=_flags(results),
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
        records=_records(results),
        lists={d: _unbroken(wording.list_of(view, d) or "") for d in view.defences},
        methods=[_method(m) for m in results.methods],
        provenance=_flat(results.provenance),
        study=toml_text(results.study),
        left_out=_left_out(view),
        few=FEW,
        notes=grouped(results.notes),
        most_notes=MOST_NOTES,
        most_messages=MOST_MESSAGES,
        utility_intervals=_other_intervals(
            r for r in view.utility if r.metric not in SIZES and not r.metric.startswith(COSTS)
        ),
        cost_intervals=_other_intervals(r for r in view.utility if r.metric.startswith(COSTS)),
        size_intervals=_other_intervals(r for r in view.utility if r.metric in SIZES),
    )


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


def _flags(results: ResultData) -> list[dict[str, Any]]:
    """Each kind of flag once, with its messages and, for each, the defences and attacks that it concerns."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for f in results.flags:
        defence = f.defence if results.kind == "run" else None
        where = " on ".join(name for name in (f.attack, defence) if name)
        found.setdefault((f.code, f.title), {}).setdefault(f.message, []).append(where)
    return [
        {
            "code": code,
            "title": title,
            "messages": [(m, _some(distinct(filter(None, w)))) for m, w in messages.items()],
        }
        for (code, title), messages in found.items()
    ]


def _some(places: list[str]) -> str:
    more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
    return ", ".join(places[:MOST_PLACES]) + more


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
        "entropy": outputs.histograms(view, "entropy", MOST_HISTOGRAMS),
        "loss": outputs.histograms(view, "loss", MOST_HISTOGRAMS),
        "words": [_unbroken(text) for text in outputs.predictor_words(view)],
        "scatters": [(title, _unbroken(text), plot) for title, text, plot in outputs.scatters(view)],
        "correlations": outputs.correlations(view),
    }


def _records(results: ResultData) -> dict[str, list[dict[str, Any]]]:
    """The most exposed records of each defence, in the order given; an image only if it is one."""
    found: dict[str, list[dict[str, Any]]] = {}
    album = Album()
    for r in results.records:
        group = found.setdefault(r.defence, [])
        if len(group) < MOST_RECORDS:
            chance = None if r.by_chance is None else _score(r.by_chance)
            shown = {"score": _score(r.vulnerability), "found": _share(r.tpr), "by_chance": chance}
            group.append({"record": r, "image": album.admit(r.image), **shown})
    return found


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if finite(value) else MISSING


def _share(share: float | None) -> str | None:
    return f"{100 * share:.0f} %" if share is not None and finite(share) else None


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
