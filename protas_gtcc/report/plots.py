"""How pictures are drawn with matplotlib: `Figure` objects only, no pyplot: nothing global, no window, safe in any
process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protas_gtcc.report.canvas import COMPRESSION
from protas_gtcc.storage.atomic import replace_when_whole

DOTS_PER_INCH = 110
SUMMARIES = ("videos", "per_class", "by_length", "by_tenth", "online")
"""Names of the pictures in plots/ that are not of one video."""
OF_VIDEO = " (video)"


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


def picture_names(videos: Sequence[str]) -> dict[str, str]:
    """File names of the pictures of videos in plots/: `<video>.png`, but where another picture has that name.

    Names that differ by upper and lower case alone are one on some systems.
    """
    taken, found = {name.casefold() for name in (*SUMMARIES, *videos)}, {}
    for video in videos:
        name = video
        while name.casefold() in (SUMMARIES if name == video else taken):
            name += OF_VIDEO
        taken.add(name.casefold())
        found[video] = f"{name}.png"
    return found
