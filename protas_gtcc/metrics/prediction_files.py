"""Predictions on disk: one HDF5 file, or a folder with one CSV file a video (`prediction_csv.py`).

    predictions.h5    /  format, format_version, version, class_names, background, fps, simulated, tasks, class_colours,
                         backbone, backbone_fingerprint, backbone_fps
                      /video_names, /num_frames   the index: every video and its T
                      /sources                    of shards: a word for what each video was predicted from
                      /labels, /reported          [sum of T], the videos end to end
                      /labels_checksums, …        CRC-32 of each video; /channel_checksums of what follows
                      /videos/<video>/            probs [C, T], progress [C, T]; optional
                                                  interval [2, T], remaining_seconds [T] and
                                                  remaining_interval [2, T]; of models with a filter
                                                  task_probs [K, T]; of those that know two tasks or more
                      /videos/<video>/procedure/  of those that follow procedures (`stored_procedure.py`)

A file from another program needs only labels and reported progress.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.dataset.header import read_video_names
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.metrics.predicted_segments import SUFFIX
from protas_gtcc.metrics.prediction_checks import checked, checked_labels
from protas_gtcc.metrics.prediction_csv import read_csv
from protas_gtcc.metrics.prediction_header import header_checksum, kinds_of, read_info, write_info
from protas_gtcc.metrics.stored_procedure import NAME as PROCEDURE
from protas_gtcc.metrics.stored_procedure import read_procedure, write_procedure
from protas_gtcc.predictions import CHANNELS, Prediction, PredictionInfo
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.facts import HEADER_CHANGED, require_checksum, text_array, write_facts
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.storage.hdf5 import hdf5_file, named_if_damaged
from protas_gtcc.storage.plain_names import require_video_names
from protas_gtcc.storage.ragged import RaggedReader, RaggedWriter, checksum, read_lengths, stored_checksums
from protas_gtcc.storage.stored import open_stored

SMALL_CACHE = 300_000
"""Bytes of HDF5's index of a file, where many files are open; else it takes up to 32 MB of each."""


