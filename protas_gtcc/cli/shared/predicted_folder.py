"""The folder that `predict` writes: the predictions of all videos, and tables and a picture of each.

In one process, the predictions are one file, `predictions.h5`. In jobs, each video has a file in `parts/`, and an index
makes these files one (`metrics/prediction_parts.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.format import Format
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.cli.shared.predicting import Predictor
    from protas_gtcc.metrics.predicted_segments import PredictedSegment
    from protas_gtcc.predictions import Prediction

PARTS = "parts"
"""The folder with a file of predictions for each video, of work lists."""


@dataclass(frozen=True)
class PredictedFolder:
    """What is in the folder, and what is written to it."""

    path: Path
    draws: bool
    """Whether each video has a picture."""

    @property
    def file(self) -> Path:
        """All predictions in one file."""
        return self.path / "predictions.h5"

    def videos(self, names: set[str], overwrite: bool, goes_on: bool = False) -> set[str]:
        """Videos in the folder. Raises `InputError` if predictions of others than `names` would be lost.

        So do tables without a file of predictions, unless they are of a work list that `goes_on`.
        """
        from protas_gtcc.metrics.prediction_files import open_predictions

        found, lost = set[str](), ""
        index = self.path / PREDICTIONS_INDEX
        written = index if index.exists() else self.file
        if written.exists():
            try:
                found = set(open_predictions(written).video_names)
                if others := sorted(found - names):
                    lost = f"predictions of other videos, {listed(others)}"
            except InputError as error:
                lost = f"{written.name}, which cannot be read ({error})"
        elif tables := sorted(name for name in names if not goes_on and (self.path / f"{name}.csv").exists()):
            lost = f"CSV files of {listed(tables)} that this would replace"
        if lost and not overwrite:
            raise InputError(f"{self.path} has {lost}; give another --out, or --overwrite")
        return found

    def write_video(
        self, video: str, prediction: Prediction, predictor: Predictor
    ) -> tuple[list[PredictedSegment], dict[str, Any] | None]:
        """Write the tables and the picture of a video; returns its segments and its procedure."""
        from protas_gtcc.metrics.predicted_procedures import predicted_procedure, write_procedure_file
        from protas_gtcc.metrics.predicted_segments import predicted_segments, write_segments
        from protas_gtcc.metrics.prediction_csv import write_csv

        info, model, is_given = predictor.info, predictor.model, predictor.task is not None
        write_csv(self.path, video, prediction, info)
        segments = predicted_segments(prediction, info)
        write_segments(self.path, video, segments)
        procedure = predicted_procedure(video, prediction, info, model.task_steps, model.alarms, is_given)
        write_procedure_file(self.path, video, procedure)
        if self.draws:
            from protas_gtcc.report.video_picture import plot_video

            plot_video(self.path / "plots" / f"{video}.png", video, None, prediction, info)
        return segments, procedure

    def remove_videos(self, videos: Collection[str], with_annotations: bool) -> None:
        """Remove what was written of videos whose predictions are replaced.

        A person may have corrected the pre-annotations: they stay, unless they are to be removed as well.
        """
        for video in videos:
            for name in (f"{video}.csv", f"{video}.segments.csv", f"{video}.procedure.json", f"plots/{video}.png"):
                (self.path / name).unlink(missing_ok=True)
            if with_annotations and (self.path / "annotations").is_dir():
                from protas_gtcc.cli.shared.pre_annotations import remove_pre_annotations

                remove_pre_annotations(self.path, video)

    def keep_only(self, kept: Collection[Path]) -> None:
        """Remove all earlier files of predictions and the index, but not those kept."""
        whole = {self.file, self.path / PREDICTIONS_INDEX}
        for path in {*(self.path / PARTS).rglob("*.h5"), *whole} - set(kept):
            path.unlink(missing_ok=True)

    def formats(self, names: Sequence[str], videos: Sequence[str], overwrite: bool) -> list[Format]:
        """The wanted forms of pre-annotations; what is wrong with them is known before anything is predicted."""
        if not names:
            return []
        from protas_gtcc.cli.shared.pre_annotations import wanted_formats

        return wanted_formats(names, self.path, videos, overwrite)

    def write_annotations(self, kinds: list[Format], written: Path, inputs: Sequence[Input]) -> None:
        """Write pre-annotations of what was predicted."""
        if kinds:
            from protas_gtcc.cli.shared.pre_annotations import write_pre_annotations
            from protas_gtcc.metrics.prediction_files import open_predictions

            media = {one.name: one.path for one in inputs if one.is_video}
            write_pre_annotations(kinds, self.path, open_predictions(written), media)


@dataclass(frozen=True)
class Parts:
    """The files of predictions of single videos, as one command's settings make them."""

    out: Path
    settings: str
    """A word that differs with the model and the flags."""

    @classmethod
    def of_model(cls, out: Path, checkpoint: Path, words: Sequence[str]) -> Parts:
        """Those of a checkpoint as it is now, with these flags."""
        now = checkpoint.stat()
        return cls(out, _short(*words, now.st_size, now.st_mtime_ns))

    def file(self, video: VideoFile) -> Path:
        """The file of a video as it is now: its name differs with the size and the time of the video's file.

        Raises `OSError` if that is gone.
        """
        now = video.path.stat()
        return self.out / PARTS / f"{video.name}.{self.settings}{_short(now.st_size, now.st_mtime_ns)}.h5"

    def is_whole(self, video: VideoFile) -> bool:
        """Whether the predictions of the video are there."""
        try:
            return self.file(video).is_file()
        except OSError:
            return False


def _short(*facts: object) -> str:
    """Eight digits that differ with the facts."""
    return hashlib.blake2b("\0".join(map(str, facts)).encode(), digest_size=4).hexdigest()
