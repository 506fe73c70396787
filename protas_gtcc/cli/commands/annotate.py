"""`protas-gtcc annotate`: a video and what is predicted of it -> an annotated video, subtitles, a picture."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.console import (
    make_console,
    print_left_out,
    print_skipped,
    progress_bars,
    warn,
    wrong_usage,
)
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import File, Positional, Repeated
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.cli.shared.trained_on import note_training_videos
from protas_gtcc.cli.shared.video_jobs import do_videos, only_named
from protas_gtcc.cli.shared.work_lists import WorkFlags
from protas_gtcc.config import Device, Text, require_range
from protas_gtcc.errors import InputError, noted, plural
from protas_gtcc.storage.atomic import require_absent
from protas_gtcc.storage.checkpoints import CHECKPOINT
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.video.naming import VideoFile

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
class Command:
    """Write a video with predictions below its pictures: the action, a bar of its progress, a strip of the segments.

    'annotate RUN clip.mp4 --out out.mp4' makes features of the video with the model's backbone and predicts frame by
    frame: a picture shows what was reported at its time. Only acausal models and features that look ahead see what
    comes later; a warning names them. Several runs and prediction files each get a bar. Size, rate, times and sound
    stay as they are, and the video grows by the panel below.
    """

    sources: Positional[tuple[Path, ...]]
    """Runs, checkpoints or prediction files (predictions.h5, VIDEO.csv), and as the last one the video; or several
    videos and folders of them."""
    out: File | None = None
    """Video to write: .mp4, .m4v, .mov or .mkv; or a small .gif of at most 10 pictures a second. Of several videos, the
    folder for VIDEO.mp4; those that are there are kept."""
    subtitles: File | None = None
    """Subtitles to write, WebVTT (.vtt), for any player: actions and progress."""
    picture: File | None = None
    """One annotated picture to write, PNG; needs --at."""
    at: float | None = None
    """Time of that picture, in seconds from the first one."""
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
    over: bool = False
    """Draw over the lower part of the picture, so that its size stays as it is, in place of below it."""
    no_sound: bool = False
    """Leave the sound out."""
    strip_seconds: float = 0.0
    """Seconds of video in the strip; 0 shows all of it, or 2 minutes of a video above 5."""
    later: bool = False
    """Show the coming part of predictions as well, faint; it was not known at the time."""
    batch_size: int = 16
    """Frames that the backbone takes at once."""
    threads: int = 0
    """Processor threads of the backbone; 0 leaves one processor to decoding and takes the others."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    overwrite: bool = False
    """Replace the files if they exist."""
    only: Repeated[tuple[Text, ...]] = ()
    """Of several videos, annotate only this one, by its name. Repeat the flag for each."""
    skip_broken: bool = False
    """Of several videos, go on with the others where one cannot be annotated, and name it."""
    json: bool = False
    """Print what was written as JSON."""
    own_backbone: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)
    lag: LagFlag = field(default_factory=LagFlag)
    work: WorkFlags = field(default_factory=WorkFlags)

    def __post_init__(self) -> None:
        require_range(self, batch_size=(1, 4096), threads=(0, 1024))

    def run(self) -> None:
        """Predict, draw and write."""
        if given := self._many():
            self._run_many(given)
            return
        self._run_one()

    def _many(self) -> list[Path]:
        """Several videos, or a folder of them, or one for a list of jobs; nothing for one video."""
        from protas_gtcc.video.naming import has_videos, is_video

        if not self.sources:
            return []
        others = (path for path in self.sources if path.exists() and not (path / CHECKPOINT).exists())
        given = [path for path in others if is_video(path) or has_videos(path)]
        if self.sources[0] in given:  # the order is wrong; the check of the run names it
            return []
        return given if len(given) > 1 or self.work or self.only or any(path.is_dir() for path in given) else []

    def _run_many(self, given: list[Path]) -> None:
        """Annotate several videos, here one after the other, or in jobs."""
        from protas_gtcc.video.naming import find_videos

        alone = ("subtitles", "picture", "at", "video", "features")
        for name in alone:
            if getattr(self, name) is not None:
                wrong_usage("annotate", f"--{name} is for one video; give one, or leave it out")
        if self.out is None or self.out.suffix or self.out.is_file():
            wrong_usage("annotate", "for several videos, --out must be a folder: --out annotated")
        videos, others = find_videos(given, self.out)
        videos, print_others = only_named(videos, self.only), not self.only
        # With --overwrite, what is older than this command is made again.
        is_whole = _IsWhole(self.out, time.time() if self.overwrite else 0.0)
        if self.work:
            with interruption_prints(WHOLE_VIDEOS_KEPT):
                do_videos("annotate", self, videos, is_whole, self.work, make_console(stderr=True))
        else:
            broken: dict[str, str] = {}
            predictors = tuple(path for path in self.sources if path not in given)
            for video in videos:
                if not is_whole(video):
                    with noted(broken, video.name, self.skip_broken), interruption_prints(WHOLE_VIDEOS_KEPT):
                        out, sources = annotated_file(self.out, video.name), (*predictors, video.path)
                        out.parent.mkdir(parents=True, exist_ok=True)
                        one = dataclasses.replace(self, sources=sources, out=out, only=(), video=video.name, json=False)
                        one._run_one()
            print_skipped(broken)
        if print_others:
            print_left_out(others)
        there = [video.name for video in videos if is_whole(video)]
        if self.json:
            print(json.dumps({"out": str(self.out), "videos": there}))
        else:
            print(f"{self.out}: {len(there)} of {plural(len(videos), 'video')} annotated")

    def _run_one(self) -> None:
        self._check()
        with progress_bars() as on_progress:
            rows = self._rows(on_progress)
            facts = self._write(rows, on_progress)
        for note in facts.get("notes", ()):
            warn(make_console(stderr=True))(f"{self._video}: {note}")
        print(json.dumps(facts) if self.json else "\n".join(_described(facts)))

    @property
    def _video(self) -> Path:
        return self.sources[-1]

    @property
    def _predictors(self) -> tuple[Path, ...]:
        return self.sources[:-1]

    def _check(self) -> None:
        """Refuse what can be refused before torch is imported, which takes seconds."""
        from protas_gtcc.storage.checkpoints import require_model
        from protas_gtcc.video.opening import open_video
        from protas_gtcc.video.rewriting import format_of

        if not self.sources or not (self._predictors or self.truth):
            wrong_usage("annotate", "name runs or prediction files, then the video; or a video and --truth")
        if self.out is None and self.subtitles is None and self.picture is None:
            wrong_usage("annotate", "give --out for a video, --subtitles, or --picture with --at")
        if (self.picture is None) != (self.at is None):
            wrong_usage("annotate", "--picture and --at belong together: a file and a time in seconds")
        if self.at is not None and not isfinite(self.at):
            raise InputError(f"--at is {self.at:g}; it must be a time in seconds")
        if self.strip_seconds and not 1 <= self.strip_seconds <= 86_400:
            raise InputError(f"--strip-seconds is {self.strip_seconds:g}; it must be 0, or from 1 to 86400")
        written = [path for path in (self.out, self.subtitles, self.picture) if path is not None]
        if self._video.resolve() in [path.resolve() for path in written]:
            raise InputError(f"{self._video} would be replaced by its annotation; give another name")
        require_absent(written, self.overwrite)
        for path in self._predictors:  # before the video: the two may be in the wrong order
            if not path.exists():
                raise InputError(f"no run or predictions {path}; correct the path")
            if not _is_predictions(path):
                require_model(path)
        with open_video(self._video):
            pass
        if self.out is not None and not _is_gif(self.out):
            format_of(self.out)

    def _rows(self, on_progress: Any) -> list[Row]:
        from protas_gtcc.live.row_sources import CsvFacts, VideoFeatures, row_of_file, row_of_truth
        from protas_gtcc.report.runs import distinct_names

        dataset = self._dataset()
        rows: list[Row] = []
        name = self.video or self._video.stem
        facts = CsvFacts(fps=self.fps, background_names=self.background)
        if dataset is not None:
            rows.append(self._of_this_video(row_of_truth(dataset, name)))
            info = dataset.info
            facts = CsvFacts(info.class_names, info.background, self.fps, info.fps, self.background)
        named = [path.parent if path.name in OF_RUNS else _without_ending(path) for path in self._predictors]
        names = ["predicted"] if len(named) == 1 else distinct_names(named)
        num_runs = sum(not _is_predictions(path) for path in self._predictors)
        features = VideoFeatures(self._video, self.batch_size, keep=num_runs > 1)
        for path, shown in zip(self._predictors, names, strict=True):
            if _is_predictions(path):
                rows.append(self._of_this_video(row_of_file(shown, path, name, facts)))
            else:
                rows.append(self._row_of_run(shown, path, features, functools.partial(on_progress, shown)))
        return rows

    def _dataset(self) -> Dataset | None:
        from protas_gtcc.prepare.known_datasets import open_dataset

        return None if self.truth is None else open_dataset(self.truth, warn(make_console(stderr=True)))

    def _row_of_run(self, name: str, path: Path, of_video: VideoFeatures, on_frames: Any) -> Row:
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import choose_device, load
        from protas_gtcc.live.row_sources import row_of_features, row_of_video

        model = load(path, choose_device(self.device))
        require_no_control(model.facts.config, "annotate")
        self.lag.give(model)
        model.task_number(self.task)  # refused now, not after minutes of making features
        _note_what_it_sees(model, path)
        note_training_videos(model, [self.video or self._video.stem])
        if self.features is not None:
            return self._of_this_video(row_of_features(name, model, self.features, self.fps, self.task))
        with processors_for_backbone(self.threads):
            if not of_video.are_kept(model):
                self.own_backbone.give(model)
            return row_of_video(name, model, of_video.batches(model, on_frames), self.task)

    def _of_this_video(self, row: Row) -> Row:
        """The row, if it is about as long as the video: by its header, and where that differs, by its packets."""
        from protas_gtcc.live.row_sources import require_length
        from protas_gtcc.video.opening import open_video, seconds_of_packets

        with open_video(self._video) as video:
            seconds = video.about_seconds or 0.0
        try:
            require_length(row, seconds, self._video)
        except InputError:
            require_length(row, seconds_of_packets(self._video), self._video)
        return row

    def _write(self, rows: Sequence[Row], on_progress: Any) -> dict[str, Any]:
        from protas_gtcc.live.overlay.overlay import Overlay
        from protas_gtcc.live.subtitles import write_subtitles
        from protas_gtcc.report.colours import class_looks
        from protas_gtcc.video.gif_files import write_gif
        from protas_gtcc.video.opening import first_picture_seconds
        from protas_gtcc.video.picture_files import write_picture
        from protas_gtcc.video.rewriting import rewrite

        facts: dict[str, Any] = {"rows": [row.name for row in rows]}

        def make_draw(width: int, height: int) -> Any:
            return Overlay(rows, width, height, self.strip_seconds, self.later).draw

        if self.subtitles is not None:
            cues = write_subtitles(self.subtitles, rows, first_picture_seconds(self._video))
            facts |= {"subtitles": str(self.subtitles), "num_cues": cues}
        if self.picture is not None and self.at is not None:
            write_picture(self.picture, self._video, make_draw, Fraction(self.at).limit_denominator(10**6), self.over)
            facts["picture"] = str(self.picture)
        if self.out is not None:
            on_seconds = functools.partial(_seconds, on_progress)
            if _is_gif(self.out):
                colours = sorted({look.fill for row in rows for look in class_looks(row.info)})
                done = write_gif(self.out, self._video, make_draw, self.over, colours, on_seconds)
            else:
                done = rewrite(self._video, self.out, make_draw, self.over, not self.no_sound, on_seconds)
            facts |= {"video": str(self.out), **vars(done)}
        return facts


