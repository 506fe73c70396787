"""`protas-gtcc stream`: follow a person live, from a file, a growing file, a pipe or a socket."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.dataset.reader import require_no_control
from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.live import JsonLines, Sink, Terminal, open_source, pipeline
from protas_gtcc.storage.npy import Axes


@dataclass(frozen=True)
class Command:
    """Follow a person frame by frame: a live view on a terminal, else one line of JSON for each frame.

    The result for a frame never waits for a later one, whatever the source.
    """

    model: tyro.conf.Positional[Path]
    """A run directory, a checkpoint, or a reference checkpoint."""
    source: tyro.conf.Positional[str]
    """A .npy file of features, replayed; a file of frames; - for standard input; tcp://HOST:PORT."""
    format: Literal["auto", "npy", "text", "raw"] = "auto"
    """text: a frame a line, numbers with spaces or commas between; raw: little-endian float32. By default .npy is npy,
    .f32, .raw and .bin are raw, all else is text."""
    feature_axes: Axes = "auto"
    """Axes of a .npy file: [D, T], [T, D], or auto: the axis of the model's feature size is D."""
    speed: Literal["full", "real"] = "full"
    """Replay a .npy file as fast as it goes, or at --fps."""
    fps: float | None = None
    """Frames a second; by default those the model was trained at."""
    growing: tyro.conf.FlagCreatePairsOff[bool] = False
    """At the end of a file of frames, wait for more."""
    buffer: int = 64
    """Frames that may wait when the source is faster than the model."""
    when_behind: Literal["block", "drop"] = "block"
    """With a full buffer: let the source wait, or drop the oldest frames and count them in the output."""
    give_up_seconds: float | None = None
    """End with an error when the source has been silent for so long; by default wait for ever."""
    lines: Path | None = None
    """Add the lines of JSON to the end of this file too."""
    web: int | None = None
    """Show a live page on this port of this machine too (0: a free one; needs the extra [serve])."""
    state: Path | None = None
    """File of the stream's state: gone on from if it is there, written at the end. Frames are numbered on."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Lines of JSON on a terminal too."""
    every_class: tyro.conf.FlagCreatePairsOff[bool] = False
    """Put probabilities and progress of every class into the lines."""

    def run(self) -> None:
        """Follow to the end of the source."""
        if self.buffer < 1:
            raise InputError(f"--buffer is {self.buffer}; at least 1 frame must be able to wait")
        model = load(self.model)
        require_no_control(model.facts.config, "stream")
        fps = model.facts.fps if self.fps is None else self.fps
        is_replay = self.format == "npy" or (self.format == "auto" and self.source.endswith(".npy"))
        if self.growing and is_replay:
            raise InputError("--growing is for files of frames; a .npy file is written in one piece")
        if self.speed == "real" and not is_replay:
            raise InputError("--speed real replays .npy files; other sources come at their own speed")
        if self.give_up_seconds is not None and not self.give_up_seconds > 0:
            raise InputError(f"--give-up-seconds is {self.give_up_seconds:g}; it must be positive")
        if self.speed == "real" and fps is None:
            raise InputError("--speed real needs to know the frames a second; give --fps")
        if fps is not None and not 0 < fps < float("inf"):
            raise InputError(f"--fps is {fps:g}; frames a second must be positive")
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

    def _sinks(self, model: TrainedModel, fps: float | None, closing: ExitStack) -> list[Sink]:
        sinks: list[Sink] = []
        if sys.stdout.isatty() and not self.json:
            sinks.append(Terminal(make_console(), model.class_names, model.background, fps))
        else:
            sinks.append(JsonLines(sys.stdout, model.class_names, fps, self.every_class))
        if self.lines is not None:
            try:
                file = closing.enter_context(open(self.lines, "a", encoding="utf-8"))  # noqa: SIM115 (the stack closes it)
            except OSError as error:
                raise InputError(f"cannot write {self.lines}: {error.strerror}") from error
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
