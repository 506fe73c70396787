"""The folder that `predict` writes: the predictions of all videos, and tables and a picture of each.

In one process, the predictions of up to 1,000 videos are one file, `predictions.h5`. In jobs, and of more videos, they
are shards (`predicted_shards.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.predicted_shards import PARTS
from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.format import Format
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.cli.shared.predicting import Predictor
    from protas_gtcc.metrics.predicted_segments import PredictedSegment
    from protas_gtcc.predictions import Prediction


@dataclass(frozen=True)
class PredictedFolder:
    """What is in the folder, and what is written to it."""

    path: Path
    draws: bool
    """Whether each video has a picture."""
    lists: bool = True
    """Whether each video has tables."""

    @property
    def file(self) -> Path:
        """All predictions in one file."""
        return self.path / "predictions.h5"

    def videos(self, names: set[str], overwrite: bool, goes_on: bool = False) -> set[str]:
        """Videos in the folder. Raises `InputError` if predictions of others than `names` would be lost.

        So do tables without a file of predictions, unless they are of a work list that `goes_on`.
        """
        from protas_gtcc.metrics.prediction_files import open_predictions
        from protas_gtcc.metrics.prediction_parts import read_index

        found, lost = set[str](), ""
        index = self.path / PREDICTIONS_INDEX
        written = index if index.exists() else self.file
        if written.exists():
            try:  # a shard that is gone or damaged is no reason to refuse: it is predicted again
                found = set(read_index(index)[1] if written == index else open_predictions(written).video_names)
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
        """Write the tables and the picture of a video, as wanted; returns its segments and its procedure."""
        from protas_gtcc.metrics.predicted_procedures import predicted_procedure, write_procedure_file
        from protas_gtcc.metrics.predicted_segments import predicted_segments, write_segments
        from protas_gtcc.metrics.prediction_csv import write_csv

        info, model, is_given = predictor.info, predictor.model, predictor.task is not None
        segments = predicted_segments(prediction, info)
        procedure = predicted_procedure(video, prediction, info, model.task_steps, model.alarms, is_given)
        if self.lists:
            write_csv(self.path, video, prediction, info)
            write_segments(self.path, video, segments)
            write_procedure_file(self.path, video, procedure)
        else:
            self.remove_tables(video)
        if self.draws:
            from protas_gtcc.report.video_picture import plot_video

            plot_video(self.path / "plots" / f"{video}.png", video, None, prediction, info)
        return segments, procedure

    def remove_videos(self, videos: Collection[str], with_annotations: bool) -> None:
        """Remove what was written of videos whose predictions are replaced.

        A person may have corrected the pre-annotations: they stay, unless they are to be removed as well.
        """
        for video in videos:
            self.remove_tables(video)
            (self.path / "plots" / f"{video}.png").unlink(missing_ok=True)
            if with_annotations and (self.path / "annotations").is_dir():
                from protas_gtcc.cli.shared.pre_annotations import remove_pre_annotations

                remove_pre_annotations(self.path, video)

    def remove_tables(self, video: str) -> None:
        """Remove the tables of earlier predictions of a video."""
        for suffix in (".csv", ".segments.csv", ".procedure.json"):
            (self.path / f"{video}{suffix}").unlink(missing_ok=True)

    def keep_only(self, kept: Collection[Path]) -> None:
        """Remove all earlier files of predictions and the index, but not those kept."""
        whole = {self.file, self.path / PREDICTIONS_INDEX}
        for path in {*(self.path / PARTS).rglob("*.h5"), *whole} - set(kept):
            path.unlink(missing_ok=True)
        for job in (self.path / PARTS).glob("*/"):
            with suppress(OSError):  # it has shards
                job.rmdir()

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
