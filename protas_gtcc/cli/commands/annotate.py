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

from protas_gtcc.cli.shared.annotated_rows import RowFlags, is_predictions
from protas_gtcc.cli.shared.console import (
    make_console,
    print_left_out,
    print_skipped,
    progress_bars,
    warn,
    wrong_usage,
)
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.parsing import File, Positional, Repeated
from protas_gtcc.cli.shared.video_jobs import do_videos, shares_of
from protas_gtcc.cli.shared.work_lists import WorkFlags
from protas_gtcc.config import Text
from protas_gtcc.errors import InputError, noted, plural
from protas_gtcc.storage.atomic import require_absent
from protas_gtcc.storage.checkpoints import CHECKPOINT
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.live.overlay.rows import Row


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
    over: bool = False
    """Draw over the lower part of the picture, so that its size stays as it is, in place of below it."""
    no_sound: bool = False
    """Leave the sound out."""
    strip_seconds: float = 0.0
    """Seconds of video in the strip; 0 shows all of it, or 2 minutes of a video above 5."""
    later: bool = False
    """Show the coming part of predictions as well, faint; it was not known at the time."""
    overwrite: bool = False
    """Replace the files if they exist."""
    only: Repeated[tuple[Text, ...]] = ()
    """Of several videos, annotate only this one, by its name. Repeat the flag for each."""
    skip_broken: bool = False
    """Of several videos, go on with the others where one cannot be annotated, and name it."""
    json: bool = False
    """Print what was written as JSON."""
    rows: RowFlags = field(default_factory=RowFlags)
    work: WorkFlags = field(default_factory=WorkFlags)

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
        from protas_gtcc.video.naming import find_videos, only_named

        alone = {name: getattr(self, name) for name in ("subtitles", "picture", "at")}
        for name, value in (alone | {"video": self.rows.video, "features": self.rows.features}).items():
            if value is not None:
                wrong_usage("annotate", f"--{name} is for one video; give one, or leave it out")
        if self.out is None or self.out.suffix or self.out.is_file():
            wrong_usage("annotate", "for several videos, --out must be a folder: --out annotated")
        videos, others = find_videos(given, self.out, self.only)
        videos = only_named(videos, self.only)
        # With --overwrite, what is older than this command is made again.
        is_whole = _IsWhole(self.out, time.time() if self.overwrite else 0.0)
        if self.work:
            with interruption_prints(WHOLE_VIDEOS_KEPT):
                do_videos(
                    "annotate", self, "sources", videos, shares_of(is_whole), self.work, make_console(stderr=True)
                )
        else:
            broken: dict[str, str] = {}
            predictors = tuple(path for path in self.sources if path not in given)
            for video in videos:
                if not is_whole(video):
                    with noted(broken, video.name, self.skip_broken), interruption_prints(WHOLE_VIDEOS_KEPT):
                        out, sources = annotated_file(self.out, video.name), (*predictors, video.path)
                        out.parent.mkdir(parents=True, exist_ok=True)
                        rows = dataclasses.replace(self.rows, video=video.name)
                        dataclasses.replace(self, sources=sources, out=out, rows=rows, only=(), json=False)._run_one()
            print_skipped(broken)
        print_left_out(others)
        there = [video.name for video in videos if is_whole(video)]
        if self.json:
            print(json.dumps({"out": str(self.out), "videos": there}))
        else:
            print(f"{self.out}: {len(there)} of {plural(len(videos), 'video')} annotated")

    def _run_one(self) -> None:
        self._check()
        with progress_bars() as on_progress:
            rows = self.rows.rows(self._predictors, self._video, on_progress)
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

        if not self.sources or not (self._predictors or self.rows.truth):
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
            if not is_predictions(path):
                require_model(path)
        with open_video(self._video):
            pass
        if self.out is not None and not _is_gif(self.out):
            format_of(self.out)

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


def _seconds(on_progress: Any, done: float, total: float) -> None:
    on_progress("annotate", int(done), int(total))


def _is_gif(path: Path) -> bool:
    return path.suffix.lower() == ".gif"


def _described(facts: dict[str, Any]) -> Iterator[str]:
    if "subtitles" in facts:
        yield f"{facts['subtitles']}: {facts['num_cues']} subtitles"
    if "picture" in facts:
        yield facts["picture"]
    if "video" in facts:
        width, height = facts["size"]
        what = f"{facts['num_pictures']} pictures, {facts['seconds']:.1f} s, {width}x{height}, {facts['encoder']}"
        yield f"{facts['video']}: {what}"
