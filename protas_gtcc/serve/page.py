"""The live page: one HTML text of the files beside this module, which needs nothing from any network."""

from __future__ import annotations

from importlib.resources import files
from string import Template

SCRIPTS = (
    "page_parts.js",
    "page_people.js",
    "page_procedure.js",
    "page_strip.js",
    "page_person.js",
    "page_connection.js",
)


def page_text() -> str:
    """The page. Names of people and classes come to it as JSON, and it writes them as text, never as markup."""
    folder = files("protas_gtcc.serve")
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", *SCRIPTS)}
    scripts = "\n".join(texts[name] for name in SCRIPTS)
    return Template(texts["page.html"]).substitute(style=texts["page.css"], scripts=scripts)
