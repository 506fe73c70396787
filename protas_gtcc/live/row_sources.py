"""Runs, prediction files and datasets -> the rows of an annotated video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.errors import InputError, listed, plain
from protas_gtcc.layouts.names import find_videos_called
from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.predictions import Extractor, Prediction, PredictionInfo
from protas_gtcc.storage.csv_tables import read_csv_table

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.video.extraction import OnFrames

LONGEST_DIFFERENCE = 1.0, 0.01
"""How much a prediction may be shorter or longer than its video: seconds, and a share of the video."""
MOST_CLASSES = 1 << 16
ROUNDED = 1e-6
"""Seconds to which a CSV file rounds times, each by half at most."""


@dataclass(frozen=True)
class CsvFacts:
    """What a CSV file of predictions does not say."""

    class_names: list[str] | None = None
    """Those of the truth; None takes the file's own column `name`."""
    background: list[int] | None = None
    fps: float | None = None
    """None takes the file's times, and where it has none, `usual_fps`."""
    usual_fps: float | None = None
    background_names: Sequence[str] = ()


def row_of_truth(dataset: Dataset, video: str) -> Row:
    """The true labels of a video. Raises `InputError` if the dataset does not have it."""
    info, name = dataset.info, named(dataset.video_names, video, str(dataset.path))
    facts = PredictionInfo(
        info.class_names, info.background, info.fps, info.simulated, class_colours=info.class_colours
    )
    return Row.of_truth(dataset.labels(name), facts)


def row_of_file(name: str, path: Path, video: str, facts: CsvFacts) -> Row:
    """The prediction of a video in a file: HDF5 of any videos, or CSV of one.

    Raises `InputError` if it is not there.
    """
    if path.suffix.lower() == ".csv":
        return _row_of_csv(name, path, facts)
    from protas_gtcc.metrics.prediction_files import open_predictions

    files = open_predictions(path)
    assert files.info is not None  # only a folder of CSV files lacks it
    return Row.of(name, files.read(named(files.video_names, video, str(path))), files.info)


def _row_of_csv(name: str, path: Path, facts: CsvFacts) -> Row:
    from protas_gtcc.metrics.prediction_csv import read_csv

    prediction = read_csv(path, facts.class_names)
    table = read_csv_table(path)
    names = facts.class_names or _names_in(table, prediction.labels, path)
    unknown = sorted(set(facts.background_names) - set(names))
    if unknown:
        raise InputError(f"{path} has no class {listed(unknown)}; --background may name {listed(names)}")
    background = [names.index(one) for one in facts.background_names] or facts.background or []
    return Row.of(
        name, prediction, PredictionInfo(names, background, facts.fps or _rate_in(table, path, facts.usual_fps))
    )


def _names_in(table: dict[str, list[str]], labels: np.ndarray, path: Path) -> list[str]:
    """A name for each class id: that in the column `name`, where there is one."""
    if labels.max(initial=0) >= MOST_CLASSES:
        raise InputError(f"{path} has class {labels.max()}; at most {MOST_CLASSES} classes can be shown: give --truth")
    names = [f"class {label}" for label in range(int(labels.max(initial=0)) + 1)]
    for label, name in zip(table.get("label", ()), table.get("name", ()), strict=False):
        names[int(float(label))] = name
    return names


def _rate_in(table: dict[str, list[str]], path: Path, usual: float | None) -> float:
    """Frames a second, by their times, which must be even; without times, the usual ones."""
    texts = table.get("time_seconds", [])
    if len(texts) < 2:
        if usual is not None:
            return usual
        raise InputError(f"{path} has no times of its frames; give --fps")
    try:
        times = np.array(texts, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path}, column time_seconds: {error}; write seconds, or give --fps") from error
    if "frame" in table:
        times = times[np.argsort(np.array(table["frame"], dtype=np.float64))]
    apart = (times[-1] - times[0]) / (len(times) - 1)
    with np.errstate(invalid="ignore"):  # what is not finite is not even
        is_even = (np.abs(times - times[0] - apart * np.arange(len(times))) < apart / 2).all()
    if not (is_even and apart > 0):
        raise InputError(f"{path}: time_seconds do not rise evenly from frame to frame; correct them, or give --fps")
    return _simple_rate(1 / apart, len(times) - 1)


def _simple_rate(rate: float, steps: int) -> float:
    """A rate as 25, 1/30 or 30000/1001, if times that are rounded to a millionth may mean it."""
    simple = float(Fraction(rate).limit_denominator(1001))
    return simple if abs(simple - rate) <= rate * ROUNDED * rate / steps else rate


