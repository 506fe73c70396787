"""Which layout a path has, and opening it."""

from __future__ import annotations

from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout
from protas_gtcc.layouts.drawn_split import draw_split
from protas_gtcc.layouts.egoprocel import is_egoprocel, open_egoprocel
from protas_gtcc.layouts.mstcn import is_mstcn, open_mstcn
from protas_gtcc.layouts.options import LayoutOptions

_READERS = {
    "mstcn": (is_mstcn, open_mstcn),
    "egoprocel": (is_egoprocel, open_egoprocel),
}


def recognise(path: Path | str) -> str:
    """`mstcn` or `egoprocel`. Raises `InputError`, naming what was looked for, if the path is neither or missing."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; correct the path")
    for name, (is_layout, _) in _READERS.items():
        if is_layout(path):
            return name
    raise InputError(
        f"{path} has no known layout; arrange it as groundTruth/ with mapping.txt (MS-TCN, FACT, EgoPER), or give "
        "a JSON of tasks with handles, hdl_actions, hdl_start_times, hdl_end_times (GTCC's EgoProceL)"
    )


def open_layout(path: Path | str, options: LayoutOptions | None = None) -> Layout:
    """Open a folder or file whose layout is recognised; with `options.test_share`, also draw its split.

    Raises `InputError` for what is wrong in its mapping, its lists of videos and its annotations.
    """
    options = options or LayoutOptions()
    _, open_it = _READERS[recognise(path)]
    layout = open_it(Path(path), options)
    if options.test_share is not None:
        draw_split(layout, options)
    return layout
