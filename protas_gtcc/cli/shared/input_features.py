"""Features of videos and of files, for a command that goes on with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from protas_gtcc.cli.shared.console import make_console, progress_bars, warn
from protas_gtcc.cli.shared.inputs import Input
from protas_gtcc.cli.shared.pictures import processors_for_backbone
from protas_gtcc.config import Axes
from protas_gtcc.errors import noted
from protas_gtcc.inference import TrainedModel
from protas_gtcc.video.features import features_of
from protas_gtcc.video.frames import VideoFrames


class FeaturesOnTheWay:
    """Makes features of videos, with a bar, and reads those in files; notes on damage are printed."""

    def __init__(
        self,
        model: TrainedModel,
        inputs: Sequence[Input],
        fps: float | None,
        axes: Axes,
        broken: dict[str, str],
        skip: bool,
    ):
        """Files of features are at `fps`. What cannot be opened is noted in `broken` with `skip`, else `InputError`."""
        self._model, self._fps, self._axes, self._done = model, fps, axes, 0
        self._closing = ExitStack()
        self._videos: dict[Path, VideoFrames] = {}
        self._expected: dict[Path, int] = {}
        for one in inputs:
            with noted(broken, one.name, skip):
                self._open(one)

    def _open(self, one: Input) -> None:
        if one.is_video:
            video = VideoFrames(one.path, self._model.facts.extractor.fps, self._model.backbone().size)
            self._expected[one.path], self._videos[one.path] = video.expected() or 0, video
        elif one.read is None:
            self._model.require_file(one.path, self._fps, self._axes)

    def __enter__(self) -> FeaturesOnTheWay:
        self._show = self._closing.enter_context(progress_bars("frames"))
        if self._videos:
            self._closing.enter_context(processors_for_backbone())
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def of(self, one: Input) -> np.ndarray:
        """The features `[T, D]` at the model's rate; of a video, float16."""
        if one.read is not None:
            return self._model.at_own_rate(*one.read(self._model.facts.feature_dim))
        if not one.is_video:
            return self._model.file_features(one.path, self._fps, self._axes)
        frames, batches, num_frames = self._videos[one.path], list[np.ndarray](), 0
        expected = self._expected[one.path]
        for batch in features_of(frames, self._model.backbone()):
            batches.append(batch)
            num_frames += len(batch)
            self._show("extract", self._done + min(num_frames, expected), sum(self._expected.values()))
        self._done += expected
        for note in frames.notes:
            warn(make_console(stderr=True))(f"{one.path}: {note}")
        return self._model.at_own_rate(np.concatenate(batches), frames.fps)
