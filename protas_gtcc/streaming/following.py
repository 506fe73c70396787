"""Following a source: a thread reads it into a buffer, pictures become features, a stream steps.

    source --> buffer --> backbone, of pictures --> stream

If the source is faster than what follows, the buffer fills. Then `block` makes the source wait, and no frame is lost.
`drop` removes the oldest waiting frames and counts them; the frame that is taken next stands for them too, so that
durations stay right.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import Event
from protas_gtcc.streaming.streams import Stream

WhenBehind = Literal["block", "drop"]
BUFFER = 64
"""Frames that may wait. Where frames are dropped, of a source with a clock, only the newest one does."""
CLOSING_SECONDS = 2.0
"""A source that is waiting, as for a silent camera, is left behind after this long."""
STEPS_AT_ONCE = 256
"""Steps for dropped frames in one call: the memory for them is limited."""


@runtime_checkable
class FrameSource(Protocol):
    """Gives frames until it ends, and may wait for each; it is read in one thread."""

    name: str
    is_live: bool
    """Whether frames come at their own time, as from a camera."""
    at_once: int
    """Frames that are taken at once."""

    @property
    def before(self) -> np.ndarray | None:
        """The last pictures, where a backbone sees windows of them: a stream keeps them in its state."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """What each frame is: features `[D]`, or a picture, uint8 `[H, W, 3]`."""

    def features(self, frames: np.ndarray, missed: int) -> np.ndarray:
        """The features `[k, D]` of the next frames `[k, …]`, before which `missed` ones were dropped."""

    def due(self, number: int) -> float | None:
        """When frame `number` was to be seen, by `monotonic`; None for a source without a clock."""

    def close(self) -> None:
        """Give no more frames; end even while waiting for one."""


@dataclass(frozen=True)
class Delay:
    """How long after its time the result for a frame was there, in seconds, in parts."""

    capture: float
    """From the frame's time until its picture was captured, sent, decoded and scaled."""
    waiting: float
    """In the buffer."""
    backbone: float
    model: float
    output: float = 0.0
    """Of the frame before: a result cannot say how long it takes to write it."""
    lag: float = 0.0
    """For later frames, if the model has a lag."""

    @property
    def total(self) -> float:
        """Until the result was there: all parts but the output."""
        return self.capture + self.waiting + self.backbone + self.model + self.lag