def named(names: Sequence[str], video: str, where: str) -> str:
    """The video of that name; a name without its folders is enough if only one video has it.

    Raises `InputError` if there is none, or more than one.
    """
    found = find_videos_called(video, names)
    if len(found) != 1:
        what = f"has {len(found)} videos {video!r}" if found else f"has no video {video!r}"
        raise InputError(f"{where} {what}; give --video NAME, one of {listed(found or names)}")
    return found[0]


def row_of_features(name: str, model: TrainedModel, features: Path, fps: float | None, task: str | None = None) -> Row:
    """What a model predicts from a file of features `[T, D]` of the video, whose task may be given.

    Raises `InputError` if these are not of the model's backbone or size.
    """
    own = rate_of(model, fps)
    values = model.file_features(features, fps)
    try:
        return Row.of(name, model.predict(values, task=task), info_of(model, own))
    except InputError as error:
        raise InputError(f"{features}: {error}") from error


class VideoFeatures:
    """Features of one video for models, made once for each backbone and rate."""

    def __init__(self, video: Path, batch_size: int, keep: bool):
        """`keep` them for later models: 2.5 KB a frame with the default backbone."""
        self._video, self._batch_size, self._keep = video, batch_size, keep
        self._kept: dict[Extractor, list[np.ndarray]] = {}

    def are_kept(self, model: TrainedModel) -> bool:
        """Whether the features of a model are there, so that it needs no backbone."""
        return model.facts.extractor in self._kept

    def batches(self, model: TrainedModel, on_frames: OnFrames) -> Iterator[np.ndarray]:
        """Yield the features of the next frames, float16 `[B, D]`.

        Raises `InputError` as `TrainedModel.backbone` and `VideoFrames` do.
        """
        from protas_gtcc.video.features import features_of
        from protas_gtcc.video.frames import VideoFrames

        extractor = model.facts.extractor
        if extractor in self._kept:
            yield from self._kept[extractor]
            return
        frames = VideoFrames(self._video, extractor.fps, model.backbone().size, self._batch_size)
        expected, done, made = frames.expected() or 0, 0, list[np.ndarray]()
        for features in features_of(frames, model.backbone()):
            done += len(features)
            on_frames(done, max(done, expected))
            if self._keep:
                made.append(features)
            yield features
        if self._keep:
            self._kept[extractor] = made


def row_of_video(name: str, model: TrainedModel, batches: Iterable[np.ndarray], task: str | None = None) -> Row:
    """What a model predicts of a video, of whose frames `batches` have the features, one batch after the other.

    Its task may be given. Raises `InputError` as the model and the batches do.
    """
    return Row.of(name, Prediction.joined(list(_predicted(model, batches, task))), info_of(model, rate_of(model, None)))


def _predicted(model: TrainedModel, batches: Iterable[np.ndarray], task: str | None) -> Iterator[Prediction]:
    """Predictions of the next frames, one after the other.

    There is one of the whole video from an acausal model, with a lag that waits for its end, and where features must be
    resampled to the model's rate.
    """
    fps = model.facts.extractor.fps
    if model.facts.config.model.causal and model.lag_seconds < inf and fps == model.facts.fps:
        stream = model.stream("torch", task)
        for features in batches:
            yield stream.step(features.astype(np.float32))
        last = stream.flush()
        if last is not None:
            yield last
    else:
        yield model.predict(model.at_own_rate(np.concatenate(list(batches)), fps), task=task)


def info_of(model: TrainedModel, fps: float) -> PredictionInfo:
    """What predictions of a model share."""
    facts = model.facts
    known = facts.extractor, facts.tasks, facts.class_colours, model.lag_seconds
    return PredictionInfo(facts.class_names, facts.background, fps, facts.simulated, *known)


def rate_of(model: TrainedModel, fps: float | None) -> float:
    """Frames a second of a model, or `fps` where it does not know them. Raises `InputError` for rates that are none."""
    rate = model.facts.fps or fps
    if rate is None:
        raise InputError("the model does not know its frames per second; give --fps")
    require_rate(rate if fps is None else fps)
    return rate


def require_length(row: Row, seconds: float, video: Path) -> None:
    """Raise `InputError` unless a row is about as long as the video."""
    allowed = LONGEST_DIFFERENCE[0] + LONGEST_DIFFERENCE[1] * seconds
    if not row.num_frames or abs(float(row.seconds) - seconds) > allowed:
        own = f"{row.name} is {row.num_frames} frames at {plain(row.info.fps)} fps, {float(row.seconds):.1f} s"
        raise InputError(f"{own}, and {video} lasts {seconds:.1f} s; give what belongs to this video, or --fps")
