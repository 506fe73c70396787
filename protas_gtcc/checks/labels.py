"""Checks of labels, given one video after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from protas_gtcc.annotations.resampling import resample_indices, vanished_segments
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import DatasetInfo
from protas_gtcc.errors import listed, plural
from protas_gtcc.layouts.base import BACKGROUND_NAMES

_MOST_BACKGROUND = 0.95


class LabelCheck:
    """Checks the labels of all videos, and remembers only counts."""

    def __init__(self, info: DatasetInfo, where: str, resample_to: float | None = None):
        self._info, self._where, self._resample_to = info, where, resample_to
        self._frames = np.zeros(info.num_classes, dtype=np.int64)
        self._segments: Counter[int] = Counter()
        self._vanished: Counter[int] = Counter()
        self._classes_of: dict[str, bytes] = {}
        """A bit for each class: a set of numbers takes ten times as much memory."""

    def see(self, video: str, labels: np.ndarray, fps: float) -> Iterator[Finding]:
        """Check one video's labels `[T]` at `fps`, at least one, each the id of a class."""
        counts = np.bincount(labels, minlength=self._info.num_classes)
        self._frames += counts
        self._classes_of[video] = np.packbits(counts > 0).tobytes()
        self._segments.update(segment_array(labels)[:, 2].tolist())
        if self._resample_to is not None:
            chosen = resample_indices(len(labels), fps, self._resample_to)
            self._vanished.update(vanished_segments(labels, chosen)[:, 2].tolist())
        if set(np.flatnonzero(counts).tolist()) <= set(self._info.background):
            way_out = "leave it out if that is a mistake"
            yield Finding("warning", f"video {video}", "no action, only background", way_out)

    def finish(self) -> Iterator[Finding]:
        """Findings about all videos together."""
        yield from self._background()
        yield from self._classes()
        for label, vanished in sorted(self._vanished.items()):
            what = f"{vanished} of {plural(self._segments[label], 'segment')} vanish at {self._resample_to:g} fps"
            yield Finding("warning", self._class(label), what, "keep a higher rate with --resample-to")

    def _background(self) -> Iterator[Finding]:
        background = self._info.background
        if not background:
            yield self._no_background()
        for label in background:
            if self._frames[label] == 0:
                way_out = "name the right background with --background"
                yield Finding("warning", self._class(label), "it is a background class but never used", way_out)
        share = self._frames[background].sum() / max(1, self._frames.sum())
        if share > _MOST_BACKGROUND:
            what = f"{share:.1%} of all frames are background"
            yield Finding("warning", self._where, what, "compare the scores without background, or trim the videos")

    def _no_background(self) -> Finding:
        alike = [name for name in self._info.class_names if name.casefold() in BACKGROUND_NAMES]
        if alike:
            what = f"no background class is set, but there is a class {alike[0]!r}"
            return Finding("warning", self._where, what, f"prepare it again with --background {alike[0]}")
        return Finding("note", self._where, "there is no background: every frame is an action", "")

    def _classes(self) -> Iterator[Finding]:
        names = self._info.class_names
        for name, count in Counter(names).items():
            if count > 1:
                yield Finding("error", f"class {name}", f"{count} classes have this name", "rename all but one")
        for label in np.flatnonzero(self._frames == 0).tolist():
            if label not in self._info.background:
                yield Finding("warning", self._class(label), "no video shows it", "drop it, or correct the labels")
        for split, parts in self._info.splits.items():
            used = {part: self._used(videos) for part, videos in parts.items()}
            unseen = sorted(used.get("test", set()) - used.get("train", set()))
            if unseen and used.get("train"):
                what = f"classes in test but not in train: {listed([names[label] for label in unseen])}"
                yield Finding("warning", f"split {split}", what, "move videos of them to train")

    def _used(self, videos: list[str]) -> set[int]:
        used = np.zeros(-(-self._info.num_classes // 8), dtype=np.uint8)
        for video in videos:
            used |= np.frombuffer(self._classes_of.get(video, bytes(len(used))), dtype=np.uint8)
        return set(np.flatnonzero(np.unpackbits(used)).tolist())

    def _class(self, label: int) -> str:
        return f"class {self._info.class_names[label]}"
