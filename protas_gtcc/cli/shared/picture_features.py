"""Features of videos for a command that goes on with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from protas_gtcc.cli.shared.console import make_console, progress_bars, warn
from protas_gtcc.cli.shared.pictures import processors_for_backbone
from protas_gtcc.inference import TrainedModel
from protas_gtcc.video.features import features_of
from protas_gtcc.video.frames import VideoFrames


class FeaturesOnTheWay:
    """Makes the features of videos for a command that goes on with them, with a bar; notes on damage are printed."""

    def __init__(self, model: TrainedModel, videos: Sequence[Path]):
        """Raises `BrokenVideo` for what cannot be opened, before the first video is read."""
        self._model, self._done, self._closing = model, 0, ExitStack()
        self._videos = {path: VideoFrames(path, model.facts.extractor.fps, model.backbone().size) for path in videos}
        self._expected = {path: one.expected() or 0 for path, one in self._videos.items()}

    def __enter__(self) -> FeaturesOnTheWay:
        self._show = self._closing.enter_context(progress_bars("frames"))
        if self._videos:
            self._closing.enter_context(processors_for_backbone())
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def of(self, path: Path) -> np.ndarray:
        """The features of a video, float16 `[T, D]`, at the model's rate."""
        frames, batches, num_frames = self._videos[path], list[np.ndarray](), 0
        for batch in features_of(frames, self._model.backbone()):
            batches.append(batch)
            num_frames += len(batch)
            self._show("extract", self._done + min(num_frames, self._expected[path]), sum(self._expected.values()))
        self._done += self._expected[path]
        for note in frames.notes:
            warn(make_console(stderr=True))(f"{path}: {note}")
        return self._model.at_own_rate(np.concatenate(batches), frames.fps)
