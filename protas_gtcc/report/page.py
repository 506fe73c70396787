"""The report: one HTML page that holds its data, its script and plotly.js, and needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from protas_gtcc.errors import lacks_package, plural
from protas_gtcc.storage.atomic import write_text

SCRIPTS = (
    "page.js",
    "page_words.js",
    "page_time.js",
    "page_plots.js",
    "page_print.js",
    "page_keys.js",
    "page_tables.js",
    "page_further.js",
    "page_scores.js",
    "page_found.js",
    "page_classes.js",
    "page_lengths.js",
    "page_matrix.js",
    "page_player.js",
    "page_alarms.js",
    "page_procedure_parts.js",
    "page_procedure.js",
    "page_calibration.js",
    "page_places.js",
    "page_videos.js",
    "page_video_list.js",
)

MEDIA = "; media-src 'self' file: data:"
"""What a page with videos may load: files beside it, on this machine, and what it holds."""


def write_report(path: Path | str, data: Mapping[str, Any]) -> None:
    """Write the page for what `page_data` returned. Raises `InputError` where plotly is not installed."""
    write_text(path, render(data, _plotly()))


def render(data: Mapping[str, Any], plotly: str) -> str:
    """The page as text; `plotly` is plotly.js. Names in the data are untrusted and never used as markup."""
    page = files("protas_gtcc.report")
    scripts = "\n".join((page / name).read_text(encoding="utf-8") for name in SCRIPTS)
    template = Template((page / "page.html").read_text(encoding="utf-8"))
    media = MEDIA if data["has_videos"] else ""
    texts = {"title": escape(_title(data)), "data": _inside_script(data), "media": media}
    return template.substitute(texts, plotly=plotly, scripts=scripts)


def _title(data: Mapping[str, Any]) -> str:
    groups = data["groups"]
    count = sum(len(group["runs"]) for group in groups)
    names = ", ".join(dict.fromkeys(group["dataset"] for group in groups))
    simulated = [run["simulated"] for group in groups for run in group["runs"]]
    mark = "SIMULATED: " if all(simulated) else "partly SIMULATED: " if any(simulated) else ""
    return f"{mark}{plural(count, 'run')} on {names}"


def _inside_script(data: Mapping[str, Any]) -> str:
    # "</script>" or "<!--" in a name would end or change the element that holds the data.
    return json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise lacks_package("the report", error, "report") from error
    return str(get_plotlyjs())
