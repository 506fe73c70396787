"""What is checked, one video at a time: `Source`, and a dataset file as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np

from protas_gtcc.annotations.progress_targets import progress_target
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet


class Source(ABC):
    """A dataset to be checked. What cannot be read raises `InputError`, which becomes a finding."""

    where: str
    info: DatasetInfo
    """`fps` is the rate of the labels, NaN if it is not known."""
    feature_sets: Mapping[str, FeatureSet]
    video_names: list[str]
    findings: list[Finding]
    """What was found on opening it."""

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
        """Whether these numbers of labels and of frames of features fit each other."""

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterator[Finding]:
        """Findings where other stored data of a video contradicts its labels `[T]`."""
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
        """Whether they are equal."""
        return num_labels == num_features

    def inconsistencies(self, video: str, labels: np.ndarray) -> Iterator[Finding]:
        """Segments and progress that do not follow from the labels."""
        again = "make it again with 'protas-gtcc labels --into'"
        if not np.array_equal(self._dataset.segments(video), segment_array(labels)):
            yield Finding("error", f"video {video}", "its segments do not follow from its labels", again)
        target = progress_target(labels, self.info.background)
        if not np.allclose(self._dataset.progress(video), target, atol=1e-5):
            yield Finding("error", f"video {video}", "its progress does not follow from its labels", again)
