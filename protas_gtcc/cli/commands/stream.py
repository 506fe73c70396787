"""`protas-gtcc stream`: follow one person live: a camera, a video, or features from a file, a pipe or a socket."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from protas_gtcc.cli.shared.alarms import AlarmFlags
from protas_gtcc.cli.shared.interruption import interruption_prints
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import File, Positional
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.cli.shared.trained_on import note_training_videos
from protas_gtcc.config import Axes, Device
from protas_gtcc.errors import InputError, lacks_package, plain
from protas_gtcc.serve.listening import listening
from protas_gtcc.storage.checkpoints import require_model
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.video.cameras import SILENT_SECONDS, is_live

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.live.sinks import Sink
    from protas_gtcc.streaming.following import FrameSource
    from protas_gtcc.streaming.streams import Stream
    from protas_gtcc.video.sources import PictureSource


@dataclass(frozen=True)
class Command:
    """Follow one person frame by frame: a live view on a terminal, else one line of JSON per frame.

    The result for a frame needs no later frame, whatever the source. Of videos and cameras, features are made on the
    way, with the backbone and at the rate of the model's training; lines then have the delay, in parts.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    source: Positional[str]
    """A video file; camera:0 or another number or name; screen; rtsp://… or another address of a video. Or features: a
    file as 'predict' takes it, which is replayed; a file of frames; - for standard input; or tcp://HOST:PORT."""
    format: Literal["auto", "features", "text", "raw"] = "auto"
    """Format of the source. features: a file as 'predict' takes it; text: one frame per line, numbers separated by
    spaces or commas; raw: little-endian float32. auto decides by what is in a file; .f32, .raw and .bin are raw."""
    feature_axes: Axes = "auto"
    """Axes of a file of features, T frames by D; with auto, D is the axis of the model's feature size."""
    task: str | None = None
    """Task of the person, of which only the steps are reported; by default the model infers it."""
    real_time: bool = False
    """Replay a video, or a file of features at --fps, in real time, as a camera would give it; by default at full
    speed."""
    fps: float | None = None
    """Frames per second of the features, where the model does not know them; a stream is at the model's rate."""
    growing: bool = False
    """Wait for more frames at the end of a file of frames, .txt, .csv or raw."""
    buffer: int | None = None
    """Frames that may wait when the source is faster than the model; by default 64, and 1 where a camera's are dropped.
    """
    when_behind: Literal["block", "drop"] | None = None
    """When the buffer is full: let the source wait, or drop the oldest frames, count them, and let the next one stand
    for them. By default, those of cameras and of videos in real time are dropped."""
    every_frame: bool = False
    """Take every frame of a camera, although the delay may grow: '--when-behind block'."""
    give_up_seconds: float | None = None
    """End with an error if the source sends nothing for this time; by default 10 for cameras, else without limit."""
    lines: File | None = None
    """Also append the lines of JSON to this file."""
    web: int | None = None
    """Also show a live page on this port of this machine; 0 takes a free port.
    Needs the extra [serve]."""
    state: File | None = None
    """File of the stream's state: read at the start if it exists, written then and at the end. Frame numbers
    continue, and so does the task; a state of another --task is refused."""
    json: bool = False
    """Print lines of JSON on a terminal too."""
    every_class: bool = False
    """Add probabilities and progress of every class to the lines."""
    device: Device = "auto"
    """Where the backbone of videos computes; auto takes a GPU if there is one. The model itself needs none."""
    budget: AlarmFlags = field(default_factory=AlarmFlags)
    lag: LagFlag = field(default_factory=LagFlag)
    video: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)

    def run(self) -> None:
        """Follow to the end of the source."""
        self._check_flags()
        require_model(self.model)  # before the seconds that importing torch takes
        if self._is_video and not is_live(self.source):
            from protas_gtcc.video.opening import open_video

            with open_video(Path(self.source)):
                pass
        if self.web is not None:
            with listening("127.0.0.1", self.web):
                pass
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import load
        from protas_gtcc.live import pipeline

        model = load(self.model)
        require_no_control(model.facts.config, "stream")
        fps = self._frame_rate(model)
        if not is_live(self.source):
            note_training_videos(model, [Path(self.source).stem])
        self.budget.give(model)
        self.lag.give(model)
        stream = model.stream(task=self.task)
        with ExitStack() as closing:
            if self.state is not None:
                closing.enter_context(only_writer(self.state, wait=False))
            if self.state is not None and self.state.exists():
                stream.load(self.state)
            source, give_up = self._source(model, stream, fps, closing)
            sinks = self._sinks(model, stream, fps, closing)
            if self.state is not None:
                stream.save(self.state)  # a path that cannot be written is refused now, not after hours
                closing.callback(stream.save, self.state)
            when_behind = "block" if self.every_frame else self.when_behind
            first = stream.num_frames
            with interruption_prints("stopped"):  # the usual end of a camera
                pipeline.run(
                    stream,
                    source,
                    sinks,
                    self.buffer,
                    when_behind,
                    give_up_seconds=give_up,
                    first_frame=first,
                    goes_on=self.state is not None,
                )

    def _source(
        self, model: TrainedModel, stream: Stream, fps: float | None, closing: ExitStack
    ) -> tuple[FrameSource, float | None]:
        """The source, and the seconds after which its silence is an error."""
        from protas_gtcc.inference import choose_device
        from protas_gtcc.live.sources import Replay, open_source

        if self._is_video:
            closing.enter_context(processors_for_backbone())
            self.video.give(model, choose_device(self.device))
            silent = self.give_up_seconds or SILENT_SECONDS
            source = model.source(self.source, self.real_time, silent_seconds=silent)
            source.resume(stream.num_frames, stream.pictures)
            closing.callback(_print_notes, source)
            return source, silent if source.is_live else self.give_up_seconds
        if self._is_replay:
            features = model.file_features(Path(self.source), fps, self.feature_axes, mmap_mode="r")
            return Replay(self.source, features, fps if self.real_time else None), self.give_up_seconds
        dim, joining = model.facts.feature_dim, model.facts.joining
        return open_source(self.source, dim, self.format, self.growing, joining), self.give_up_seconds

    @property
    def _is_video(self) -> bool:
        """Whether the source is of pictures."""
        from protas_gtcc.video.naming import is_video

        return self.format == "auto" and (is_live(self.source) or is_video(Path(self.source)))

    @property
    def _is_replay(self) -> bool:
        from protas_gtcc.live.sources import is_replay

        return not self._is_video and is_replay(self.source, self.format, self.growing)

    def _check_flags(self) -> None:
        if self.buffer is not None and self.buffer < 1:
            raise InputError(f"--buffer is {self.buffer}; it must be at least 1 frame")
        if self.growing and (self._is_replay or self._is_video):
            raise InputError("--growing is for files of frames; leave it out for features and for videos")
        if self.real_time and not (self._is_replay or (self._is_video and not is_live(self.source))):
            raise InputError("--real-time is for videos and files of features; leave it out for other sources")
        if self.every_frame and self.when_behind == "drop":
            raise InputError("--every-frame and --when-behind drop exclude each other; leave one out")
        if self.give_up_seconds is not None and not self.give_up_seconds > 0:
            raise InputError(f"--give-up-seconds is {self.give_up_seconds:g}; it must be above 0")

    def _frame_rate(self, model: TrainedModel) -> float | None:
        from protas_gtcc.annotations.resampling import require_rate

        known, fps = model.facts.fps, model.facts.fps if self.fps is None else self.fps
        if self.real_time and fps is None:
            raise InputError("--real-time needs frames per second, which the model does not have; give --fps")
        if fps is not None:
            require_rate(fps)
        if fps is not None and known is not None and fps != known:
            what = f"the model takes {plain(known)} frames per second, and a stream is not resampled"
            way_out = f"send frames at that rate, or use 'predict --fps {plain(fps)}'"
            raise InputError(f"--fps is {plain(fps)}: {what}; {way_out}")
        return fps

    def _sinks(self, model: TrainedModel, stream: Stream, fps: float | None, closing: ExitStack) -> list[Sink]:
        from protas_gtcc.cli.shared.console import make_console
        from protas_gtcc.live.sinks import DelayLine, JsonLines
        from protas_gtcc.live.terminal import Terminal
        from protas_gtcc.storage.line_file import LineFile

        sinks: list[Sink] = []
        if sys.stdout.isatty() and not self.json:
            sinks.append(Terminal(make_console(), model.facts, fps, model.task_steps, model.tasks))
        else:
            sinks.append(JsonLines(sys.stdout, model.class_names, fps, self.every_class, model.tasks))
            sinks.append(DelayLine(make_console(stderr=True)))
        if self.lines is not None:
            file = closing.enter_context(LineFile(self.lines))
            sinks.append(JsonLines(file, model.class_names, fps, self.every_class, model.tasks))
        if self.web is not None:
            sinks.append(self._page(model, stream, self.web, closing))
        return sinks

    def _page(self, model: TrainedModel, stream: Stream, port: int, closing: ExitStack) -> Sink:
        try:
            from protas_gtcc.serve.live_page import LivePage
        except ImportError as error:
            raise lacks_package("--web", error, "serve") from error
        model.compile_streams()  # whoever opens the page would wait for it
        page = LivePage(model, port, events=stream.events)
        closing.callback(page.close)
        print(page.address, file=sys.stderr, flush=True)
        return page


def _print_notes(source: PictureSource) -> None:
    for note in source.notes:
        print(f"{source.name}: {note}", file=sys.stderr)
