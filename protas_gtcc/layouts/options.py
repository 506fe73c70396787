"""What a user states about a foreign layout, because its files do not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.config import Axes, Folder, Text
from protas_gtcc.errors import InputError


@dataclass(frozen=True)
class LayoutOptions:
    """What a user states about a foreign layout, because its files do not.

    Raises `InputError` for a rate that frames cannot have.
    """

    background: tuple[str, ...] | None = None
    """Names of the background classes. Default: the classes called background or BG, in upper or lower case."""
    no_background: bool = False
    """The dataset has no background class: every frame is an action."""
    features: tuple[Folder, ...] | None = None
    """Folders of <video>.npy to take, or .npz, .pt, .csv, .h5, .mat, or tables of keypoints. Each becomes a feature set
    with the name of its folder; features_split<k> is for split k only. Default: every features*/ beside the labels."""
    no_features: bool = False
    """Take the labels alone, and no features. Nothing can be trained on such a dataset, but it has all steps and
    mistakes. Segments in seconds need features, which give the length of a video."""
    feature_axes: Axes = "auto"
    """Order of the axes in the feature arrays: [D, T] or [T, D]. 'auto' compares them with the number of labels."""
    speeds: bool = False
    """Give keypoints speeds too, in their units a second. Features must be tables of keypoints then."""
    annotation_fps: float | None = None
    """Labels per second, if they have their own rate. Default: 10 for EgoProceL's JSON, else the features' rate; where
    that is not known, 1 for CaptainCook4D's steps and Cholec80's phases, and 10 for segments in seconds."""
    level: str | None = None
    """Which actions become classes, where a dataset has several annotations of them: coarse or fine for HoloAssist and
    Breakfast, subtask_index, language, dense or sparse for a LeRobotDataset. Default: the first of these that is
    there."""
    look_ahead_frames: tuple[str, ...] = ()
    """How many frames after t the features of frame t have seen, counted before any resampling: N for every feature
    set, or NAME=N for one. Default: what the facts of 'extract' beside the features have, else 0."""
    subject_pattern: Text | None = None
    """Regular expression that finds the person in a video's name, by its first group if it has one: '^(S\\d+)_'.
    Default: the person that the layout gives, if it gives one."""
    task_pattern: Text | None = None
    """Regular expression that finds the task in a video's name, by its first group if it has one: '_([A-Za-z]+)_'.
    Alignment pairs videos of the same task. Default: the task that the layout gives, if it gives one."""
    tolerance_frames: int | None = None
    """How many frames features and labels may differ in length. The longer one is cut at its end, and the cut frames
    are counted. Default: 2, or 0.5 % of the longer one if that is more. It is never more than a second."""
    name: str | None = None
    """Name of the dataset. Default: the name of its folder, or of a table other than segments.csv."""
    test_share: float | None = None
    """If no lists of videos come with the labels: draw split 1, with this share of the videos in its test part. Whole
    people are drawn if they are known, from the layout or by --subject-pattern, else single videos."""
    seed: int = 0
    """Seed of the split that --test-share draws, or of the one that stands in for EgoProceL's data_splits.json."""

    annotation: AnnotationOptions = field(default_factory=AnnotationOptions)

    def __post_init__(self) -> None:
        if self.annotation_fps is not None:
            require_rate(self.annotation_fps)
        if self.no_features and self.features:
            raise InputError("--features and --no-features contradict each other; give one")

    @property
    def feature_folders(self) -> tuple[Path, ...] | None:
        """The folders of features to take; None for every one beside the labels."""
        return () if self.no_features else self.features


def own_name(folder: Path) -> str:
    """The name of a folder as it was given: of a link its own, not that of its target."""
    return os.path.basename(os.path.abspath(folder))
