"""`protas-gtcc predict`: new videos, or features of them -> segments, labels, probabilities, progress."""

from __future__ import annotations

import dataclasses
import json
import shlex
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.alarms import AlarmFlags
from protas_gtcc.cli.shared.console import make_console, print_left_out, print_skipped, wrong_usage
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import File, Folder, Positional, Repeated
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.cli.shared.trained_on import note_training_videos
from protas_gtcc.cli.shared.video_jobs import do_videos, only_named, words_of
from protas_gtcc.cli.shared.work_lists import WORK_FIELDS, WorkFlags
from protas_gtcc.config import Axes, Device, Text
from protas_gtcc.errors import InputError, listed, noted, plain, plural
from protas_gtcc.storage.atomic import require_absent
from protas_gtcc.storage.checkpoints import find_checkpoint, require_model
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.annotations.files.format import Format
    from protas_gtcc.cli.shared.input_features import FeaturesOnTheWay
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.metrics.predicted_segments import PredictedSegment
    from protas_gtcc.predictions import Prediction, PredictionInfo

SEGMENT_TABLE = "segments.parquet"
PARTS = "parts"
"""The folder with a file of predictions for each video, of work lists."""


@dataclass(frozen=True)
class Command:
    """Predict unlabelled videos: video files, folders of them, or a file of features each (.npy, .npz, .pt, .csv, .h5,
    .mat, or keypoints).

    Features of videos are made on the way, with the backbone and at the rate of the model's training. Prints the
    segments, and of models that follow procedures the steps done and the alarms. Writes labels, probabilities and
    progress of every frame to predictions.h5, and for each video a table of frames (VIDEO.csv), a table of segments
    (VIDEO.segments.csv) and a picture (plots/VIDEO.png). If the model follows procedures, VIDEO.procedure.json has the
    steps done and the alarms.
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
    """Also write segments.parquet: the segments of all videos in one table. Needs the extra [lerobot]."""
    lerobot: Folder | None = None
    """LeRobotDataset whose episodes these are: their progress is written to sarm_progress.parquet too, which LeRobot's
    tools read. Without files of features, all of its episodes are predicted from its columns observation.*"""
    overwrite: bool = False
    """Replace the predictions of other videos in the folder, and pre-annotations that may have been corrected."""
    no_pictures: bool = False
    """Draw nothing, which is faster."""
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
    """Write no predictions.h5, but parts/VIDEO.NAME.h5 for each video; the jobs of --workers do."""
    json: bool = False
    """Print the segments as JSON."""
    budget: AlarmFlags = field(default_factory=AlarmFlags)
    lag: LagFlag = field(default_factory=LagFlag)
    video: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)
    work: WorkFlags = field(default_factory=WorkFlags)

    def run(self) -> None:
        """Predict, write and print."""
        broken: dict[str, str] = {}
        inputs, others = self._inputs(broken)
        inputs = only_named(inputs, self.only)
        if self.part is not None:
            self._run_parts(inputs, broken, self.part)
            return
        written = self.out / "predictions.h5"
        with only_writer(written, wait=False):
            if self.work:
                self._divide(inputs, others)
            else:
                self._run(inputs, others, broken, written)

    def _divide(self, inputs: list[Input], others: list[Path]) -> None:
        """Predict in jobs, and make their files one by an index."""
        from protas_gtcc.metrics.prediction_parts import write_index

        if self.lerobot is not None:
            raise InputError("--lerobot writes one table of all episodes; leave out --on and --workers")
        self._videos_in({one.name for one in inputs})
        kinds = self._formats(inputs)
        written = "out", "format", "parquet", "no_pictures", "overwrite", "json"
        kept = ("features", *written, "skip_broken", "device", "only", *WORK_FIELDS)
        stat = find_checkpoint(self.model).stat()
        facts = [*words_of(self, kept), str(stat.st_size), str(stat.st_mtime_ns)]
        part = f"{zlib.crc32(shlex.join(facts).encode()):08x}"
        is_whole = _IsWhole(self.out, part)
        try:
            with interruption_prints(WHOLE_VIDEOS_KEPT):
                command = dataclasses.replace(self, part=part, overwrite=True)
                do_videos("predict", command, inputs, is_whole, self.work, make_console(stderr=True))
        finally:
            files = {one.name: part_file(self.out, one.name, part) for one in inputs if is_whole(one)}
            if files:
                index = write_index(self.out, files)
                self._remove_earlier(set(files.values()), {self.out / "predictions.h5"})
                self._write_annotations(kinds, index, inputs)
        print_left_out(others)
        if self.json:
            print(json.dumps({"predictions": str(index), "videos": list(files)}))
        else:
            print(f"{index}: the predictions of {len(files)} of {plural(len(inputs), 'video')}")

    def _run_parts(self, inputs: list[Input], broken: dict[str, str], part: str) -> None:
        """As a job: predict one video after the other; its file appears last, when all of it is there."""
        from protas_gtcc.cli.shared.input_features import FeaturesOnTheWay
        from protas_gtcc.metrics.prediction_files import write_predictions

        left = [one for one in inputs if one.name not in broken and not _IsWhole(self.out, part)(one)]
        model, info = self._load()
        note_training_videos(model, [one.name for one in left])
        if any(one.is_video for one in left):
            with processors_for_backbone():
                self.video.give(model)
        with FeaturesOnTheWay(model, left, self.fps, self.feature_axes, broken, self.skip_broken) as features:
            for one in left:
                if one.name not in broken:
                    with noted(broken, one.name, self.skip_broken):
                        prediction = _predict(model, one, features, self.task)
                        self._write_one(one.name, prediction, info, model)
                        write_predictions(part_file(self.out, one.name, part), [(one.name, prediction)], info)
        print_skipped(broken)

    def _remove_earlier(self, kept: set[Path], others: set[Path]) -> None:
        """Remove earlier files of predictions, which the index no longer names."""
        for path in {*(self.out / PARTS).rglob("*.h5"), *others} - kept:
            path.unlink(missing_ok=True)

    def _run(self, inputs: list[Input], others: list[Path], broken: dict[str, str], written: Path) -> None:
        from protas_gtcc.metrics.prediction_files import write_predictions

        replaced = self._videos_in({one.name for one in inputs})
        kinds = self._formats(inputs)
        from protas_gtcc.cli.shared.input_features import FeaturesOnTheWay  # which imports torch

        model, info = self._load()
        note_training_videos(model, [one.name for one in inputs])
        if any(one.is_video for one in inputs):
            with processors_for_backbone():  # ONNX Runtime counts its threads when a model is opened
                self.video.give(model)
        given = self.fps, self.feature_axes, broken, self.skip_broken
        with FeaturesOnTheWay(model, inputs, *given) as features:
            found = self._predictions(model, inputs, features, broken, replaced)
            write_predictions(written, found, info)
        self._remove_earlier(set(), {self.out / PREDICTIONS_INDEX})
        segments, procedures = self._write_each(written, info, model)
        self._write_annotations(kinds, written, inputs)
        if self.lerobot is not None:
            self._write_episodes(self.lerobot, written, info)
        for video in replaced - segments.keys():
            for name in (f"{video}.csv", f"{video}.segments.csv", f"{video}.procedure.json", f"plots/{video}.png"):
                (self.out / name).unlink(missing_ok=True)
            if (self.out / "annotations").is_dir():
                from protas_gtcc.cli.shared.pre_annotations import remove_pre_annotations

                remove_pre_annotations(self.out, video)
        self._report(written, info, segments, procedures, broken, replaced)
        print_left_out(others)
        if broken and not self.skip_broken:
            kept = f"the predictions of {listed(segments)} are in {self.out}"
            raise InputError(f"{next(iter(broken.values()))} ({kept}; --skip-broken goes on with the others)")

    def _write_episodes(self, folder: Path, written: Path, info: PredictionInfo) -> None:
        """Write the progress of the predicted episodes from the file of predictions, which is whole."""
        from protas_gtcc.cli.shared.episodes import open_episodes, write_episodes
        from protas_gtcc.metrics.prediction_files import open_predictions

        files = open_predictions(written)
        videos = ((video, files.read(video)) for video in files.video_names)
        write_episodes(open_episodes(folder), self.out, videos, info)

    def _report(
        self,
        written: Path,
        info: PredictionInfo,
        segments: dict[str, list[PredictedSegment]],
        procedures: dict[str, dict[str, Any]],
        broken: dict[str, str],
        replaced: set[str],
    ) -> None:
        """Print the segments and procedures, what was resampled and replaced, and what is left out."""
        if self.json:
            rows = {video: [dataclasses.asdict(one) for one in found] for video, found in segments.items()}
            print(json.dumps({"predictions": str(written), "videos": rows, "broken": broken}))
        else:
            from protas_gtcc.cli.shared.predicted_lines import lines

            print("\n".join([*lines(segments, procedures), "", f"everything is in {self.out}"]))
            if self.fps is not None and self.fps != info.fps:
                what = f"features were resampled from {plain(self.fps)} to the model's {plain(info.fps)} fps"
                print(f"{what}, the rate of the results")
            if replaced:
                print(f"the earlier predictions of {listed(sorted(replaced))} were replaced")
        if self.skip_broken:
            print_skipped(broken)

    def _formats(self, inputs: list[Input]) -> list[Format]:
        """The wanted forms of pre-annotations; what is wrong with them is known before anything is predicted."""
        if self.parquet:
            from protas_gtcc.storage.parquet import require_parquet

            require_parquet(self.out / SEGMENT_TABLE)
        if not self.format:
            return []
        from protas_gtcc.cli.shared.pre_annotations import wanted_formats

        return wanted_formats(self.format, self.out, [one.name for one in inputs], self.overwrite)

    def _write_annotations(self, kinds: list[Format], written: Path, inputs: list[Input]) -> None:
        """Write the table of segments, and pre-annotations, of what was predicted."""
        if self.parquet:
            from protas_gtcc.metrics.prediction_files import open_predictions
            from protas_gtcc.metrics.segment_table import write_segment_table

            files = open_predictions(written)
            assert files.info is not None, "HDF5 files have it"
            write_segment_table(self.out / SEGMENT_TABLE, files, files.info)
        if kinds:
            from protas_gtcc.cli.shared.pre_annotations import write_pre_annotations
            from protas_gtcc.metrics.prediction_files import open_predictions

            media = {one.name: one.path for one in inputs if one.is_video}
            write_pre_annotations(kinds, self.out, open_predictions(written), media)

    def _load(self) -> tuple[TrainedModel, PredictionInfo]:
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import choose_device, load
        from protas_gtcc.live.row_sources import info_of, rate_of

        model = load(self.model, choose_device(self.device))
        require_no_control(model.facts.config, "predict")
        model.task_number(self.task)  # refused now, not after minutes of making features
        self.budget.give(model)
        self.lag.give(model)
        return model, info_of(model, rate_of(model, self.fps))

    def _predictions(
        self,
        model: TrainedModel,
        inputs: list[Input],
        features: FeaturesOnTheWay,
        broken: dict[str, str],
        replaced: set[str],
    ) -> Iterator[tuple[str, Prediction]]:
        """Predict one input after the other; at the first broken one, end or go on, as wanted.

        Raises `InputError` if none can be predicted, and where ending would lose earlier predictions.
        """
        done: set[str] = set()
        for one in inputs:
            if one.name in broken:
                continue
            may_end = len(done) > 0 and (self.overwrite or replaced <= done)
            with noted(broken, one.name, self.skip_broken or may_end):
                prediction = _predict(model, one, features, self.task)
                done.add(one.name)
                yield one.name, prediction
            if broken and not self.skip_broken:
                return
        if not done:
            raise InputError(f"none of {plural(len(inputs), 'file')} can be predicted: {next(iter(broken.values()))}")

    def _write_each(
        self, written: Path, info: PredictionInfo, model: TrainedModel
    ) -> tuple[dict[str, list[PredictedSegment]], dict[str, dict[str, Any]]]:
        """Write tables and pictures from the file of predictions, which is whole: a refused video leaves nothing.

        Returns the segments of each video, and the procedures of those that have one.
        """
        from protas_gtcc.metrics.prediction_files import open_predictions

        segments, procedures = {}, {}
        for video in (files := open_predictions(written)).video_names:
            segments[video], procedure = self._write_one(video, files.read(video), info, model)
            if procedure is not None:
                procedures[video] = procedure
        return segments, procedures

    def _write_one(
        self, video: str, prediction: Prediction, info: PredictionInfo, model: TrainedModel
    ) -> tuple[list[PredictedSegment], dict[str, Any] | None]:
        """Write the tables and the picture of a video; returns its segments and its procedure."""
        from protas_gtcc.metrics.predicted_procedures import predicted_procedure, write_procedure_file
        from protas_gtcc.metrics.predicted_segments import predicted_segments, write_segments
        from protas_gtcc.metrics.prediction_csv import write_csv

        write_csv(self.out, video, prediction, info)
        segments = predicted_segments(prediction, info)
        write_segments(self.out, video, segments)
        given = self.task is not None
        procedure = predicted_procedure(video, prediction, info, model.task_steps, model.alarms, given)
        write_procedure_file(self.out, video, procedure)
        if not self.no_pictures:
            from protas_gtcc.report.video_picture import plot_video

            plot_video(self.out / "plots" / f"{video}.png", video, None, prediction, info)
        return segments, procedure

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
                return episode_inputs(layout), []
        if not self.features:
            wrong_usage("predict", "name videos, folders of them, or files of features")
        inputs, others = find_inputs(self.features, self.out, broken, self.skip_broken, set(self.only))
        if self.fps is not None and all(one.is_video for one in inputs):
            raise InputError("--fps is for files of features; videos are taken at the model's rate: leave it out")
        return inputs, others

    def _videos_in(self, names: set[str]) -> set[str]:
        """Videos in the folder; without --overwrite, the loss of predictions of other videos is refused."""
        from protas_gtcc.metrics.prediction_files import open_predictions

        found, lost = set[str](), ""
        index = self.out / PREDICTIONS_INDEX
        written = index if index.exists() else self.out / "predictions.h5"
        if written.exists():
            try:
                found = set(open_predictions(written).video_names)
                if others := sorted(found - names):
                    lost = f"predictions of other videos, {listed(others)}"
            except InputError as error:
                lost = f"{written.name}, which cannot be read ({error})"
        elif tables := sorted(stem for stem in names if (self.out / f"{stem}.csv").exists()):
            lost = f"CSV files of {listed(tables)} that this would replace"
        if lost and not self.overwrite:
            raise InputError(f"{self.out} has {lost}; give another --out, or --overwrite")
        return found


def part_file(out: Path, video: str, part: str) -> Path:
    """The file of one video's predictions."""
    return out / PARTS / f"{video}.{part}.h5"


@dataclass(frozen=True)
class _IsWhole:
    """Whether a video's predictions are in the folder, with these settings, and not older than the video."""

    out: Path
    part: str

    def __call__(self, video: VideoFile) -> bool:
        try:
            written, read = part_file(self.out, video.name, self.part).stat(), video.path.stat()
        except OSError:
            return False
        return written.st_mtime_ns >= read.st_mtime_ns


def _predict(model: TrainedModel, one: Input, features: FeaturesOnTheWay, task: str | None) -> Prediction:
    """The prediction of an input. Raises `InputError`, which names the file."""
    values = features.of(one)
    try:
        return model.predict(values, task=task)
    except InputError as error:
        raise InputError(f"{one.path}: {error}") from error
