"""CaptainCook4D (Peddi et al., NeurIPS 2024) as published, with folders of features.

    annotation_json/complete_step_annotations.json     recording -> activity_name, person_id, environment, steps in s
    annotation_json/error_annotations.json             recording -> errors of each step: tag, description
    metadata/video_information.csv                     recording_id, duration(sec)
    data_splits/<kind>_data_split_combined.json        train, val, test -> recordings; ..._normal.json: without errors
    features*/<recording>.npz, <recording>_<....>.npz  [T, D]; or .npy

The videos are the recordings that every folder of features has; without such folders, all. A class is one step of one
recipe (`step_names` makes the names); there are the steps of those recipes that a video shows, and the background. The
recipe is the task. Each kind of lists becomes a split, if it has training and test videos.
Steps of time -1 were not done: they are the track's missing steps.

Frame i at F frames a second shows the time (i + 0.5) / F. Its label is the step with start <= time < end, of several
the one that began last (of those that began together, the last one listed).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.mistakes import NOT_DONE, Mistake, Step, Track, at_least_a_frame
from protas_gtcc.annotations.resampling import require_length, require_rate
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.captaincook4d_files import (
    ERRORS_FILE,
    STEPS_FILE,
    AnnotatedStep,
    Recording,
    read_lists,
    read_recordings,
)
from protas_gtcc.layouts.features import FeatureFolder, find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.step_names import StepKey, step_names

BACKGROUND = "background"
_BACKGROUND_ID = 0
_DEFAULT_FPS = 1.0
"""Of the published features, which are made of whole seconds."""


@dataclass(kw_only=True)
class CaptainCook4DLayout(Layout):
    """The opened annotations of CaptainCook4D."""

    recordings: Mapping[str, Recording]
    class_ids: Mapping[StepKey, int]
    fps_is_given: bool
    """Whether the user stated the labels' rate; else it is that of the features."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`: of its whole frames, as extractors make features of them."""
        middles = self._middles(video)
        labels = np.full(len(middles), _BACKGROUND_ID, dtype=np.int32)
        for step in self._done(video):
            first, end = np.searchsorted(middles, [step.start, step.end])
            labels[first:end] = self._class_id(video, step)
        return labels

    def labels_source(self, video: str) -> str:
        """File and recording."""
        return f"{self.path / STEPS_FILE}, recording {video}"

    def task(self, video: str) -> str:
        """The recipe's name."""
        return self.recordings[video].recipe

    def subject(self, video: str) -> str:
        """The person's id."""
        return self.recordings[video].person

    def environment(self, video: str) -> str:
        """The kitchen's number."""
        return self.recordings[video].environment

    def track(self, video: str) -> Track:
        """The steps as annotated, which may overlap; those of time -1 as missing; and the errors of all."""
        middles, steps, mistakes = self._middles(video), [], []
        for step in self._done(video):
            first, end = np.searchsorted(middles, [step.start, step.end]).tolist()
            frames = at_least_a_frame(first, end, len(middles))
            label = self._class_id(video, step)
            steps.append(Step(label, *frames))
            mistakes += [Mistake(label, *frames, tag, description) for tag, description in step.errors]
        not_done = [step for step in self.recordings[video].steps if not step.done]
        for step in not_done:
            label = self._class_id(video, step)
            mistakes += [Mistake(label, NOT_DONE, NOT_DONE, *error) for error in step.errors]
        missing = tuple(self._class_id(video, step) for step in not_done)
        return Track(tuple(steps), missing, tuple(mistakes))

    def sample_labels(self, fps: float) -> None:
        """Give labels at the features' rate, unless the user stated another one for them."""
        if not self.fps_is_given:
            require_rate(fps)
            self.annotation_fps = fps

    def _done(self, video: str) -> list[AnnotatedStep]:
        """The steps that were done, in the order of their starts."""
        return sorted((step for step in self.recordings[video].steps if step.done), key=lambda step: step.start)

    def _class_id(self, video: str, step: AnnotatedStep) -> int:
        return self.class_ids[self.recordings[video].recipe, step.step_id]

    def _middles(self, video: str) -> np.ndarray:
        """The time in seconds that each frame shows, `[T]`."""
        fps = self.annotation_fps or _DEFAULT_FPS
        num_frames = max(1, int(round(self.recordings[video].seconds * fps, 6)))
        require_length(num_frames, fps, f"recording {video}")
        return (np.arange(num_frames) + 0.5) / fps


