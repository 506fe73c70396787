"""What is checked, one video at a time: a dataset file or a foreign layout.

What cannot be read raises `InputError`, which becomes a finding: errors of all videos are collected, not only the
first as in `prepare`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from math import nan
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.mistakes import Track
from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.checks.findings import Finding, Level, from_message
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout, find_subject
from protas_gtcc.layouts.features import FeatureFolder, is_time_first
from protas_gtcc.layouts.lengths import ExpectedLengths
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import FrameRates, all_rates, rate_of
from protas_gtcc.prepare.survey import (
    Rates,
    expected_lengths,
    find_origin,
    pair_labels_by_length,
    parse_look_ahead,
    require_features_or_none,
)

Shapes = dict[str, tuple[int, int]]
NO_SPLIT = "there is no split, and 'run' needs one, with training and test videos"
NO_FEATURES = "it has labels alone, no features"
DRAW_OR_LIST = "'prepare --test-share 0.2' draws one, or add lists of videos"


class FileSource(Dataset):
    """A dataset file."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.where = str(path)
        self.findings: list[Finding] = []
        if not self.feature_sets:
            self.findings.append(Finding("warning", self.where, NO_FEATURES, "to train, prepare it with features"))
        if not self.info.splits:
            self.findings.append(Finding("error", self.where, NO_SPLIT, f"prepare it again: {DRAW_OR_LIST}"))

    def features(self, video: str, feature_set: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """As they are stored: NaN is for the check to find."""
        return self.stored_features(video, feature_set, start, end)

    def subject(self, video: str) -> str:
        """The person, "" if unknown."""
        return self.attribute(video, "subject")

    def label_rate(self, video: str) -> float:
        """Labels per second."""
        return self.info.fps

    def lengths_fit(self, video: str, num_labels: int, num_features: int) -> bool:
        """Whether they are equal."""
        return num_labels == num_features

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterable[Finding]:
        """Segments and progress that do not follow from the labels."""
        again = "make it again with 'protas-gtcc labels --into'"
        if not np.array_equal(self.stored_segments(video), segment_array(labels)):
            yield Finding("error", f"video {video}", "its segments do not follow from its labels", again)
        if not np.allclose(self.progress(video), progress_target(labels, self.info.background), atol=1e-5):
            yield Finding("error", f"video {video}", "its progress does not follow from its labels", again)


class LayoutSource:
    """A foreign layout; its features are put time first as in `prepare`."""

    def __init__(self, layout: Layout, options: LayoutOptions, fps: FrameRates | None = None):
        self._layout, self._options = layout, options
        self.where, self.video_names = str(layout.path), layout.video_names
        highest = nan if fps is None else max(all_rates(fps))
        if fps is not None:
            layout.sample_labels(highest)
        rate = layout.annotation_fps or highest
        self.info = DatasetInfo(layout.name, layout.class_names, layout.background, rate, layout.splits)
        self._fps = fps
        features, labels = fps or layout.annotation_fps or 1.0, layout.annotation_fps or fps or 1.0
        self._rates = Rates(labels, features, 1.0)
        self._lengths_known = fps is not None or layout.annotation_fps is None
        self._expected = ExpectedLengths({})
        self.findings: list[Finding] = []
        self._time_first: dict[str, bool] = {}
        self.feature_sets = self._survey()
        if not layout.splits:
            self._find("warning", self.where, NO_SPLIT, DRAW_OR_LIST)
        self.findings += [from_message("note", self.where, notice) for notice in layout.notices]

    def labels(self, video: str) -> np.ndarray:
        """Class ids `[T]` at the labels' own rate."""
        return self._layout.labels(video)

    def features(self, video: str, feature_set: str) -> np.ndarray:
        """Features `[T, D]`."""
        fps = 1.0 if self._fps is None else rate_of(self._fps, video)
        return self._layout.feature_folders[feature_set].load(video, self._time_first[feature_set], fps)

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether there is a file of them."""
        return self._layout.feature_folders[feature_set].has(video)

    def subject(self, video: str) -> str:
        """The person in the video's name by the user's pattern, else as the layout has it."""
        return find_subject(self._layout, self._options, video)

    def track(self, video: str) -> Track | None:
        """The steps as annotated and the mistakes, None if the layout has no more than labels."""
        return self._layout.track(video)

    def label_rate(self, video: str) -> float:
        """Labels per second; NaN if it is unknown."""
        return self.info.fps if self._layout.annotation_fps or self._fps is None else rate_of(self._fps, video)

    def lengths_fit(self, video: str, num_labels: int, num_features: int) -> bool:
        """Whether the lengths are equal within the tolerance of `prepare`."""
        return self._expected.fits(video, num_features)

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterable[Finding]:
        """None: nothing is stored that follows from the labels."""
        return ()

    def _survey(self) -> dict[str, FeatureSet]:
        folders = self._layout.feature_folders
        try:
            require_features_or_none(self._layout, self._options)
        except InputError as error:
            self.findings.append(from_message("error", self.where, str(error)))
        if not folders:
            return {}
        if not self._lengths_known:
            what = "features are not checked, because labels have their own rate"
            self._find("warning", self.where, what, "give the features' rate with --fps")
            return {}
        if not self._options.look_ahead_frames:
            what = "the look-ahead is taken as 0 frames"
            self._find("note", self.where, what, "set it with --look-ahead-frames")
        look_ahead = parse_look_ahead(self._options.look_ahead_frames, list(folders))
        shapes = {name: self._shapes(folder) for name, folder in folders.items()}
        first = next(iter(folders))
        pair_labels_by_length(self._layout, first, shapes[first], self._rates, self._options)
        self._expected = expected_lengths(self._layout, self._expected_frames(), self._fps, self._options)
        for name, folder in folders.items():
            try:
                self._time_first[name] = self._axes(folder, shapes[name])
                if self._fps is not None:  # that of the facts beside the features must be the same
                    _, known = find_origin(self._layout, name, shapes[name], self._rates)
                    look_ahead[name] = max(look_ahead[name], known)
            except InputError as error:
                self.findings.append(from_message("error", f"feature set {name}", str(error)))
        return {
            name: FeatureSet(_usual_dim(shapes[name], time_first), look_ahead[name], folders[name].split)
            for name, time_first in self._time_first.items()
        }

    def _shapes(self, folder: FeatureFolder) -> Shapes:
        unlabelled = folder.unlabelled(self.video_names)
        if unlabelled:
            what = f"{plural(len(unlabelled), 'file')} without labels, to be left out: {listed(unlabelled)}"
            self._find("warning", str(folder.path), what, "add labels, or remove the files")
        not_read = folder.not_read()
        if not_read:
            self._find("note", str(folder.path), f"{plural(len(not_read), 'file')} not read: {listed(not_read)}", "")
        shapes: Shapes = {}
        for video in filter(folder.has, self.video_names):
            with suppress(InputError):  # reading the video's features reports the same error
                shapes[video] = folder.shape(video)
        return shapes

    def _expected_frames(self) -> dict[str, float]:
        expected = {}
        for video in self.video_names:
            with suppress(InputError):  # checking the video's labels reports the same error
                expected[video] = len(self._layout.labels(video)) * self._rates.features_per_label(video)
        return expected

    def _axes(self, folder: FeatureFolder, shapes: Shapes) -> bool:
        expected, labelled = (
            self._expected,
            {name: one for name, one in shapes.items() if name in self._expected.frames},
        )
        # Videos that fit neither way do not count here: each is reported by its length.
        voting = {name: shape for name, shape in labelled.items() if any(expected.fits(name, n) for n in shape)}
        if not voting and self._options.feature_axes == "auto":
            what = "no array that can be read has an axis as long as its video's labels"
            example = next(iter(labelled), None)
            if example is None:
                raise InputError(f"{folder.path}: {what}; compare both")
            raise InputError(f"{what}: {expected.explain(folder.file(example), example, labelled)}")
        return is_time_first(folder, voting, expected, self._options.feature_axes)

    def _find(self, level: Level, where: str, what: str, way_out: str) -> None:
        self.findings.append(Finding(level, where, what, way_out))


def _usual_dim(shapes: Shapes, time_first: bool) -> int:
    """The number of features that most videos have; a video of another size is then an error."""
    dims = Counter(shape[1 if time_first else 0] for shape in shapes.values())
    return dims.most_common(1)[0][0] if dims else 0


Source = FileSource | LayoutSource
