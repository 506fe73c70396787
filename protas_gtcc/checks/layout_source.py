"""A foreign layout under check, before `prepare`: every video's trouble is collected, not only the first."""

from __future__ import annotations

from collections import Counter
from math import nan

import numpy as np

from protas_gtcc.checks.findings import Finding, listed
from protas_gtcc.checks.sources import Source
from protas_gtcc.dataset import DatasetInfo, FeatureSet
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout, LayoutOptions, subject_of
from protas_gtcc.layouts.features import FeatureFolder, decide_time_first, fits_length
from protas_gtcc.prepare import Rates, parse_look_ahead, settle_labels

Shapes = dict[str, tuple[int, int]]


class LayoutSource(Source):
    """A layout, its features put time first in the way `prepare` would."""

    def __init__(self, layout: Layout, options: LayoutOptions, fps: float | None = None):
        self._layout, self._options = layout, options
        self.where, self.video_names = str(layout.path), layout.video_names
        self.info = DatasetInfo(
            layout.name, layout.class_names, layout.background, layout.annotation_fps or fps or nan, layout.splits
        )
        # Features for each label, in frames: 1 unless labels come at a rate of their own.
        self._frames_per_label = fps / layout.annotation_fps if fps and layout.annotation_fps else 1.0
        self._lengths_known = bool(fps) or layout.annotation_fps is None
        self.findings = []
        self._time_first: dict[str, bool] = {}
        self.feature_sets = self._survey()
        self.findings += [Finding("note", self.where, notice, "") for notice in layout.notices]

    def labels(self, video: str) -> np.ndarray:
        """Class ids `[T]` at the labels' own rate."""
        return self._layout.labels(video)

    def features(self, video: str, feature_set: str) -> np.ndarray:
        """Features `[T, D]`."""
        return self._layout.feature_folders[feature_set].load(video, self._time_first[feature_set])

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether there is a `<video>.npy`."""
        return self._layout.feature_folders[feature_set].has(video)

    def subject(self, video: str) -> str:
        """The person in the video's name, by the user's pattern."""
        return subject_of(video, self._options.subject_pattern)

    def lengths_fit(self, num_labels: int, num_features: int) -> bool:
        """Within the tolerance, beyond which `prepare` refuses."""
        if not self._lengths_known:
            return True
        return fits_length(num_features, num_labels * self._frames_per_label, self._options.tolerance_frames)

    def _survey(self) -> dict[str, FeatureSet]:
        folders = self._layout.feature_folders
        if not folders:
            self._wrong(self.where, "no features*/ beside it", "say where they are with --features FOLDER")
            return {}
        if not self._lengths_known:
            self.findings.append(
                Finding(
                    "warning", self.where, "lengths are not compared: labels have a rate of their own", "give --fps"
                )
            )
        look_ahead = parse_look_ahead(self._options.look_ahead_frames, list(folders))
        shapes = {name: self._shapes(folder) for name, folder in folders.items()}
        self._settle(shapes)
        expected = self._expected_frames()
        sets = {}
        for name, folder in folders.items():
            try:
                time_first = self._axes(folder, shapes[name], expected)
            except InputError as error:
                self._wrong(f"feature set {name}", str(error), "")
                continue
            dims = Counter(shape[1 if time_first else 0] for shape in shapes[name].values())
            self._time_first[name] = time_first
            sets[name] = FeatureSet(dims.most_common(1)[0][0] if dims else 0, look_ahead[name], folder.split)
        return sets

    def _shapes(self, folder: FeatureFolder) -> Shapes:
        known = set(self.video_names)
        strangers = sorted(file.stem for file in folder.path.glob("*.npy") if file.stem not in known)
        if strangers:
            what = f"{len(strangers)} files have no labels: {listed(strangers)}"
            self.findings.append(Finding("warning", str(folder.path), what, "they will be left out"))
        shapes: Shapes = {}
        for video in self.video_names:
            try:
                if folder.has(video):
                    shapes[video] = folder.shape(video)
            except InputError:
                # Reading the video's features will say the same of it.
                continue
        return shapes

    def _settle(self, shapes: dict[str, Shapes]) -> None:
        first, of_videos = next(iter(shapes.items()))
        if self._lengths_known and of_videos:
            rate = self._layout.annotation_fps or 1.0
            rates = Rates(rate, rate * self._frames_per_label, rate)
            settle_labels(self._layout, first, of_videos, rates, self._options)

    def _expected_frames(self) -> dict[str, float]:
        expected = {}
        for video in self.video_names:
            try:
                expected[video] = len(self._layout.labels(video)) * self._frames_per_label
            except InputError:
                # Checking the video's labels will say the same of it.
                continue
        return expected

    def _axes(self, folder: FeatureFolder, shapes: Shapes, expected: dict[str, float]) -> bool:
        if self._options.feature_axes != "auto":
            return self._options.feature_axes == "TD"
        tolerance = self._options.tolerance_frames
        # Those that fit neither way do not vote: they are reported by their length, one by one.
        voting = {
            video: shape
            for video, shape in shapes.items()
            if video in expected and any(fits_length(n, expected[video], tolerance) for n in shape)
        }
        return decide_time_first(folder, voting, expected, tolerance)

    def _wrong(self, where: str, what: str, way_out: str) -> None:
        self.findings.append(Finding("error", where, what, way_out))
