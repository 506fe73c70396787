"""`protas-gtcc check`: list everything that is wrong with a dataset."""

from __future__ import annotations

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
