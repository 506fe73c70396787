"""A table in a folder: to read, as figures, and as rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from protas_gtcc.storage.atomic import replace_when_whole, write_text


def write_tables(out: Path, markdown: str, rows: pd.DataFrame, figures: Any = None) -> None:
    """Write table.md, table.csv, and if there are `figures` table.json."""
    write_text(out / "table.md", markdown)
    if figures is not None:
        write_text(out / "table.json", json.dumps(figures, indent=1, allow_nan=False) + "\n")
    with replace_when_whole(out / "table.csv") as temporary:
        rows.to_csv(temporary, index=False, float_format="%.6g")
