"""The rows of an annotated video: what was predicted of it by runs and in files, and what is true."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.console import make_console, warn
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import File, Repeated
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.cli.shared.trained_on import note_training_videos
from protas_gtcc.config import Device, require_range
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.checkpoints import CHECKPOINT
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.live.overlay.rows import Row
    from protas_gtcc.live.row_sources import VideoFeatures

PREDICTIONS = (".h5", ".hdf5", ".csv")
"""Endings of prediction files; anything else is a run or a checkpoint."""

OF_RUNS = ("predictions.h5", PREDICTIONS_INDEX, CHECKPOINT)
"""Files that go by the name of their folder."""


@dataclass(frozen=True)
class RowFlags:
    """Where the rows of a video come from."""

    truth: str | None = None
    """Name or file of a dataset with the true labels of the video, which are shown as a row of their own."""
    video: str | None = None
    """Name of the video in prediction files and in the dataset; by default the file's name without its ending."""
    features: File | None = None
    """Features of the video [T, D] for the runs, where they do not come from 'extract'."""
    task: str | None = None
    """Task of the video, of which runs predict only the steps; by default the model infers it."""
    fps: float | None = None
    """Frames per second of --features, or of CSV files without times; by default the model's."""
    background: Repeated[tuple[str, ...]] = ()
    """A background class of CSV files without --truth. Repeat the flag for each."""
    batch_size: int = 16
    """Frames that the backbone takes at once."""
    threads: int = 0
    """Processor threads of the backbone; 0 leaves one processor to decoding and takes the others."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    own_backbone: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)
    lag: LagFlag = field(default_factory=LagFlag)

    def __post_init__(self) -> None:
        require_range(self, batch_size=(1, 4096), threads=(0, 1024))

    def rows(self, predictors: Sequence[Path], video: Path, on_progress: Any) -> list[Row]:
        """The truth, if it is wanted, and a row of each run and file of predictions."""
        from protas_gtcc.live.row_sources import CsvFacts, VideoFeatures, row_of_file, row_of_truth
        from protas_gtcc.report.runs import distinct_names

        dataset = self._dataset()
        rows: list[Row] = []
        name = self.video or video.stem
        facts = CsvFacts(fps=self.fps, background_names=self.background)
        if dataset is not None:
            rows.append(_of_this_length(row_of_truth(dataset, name), video))
            info = dataset.info
            facts = CsvFacts(info.class_names, info.background, self.fps, info.fps, self.background)
        named = [path.parent if path.name in OF_RUNS else _without_ending(path) for path in predictors]
        names = ["predicted"] if len(named) == 1 else distinct_names(named)
        num_runs = sum(not is_predictions(path) for path in predictors)
        features = VideoFeatures(video, self.batch_size, keep=num_runs > 1)
        for path, shown in zip(predictors, names, strict=True):
            if is_predictions(path):
                rows.append(_of_this_length(row_of_file(shown, path, name, facts), video))
            else:
                rows.append(self._row_of_run(shown, path, video, features, functools.partial(on_progress, shown)))
        return rows

    def _dataset(self) -> Dataset | None:
        from protas_gtcc.prepare.known_datasets import open_dataset

        return None if self.truth is None else open_dataset(self.truth, warn(make_console(stderr=True)))

    def _row_of_run(self, name: str, path: Path, video: Path, of_video: VideoFeatures, on_frames: Any) -> Row:
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import choose_device, load
        from protas_gtcc.live.row_sources import row_of_features, row_of_video

        model = load(path, choose_device(self.device))
        require_no_control(model.facts.config, "annotate")
        self.lag.give(model)
        model.task_number(self.task)  # refused now, not after minutes of making features
        _note_what_it_sees(model, path)
        note_training_videos(model, [self.video or video.stem])
        if self.features is not None:
            return _of_this_length(row_of_features(name, model, self.features, self.fps, self.task), video)
        with processors_for_backbone(self.threads):
            if not of_video.are_kept(model):
                self.own_backbone.give(model)
            return row_of_video(name, model, of_video.batches(model, on_frames), self.task)


def is_predictions(path: Path) -> bool:
    """Whether a path is a file of predictions, or an index of such files."""
    return (path.suffix.lower() in PREDICTIONS or path.name == PREDICTIONS_INDEX) and path.is_file()


def _of_this_length(row: Row, video: Path) -> Row:
    """The row, if it is about as long as the video: by its header, and where that differs, by its packets."""
    from protas_gtcc.live.row_sources import require_length
    from protas_gtcc.video.opening import open_video, seconds_of_packets

    with open_video(video) as opened:
        seconds = opened.about_seconds or 0.0
    try:
        require_length(row, seconds, video)
    except InputError:
        require_length(row, seconds_of_packets(video), video)
    return row


def _note_what_it_sees(model: TrainedModel, path: Path) -> None:
    """Warn if the row of a model shows what was not known at the time."""
    ahead, is_causal = model.facts.look_ahead_frames, model.facts.config.model.causal
    if ahead or not is_causal:
        seen = f"{plural(ahead, 'frame')} ahead" if is_causal else "the whole video"
        warn(make_console(stderr=True))(f"{path} sees {seen}: its row shows what was not known at the time")


def _without_ending(path: Path) -> Path:
    return path.with_suffix("") if path.is_file() else path
