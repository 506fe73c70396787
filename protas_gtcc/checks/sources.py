"""What is checked: a dataset file or a foreign layout, seen alike, one video at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np

from protas_gtcc.annotations.progress_targets import progress_target
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet


class Source(ABC):
    """A dataset under check. Whatever cannot be read raises `InputError`, which becomes a finding."""

    where: str
    info: DatasetInfo
    """`fps` is that of the labels; NaN where it is not known."""
    feature_sets: Mapping[str, FeatureSet]
    video_names: list[str]
    findings: list[Finding]
    """What opening it brought up."""

    @abstractmethod
    def labels(self, video: str) -> np.ndarray:
        """Class ids `[T]`."""

    @abstractmethod
    def features(self, video: str, feature_set: str) -> np.ndarray:
        """Features `[T, D]`."""

    @abstractmethod
    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether the video comes with that feature set."""

    @abstractmethod
    def subject(self, video: str) -> str:
        """The person, "" if unknown."""

    @abstractmethod
    def lengths_fit(self, num_labels: int, num_features: int) -> bool:
        """Whether so many labels go with so many frames of features."""

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterator[Finding]:
        """Where what is stored about a video contradicts its labels `[T]`."""
        return iter(())


class FileSource(Source):
    """A dataset file."""

    def __init__(self, dataset: Dataset):
        self._dataset = dataset
        self.where = str(dataset.path)
        self.info, self.feature_sets = dataset.info, dataset.feature_sets
        self.video_names, self.findings = dataset.video_names, []
        if not self.feature_sets:
            self.findings.append(Finding("error", self.where, "it has no features", "prepare it again with features"))

    def labels(self, video: str) -> np.ndarray:
        """Class ids `[T]`."""
        return self._dataset.labels(video)

    def features(self, video: str, feature_set: str) -> np.ndarray:
        """Features `[T, D]`."""
        return self._dataset.features(video, feature_set)

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether the video comes with that feature set."""
        return self._dataset.has_features(video, feature_set)

    def subject(self, video: str) -> str:
        """The person, "" if unknown."""
        return self._dataset.attribute(video, "subject")

    def lengths_fit(self, num_labels: int, num_features: int) -> bool:
        """In a file they are equal."""
        return num_labels == num_features

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterator[Finding]:
        """Segments and progress against the labels they were made from."""
        again = "make them again from the labels: protas-gtcc labels"
        if not np.array_equal(self._dataset.segments(video), segment_array(labels)):
            yield Finding("error", f"video {video}", "its segments are not those of its labels", again)
        target = progress_target(labels, self.info.background)
        if not np.allclose(self._dataset.progress(video), target, atol=1e-5):
            what = "its progress is not that of its labels and background"
            yield Finding("error", f"video {video}", what, again)
