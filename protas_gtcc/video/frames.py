"""A video as pictures at even times, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from protas_gtcc.annotations.resampling import LONGEST_SECONDS, exact_rate
from protas_gtcc.errors import plural
from protas_gtcc.video.opening import WAY_OUT, BrokenVideo, OpenVideo, open_video
from protas_gtcc.video.pictures import Squares
from protas_gtcc.video.timeline import Clock, repeated

if TYPE_CHECKING:
    from av.stream import Stream
    from av.video.frame import VideoFrame

Shown: TypeAlias = tuple[Any, tuple[Fraction, Fraction]]
"""A decoded picture, av's `VideoFrame`, and from when to when it is shown, in seconds."""
LOST_SECONDS = 1.0
"""A video that ends so much before its header says has lost its end."""


class VideoFrames:
    """The pictures of a video at `fps` frames a second: frame i is what is shown i / `fps` seconds after its first one.

    Iterating decodes the file and yields uint8 batches `[B, size, size, 3]` in RGB, B at most `batch_size`. The shorter
    side of a picture is scaled to `size`, and its centre is cut out. One batch is in memory at a time. After the last
    one, `notes` says what was wrong with the file.
    """

    def __init__(self, path: Path | str, fps: float, size: int, batch_size: int = 16, threads: int = 0):
        """`threads` decode; 0 is as many as there are cores. Raises `InputError` for a rate that is none."""
        self.path, self.fps, self.size, self.batch_size = Path(path), fps, size, batch_size
        self.notes: list[str] = []
        self._rate, self._threads = exact_rate(fps), threads

    def expected(self) -> int | None:
        """About how many frames there are, by the file's header; None without a length. Raises as iterating does."""
        with open_video(self.path) as video:
            seconds = video.about_seconds
            return None if seconds is None else max(1, round(seconds * self.fps))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the batches. Raises `BrokenVideo` if the file is no video, or nothing of it can be decoded."""
        self.notes = []
        with open_video(self.path) as video:
            batch: list[np.ndarray] = []
            decoded = Decoded(video, self._threads)
            for picture, count in squares(decoded, video, self._rate, self.size):
                for _ in range(count):
                    batch.append(picture)
                    if len(batch) == self.batch_size:
                        yield np.stack(batch)
                        batch = []
            if batch:
                yield np.stack(batch)
            self.notes = decoded.notes()


def squares(pictures: Iterable[Shown], video: OpenVideo, rate: Fraction, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield each picture that is taken, scaled, uint8 `[size, size, 3]`, and how many frames at `rate` it is.

    Raises `BrokenVideo` for what cannot be scaled.
    """
    import av.error

    scaled = Squares(size, video.pixel_width)
    try:
        for frame, count in repeated(pictures, rate, video.tick):
            yield scaled.square(frame), count
    except (ValueError, av.error.FFmpegError) as error:
        raise BrokenVideo(f"{video.path}: {error}; {WAY_OUT}") from error


class Decoded:
    """The decoded pictures of a video and when they are shown, in order; damaged parts are left out and counted."""

    def __init__(
        self,
        video: OpenVideo,
        threads: int,
        beside: Sequence[Stream] = (),
        on_beside: Callable[[Any], None] = lambda packet: None,
    ):
        """`threads` decode; 0 is as many as there are cores. Packets of the tracks `beside` go to `on_beside`."""
        self._video, stream = video, video.stream
        self._beside, self._on_beside = beside, on_beside
        stream.codec_context.thread_type, stream.codec_context.thread_count = "AUTO", threads
        self._clock = Clock(video.tick, stream.average_rate or stream.guessed_rate)
        self._num_damaged, self._end = 0, Fraction(0)
        self.failure = ""
        """Why the rest of the video cannot be read, in FFmpeg's words; "" if it can."""

    def __iter__(self) -> Iterator[Shown]:
        found = False
        for frame in self._frames():
            interval = self._clock.interval(frame.pts if frame.pts is not None else frame.dts, frame.duration)
            if interval is not None:
                found, self._end = True, interval[1]
                # A camera may go on for longer.
                if isinstance(self._video.path, Path) and self._end > LONGEST_SECONDS:
                    what = "by its times, it lasts longer than a day: they are damaged, or it is no recording"
                    raise BrokenVideo(f"{self._video.path}: {what}; {WAY_OUT}")
                yield frame, interval
        if not found:
            what = "no picture can be decoded: the video track is empty, damaged or encrypted"
            raise BrokenVideo(f"{self._video.path}: {what}; {WAY_OUT}")

    def _frames(self) -> Iterator[VideoFrame]:
        import av.error

        packets: Iterator[Any] = self._video.container.demux(self._video.stream, *self._beside)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._num_damaged += 1  # the rest of the file is missing
                self.failure = str(error.strerror or error)
                return
            if packet is None:
                return
            if packet.stream.index != self._video.stream.index:
                self._on_beside(packet)
                continue
            if packet.has_sidedata("encryption_info"):  # some of it decodes, to noise
                raise BrokenVideo(f"{self._video.path}: its pictures are encrypted; {WAY_OUT}")
            self._num_damaged += packet.is_corrupt
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self._num_damaged += 1

    def notes(self) -> list[str]:
        """What was wrong, after the last picture."""
        notes, expected = [], self._video.promised_seconds
        if self._num_damaged:
            notes.append(f"{plural(self._num_damaged, 'damaged part')} of the file; decoded as far as it goes")
        if self._clock.num_jumps:
            notes.append(f"its times jump {plural(self._clock.num_jumps, 'time')}; the pictures were taken one by one")
        if expected is not None and expected - self._end > LOST_SECONDS:
            notes.append(f"its end is missing: {expected:.1f} s were expected, {float(self._end):.1f} s are there")
        return notes