def write_predictions(
    path: Path | str,
    videos: Iterable[tuple[str, Prediction]],
    info: PredictionInfo,
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write (name, prediction) pairs to one HDF5 file as they come; it appears when all are written.

    `sources` has a word for what each video is predicted from, which `read_sources` returns.

    Raises `InputError` for a video that comes twice and for what cannot be a prediction.
    """
    num_frames: dict[str, int] = {}
    with replace_when_whole(path) as temporary, hdf5_file(temporary, "w") as file:
        write_info(file, info)
        labels, reported = RaggedWriter(file, "labels", np.int32), RaggedWriter(file, "reported", np.float32)
        group, checksums = file.create_group("videos"), list[dict[str, int]]()
        for name, prediction in videos:
            require_video_names([name])
            if name in num_frames:
                raise InputError(f"{path}: video {name} is predicted twice; predict each video once")
            whole = checked(prediction, f"{path}, video {name}")
            _require_task_names(whole, info, f"{path}, video {name}")
            labels.append(whole.labels)
            reported.append(whole.reported)
            channels = group.create_group(name)
            checksums.append(dict.fromkeys(kinds_of(info), 0))
            for kind in kinds_of(info):
                if getattr(whole, kind) is not None:
                    channels[kind] = values = np.asarray(getattr(whole, kind), dtype=np.float32)
                    checksums[-1][kind] = checksum(values)
            if whole.procedure is not None:
                write_procedure(channels, whole.procedure)
            num_frames[name] = len(whole.labels)
        labels.finish()
        reported.finish()
        file["video_names"] = text_array(list(num_frames))
        file["num_frames"] = np.array(list(num_frames.values()), dtype=np.int64)
        if sources is not None:
            file["sources"] = text_array([sources[name] for name in num_frames])
        rows = [list(row.values()) for row in checksums]
        file["channel_checksums"] = np.array(rows, dtype=np.uint32).reshape(-1, len(kinds_of(info)))
        write_facts(file, checksum=header_checksum(info, [*num_frames]))


def read_sources(path: Path) -> dict[str, str]:
    """The word for what each video of a shard was predicted from. Raises `InputError` if there are none."""
    with open_stored(path, "predict again") as file, named_if_damaged(path, way_out="predict again"):
        return dict(zip(read_video_names(file), file.texts("sources"), strict=True))


class PredictionFiles(ABC):
    """Predictions on disk, opened by `open_predictions`."""

    path: Path
    info: PredictionInfo | None = None
    """None for CSV files, which lack it."""
    video_names: list[str]

    @abstractmethod
    def read(self, video: str) -> Prediction:
        """The prediction of a video. Raises `InputError` if it is not there or not whole."""

    def read_labels(self, video: str) -> np.ndarray:
        """Class ids alone, int64 `[T]`: all that segmentation scores need."""
        return self.read(video).labels

    def require(self, videos: Sequence[str], split: str) -> None:
        """Raise `InputError` unless all test videos of a split are predicted."""
        absent = sorted(set(videos) - set(self.video_names))
        if absent:
            count = f"{len(absent)} of the {len(videos)}"
            raise InputError(f"{self.path} lacks {count} test videos of split {split}: {listed(absent)}; predict again")


def open_predictions(path: Path | str, class_names: list[str] | None = None) -> PredictionFiles:
    """Open an HDF5 file, an index of such files (`prediction_parts.py`) or its folder, or a folder of CSV files.

    With `class_names`, the names that files give their labels must agree with them. Raises `InputError` if there are
    none at `path`, and if they are foreign, damaged or of another version.
    """
    from protas_gtcc.metrics.prediction_parts import PredictionParts  # which imports this module

    path = Path(path)
    if path.name == PREDICTIONS_INDEX or (path / PREDICTIONS_INDEX).is_file():
        return PredictionParts(path if path.name == PREDICTIONS_INDEX else path / PREDICTIONS_INDEX, class_names)
    if path.is_dir():
        return _CsvFiles(path, class_names)
    return open_file(path, class_names)


def open_file(path: Path, class_names: list[str] | None = None, is_one_of_many: bool = False) -> Hdf5File:
    """Open one HDF5 file of predictions, with little memory if it `is_one_of_many`.

    Raises `InputError` as `open_predictions` does.
    """
    if not path.is_file():
        raise InputError(f"no predictions at {path}; make them with 'protas-gtcc predict'")
    files = Hdf5File(path, is_one_of_many)
    if class_names is not None and files.info.class_names != class_names:
        theirs = next(pair for pair in zip_longest(files.info.class_names, class_names) if pair[0] != pair[1])
        what = f"{path} was made for other classes: one is {theirs[0]!r} where {theirs[1]!r} was expected"
        raise InputError(f"{what}; give its own --dataset")
    return files


class _CsvFiles(PredictionFiles):
    def __init__(self, folder: Path, class_names: list[str] | None):
        self.path, self._class_names = folder, class_names
        tables = (file for file in folder.rglob("*.csv") if not file.name.endswith(SUFFIX))
        self.video_names = sorted(file.relative_to(folder).with_suffix("").as_posix() for file in tables)
        if not self.video_names:
            raise InputError(f"{folder} holds no .csv files; expected one a video, with columns label and progress")

    def read(self, video: str) -> Prediction:
        return read_csv(self.path / f"{video}.csv", self._class_names)


class Hdf5File(PredictionFiles):
    """The predictions in one HDF5 file, which is kept open."""

    info: PredictionInfo

    def __init__(self, path: Path, is_one_of_many: bool = False):
        # A whole shard is kept when its videos are predicted again.
        self.path, self._way_out = path, "remove it, and predict again" if is_one_of_many else "predict again"
        self._file = open_stored(path, f"{self._way_out}, or give a folder with one CSV file a video")
        if is_one_of_many:
            self._file.limit_cache(SMALL_CACHE)
        with named_if_damaged(path, way_out=self._way_out):
            self.info = read_info(self._file, path)
            self.video_names = read_video_names(self._file)
            lengths = read_lengths(self._file, "num_frames", len(self.video_names))
            require_checksum(self._file, header_checksum(self.info, self.video_names), HEADER_CHANGED)
            shape = len(lengths), len(kinds_of(self.info))
            self._channels = stored_checksums(self._file, "channel_checksums", shape)
            self._labels = RaggedReader(self._file, "labels", lengths)
            self._reported = RaggedReader(self._file, "reported", lengths)
        self._number = {video: number for number, video in enumerate(self.video_names)}

    def read(self, video: str) -> Prediction:
        """The prediction of a video."""
        number = self._numbered(video)
        with named_if_damaged(self.path, f"video {video}", way_out=self._way_out):
            group = self._file.group(f"videos/{video}") if f"videos/{video}" in self._file else None
            channels = {name: group.numbers(name) for name in CHANNELS.keys() & set(group)} if group else {}
            written_before = () if self._channels is None else self._channels[number]
            for name, written in zip(kinds_of(self.info), written_before, strict=False):
                if name in channels and checksum(channels[name]) != written:
                    raise ValueError(f"{name} differs from what was written")
            labels, reported = self._labels.read(number), self._reported.read(number)
            procedure = read_procedure(group) if group and PROCEDURE in group else None
        known: dict[str, Any] = {name: channels.get(name) for name in CHANNELS}
        where = f"{self.path}, video {video}"
        prediction = Prediction(labels=labels, reported=reported, procedure=procedure, **known)
        found = checked(prediction, where, len(self.info.class_names))
        _require_task_names(found, self.info, where)
        return found

    def read_labels(self, video: str) -> np.ndarray:
        """Class ids alone, int64 `[T]`."""
        with named_if_damaged(self.path, f"video {video}", way_out=self._way_out):
            labels = self._labels.read(self._numbered(video))
        return checked_labels(labels, f"{self.path}, video {video}", len(self.info.class_names))

    def _numbered(self, video: str) -> int:
        if video not in self._number:
            raise InputError(f"{self.path} has no video {video!r}; it has {listed(self.video_names)}")
        return self._number[video]

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def _require_task_names(prediction: Prediction, info: PredictionInfo, where: str) -> None:
    tasks = prediction.task_probs
    if tasks is not None and len(tasks) != len(info.tasks):
        what = f"task_probs has {plural(len(tasks), 'task')}, and the names of {len(info.tasks)} are given"
        raise InputError(f"{where}: {what}; predict again")
