"""Writing a dataset file: one video at a time, to a temporary name that is renamed when whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protas_gtcc.annotations.mistakes import NO_TRACK, Track, track_as_json
from protas_gtcc.annotations.palette import Neighbours, choose_colours
from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video, folders_of
from protas_gtcc.dataset.header import (
    FORMAT_VERSION,
    seal,
    write_feature_set,
    write_features,
    write_index,
    write_info,
    write_video_facts,
)
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.atomic import replace_when_whole, require_absent
from protas_gtcc.storage.facts import write_list
from protas_gtcc.storage.hdf5 import hdf5_file
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.storage.npy import UNUSABLE, first_unusable
from protas_gtcc.storage.plain_names import require_video_names
from protas_gtcc.storage.ragged import CHECKSUMS, RaggedWriter


@contextmanager
def write_dataset(
    path: Path | str,
    info: DatasetInfo,
    feature_sets: Mapping[str, FeatureSet],
    overwrite: bool = True,
    version: int = FORMAT_VERSION,
) -> Iterator[DatasetWriter]:
    """Open a new dataset file; it appears at `path` only if the block ends without an error.

    Waits for another process that writes it. Raises `InputError` if the file is there then, and `overwrite` is off.
    """
    path = Path(path)
    with only_writer(path, wait=True):
        require_absent([path], overwrite)
        with replace_when_whole(path) as temporary, hdf5_file(temporary, "w") as file:
            writer = DatasetWriter(file, info, feature_sets, version)
            yield writer
            writer.finish()


class DatasetWriter:
    """Adds videos to a file that `write_dataset` opened. Keeps no video in memory after it is written."""

    def __init__(
        self,
        file: h5py.File,
        info: DatasetInfo,
        feature_sets: Mapping[str, FeatureSet],
        version: int = FORMAT_VERSION,
    ):
        self._file, self._info, self._feature_sets = file, info, feature_sets
        self._labels = LabelWriter(file, info.num_classes, info.background)
        self._num_frames: dict[str, int] = {}
        self._folders: set[str] = set()
        """Folders of all videos so far: `a` and `a/b` of the video `a/b/c`."""
        write_info(file, info, version)
        for name, feature_set in feature_sets.items():
            write_feature_set(file, name, feature_set)
        file.require_group("feature_sets")  # may stay empty: labels alone suffice to score predictions
        file.create_group("videos")

    def add(self, video: Video) -> None:
        """Write one video.

        Raises `InputError` if its name is not a relative path, is taken or clashes with another, and if it has no
        frames. Also raises it if a class id is unknown, if its track has frames or classes that the video does not
        have, and if its features do not fit its labels and the feature sets.
        """
        self._require_free_name(video.name)
        self._require_labels(video)
        for name, values in video.features.items():
            expected = (len(video.labels), self._feature_sets[name].dim)
            require_features(values, expected, f"video {video.name}, {name}")
        group = self._file["videos"].create_group(video.name)
        write_video_facts(group, task=video.task, subject=video.subject, environment=video.environment)
        self._labels.append(video.labels, video.track)
        group.create_group("features")  # may stay empty
        for name, values in video.features.items():
            write_features(group, name, values)
        self._num_frames[video.name] = len(video.labels)
        self._folders.update(folders_of(video.name))

    @property
    def file(self) -> h5py.File:
        """The file, for what is no video."""
        return self._file

    def finish(self) -> None:
        """Write the index. Raises `InputError` if a split names a video that was not added."""
        self._labels.finish()
        for split, parts in self._info.splits.items():
            for part, names in parts.items():
                absent = [name for name in names if name not in self._num_frames]
                if absent:
                    raise InputError(
                        f"the {part} part of split {split} names video {absent[0]}, which is not in the dataset; "
                        "add the video, or take it off the list"
                    )
        write_index(self._file, self._num_frames)
        seal(self._file)

    def _require_free_name(self, name: str) -> None:
        require_video_names([name])
        if name in self._num_frames:
            raise InputError(f"video {name} comes twice; rename one")
        above = [folder for folder in folders_of(name) if folder in self._num_frames]
        if above or name in self._folders:
            other = above[0] if above else next(video for video in self._num_frames if video.startswith(f"{name}/"))
            raise InputError(f"videos {other!r} and {name!r}: one is a folder of the other; rename one")

    def _require_labels(self, video: Video) -> None:
        if len(video.labels) == 0:
            raise InputError(f"video {video.name} has no frames; leave it out")
        for label in (int(np.min(video.labels)), int(np.max(video.labels))):
            if not 0 <= label < self._info.num_classes:
                raise InputError(
                    f"video {video.name}: class id {label} is not one of {plural(self._info.num_classes, 'class')}; "
                    "correct the labels or the list of classes"
                )
        require_track(video.track, self._info.num_classes, len(video.labels), f"video {video.name}")


class LabelWriter:
    """Writes or replaces the labels of a file, and what goes with them, in the index's order of videos.

    That is their progress, their segments, the track of steps and mistakes, and the colours of the classes. Where no
    video has a track, the file has no array of them.
    """

    def __init__(self, file: Any, num_classes: int, background: Collection[int]):
        self._file, self._background = file, background
        self._neighbours = Neighbours(num_classes, background)
        self._labels = RaggedWriter(file, "labels", np.int32)
        self._progress = RaggedWriter(file, "progress", np.float32)
        self._segments = RaggedWriter(file, "segments", np.int64, row_shape=(3,))
        self._num_segments: list[int] = []
        self._tracks: list[bytes] = []

    def append(self, labels: np.ndarray, track: Track | None = None) -> None:
        """Write the labels `[T]` of the next video, their progress and segments, and keep its track for the end."""
        segments = segment_array(labels)
        self._neighbours.add(segments[:, 2])
        self._labels.append(labels)
        self._progress.append(progress_target(labels, self._background))
        self._segments.append(segments)
        self._num_segments.append(len(segments))
        self._tracks.append(track_as_json(track))

    def finish(self) -> None:
        """Write the tracks, the number of segments of every video, the checksums, and the colours of the classes."""
        write_list(self._file, "class_colours", choose_colours(self._neighbours))
        for array in (self._labels, self._progress, self._segments):
            array.finish()
        _put(self._file, "num_segments", self._num_segments)
        self._write_tracks()

    def _write_tracks(self) -> None:
        for old in {"tracks", f"tracks{CHECKSUMS}", "num_track_bytes"} & {*self._file}:
            del self._file[old]
        if not any(track != NO_TRACK for track in self._tracks):
            return
        array = RaggedWriter(self._file, "tracks", np.uint8)
        for track in self._tracks:
            array.append(np.frombuffer(track, dtype=np.uint8))
        array.finish()
        _put(self._file, "num_track_bytes", list(map(len, self._tracks)))


def require_track(track: Track | None, num_classes: int, num_frames: int, where: str) -> None:
    """Raise `InputError`, which starts with `where`, for a track that does not fit the video."""
    try:
        if track is not None:
            track.require(num_classes, num_frames)
    except ValueError as error:
        raise InputError(f"{where}: {error}; correct the annotated steps") from error


def _put(file: Any, name: str, values: list[int]) -> None:
    if name in file:
        del file[name]
    file[name] = np.array(values, dtype=np.int64)


def require_features(values: np.ndarray, expected: tuple[int, int], where: str) -> None:
    """Raise `InputError` unless features have the shape `expected` = (T, D) and are finite."""
    if values.shape != expected:
        raise InputError(f"{where}: expected [T, D] = {list(expected)}, came {list(values.shape)}; extract them again")
    unusable = first_unusable(values)
    if unusable is not None:
        raise InputError(f"{where}: {UNUSABLE} at frame {unusable}; extract the features again")
