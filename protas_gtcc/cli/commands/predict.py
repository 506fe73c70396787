"""`protas-gtcc predict`: new videos, or features of them -> segments, labels, probabilities, progress."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.alarms import AlarmFlags
from protas_gtcc.cli.shared.console import print_left_out, print_skipped, wrong_usage
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import File, Folder, Positional, Repeated
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags
from protas_gtcc.cli.shared.predicted_folder import PARTS, PredictedFolder
from protas_gtcc.cli.shared.predicted_shards import VIDEOS_A_SHARD, JobShards, Shards
from protas_gtcc.cli.shared.predicting import Predictor
from protas_gtcc.cli.shared.predicting_many import ManyVideos, predict_shards
from protas_gtcc.cli.shared.video_jobs import words_of
from protas_gtcc.cli.shared.work_lists import WORK_FIELDS, WorkFlags
from protas_gtcc.config import Axes, Device, Text
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.atomic import require_absent
from protas_gtcc.storage.checkpoints import find_checkpoint, require_model
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.video.naming import only_named

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.format import Format
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.cli.shared.predicted_lines import Lines
    from protas_gtcc.predictions import PredictionInfo


@dataclass(frozen=True)
class Command:
    """Predict unlabelled videos: video files, folders of them, or a file of features each (.npy, .npz, .pt, .csv, .h5,
    .mat, or keypoints).

    Features of videos are made on the way, with the backbone and at the rate of the model's training. Prints the
    segments, and of models that follow procedures the steps done and the alarms. Writes labels, probabilities and
    progress of every frame to predictions.h5, and for each video a table of frames (VIDEO.csv), a table of segments
    (VIDEO.segments.csv) and a picture (plots/VIDEO.png). If the model follows procedures, VIDEO.procedure.json has the
    steps done and the alarms. In jobs, and of more than 1,000 videos, parts/ has shards, and predictions.json makes
    them one; if it is interrupted, the same command goes on.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    features: Positional[tuple[File, ...]]
    """Videos, files of features, [T, D] or [D, T], and folders of either; a file's name is the video's name."""
    out: Folder = Path("predictions")
    """Folder for the results."""
    skip_broken: bool = False
    """Go on with the other files where one cannot be read or predicted, and name it."""
    task: str | None = None
    """Task of the videos, of which only the steps are predicted; by default the model infers it."""
    format: tuple[str, ...] = ()
    """Also write pre-annotations for a person to correct, in the forms of 'convert': csv, audacity, elan, boris,
    label-studio, vidat, webvtt, rttm or mstcn. They are in OUT/annotations."""
    parquet: bool = False
    """Also write segments.parquet and videos.parquet: figures of each segment, and of each video, in one table. Needs
    the extra [lerobot]."""
    lerobot: Folder | None = None
    """LeRobotDataset whose episodes these are: their progress is written to sarm_progress.parquet too, which LeRobot's
    tools read. Without files of features, all of its episodes are predicted from its columns observation.*"""
    overwrite: bool = False
    """Replace the predictions of other videos in the folder, and pre-annotations that may have been corrected."""
    no_pictures: bool = False
    """Draw nothing, which is faster."""
    no_tables: bool = False
    """Write no files of single videos (VIDEO.csv, VIDEO.segments.csv, VIDEO.procedure.json), which is faster."""
    fps: float | None = None
    """Frames per second of files of features; by default the model's. Features at another rate are resampled to the
    model's, which is that of the results."""
    feature_axes: Axes = "auto"
    """Axes of the arrays, T frames by D features; with auto, D is the axis of the model's feature size."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    only: Repeated[tuple[Text, ...]] = ()
    """Predict only this video, by its name. Repeat the flag for each."""
    part: str | None = None
    """Write no predictions.h5, but shards into parts/NAME; the jobs of --workers do."""
    json: bool = False
    """Print the segments as JSON; of shards, the names of the videos."""
    budget: AlarmFlags = field(default_factory=AlarmFlags)
    lag: LagFlag = field(default_factory=LagFlag)
    video: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)
    work: WorkFlags = field(default_factory=WorkFlags)

    def run(self) -> None:
        """Predict, write and print."""
        broken: dict[str, str] = {}
        inputs, others = self._inputs(broken)
        folder = PredictedFolder(self.out, not self.no_pictures, not self.no_tables, self.parquet)
        folder.require_names([one.name for one in inputs])
        if self.part is not None:
            predict_shards(self._load, inputs, broken, JobShards(folder, self.part))
            return
        with only_writer(folder.file, wait=False):
            names = [one.name for one in inputs]
            replaced = folder.videos(set(names), self.overwrite, goes_on=(self.out / PARTS).is_dir())
            kinds = folder.formats(self.format, names, self.overwrite)
            if self.parquet:
                from protas_gtcc.storage.parquet import require_parquet

                require_parquet(self.out / "segments.parquet")
            if self.work or len(inputs) > VIDEOS_A_SHARD:
                written = self._predict_many(inputs, broken, folder, replaced)
                self._export(folder, written, kinds, inputs)
                print_left_out(others)
            else:
                self._predict_all(inputs, others, broken, folder, replaced, kinds)

    def _predict_all(
        self,
        inputs: list[Input],
        others: list[Path],
        broken: dict[str, str],
        folder: PredictedFolder,
        replaced: set[str],
        kinds: list[Format],
    ) -> None:
        """Predict all into one file; the tables are written from it: a refused video leaves nothing."""
        from protas_gtcc.cli.shared.predicted_lines import Lines
        from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions

        predictor = self._load()

        def may_end(done: set[str]) -> bool:
            return len(done) > 0 and (self.overwrite or replaced <= done)

        found = predictor.predictions(inputs, broken, self.skip_broken, may_end)
        first = [*itertools.islice(found, 1)]  # before the output is made, the features of all are looked at
        write_predictions(folder.file, itertools.chain(first, found), predictor.info)
        folder.keep_only({folder.file})
        lines, rows, files = Lines(has_files=not self.no_tables), dict[str, Any](), open_predictions(folder.file)
        for video in files.video_names:
            segments, procedure = folder.write_video(video, files.read(video), predictor)
            lines.add(video, segments, procedure)
            if self.json:
                rows[video] = [dataclasses.asdict(one) for one in segments]
        self._export(folder, folder.file, kinds, inputs)
        folder.remove_videos(replaced - set(files.video_names), self.overwrite)
        if self.json:
            print(json.dumps({"predictions": str(folder.file), "videos": rows, "broken": broken}))
        else:
            self._report(lines, predictor.info, replaced)
        if self.skip_broken:
            print_skipped(broken)
        print_left_out(others)
        if broken and not self.skip_broken:
            kept = f"the predictions of {listed(files.video_names)} are in {self.out}"
            raise InputError(f"{next(iter(broken.values()))} ({kept}; --skip-broken goes on with the others)")

    def _predict_many(
        self, inputs: list[Input], broken: dict[str, str], folder: PredictedFolder, replaced: set[str]
    ) -> Path:
        """Predict into shards, in jobs or here; returns the index that makes them one."""
        outputs = "out", "format", "parquet", "no_pictures", "no_tables", "overwrite", "json"
        no_settings = "features", *outputs, "skip_broken", "device", "only", *WORK_FIELDS
        shards = Shards.of_model(folder, find_checkpoint(self.model), words_of(self, no_settings))
        many = ManyVideos(inputs, shards, broken)
        with many.indexed(
            replaced,
            may_lose=self.overwrite or self.skip_broken,
            may_lose_by_failure=self.overwrite and bool(self.work),
            with_annotations=self.overwrite,
        ):
            if self.work:
                many.predict_in_jobs(dataclasses.replace(self, overwrite=True), self.work)
            else:
                many.predict_here(self._load)
        files = shards.found(inputs)
        if not files:
            raise InputError(f"none of {plural(len(inputs), 'file')} could be predicted; remove the causes above")
        written = self.out / PREDICTIONS_INDEX
        if self.json:
            print(json.dumps({"predictions": str(written), "videos": list(files)}))
        else:
            absent = [one.name for one in inputs if one.name not in files]
            without = f", without {listed(absent)}" if absent else ""
            print(f"{written}: the predictions of {len(files)} of {plural(len(inputs), 'video')}{without}")
        if broken and not self.skip_broken:
            raise InputError(f"{plural(len(broken), 'file')} could not be predicted; remove the causes above")
        return written

    def _export(self, folder: PredictedFolder, written: Path, kinds: list[Format], inputs: list[Input]) -> None:
        """Write the wanted forms: of annotation tools, the tables of all videos, and of LeRobot."""
        folder.write_annotations(kinds, written, inputs)
        if self.parquet:
            from protas_gtcc.metrics.prediction_files import open_predictions
            from protas_gtcc.metrics.prediction_tables import write_prediction_tables

            files = open_predictions(written)
            assert files.info is not None, "HDF5 files have it"
            write_prediction_tables(self.out, files, files.info, files.video_names)
        else:
            folder.remove_older_figures()
        if self.lerobot is not None:
            from protas_gtcc.cli.shared.episodes import write_episodes

            write_episodes(self.lerobot, written)

    def _report(self, lines: Lines, info: PredictionInfo, replaced: set[str]) -> None:
        """Print the first segments and procedures, what was resampled and what was replaced."""
        from protas_gtcc.cli.shared.predicted_lines import notes

        shown = [*lines.all(), "", f"everything is in {self.out}"]
        print("\n".join([*shown, *notes(self.fps, info.fps, replaced)]))

    def _load(self) -> Predictor:
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import choose_device, load
        from protas_gtcc.live.row_sources import info_of, rate_of

        model = load(self.model, choose_device(self.device))
        require_no_control(model.facts.config, "predict")
        model.task_number(self.task)  # refused now, not after minutes of making features
        self.budget.give(model)
        self.lag.give(model)
        info = info_of(model, rate_of(model, self.fps))
        return Predictor(model, info, self.task, self.video, self.fps, self.feature_axes)

    def _inputs(self, broken: dict[str, str]) -> tuple[list[Input], list[Path]]:
        """What can be read of the inputs, and the other files in folders of videos.

        All before torch is imported, which takes seconds.
        """
        from protas_gtcc.cli.shared.inputs import find_inputs

        require_model(self.model)
        if self.lerobot is not None:
            from protas_gtcc.cli.shared.episodes import episode_inputs, open_episodes
            from protas_gtcc.layouts.lerobot_progress import FILE

            layout = open_episodes(self.lerobot)  # refused now, not after minutes of predicting
            require_absent([self.out / FILE], self.overwrite)
            if not self.features:
                return only_named(episode_inputs(layout), self.only), []
        if not self.features:
            wrong_usage("predict", "name videos, folders of them, or files of features")
        inputs, others = find_inputs(self.features, self.out, broken, self.skip_broken, self.only)
        if self.fps is not None and all(one.is_video for one in inputs):
            raise InputError("--fps is for files of features; videos are taken at the model's rate: leave it out")
        return inputs, others
