"""`TimedLayout`: labels from segments with times. A reader adds where its segments, classes and lists come from.

    videos      video -> its segments in seconds, with task, person and mistakes (`AnnotatedVideo`)
    rest        class 0, the name of what no segment covers; None where segments must cover the whole video

Frame i at F frames a second is the picture shown at time i / F, as `extract` takes it. Its label is the segment with
start <= i / F < end, of several the one that began last (of those that began together, the last one listed). Times may
be rounded to milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import ClassVar, TypeVar

import numpy as np

from protas_gtcc.annotations.files.timed import TimedSegment
from protas_gtcc.annotations.mistakes import Mistake, Step, Track, at_least_a_frame
from protas_gtcc.annotations.resampling import exact_rate, require_length, require_rate
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import BACKGROUND_NAMES, Layout, background_ids
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.layouts.names import composed
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, require_apart

BACKGROUND = "background"
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
class TimedLayout(Layout):
    """Opened segments with times."""

    needs_lengths = True
    has_mistakes: ClassVar[bool] = False
    """Whether mistakes were annotated: then each video has a track of its steps, which may overlap."""
    videos: Mapping[str, AnnotatedVideo]
    class_ids: Mapping[str, int]
    """Class of each name, composed."""
    rest: str | None = BACKGROUND
    """Class 0: what no segment covers. None: every frame must be in a segment."""
    fps_is_given: bool
    """Whether the user stated the labels' rate; else it is that of the features."""
    num_frames: dict[str, int] = field(default_factory=dict)
    """Video -> its number of labels, where it is known."""
    length_notices: list[str] = field(default_factory=list)
    """Those of `notices` that depend on the lengths of the videos."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`; up to the end of its last segment where its length is not known.

        Raises `InputError` for a segment behind the video's end, and for a frame in no segment if there is no `rest`.
        """
        labels = np.full(self._length(video), 0 if self.rest is not None else -1, dtype=np.int32)
        for segment in self.videos[video].segments:
            self._require_inside(video, segment)
            labels[slice(*self._frames(segment))] = self._class_id(segment)
        if (labels < 0).any():
            seconds = float(int(np.argmin(labels)) / exact_rate(self._fps))
            raise InputError(f"{self.labels_source(video)}: no segment at {seconds:g} s; add one that covers it")
        return labels

    def labels_source(self, video: str) -> str:
        """File and video."""
        return f"{self.videos[video].table}, video {video}"

    def task(self, video: str) -> str:
        """As annotated, "" where it is not."""
        return self.videos[video].task

    def subject(self, video: str) -> str:
        """As annotated, "" where it is not."""
        return self.videos[video].subject

    def track(self, video: str) -> Track | None:
        """The steps as annotated, and the mistakes; None for a layout without annotated mistakes."""
        if not self.has_mistakes:
            return None
        length = self._length(video)
        annotated = [(self._class_id(one), *self._widened(one, length)) for one in self.videos[video].segments]
        steps = tuple(Step(*one) for one in annotated if one[0] not in self.background)
        mistakes = tuple(
            Mistake(self._class_id(segment), *self._widened(segment, length), tag, description)
            for segment, tag, description in self.videos[video].mistakes
        )
        return Track(steps, (), mistakes)

    def actions(self, video: str) -> list[TimedSegment]:
        """The segments as annotated, in time order, without background; they may overlap where there are tracks."""
        return [one for one in self.videos[video].segments if self._class_id(one) not in self.background]

    def sample_labels(self, fps: float) -> None:
        """Give labels at the features' rate, unless the user stated another one for them."""
        if not self.fps_is_given:
            require_rate(fps)
            self.annotation_fps = fps

    def pair_by_length(self, feature_set: str, num_feature_frames: Mapping[str, float]) -> None:
        """Take the lengths of the features as those of the videos, and count what does not fit into them."""
        if not self.needs_lengths:
            return
        self.num_frames |= {video: max(1, math.ceil(n - 1e-6)) for video, n in num_feature_frames.items()}
        clipped = empty = 0
        for video, num_frames in self.num_frames.items():
            for segment in self.videos[video].segments:
                first, end = self._frames(segment)
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

    def _length(self, video: str) -> int:
        """The number of labels."""
        if video not in self.num_frames and self.needs_lengths and _UNKNOWN_LENGTHS not in self.notices:
            self.notices.append(_UNKNOWN_LENGTHS)
        last = max((segment.end for segment in self.videos[video].segments), default=Fraction(0))
        num_frames = self.num_frames.get(video) or max(1, self._frame(last))
        require_length(num_frames, self._fps, f"video {video}")
        return num_frames

    def _class_id(self, segment: TimedSegment) -> int:
        return self.class_ids[composed(segment.name)]

    def _frames(self, segment: TimedSegment) -> tuple[int, int]:
        return self._frame(segment.start), self._frame(segment.end)

    def _widened(self, segment: TimedSegment, length: int) -> tuple[int, int]:
        return at_least_a_frame(*self._frames(segment), length)

    def _frame(self, seconds: Fraction) -> int:
        """The first frame that is shown at this time or later."""
        return max(0, math.ceil((seconds - _ROUNDING) * exact_rate(self._fps)))

    def _require_inside(self, video: str, segment: TimedSegment) -> None:
        num_frames = self.num_frames.get(video)
        lasts = math.inf if num_frames is None else float(num_frames / exact_rate(self._fps))
        if segment.end > lasts + _CLIPPED_SECONDS:
            what = f"{segment} ends after the video, whose features last {lasts:g} s"
            raise InputError(f"{self.labels_source(video)}: {what}; correct the times, or --fps")