def annotated_file(out: Path, video: str) -> Path:
    """The file of one of several annotated videos."""
    return out / f"{video}.mp4"


@dataclass(frozen=True)
class _IsWhole:
    """Whether a video is annotated in the folder, since a time."""

    out: Path
    since: float

    def __call__(self, video: VideoFile) -> bool:
        try:
            return annotated_file(self.out, video.name).stat().st_mtime >= self.since
        except OSError:
            return False


def _note_what_it_sees(model: TrainedModel, path: Path) -> None:
    """Warn if the row of a model shows what was not known at the time."""
    ahead, is_causal = model.facts.look_ahead_frames, model.facts.config.model.causal
    if ahead or not is_causal:
        seen = f"{plural(ahead, 'frame')} ahead" if is_causal else "the whole video"
        warn(make_console(stderr=True))(f"{path} sees {seen}: its row shows what was not known at the time")


def _seconds(on_progress: Any, done: float, total: float) -> None:
    on_progress("annotate", int(done), int(total))


def _is_gif(path: Path) -> bool:
    return path.suffix.lower() == ".gif"


def _is_predictions(path: Path) -> bool:
    return (path.suffix.lower() in PREDICTIONS or path.name == PREDICTIONS_INDEX) and path.is_file()


def _without_ending(path: Path) -> Path:
    return path.with_suffix("") if path.is_file() else path


def _described(facts: dict[str, Any]) -> Iterator[str]:
    if "subtitles" in facts:
        yield f"{facts['subtitles']}: {facts['num_cues']} subtitles"
    if "picture" in facts:
        yield facts["picture"]
    if "video" in facts:
        width, height = facts["size"]
        what = f"{facts['num_pictures']} pictures, {facts['seconds']:.1f} s, {width}x{height}, {facts['encoder']}"
        yield f"{facts['video']}: {what}"