def is_captaincook4d(path: Path) -> bool:
    """Whether a path is a folder with `annotation_json/complete_step_annotations.json`."""
    return (path / STEPS_FILE).is_file()


def open_captaincook4d(path: Path, options: LayoutOptions) -> CaptainCook4DLayout:
    """Open the published folder. Raises `InputError` for what is wrong in its files."""
    recordings, found = read_recordings(path), find_feature_folders(path, options.feature_folders)
    folders = {name: _with_files(folder, recordings) for name, folder in found.items()}
    videos, notices = _choose_videos(recordings, folders)
    splits, split_notices = _choose_splits(read_lists(path, recordings), videos)
    class_ids, class_names = _classes(recordings, {recordings[video].recipe for video in videos})
    if not (path / ERRORS_FILE).is_file():
        split_notices.append(f"no {ERRORS_FILE}: no mistakes are known")
    return CaptainCook4DLayout(
        path=path,
        name=options.name or own_name(path),
        class_names=class_names,
        background=background_ids(class_names, options, path / STEPS_FILE),
        splits=splits,
        video_names=videos,
        feature_folders=folders,
        annotation_fps=options.annotation_fps or _DEFAULT_FPS,
        notices=notices + split_notices,
        recordings=recordings,
        class_ids=class_ids,
        fps_is_given=options.annotation_fps is not None,
    )


def _with_files(folder: FeatureFolder, recordings: Collection[str]) -> FeatureFolder:
    """The folder that knows each recording's file, whose name may go on after the recording's id and a `_`."""
    files: dict[str, Path] = {}
    for file in folder.arrays():
        parts = file.stem.split("_")
        beginnings = ("_".join(parts[:number]) for number in range(len(parts), 0, -1))
        recording = next((name for name in beginnings if name in recordings), None)
        if recording in files:
            both = f"{files[recording].name} and {file.name}"
            raise InputError(f"{folder.path}: {both} are features of recording {recording}; keep one in the folder")
        if recording is not None:
            files[recording] = file
    return dataclasses.replace(folder, files=files)


def _choose_videos(recordings: Collection[str], folders: Mapping[str, FeatureFolder]) -> tuple[list[str], list[str]]:
    """The recordings with features in every folder, and a notice on the others."""
    videos = [name for name in recordings if all(name in folder.files for folder in folders.values())]
    if not videos:
        where = listed(folder.path for folder in folders.values())
        raise InputError(
            f"no recording has features in {where}; name the files <recording>.npz or <recording>_<...>.npz"
        )
    num_left = len(recordings) - len(videos)
    where = f" in each of {listed(folders)}" if len(folders) > 1 else ""
    left = f"{num_left} of {len(recordings)} recordings have no features{where}"
    return videos, [f"{left}, left out of videos and splits"] if num_left else []


def _choose_splits(
    lists: Mapping[str, Mapping[str, list[str]]], videos: Collection[str]
) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """The lists of those recordings that are videos, and a notice on the splits that this leaves unusable."""
    known, splits = set(videos), dict[str, dict[str, list[str]]]()
    for split, parts in lists.items():
        splits[split] = {part: here for part, names in parts.items() if (here := [n for n in names if n in known])}
    usable = {split: parts for split, parts in splits.items() if "train" in parts and "test" in parts}
    unusable = [split for split in splits if split not in usable]
    return usable, [f"split {listed(unusable)} left out: no training or no test videos"] if unusable else []


def _classes(recordings: Mapping[str, Recording], recipes: Collection[str]) -> tuple[dict[StepKey, int], list[str]]:
    """Ids and names of the steps of some recipes, in the order of recipe and step id; the background is class 0."""
    descriptions = (
        ((recording.recipe, step.step_id), step.description)
        for recording in recordings.values()
        for step in recording.steps
    )
    names = {key: name for key, name in step_names(descriptions, [BACKGROUND]).items() if key[0] in recipes}
    return {key: label for label, key in enumerate(names, start=1)}, [BACKGROUND, *names.values()]