@dataclass
class Annotations:
    """What a reader found in a dataset's files."""

    videos: Mapping[str, AnnotatedVideo]
    names: Iterable[str] | None = None
    """Of the classes, in their order; None for the order in which segments have them."""
    rest: str | None = BACKGROUND
    splits: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    levels: tuple[str, ...] = ()
    name: str | None = None
    """Of the dataset; None for that of its folder."""


Timed = TypeVar("Timed", bound=TimedLayout)


def open_timed(
    kind: type[Timed], path: Path, options: LayoutOptions, folders: dict[str, FeatureFolder], found: Annotations
) -> Timed:
    """A layout of segments with times; its classes are `rest` and then the names.

    Raises `InputError` without a video, for a segment whose name is no class, for segments that overlap where no track
    keeps them, for a background that is no class, and for --no-background where segments leave frames out.
    """
    videos, rest = found.videos, found.rest
    if not videos:
        raise InputError(f"{path} has no annotated video; add one")
    for video, one in videos.items():
        one.segments.sort(key=lambda segment: segment.start)
        if not kind.has_mistakes:
            require_apart(one, video)
    used = dict.fromkeys(segment.name for one in videos.values() for segment in one.segments)
    names = list(used if found.names is None else dict.fromkeys(found.names))
    _require_known(videos, {*map(composed, names), *(() if rest is None else [composed(rest)])})
    class_names = ([] if rest is None else [rest]) + [one for one in names if not _is_rest(one, rest)]
    if options.no_background and rest is not None and kind.needs_lengths:
        raise InputError(f"--no-background: what no segment of {path} covers is background; leave that flag out")
    named = [] if options.background is None else background_ids(class_names, options, path)
    always = [] if rest is None or options.no_background else [0]
    return kind(
        path=path,
        name=options.name or found.name or own_name(path if path.is_dir() else path.parent),
        class_names=class_names,
        background=sorted({*always, *named}),
        splits=found.splits,
        video_names=sorted(videos),
        feature_folders=folders,
        annotation_fps=options.annotation_fps or _DEFAULT_FPS,
        levels=found.levels,
        notices=[*found.notices, *_merged(videos)],
        videos=videos,
        class_ids={
            **{composed(one): 0 for one in names if _is_rest(one, rest)},
            **{composed(one): label for label, one in enumerate(class_names)},
        },
        rest=rest,
        fps_is_given=options.annotation_fps is not None,
    )


def _require_known(videos: Mapping[str, AnnotatedVideo], known: Collection[str]) -> None:
    """Raise `InputError` for a segment whose name is no class."""
    for one in videos.values():
        for segment in one.segments:
            if composed(segment.name) not in known:
                raise InputError(f"{one.table}: {segment} has no class; give one of {listed(sorted(known), 20)}")


def _is_rest(name: str, rest: str | None) -> bool:
    """Whether a name is that of class 0, or another name of the background."""
    return rest is not None and (name == rest or name.casefold() in BACKGROUND_NAMES)


def _merged(videos: Mapping[str, AnnotatedVideo]) -> list[str]:
    """A notice on segments that follow one of the same class without a gap."""
    count = sum(
        one.end == other.start and one.name == other.name
        for video in videos.values()
        for one, other in pairwise(video.segments)
    )
    what = f"{plural(count, 'segment')} directly after one of the same class"
    return [f"{what}: frames do not show the border, so each pair is one segment"] if count else []
