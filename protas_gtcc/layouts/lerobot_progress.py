"""Progress of a LeRobotDataset's episodes, in the table that LeRobot's tools read.

    sarm_progress.parquet    index, episode_index, frame_index     int64, a row for each frame
                             progress_sparse                       float32, of the whole task
                             progress_subtask                      float32, of the subtask that goes on; 0 in none

LeRobot's sample weights and its overlay of progress on videos read `progress_sparse` (v0.6: `rewards/sarm/rabc.py`,
`examples/dataset/create_progress_videos.py`). They do not read `progress_subtask`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.task_progress import Stages, count_stages, task_progress
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.lengths import default_tolerance
from protas_gtcc.layouts.lerobot_files import Episode
from protas_gtcc.storage.parquet import write_parquet

FILE = "sarm_progress.parquet"
VideoProgress = tuple[str, np.ndarray, np.ndarray]
"""A video, its labels `[T]`, and the progress of these, `[T]`."""


def write_progress(
    file: Path,
    episodes: Mapping[str, Episode],
    videos: Iterable[VideoProgress],
    stages: Stages,
    background: Sequence[int],
    frames_each: float = 1.0,
) -> None:
    """Write the progress of videos, each an episode, at `frames_each` frames for one of the dataset.

    Raises `InputError` for a video that is no episode, and for one of another length.
    """
    rows: list[tuple[Episode, np.ndarray, np.ndarray]] = []
    for video, labels, progress in videos:
        if video not in episodes:
            raise InputError(f"{video} is no episode; name it as one of {listed(episodes)}")
        episode = episodes[video]
        expected = episode.length * frames_each
        if abs(len(labels) - expected) > max(frames_each, default_tolerance(expected)):
            what = f"{video} has {len(labels)} frames, and its episode {episode.length} makes {expected:g}"
            raise InputError(f"{what}; give features of the whole episode")
        shown = np.minimum((np.arange(episode.length) * frames_each + 1e-6).astype(np.int64), len(labels) - 1)
        task = task_progress(labels, progress, stages, background)
        own = np.where(np.isin(labels, list(background)), 0, progress).astype(np.float32)
        rows.append((episode, task[shown], own[shown]))
    rows.sort(key=lambda row: row[0].index)
    frames = [np.arange(one.length) for one, _, _ in rows]
    columns = {
        "index": np.concatenate([one.first_frame + here for (one, _, _), here in zip(rows, frames, strict=True)]),
        "episode_index": np.concatenate([np.full(one.length, one.index) for one, _, _ in rows]),
        "frame_index": np.concatenate(frames),
        "progress_sparse": np.concatenate([task for _, task, _ in rows]),
        "progress_subtask": np.concatenate([own for _, _, own in rows]),
    }
    write_parquet(file, columns)


def stages_of(labels: Iterable[np.ndarray], class_names: Sequence[str], of_model: Sequence[str]) -> Stages:
    """The stages that annotated episodes show, for the classes of a model. Raises `InputError` for classes apart."""
    stages = count_stages(labels, len(class_names), [0])
    unknown = [name for name, share in zip(class_names, stages.share, strict=True) if share and name not in of_model]
    if unknown:
        what = f"the model has no class for the subtasks {listed(unknown)}"
        raise InputError(f"{what}; its classes are {listed(of_model)}: give the dataset that it was trained on")
    known = [class_names.index(name) if name in class_names else 0 for name in of_model]
    return Stages(stages.before[known], stages.share[known])
