"""How pictures are drawn with matplotlib: `Figure` objects only, no pyplot: nothing global, no window, safe in any
process.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protas_gtcc.report.canvas import COMPRESSION
from protas_gtcc.storage.atomic import replace_when_whole

DOTS_PER_INCH = 110


def tidy(axis: Axes) -> None:
    """Horizontal grid lines behind the drawing; no frame above and at the right."""
    axis.grid(axis="y", color="#EEEEEE")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path | str) -> None:
    """Write a picture, PNG, in one step."""
    with replace_when_whole(path) as temporary:
        # Not `savefig`, which draws the figure twice: once for the layout.
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(temporary, pil_kwargs={"compress_level": COMPRESSION})  # type: ignore[no-untyped-call]
