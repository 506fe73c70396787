"""What a user can add to a layout's files: the flags of the commands that read one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.config import Axes


@dataclass(frozen=True)
class LayoutOptions:
    """What the files cannot say of themselves."""

    background: tuple[str, ...] | None = None
    """Names of the background classes. Default: those called background or BG, in any case."""
    no_background: bool = False
    """The dataset has no background class: every frame is an action."""
    features: tuple[Path, ...] | None = None
    """Folders of <video>.npy to take, each a feature set named like the folder; one called
    features_split<k> is tied to split k. Default: every features*/ beside the labels."""
    feature_axes: Axes = "auto"
    """Axes of the feature arrays: [D, T], [T, D], or decided from the number of labels."""
    annotation_fps: float | None = None
    """Labels per second where it is not the frames per second of the features. Default: 10 for EgoProceL's
    JSON, else that of the features."""
    look_ahead_frames: tuple[str, ...] = ()
    """How many frames after t the features of frame t have seen, in frames of the source (before any
    resampling): N for every feature set, NAME=N for one."""
    subject_pattern: str | None = None
    """Regular expression that finds the person in a video's name, its first group if any: '^(S\\d+)_'."""
    task_pattern: str | None = None
    """Regular expression that finds the procedure in a video's name, its first group if any: '_([A-Za-z]+)_'. Default:
    what the layout says, if it says anything. Alignment pairs videos of the same task."""
    tolerance_frames: int | None = None
    """By how many frames features and labels may differ in number. Default: 2, or 0.5 % of the longer if
    that is more. What is beyond the shorter is cut off at the end, and counted."""
    name: str | None = None
    """What the dataset calls itself. Default: the name of its folder."""
    test_share: float | None = None
    """Where no lists of videos come with the labels: draw split 1, with this share of the videos in its test part.
    Whole people are drawn where --subject-pattern finds them."""
    seed: int = 0
    """Seed of the split that --test-share draws, or that is drawn where EgoProceL's data_splits.json is missing."""
