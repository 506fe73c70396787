"""Segments in seconds, in one CSV table or in one a video: they alone are enough, beside features or videos.

    segments.csv             video,start_seconds,end_seconds,name and, if known, task,subject
    <video>.csv              or one table a video, without the column `video`
    features*/<video>.npy
    splits/…                 lists of videos as in the layout of MS-TCN, if the folder is given

What no segment covers is background, class 0, and so is a segment that is called background or BG. The other classes
follow in the order in which they come first in the tables.

Frame i at F frames a second is the picture shown at time i / F, as `extract` takes it. Its label is the segment with
start <= i / F < end; times may be rounded to milliseconds. How long a video is, its features say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.errors import listed
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.segment_tables import NEEDED, AnnotatedVideo, is_segment_table, read_segment_tables
from protas_gtcc.layouts.split_lists import FOLDER as SPLITS
from protas_gtcc.layouts.split_lists import read_split_lists
from protas_gtcc.layouts.timed import Annotations, TimedLayout, open_timed

USUAL_STEM = "segments"
"""Of a table that has all videos."""


@dataclass(kw_only=True)
class SecondsLayout(TimedLayout):
    """Opened tables of segments."""


def is_seconds(path: Path) -> bool:
    """Whether a path is a CSV file, or a folder with a table of segments."""
    return path.suffix.lower() == ".csv" if path.is_file() else any(map(is_segment_table, _csv_files(path)))


def open_seconds(path: Path, options: LayoutOptions) -> SecondsLayout:
    """Open tables of segments. Raises `InputError` as `read_segment_tables` does, and for --no-background."""
    files = [path] if path.is_file() else _csv_files(path)
    tables = {_table_name(file, path): file for file in files if path.is_file() or is_segment_table(file)}
    others = [file.relative_to(path).as_posix() for file in files if file not in tables.values()]
    videos, names = read_segment_tables(tables)
    notices = [f"not read, without {', '.join(NEEDED)}: {listed(others)}"] if others else []
    return seconds_layout(path, options, videos, names, notices)


def seconds_layout(
    path: Path, options: LayoutOptions, videos: Mapping[str, AnnotatedVideo], names: Sequence[str], notices: list[str]
) -> SecondsLayout:
    """The layout of these videos; `names` are those of segments, in the order in which they come first.

    Raises `InputError` for --no-background, and as `read_split_lists` does. One file of a folder may lack videos of the
    folder's lists, so they are not read with it.
    """
    folder = path.parent if path.is_file() else path
    splits, more = read_split_lists([path / SPLITS], videos, path)
    if path.is_file() and (folder / SPLITS).is_dir():
        more = [f"the lists in {SPLITS}/ are not read with one file of annotations; give the folder to read them"]
    found = Annotations(videos, names, splits=splits, notices=[*notices, *more], name=_own_name(path))
    folders = find_feature_folders(folder, options.feature_folders)
    return open_timed(SecondsLayout, path, options, folders, found)


def _csv_files(folder: Path) -> list[Path]:
    """The CSV files in a folder and its folders, in order; not those of features, and none that are hidden."""
    found = []
    for file in sorted(folder.rglob("*.csv")):
        parts = file.relative_to(folder).parts
        if not any(part.startswith(("features", ".")) for part in parts[:-1]) and not parts[-1].startswith("."):
            found.append(file)
    return found


def _own_name(path: Path) -> str:
    """Of a folder, or of one table: that of the folder where the table's name is the usual one, which says nothing."""
    if path.is_file() and path.stem != USUAL_STEM:
        return path.stem
    return own_name(path.parent if path.is_file() else path)


def _table_name(file: Path, path: Path) -> str:
    """The video of a table without a column `video`: its path in the folder, without the ending."""
    return file.stem if file == path else file.relative_to(path).with_suffix("").as_posix()