@dataclass(frozen=True, eq=False)
class Followed(Prediction):
    """The prediction for one frame of a source, T = 1."""

    frame: int = 0
    """Its number in the source, from 0; numbers of dropped frames are missing."""
    dropped: int = 0
    """Frames dropped so far."""
    waiting: int = 0
    """Frames in the buffer."""
    delay: Delay | None = None
    """None for a source without a clock."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    number: int
    """Below 0 for a frame that the stream has had before the source."""
    values: np.ndarray | None
    since: float


class _Stepped(NamedTuple):
    """A frame that the stream has had, and whose result may come later; None in place of one that was dropped."""

    frame: _Waiting
    times: tuple[float, float, float]
    """When it was taken, when its features were there, and when the stream had it."""


class _Buffer:
    """Frames between the thread that reads the source and the loop."""

    def __init__(self, limit: int, when_behind: WhenBehind):
        self._limit, self._when_behind = limit, when_behind
        self._frames: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._failure: BaseException | None = None
        self.dropped = 0

    def fill(self, source: FrameSource) -> None:
        """Read the source to its end, or until `stop`."""
        try:
            for number, values in enumerate(source):
                frame = _Waiting(number, values, monotonic())
                with self._changed:
                    if self._when_behind == "block":
                        self._changed.wait_for(lambda: len(self._frames) < self._limit or self._stopped)
                    elif len(self._frames) >= self._limit:
                        self._frames.popleft()
                        self.dropped += 1
                    if self._stopped:
                        return
                    self._frames.append(frame)
                    self._changed.notify_all()
        except BaseException as failure:
            self._failure = failure
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, count: int, timeout: float | None) -> list[_Waiting]:
        """The `count` oldest waiting frames, fewer at the end, then none.

        Raises `TimeoutError` if they do not come in time, and what reading the source raised.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._frames) >= count or self._ended, timeout):
                raise TimeoutError
            taken = [self._frames.popleft() for _ in range(min(count, len(self._frames)))]
            self._changed.notify_all()
        if not taken and self._failure is not None:
            raise self._failure
        return taken

    def stop(self) -> None:
        """Take no more frames."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._frames)


class Following:
    """A stream that follows a source; `close` ends the reading of it."""

    def __init__(
        self,
        stream: Stream,
        source: FrameSource,
        buffer: int | None = None,
        when_behind: WhenBehind | None = None,
        first_frame: int = 0,
        goes_on: bool = False,
    ):
        """At most `buffer` frames wait. By default, live sources drop, others wait. `first_frame` is the first number.

        If the stream `goes_on` after the source, frames that wait for later ones then are not reported at its end.
        Reading the source begins at once.
        """
        self._stream, self._source, self._first_frame, self._next = stream, source, first_frame, 0
        earlier = [_Waiting(number, None, 0.0) for number in range(-stream.num_waiting, 0)]
        self._stepped: deque[_Stepped | None] = deque(_Stepped(frame, (0.0, 0.0, 0.0)) for frame in earlier)
        self._events: tuple[Event, ...] = ()
        self._has_ended = goes_on
        when_behind = when_behind or ("drop" if source.is_live else "block")
        limit = buffer or (1 if source.is_live and when_behind == "drop" else BUFFER)
        self._at_once = source.at_once if when_behind == "block" else 1  # frames taken at once have none between them
        self._buffer = _Buffer(max(limit, self._at_once), when_behind)
        self.taken: list[np.ndarray | None] = []
        """What the source gave for the frames of the last results: features, or pictures; None for those before it."""
        self._thread = threading.Thread(target=self._buffer.fill, args=(source,), name="source", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames dropped so far."""
        return self._buffer.dropped

    def close(self) -> None:
        """Read the source no further.

        Waits for the thread that reads it: one that is in a library's code when Python ends would abort the process.
        """
        self._buffer.stop()
        self._source.close()
        self._thread.join(CLOSING_SECONDS)

    def step(self, timeout: float | None = None) -> list[Followed]:
        """Step until there are results, by the next frame or the next ones; nothing at the end of the source.

        Raises `TimeoutError` if the source sends nothing for `timeout` seconds, and what reading it raises. Raises
        `InputError` for a bad frame; the stream then stands after the last good one.
        """
        self.taken = []
        while taken := self._buffer.take(self._at_once, timeout):
            found = [one for prediction in self._step(taken) for one in self._matched(prediction)]
            if found:
                return found
        last = None if self._has_ended else self._stream.flush()
        self._has_ended = True
        return [] if last is None else self._matched(last)

    def _step(self, taken: list[_Waiting]) -> Iterator[Prediction]:
        """Step by frames, and by the first one in place of those that are missing before it."""
        began, missed = monotonic(), taken[0].number - self._next
        features = self._source.features(
            np.stack([frame.values for frame in taken if frame.values is not None]), missed
        )
        featured = monotonic()
        try:
            for start in range(0, missed, STEPS_AT_ONCE):
                count = min(STEPS_AT_ONCE, missed - start)
                self._stepped += [None] * count
                yield self._stream.step(np.repeat(features[:1], count, axis=0))
            found = self._stream.step(features)
        except InputError as error:
            raise InputError(f"{self._source.name}: {error}") from error
        self._stream.pictures = self._source.before
        self._next, times = taken[-1].number + 1, (began, featured, monotonic())
        self._stepped += [_Stepped(frame, times) for frame in taken]
        yield found

    def _matched(self, prediction: Prediction) -> list[Followed]:
        """The results of frames of the source; what happened in other ones goes with the next of them."""
        found, now, num_frames = list[Followed](), monotonic(), len(prediction.labels)
        for t in range(num_frames):
            one, stepped = prediction if num_frames == 1 else prediction.at(t), self._stepped.popleft()
            if stepped is None:
                self._events += one.procedure.events if one.procedure is not None else ()
                continue
            if self._events and one.procedure is not None:
                one = dataclasses.replace(one, procedure=one.procedure.after(self._events))
                self._events = ()
            self.taken.append(stepped.frame.values)
            found.append(self._followed(stepped, one, now))
        return found

    def _followed(self, stepped: _Stepped, prediction: Prediction, now: float) -> Followed:
        frame, (began, featured, done) = stepped
        due = None if frame.number < 0 else self._source.due(frame.number)
        delay = None
        if due is not None:
            capture = max(0.0, frame.since - due)  # a file's last picture comes before its time
            delay = Delay(capture, began - frame.since, featured - began, done - featured, lag=now - done)
        number = self._first_frame + frame.number
        return Followed(**vars(prediction), frame=number, dropped=self.dropped, waiting=len(self._buffer), delay=delay)


def sent_nothing(source: FrameSource, seconds: float) -> InputError:
    """The error for a source that was silent for too long."""
    way_out = "start it again, or wait longer with --give-up-seconds"
    return InputError(f"{source.name} has sent nothing for {seconds:g} s; {way_out}")
