"""What a user can add to a layout's files: the flags of the commands that read one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.config import Axes


@dataclass(frozen=True)
class LayoutOptions:
    """Facts about the dataset that its files do not hold."""

    background: tuple[str, ...] | None = None
    """Names of the background classes; by default those named background or BG, in upper or lower case."""
    no_background: bool = False
    """The dataset has no background class: every frame is an action."""
    features: tuple[Path, ...] | None = None
    """Folders of <video>.npy to read; each becomes a feature set with the folder's name. A folder features_split<k> is
    tied to split k. By default every features*/ beside the labels."""
    feature_axes: Axes = "auto"
    """Axes of the feature arrays, T frames by D features; with auto, T is the axis of the number of labels."""
    annotation_fps: float | None = None
    """Labels per second, where it differs from the frames per second of the features; by default 10 for EgoProceL's
    JSON, else that of the features."""
    look_ahead_frames: tuple[str, ...] = ()
    """Number of frames after t that the features of frame t depend on, in frames of the source before any resampling:
    N for every feature set, NAME=N for one."""
    subject_pattern: str | None = None
    """Regular expression that finds the person in a video's name (its first group, if any), such as '^(S\\d+)_'."""
    task_pattern: str | None = None
    """Regular expression that finds the task in a video's name (its first group, if any), such as '_([A-Za-z]+)_'. By
    default the layout's own task, if it has one. Alignment pairs videos of the same task."""
    tolerance_frames: int | None = None
    """Largest difference between the numbers of features and labels of a video; the longer is cut at its end, and the
    cut frames are counted. By default 2, or 0.5 % of the longer if that is more."""
    name: str | None = None
    """Name of the dataset; by default the name of its folder."""
    test_share: float | None = None
    """Draw split 1, with this share of the videos in its test part, where the labels come without lists of videos.
    Whole people are drawn where --subject-pattern finds them."""
    seed: int = 0
    """Seed of the split that --test-share draws, or of the split drawn for EgoProceL without data_splits.json."""
