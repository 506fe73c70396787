"""The table of layouts has each reader, and each reader is as short as CONTRIBUTING says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from protas_gtcc.layouts import recognition

DOCS = Path(__file__).resolve().parents[1] / "docs" / "formats" / "layouts.md"
FIRST_ONES = ("mstcn", "captaincook4d", "egoprocel")
"""Those that are longer: the first readers, of which `mstcn` reads three layouts."""
ROWS = {
    "mstcn": ("MS-TCN", "FACT", "a line a frame"),
    "captaincook4d": ("CaptainCook4D",),
    "cholec80": ("Cholec80",),
    "assembly101": ("Assembly101",),
    "egoper": ("EgoPER](#egoper), JSON",),
    "holoassist": ("HoloAssist",),
    "lerobot": ("LeRobotDataset v3",),
    "target_perframe": ("target_perframe",),
    "breakfast": ("Breakfast",),
    "egoprocel": ("GTCC's EgoProceL",),
    "annotated": ("Files of annotation tools",),
    "seconds": ("Segments in seconds",),
}
NAMES = sorted({one.__module__.rpartition(".")[2] for reader in recognition._READERS for one in reader})


def code_lines(path: Path) -> int:
    """Lines that are not blank, without comments, docstrings and imports."""
    text = path.read_text(encoding="utf-8")
    other: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt):
            continue
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or is_text:
            other |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(number not in other and bool(line.strip()) and line.strip()[0] != "#" for number, line in lines)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FIRST_ONES])
def test_a_reader_is_at_most_60_lines(name):
    assert code_lines(Path(recognition.__file__).with_name(f"{name}.py")) <= 60


def test_the_table_of_layouts_has_a_row_for_each_reader():
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    head, *table = rows[: next(number for number, line in enumerate(rows) if line.startswith("| layout | source"))]
    assert head.startswith("| layout | labels | features | splits | task | person | mistakes | progress out |")
    assert {*NAMES} == {*ROWS}, "add the reader here, and its row to the table"
    for name, titles in ROWS.items():
        for title in titles:
            assert any(title in line.split("|")[1] or title in line[:60] for line in table), f"{name}: {title}"
