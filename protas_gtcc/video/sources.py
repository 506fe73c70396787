"""Sources of pictures for a stream: a video file, a file played in real time, a camera, an address.

Frame i is the picture that is shown i / fps seconds after the first one, as in files of features. So a picture is given
when the next one has come: until then, it is not known whether it is still shown at the time of a later frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np

from protas_gtcc.annotations.resampling import exact_rate
from protas_gtcc.errors import InputError
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.cameras import is_live, open_live
from protas_gtcc.video.features import BATCH_SIZE, PictureFeatures
from protas_gtcc.video.frames import Decoded, Shown, VideoFrames, squares
from protas_gtcc.video.opening import BrokenVideo, OpenVideo, open_video

CLOCK_DRIFT = 2e-4
"""Seconds by which a camera's clock may fall behind this machine's in a second; quartz clocks lose less."""


class PictureSource:
    """Gives pictures, uint8 `[size, size, 3]`, one a frame at `fps`, and makes features of them with a backbone."""

    def __init__(
        self,
        name: Path | str,
        backbone: Backbone,
        fps: float,
        real_time: bool = False,
        silent_seconds: float | None = None,
    ):
        """`real_time` plays a file at its own speed.

        Reading a camera fails a second after `silent_seconds` without data: who follows it gives up before.
        """
        self.name, self._fps, self._size = str(name), fps, backbone.size
        self._is_file = not is_live(self.name)
        self.is_live = real_time or not self._is_file
        self.at_once = 1 if self.is_live else BATCH_SIZE  # as in `extract`, so that features are equal to the last bit
        self.notes: list[str] = []
        """What was wrong with a file, after its last picture."""
        self._features = PictureFeatures(backbone, self.name)
        self._silent_seconds = None if silent_seconds is None else silent_seconds + 1
        self._zero: float | None = None
        self._noted = 0.0
        self._closed = Event()

    @property
    def before(self) -> np.ndarray | None:
        """The pictures that the windows of the next frames begin with; None without windows."""
        return self._features.before

    def resume(self, num_frames: int, before: np.ndarray | None) -> None:
        """Go on after so many frames, with what was `before` then. Raises `InputError` as `PictureFeatures.resume`."""
        self._features.resume(num_frames, before)

    def features(self, frames: np.ndarray, missed: int) -> np.ndarray:
        """The features, float16 `[k, D]`, of the next pictures; the first one stands for the missed ones, too."""
        return self._features.of(frames, missed)

    def due(self, number: int) -> float | None:
        """When frame `number` was to be seen, by `monotonic`; None for a file at full speed.

        The picture that came soonest sets the clock: what comes later than that is delayed.
        """
        return None if self._zero is None else self._zero + number / self._fps

    def close(self) -> None:
        """Give no more pictures; one that is being waited for is the last."""
        self._closed.set()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the pictures. Raises `InputError` if they cannot be read, and where a live source stops."""
        if not self.is_live:
            frames = VideoFrames(self.name, self._fps, self._size, batch_size=1)
            for pictures in frames:
                yield pictures[0]
            self.notes = frames.notes
            return
        with self._open() as video:
            decoded = Decoded(video, threads=1)  # more would each hold a picture back
            for picture, count in squares(self._timed(decoded), video, exact_rate(self._fps), self._size):
                for _ in range(count):
                    if self._closed.is_set():
                        return
                    yield picture
            if self._closed.is_set():
                return  # the end of the file is not missing, nobody has asked for it
            if self._is_file:
                self.notes = decoded.notes()
            else:
                raise self._stopped(decoded.failure)

    def _open(self) -> AbstractContextManager[OpenVideo]:
        return open_video(Path(self.name)) if self._is_file else open_live(self.name, self._silent_seconds)

    def _timed(self, decoded: Iterable[Shown]) -> Iterator[Shown]:
        """Pass on pictures at their times, and set the clock by them."""
        pictures = iter(decoded)
        while (shown := self._next(pictures)) is not None:
            start, now = float(shown[1][0]), monotonic()
            if self._is_file and self._zero is not None:
                self._closed.wait(max(0.0, self._zero + start - now))
            elif self._zero is None:
                self._zero = now - start
            else:
                self._zero = min(self._zero + CLOCK_DRIFT * (now - self._noted), now - start)
            self._noted = now
            if self._closed.is_set():
                return
            yield shown

    def _next(self, pictures: Iterator[Shown]) -> Shown | None:
        try:
            return next(pictures, None)
        except BrokenVideo as error:
            if self._is_file:
                raise
            raise self._stopped("it has sent no picture that can be decoded") from error

    def _stopped(self, reason: str) -> InputError:
        what = f"{self.name} has stopped{f' ({reason})' if reason else ''}"
        return InputError(f"{what}; start it again (what was reported so far is kept)")
