"""The loop from source to observers, and what it does when they are not equally fast."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Literal

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.live.sinks import Followed, Observer, make_moments
from protas_gtcc.live.sources import Source
from protas_gtcc.streaming import Stream

WhenBehind = Literal["block", "drop"]


class _Buffer:
    """Frames between the thread that reads the source and the loop."""

    def __init__(self, limit: int, when_behind: WhenBehind):
        self._limit, self._when_behind = limit, when_behind
        self._frames: deque[tuple[int, np.ndarray]] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._failure: BaseException | None = None
        self.dropped = 0

    def fill(self, source: Source) -> None:
        """Read the source to its end, or until nobody wants more."""
        try:
            for number, frame in enumerate(source):
                if not self._put(number, frame):
                    return
        except BaseException as failure:
            self._failure = failure
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, timeout: float | None) -> tuple[int, np.ndarray] | None:
        """The oldest waiting frame; None at the end. Raises `TimeoutError` where none came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._frames or self._ended, timeout):
                raise TimeoutError
            if self._frames:
                self._changed.notify_all()
                return self._frames.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def stop(self) -> None:
        """No frame is wanted any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._frames)

    def _put(self, number: int, frame: np.ndarray) -> bool:
        with self._changed:
            if self._when_behind == "block":
                self._changed.wait_for(lambda: len(self._frames) < self._limit or self._stopped)
            elif len(self._frames) >= self._limit:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append((number, frame))
            self._changed.notify_all()
            return not self._stopped


def follow(
    stream: Stream,
    source: Source,
    observers: Sequence[Observer],
    buffer: int = 64,
    when_behind: WhenBehind = "block",
    stall_seconds: float = 5.0,
    give_up_seconds: float | None = None,
    first_frame: int = 0,
) -> Followed:
    """Step a stream through a source and tell every result to every observer, until the source ends.

    `buffer` frames may wait; see the package for what happens to more. Observers hear of a source that has been silent
    for `stall_seconds`, once each time; after `give_up_seconds` of silence `InputError` is raised. So it is for what is
    no frame; the stream then stands after the last good one. Frames are numbered from `first_frame`.
    """
    waiting = _Buffer(buffer, when_behind)
    reader = threading.Thread(target=waiting.fill, args=(source,), name="source", daemon=True)
    reader.start()
    frames = 0
    try:
        while (taken := _next_frame(waiting, observers, source, stall_seconds, give_up_seconds)) is not None:
            number, frame = taken
            said = stream.step(frame)
            moment = next(make_moments(said, first_frame + number, len(waiting), waiting.dropped))
            frames += 1
            for observer in observers:
                observer.on_moment(moment)
    finally:
        waiting.stop()
        source.close()
        for observer in observers:
            observer.on_end(Followed(frames, waiting.dropped))
    return Followed(frames, waiting.dropped)


def _next_frame(
    waiting: _Buffer, observers: Sequence[Observer], source: Source, stall: float, give_up: float | None
) -> tuple[int, np.ndarray] | None:
    silent_since = monotonic()
    told = False
    while True:
        limits = [*([] if told else [stall]), *([] if give_up is None else [give_up])]
        timeout = max(0.0, min(limits) - (monotonic() - silent_since)) if limits else None
        try:
            return waiting.take(timeout)
        except TimeoutError:
            silence = monotonic() - silent_since
            if give_up is not None and silence >= give_up:
                raise InputError(f"{source.name} has sent nothing for {give_up:g} s; giving up") from None
            if silence >= stall and not told:
                told = True
                for observer in observers:
                    observer.on_stall(silence)
