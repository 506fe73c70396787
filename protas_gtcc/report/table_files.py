"""A table in a folder: to read, as figures, and as rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.csv_tables import Columns, write_csv_table


def write_tables(out: Path, markdown: str, rows: Columns, figures: Any = None) -> None:
    """Write table.md, table.csv, and if there are `figures` table.json."""
    write_text(out / "table.md", markdown)
    if figures is not None:
        write_text(out / "table.json", json.dumps(figures, indent=1, allow_nan=False) + "\n")
    write_csv_table(out / "table.csv", rows)
