"""`protas-gtcc stream`: follow one person live, from a file, a growing file, a pipe or a socket."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from protas_gtcc.cli.shared.parsing import File, Positional
from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError, lacks_package, plain
from protas_gtcc.storage.checkpoints import find_checkpoint

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.live.sinks import Sink


@dataclass(frozen=True)
class Command:
    """Follow one person frame by frame: a live view on a terminal, else one line of JSON per frame.

    The result for a frame needs no later frame, whatever the source.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    source: Positional[str]
    """A .npy file of features, which is replayed; a file of frames; - for standard input; or tcp://HOST:PORT."""
    format: Literal["auto", "npy", "text", "raw"] = "auto"
    """Format of the source. text: one frame per line, numbers separated by spaces or commas; raw: little-endian
    float32. auto decides by the file's name: npy for .npy; raw for .f32, .raw and .bin; else text."""
    feature_axes: Axes = "auto"
    """Axes of a .npy file, T frames by D features; with auto, D is the axis of the model's feature size."""
    speed: Literal["full", "real"] = "full"
    """Replay a .npy file at full speed, or in real time at --fps."""
    fps: float | None = None
    """Frames per second of the features, where the model does not know them; a stream is at the model's rate."""
    growing: bool = False
    """Wait for more frames at the end of a file of frames."""
    buffer: int = 64
    """Frames that may wait when the source is faster than the model."""
    when_behind: Literal["block", "drop"] = "block"
    """When the buffer is full: let the source wait, or drop the oldest frames and count them in the output."""
    give_up_seconds: float | None = None
    """End with an error if the source sends nothing for this time; by default wait without limit."""
    lines: File | None = None
    """Also append the lines of JSON to this file."""
    web: int | None = None
    """Also show a live page on this port of this machine; 0 takes a free port.
    Needs pip install 'protas_gtcc[serve]'."""
    state: File | None = None
    """File of the stream's state: read at the start if it exists, written then and at the end. Frame numbers
    continue."""
    json: bool = False
    """Print lines of JSON on a terminal too."""
    every_class: bool = False
    """Add probabilities and progress of every class to the lines."""

    def run(self) -> None:
        """Follow to the end of the source."""
        self._check_flags()
        find_checkpoint(self.model)  # before the seconds that importing torch takes
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import load
        from protas_gtcc.live import pipeline
        from protas_gtcc.live.sources import open_source
        from protas_gtcc.storage.feature_facts import require_extractor

        model = load(self.model)
        require_no_control(model.facts.config, "stream")
        fps = self._frame_rate(model)
        if self._is_replay and fps is not None:
            require_extractor(Path(self.source), model.facts.extractor, fps)
        pace = fps if self.speed == "real" else None
        source = open_source(
            self.source, model.facts.feature_dim, self.format, pace, self.growing, axes=self.feature_axes
        )
        stream = model.stream()
        if self.state is not None and self.state.exists():
            stream.load(self.state)
        with ExitStack() as closing:
            sinks = self._sinks(model, fps, closing)
            if self.state is not None:
                stream.save(self.state)  # a path that cannot be written is refused now, not after hours
                closing.callback(stream.save, self.state)
            pipeline.run(
                stream,
                source,
                sinks,
                self.buffer,
                self.when_behind,
                give_up_seconds=self.give_up_seconds,
                first_frame=stream.num_frames,
            )

    @property
    def _is_replay(self) -> bool:
        return self.format == "npy" or (self.format == "auto" and self.source.endswith(".npy"))

    def _check_flags(self) -> None:
        if self.buffer < 1:
            raise InputError(f"--buffer is {self.buffer}; it must be at least 1 frame")
        if self.growing and self._is_replay:
            raise InputError("--growing is for files of frames; leave it out for a .npy file")
        if self.speed == "real" and not self._is_replay:
            raise InputError("--speed real is for .npy files; leave it out for other sources")
        if self.give_up_seconds is not None and not self.give_up_seconds > 0:
            raise InputError(f"--give-up-seconds is {self.give_up_seconds:g}; it must be above 0")

    def _frame_rate(self, model: TrainedModel) -> float | None:
        from protas_gtcc.annotations.resampling import require_rate

        known, fps = model.facts.fps, model.facts.fps if self.fps is None else self.fps
        if self.speed == "real" and fps is None:
            raise InputError("--speed real needs frames per second, which the model does not have; give --fps")
        if fps is not None:
            require_rate(fps)
        if fps is not None and known is not None and fps != known:
            what = f"the model takes {plain(known)} frames per second, and a stream is not resampled"
            way_out = f"send frames at that rate, or use 'predict --fps {plain(fps)}'"
            raise InputError(f"--fps is {plain(fps)}: {what}; {way_out}")
        return fps

    def _sinks(self, model: TrainedModel, fps: float | None, closing: ExitStack) -> list[Sink]:
        from protas_gtcc.cli.shared.console import make_console
        from protas_gtcc.live.sinks import JsonLines, Terminal
        from protas_gtcc.storage.line_file import LineFile

        sinks: list[Sink] = []
        if sys.stdout.isatty() and not self.json:
            sinks.append(Terminal(make_console(), model.class_names, model.background, fps))
        else:
            sinks.append(JsonLines(sys.stdout, model.class_names, fps, self.every_class))
        if self.lines is not None:
            file = closing.enter_context(LineFile(self.lines))
            sinks.append(JsonLines(file, model.class_names, fps, self.every_class))
        if self.web is not None:
            sinks.append(self._page(model, self.web, closing))
        return sinks

    def _page(self, model: TrainedModel, port: int, closing: ExitStack) -> Sink:
        try:
            from protas_gtcc.serve.live_page import LivePage
        except ImportError as error:
            raise lacks_package("--web", error, "serve") from error
        page = LivePage(model, port)
        closing.callback(page.close)
        print(page.address, file=sys.stderr, flush=True)
        return page
