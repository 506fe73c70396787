"""The folder that `predict` writes: the predictions of all videos, and tables and a picture of each.

In one process, the predictions of up to 1,000 videos are one file, `predictions.h5`. In jobs, and of more videos, they
are shards (`predicted_shards.py`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.atomic import remove_left_over
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.format import Format
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.cli.shared.predicting import Predictor
    from protas_gtcc.metrics.predicted_segments import PredictedSegment
    from protas_gtcc.predictions import Prediction

PARTS = "parts"
"""The folder of the shards."""
JOB = "[0-9a-f]" * 16
"""Of the folder of a job's shards in it; other folders are not ours."""

LONGEST_NAME = 255 - len(".procedure.json")
"""Bytes of a video's name, without folders, so that file systems take those of its tables."""


@dataclass(frozen=True)
class PredictedFolder:
    """What is in the folder, and what is written to it."""

    path: Path
    draws: bool
    """Whether each video has a picture."""
    lists: bool = True
    """Whether each video has tables."""
    figures: bool = False
    """Whether there are two tables of all videos, `segments.parquet` and `videos.parquet`."""

    @property
    def file(self) -> Path:
        """All predictions in one file."""
        return self.path / "predictions.h5"

    def shard(self, job: str, name: str) -> Path:
        """A shard of a job."""
        return self.path / PARTS / job / f"{name}.h5"

    def shards(self, job: str = JOB) -> Iterator[Path]:
        """The shards of a job, or of all."""
        return (self.path / PARTS).glob(f"{job}/{'[0-9a-f]' * 8}.h5")

    def with_all_files(self, shards: Mapping[str, Path]) -> set[str]:
        """Those of some videos, given with their shards, whose tables and picture are there, as wanted.

        They are written before the shard. A newer one is of other predictions, which were interrupted.
        """
        wanted = [*(("{}.csv", "{}.segments.csv") if self.lists else ()), *(("plots/{}.png",) if self.draws else ())]
        whole = set[str]()
        for video, shard in shards.items():
            with suppress(OSError):  # one is not there
                ended = shard.stat().st_mtime_ns
                if all((self.path / one.format(video)).stat().st_mtime_ns <= ended for one in wanted):
                    whole.add(video)
        return whole

    def require_names(self, videos: Collection[str]) -> None:
        """Raise `InputError` for a video whose tables would have too long names."""
        for video in videos if self.lists else ():
            if len(os.fsencode(video.rsplit("/", 1)[-1])) > LONGEST_NAME:
                what = f"video {video!r} has too long a name for its tables: at most {LONGEST_NAME} bytes"
                raise InputError(f"{what}; rename it, or give --no-tables")

    def videos(self, names: set[str], overwrite: bool, goes_on: bool = False) -> set[str]:
        """Videos in the folder. Raises `InputError` if predictions of others than `names` would be lost.

        So do tables without a file of predictions, unless they are of a work list that `goes_on`.
        """
        from protas_gtcc.metrics.prediction_files import open_predictions
        from protas_gtcc.metrics.prediction_parts import read_index

        found, lost = set[str](), ""
        index = self.path / PREDICTIONS_INDEX
        written = [path for path in (index, self.file) if path.exists()]
        for path in written:
            try:  # a shard that is gone or damaged is no reason to refuse: it is predicted again
                found |= set(read_index(path)[1] if path == index else open_predictions(path).video_names)
            except InputError as error:
                lost = f"{path.name}, which cannot be read ({error})"
        if others := sorted(found - names):
            lost = f"predictions of other videos, {listed(others)}"
        if not written and not goes_on and (tables := sorted(self._tables(names))):
            lost = f"{listed(tables)} that this would replace"
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
            self._remove_tables(video)
        if self.draws:
            from protas_gtcc.report.video_picture import plot_video

            plot_video(self._picture(video), video, None, prediction, info)
        else:
            self._picture(video).unlink(missing_ok=True)
        return segments, procedure

    def remove_videos(self, videos: Collection[str], with_annotations: bool) -> None:
        """Remove what was written of videos whose predictions are replaced.

        A person may have corrected the pre-annotations: they stay, unless they are to be removed as well.
        """
        for video in videos:
            self.remove_files(video)
            if with_annotations and (self.path / "annotations").is_dir():
                from protas_gtcc.cli.shared.pre_annotations import remove_pre_annotations

                remove_pre_annotations(self.path, video)

    def remove_files(self, video: str) -> None:
        """Remove the tables and the picture of earlier predictions of a video."""
        self._remove_tables(video)
        self._picture(video).unlink(missing_ok=True)

    def _picture(self, video: str) -> Path:
        return self.path / "plots" / f"{video}.png"

    def _tables(self, videos: Collection[str]) -> list[str]:
        """Names of the tables that are there: of these videos, and of all, if they are wanted."""
        names = [*(f"{video}.csv" for video in videos), *(("segments.parquet", "videos.parquet") * self.figures)]
        return [name for name in names if (self.path / name).exists()]

    def _remove_tables(self, video: str) -> None:
        for suffix in (".csv", ".segments.csv", ".procedure.json"):
            try:
                (self.path / f"{video}{suffix}").unlink(missing_ok=True)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:  # then there is none
                    raise

    def keep_only(self, kept: Collection[Path]) -> None:
        """Remove all earlier files of predictions and the index, but not those kept.

        Files in `parts` that are named in another way stay: they are not ours.
        """
        whole = {self.file, self.path / PREDICTIONS_INDEX}
        for path in {*self.shards(), *whole} - set(kept):
            path.unlink(missing_ok=True)
        for job in (self.path / PARTS).glob(f"{JOB}/"):
            with suppress(OSError):  # it has shards
                remove_left_over(job)
                job.rmdir()

    def remove_older_figures(self) -> None:
        """Remove the tables of all videos, if they are older than the predictions."""
        table, predictions = self.path / "videos.parquet", [self.file, *self.shards()]
        if table.exists():
            from protas_gtcc.metrics.prediction_tables import remove_prediction_tables

            newest = max(path.stat().st_mtime_ns for path in predictions if path.exists())
            if table.stat().st_mtime_ns < newest:
                remove_prediction_tables(self.path)

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
