"""A video file -> the same video with a panel on every picture: same rate and times, and its sound as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.video.drawn import Drawn, MakeDraw, drawn
from protas_gtcc.video.encoders import find_encoder
from protas_gtcc.video.frames import Decoded
from protas_gtcc.video.opening import OpenVideo, open_video

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats that are written, by the ending of the file."""
OPTIONS = {"libx264": {"preset": "veryfast", "crf": "20", "chromaoffset": "-6"}, "mpeg4": {"qmin": "2", "qmax": "6"}}
"""Encoder -> its settings: hardly any loss to the eye, and less in colours, which a panel needs."""
FINEST_TICK = {"mpeg4": 60_000}
"""The most ticks a second that an encoder takes."""

OnSeconds = Callable[[float, float], None]
"""Is called with the seconds of video that are done, and about how many there are in all."""


@dataclass(frozen=True)
class Rewritten:
    """What was written."""

    num_pictures: int
    seconds: float
    size: tuple[int, int]
    """Width and height in pixels, the panel included."""
    encoder: str
    notes: list[str]
    """What was wrong with the video."""


def rewrite(
    path: Path,
    out: Path,
    make_draw: MakeDraw,
    over: bool = False,
    sound: bool = True,
    on_seconds: OnSeconds = lambda done, total: None,
    threads: int = 0,
) -> Rewritten:
    """Write the video at `path` to `out` with a panel on each picture, and its `sound`. Few pictures are in memory.

    The file appears when it is whole. Raises `BrokenVideo` for what is no video, and `InputError` for a format that is
    not written, for sound that the format does not hold, and if the disk refuses.
    """
    kind = format_of(out)
    with open_video(path) as video, replace_when_whole(out) as temporary:
        sounds = list(video.container.streams.audio) if sound else []
        with _Output(temporary, kind, video, sounds, threads) as output:
            decoded = Decoded(video, threads, sounds, output.sound)
            end, total = Fraction(0), video.about_seconds or 0.0
            for one in drawn(video, decoded, make_draw, over):
                output.picture(one)
                end = one.end
                on_seconds(float(end), max(float(end), total))
            output.finish()
        return Rewritten(output.num_pictures, float(end), output.size, output.encoder, decoded.notes() + output.notes())


def format_of(out: Path) -> str:
    """FFmpeg's name of the format of a file. Raises `InputError` for an ending that is not written."""
    if out.suffix.lower() not in FORMATS:
        raise InputError(
            f"{out}: a video is written as {listed(FORMATS)} or .gif; give a name with one of these endings"
        )
    return FORMATS[out.suffix.lower()]


class _Output:
    """The file that is written."""

    def __init__(self, path: Path, kind: str, source: OpenVideo, sounds: Sequence[AudioStream], threads: int):
        self.num_pictures, self.size, self.encoder = 0, (0, 0), find_encoder()
        self._path, self._kind, self._source, self._threads = path, kind, source, threads
        self._sounds = sounds
        self._copies: dict[int, AudioStream] = {}
        self._early: list[Any] = []
        self._stream: Any = None
        self._ticks: dict[int, int] = {}
        self._num_lost = 0

    def __enter__(self) -> _Output:
        import av

        options = {"movflags": "faststart"} if self._kind in ("mp4", "mov") else {}
        self._container: OutputContainer = av.open(str(self._path), "w", format=self._kind, options=options)
        try:
            self._require_sound()
        except BaseException:
            self._container.close()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._container.close()

    def _require_sound(self) -> None:
        names = {one.codec_context.name if one.codec_context else "unknown" for one in self._sounds}
        refused = names - self._container.supported_codecs
        if refused:
            ending = next(ending for ending, kind in FORMATS.items() if kind == self._kind)
            what = f"the sound of {self._source.path} is {listed(sorted(refused))}, which {ending} does not hold"
            raise InputError(f"{what}; give --out a name that ends in .mkv, or --no-sound")

    def sound(self, packet: Any) -> None:
        """Write a packet of sound as it is; before the first picture, keep it."""
        if self._stream is None:
            self._early.append(packet)
        elif packet.dts is not None:  # else it only says that there is no more
            packet.stream = self._copies[packet.stream.index]
            self._mux_sound(packet)

    def _mux_sound(self, packet: Any) -> None:
        """Write a packet of sound, or count it where its times are damaged."""
        import av.error

        try:
            self._container.mux(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # of the disk
                raise
            self._num_lost += 1

    def notes(self) -> list[str]:
        """What of the sound was not written."""
        lost = f"{plural(self._num_lost, 'packet')} of its sound left out: their times are damaged"
        return [lost] if self._num_lost else []

    def picture(self, one: Drawn) -> None:
        """Write a picture."""
        if self._stream is None:
            self._start(one)
        one.frame.pts, one.frame.time_base = one.pts, self._tick
        self._ticks[one.pts] = one.ticks
        self._encode(one.frame)
        self.num_pictures += 1

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._encode(None)

    def _encode(self, frame: Any) -> None:
        for packet in self._packets(frame):
            if packet.pts in self._ticks:  # of the last one, nothing else says how long it is shown
                packet.duration = self._ticks.pop(packet.pts)
            self._container.mux(packet)

    def _packets(self, frame: Any) -> list[Any]:
        import av.error

        try:
            packets: list[Any] = self._stream.encode(frame)
        except av.error.FFmpegError as error:
            what = f"{self.encoder} does not take pictures of {self.size[0]}x{self.size[1]} ({error})"
            raise InputError(f"{what}; scale the video before") from error
        return packets

    def _start(self, first: Drawn) -> None:
        source, frame = self._source.stream, first.frame
        stream: Any = self._container.add_stream(
            self.encoder, rate=source.average_rate or source.guessed_rate or 25, options=OPTIONS[self.encoder]
        )
        finest = Fraction(1, FINEST_TICK.get(self.encoder, 1_000_000_000))
        self._tick = source.time_base or Fraction(1, 1000)
        stream.width, stream.height = self.size = frame.width, frame.height
        stream.pix_fmt, stream.time_base = frame.format.name, self._tick
        context = stream.codec_context
        context.time_base, context.thread_count = max(self._tick, finest), self._threads
        context.colorspace, context.color_range = first.colours
        context.color_primaries, context.color_trc = source.color_primaries, source.color_trc
        self._copies = {sound.index: self._container.add_stream_from_template(sound) for sound in self._sounds}
        self._stream, early = stream, self._early
        self._early = []
        for packet in early:
            self.sound(packet)
