"""Segments in seconds, in one CSV table or in one a video: they alone are enough, beside features or videos.

    segments.csv             video,start_seconds,end_seconds,name and, if known, task,subject
    <video>.csv              or one table a video, without the column `video`
    features*/<video>.npy

What no segment covers is background, class 0, and so is a segment that is called background or BG. The other classes
follow in the order in which they come first in the tables. There are no lists of videos: `--test-share` draws a split.

Frame i at F frames a second is the picture shown at time i / F, as `extract` takes it. Its label is the segment with
start <= i / F < end; times may be rounded to milliseconds. How long a video is, its features say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from protas_gtcc.annotations.files.timed import TimedSegment
from protas_gtcc.annotations.resampling import exact_rate, require_length, require_rate
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import BACKGROUND_NAMES, Layout, background_ids
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.names import composed
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.segment_tables import (
    NEEDED,
    AnnotatedVideo,
    is_segment_table,
    read_segment_tables,
)

BACKGROUND = "background"
USUAL_STEM = "segments"
"""Of a table that has all videos."""
_DEFAULT_FPS = 10.0
"""Labels per second where no rate is known."""
_ROUNDING = Fraction(1, 2000)
"""Seconds by which a time may be too late, since it was rounded to milliseconds."""
_CLIPPED_SECONDS = 1
"""How much later than its video a segment may end: annotation tools round, and videos lose their last pictures."""

_SAME_RATIO = 5e-3
"""By how much ratios of lengths may differ that have one reason: features end with whole frames."""

_UNKNOWN_LENGTHS = "without features, labels end with the last segment of their video"


@dataclass(kw_only=True)
class SecondsLayout(Layout):
    """Opened tables of segments."""

    needs_lengths = True
    videos: Mapping[str, AnnotatedVideo]
    class_ids: Mapping[str, int]
    """Class of each name, composed."""
    fps_is_given: bool
    """Whether the user stated the labels' rate; else it is that of the features."""
    num_frames: dict[str, int] = field(default_factory=dict)
    """Video -> its number of labels, where it is known."""
    length_notices: list[str] = field(default_factory=list)
    """Those of `notices` that depend on the lengths of the videos."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`; up to the end of its last segment where its length is not known."""
        segments = self.videos[video].segments
        if video not in self.num_frames and _UNKNOWN_LENGTHS not in self.notices:
            self.notices.append(_UNKNOWN_LENGTHS)
        num_frames = self.num_frames.get(video) or max(1, self._frame(segments[-1].end) if segments else 0)
        require_length(num_frames, self._fps, f"video {video}")
        labels = np.zeros(num_frames, dtype=np.int32)
        for segment in segments:
            self._require_inside(video, segment)
            labels[self._frame(segment.start) : self._frame(segment.end)] = self.class_ids[composed(segment.name)]
        return labels

    def labels_source(self, video: str) -> str:
        """Table and video."""
        return f"{self.videos[video].table}, video {video}"

    def task(self, video: str) -> str:
        """The column `task`."""
        return self.videos[video].task

    def subject(self, video: str) -> str:
        """The column `subject`."""
        return self.videos[video].subject

    def sample_labels(self, fps: float) -> None:
        """Give labels at the features' rate, unless the user stated another one for them."""
        if not self.fps_is_given:
            require_rate(fps)
            self.annotation_fps = fps

    def pair_by_length(self, feature_set: str, num_feature_frames: Mapping[str, float]) -> None:
        """Take the lengths of the features as those of the videos, and count what does not fit into them."""
        self.num_frames |= {video: max(1, math.ceil(n - 1e-6)) for video, n in num_feature_frames.items()}
        clipped = empty = 0
        for video, num_frames in self.num_frames.items():
            for segment in self.videos[video].segments:
                first, end = self._frame(segment.start), self._frame(segment.end)
                empty += first >= min(end, num_frames)
                clipped += end > num_frames > first
        notices = []
        if clipped:
            notices.append(f"{plural(clipped, 'segment')} cut at the end of the video, by a second at most")
        notices += self._other_lengths()
        if empty:
            notices.append(f"{plural(empty, 'segment')} without a frame: too short, or behind the video's last frame")
        self.notices = [notice for notice in self.notices if notice not in self.length_notices] + notices
        self.length_notices = notices

    def _other_lengths(self) -> list[str]:
        """A notice if the annotations' videos last longer or shorter than the features, all by the same ratio.

        So it is where a tool took the videos' rate for another: 25 for 24.97.
        """
        known = {video: seconds for video in self.num_frames if (seconds := self.videos[video].seconds)}
        lasts = {video: self.num_frames[video] / exact_rate(self._fps) for video in known}
        ratios = [float(lasts[video] / seconds) for video, seconds in known.items()]
        off = max((abs(lasts[video] - seconds) for video, seconds in known.items()), default=Fraction(0))
        if off <= _CLIPPED_SECONDS or max(ratios) - min(ratios) > _SAME_RATIO:
            return []
        ratio = median(ratios)
        what = f"features last {ratio:.5g} times as long as the videos do by their annotations"
        return [f"{what}; if the tool took the rate for another, give --time-scale {ratio:.5g}"]

    @property
    def _fps(self) -> float:
        return self.annotation_fps or _DEFAULT_FPS

    def _frame(self, seconds: Fraction) -> int:
        """The first frame that is shown at this time or later."""
        return max(0, math.ceil((seconds - _ROUNDING) * exact_rate(self._fps)))

    def _require_inside(self, video: str, segment: TimedSegment) -> None:
        num_frames = self.num_frames.get(video)
        lasts = math.inf if num_frames is None else float(num_frames / exact_rate(self._fps))
        if segment.end > lasts + _CLIPPED_SECONDS:
            what = f"{segment} ends after the video, whose features last {lasts:g} s"
            raise InputError(f"{self.labels_source(video)}: {what}; correct the times, or --fps")


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
    path: Path, options: LayoutOptions, videos: dict[str, AnnotatedVideo], names: Sequence[str], notices: Sequence[str]
) -> SecondsLayout:
    """The layout of these videos; `names` are those of segments, in the order in which they come first.

    Raises `InputError` for --no-background.
    """
    if options.no_background:
        raise InputError(f"--no-background: what no segment of {path} covers is background; leave that flag out")
    class_names = [BACKGROUND, *(name for name in names if name.casefold() not in BACKGROUND_NAMES)]
    class_ids = {composed(name): label for label, name in enumerate(class_names)}
    return SecondsLayout(
        path=path,
        name=options.name or _own_name(path),
        class_names=class_names,
        background=sorted({0, *background_ids(class_names, options, path)}),
        splits={},
        video_names=sorted(videos),
        feature_folders=find_feature_folders(path.parent if path.is_file() else path, options.feature_folders),
        annotation_fps=options.annotation_fps or _DEFAULT_FPS,
        notices=[*notices, *_merged(videos)],
        videos=videos,
        class_ids={**class_ids, **{composed(n): 0 for n in names if n.casefold() in BACKGROUND_NAMES}},
        fps_is_given=options.annotation_fps is not None,
    )


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


def _merged(videos: Mapping[str, AnnotatedVideo]) -> list[str]:
    """A notice on segments that follow one of the same class without a gap."""
    count = sum(
        one.end == other.start and one.name == other.name
        for video in videos.values()
        for one, other in pairwise(video.segments)
    )
    what = f"{plural(count, 'segment')} directly after one of the same class"
    return [f"{what}: frames do not show the border, so each pair is one segment"] if count else []
