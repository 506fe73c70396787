"""The loop from source to sinks, and the buffer between a source and a model of different speeds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Literal

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.live.sinks import Sink, Summary, frame_results
from protas_gtcc.live.sources import Source
from protas_gtcc.streaming.streams import Stream

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
        """Read the source to its end, or until `stop`."""
        try:
            for number, frame in enumerate(source):
                with self._changed:
                    if self._when_behind == "block":
                        self._changed.wait_for(lambda: len(self._frames) < self._limit or self._stopped)
                    elif len(self._frames) >= self._limit:
                        self._frames.popleft()
                        self.dropped += 1
                    if self._stopped:
                        return
                    self._frames.append((number, frame))
                    self._changed.notify_all()
        except BaseException as failure:
            self._failure = failure
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, timeout: float | None) -> tuple[int, np.ndarray] | None:
        """The oldest waiting frame; None at the end. Raises `TimeoutError` if none comes in time."""
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
        """Take no more frames."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._frames)


def run(
    stream: Stream,
    source: Source,
    sinks: Sequence[Sink],
    buffer: int = 64,
    when_behind: WhenBehind = "block",
    stall_seconds: float = 5.0,
    give_up_seconds: float | None = None,
    first_frame: int = 0,
) -> Summary:
    """Step a stream through a source to its end, and give every result to every sink.

    At most `buffer` frames wait; see the package for the frames beyond. After `stall_seconds` without a frame, the
    sinks' `on_stall` is called, once for each stall. Frames are numbered from `first_frame`. Raises `InputError` after
    `give_up_seconds` without a frame, and for a bad frame; the stream then stands after the last good one.
    """
    waiting = _Buffer(buffer, when_behind)
    reader = threading.Thread(target=waiting.fill, args=(source,), name="source", daemon=True)
    reader.start()
    frames, give_up = 0, inf if give_up_seconds is None else give_up_seconds
    try:
        while (taken := _next_frame(waiting, sinks, source, stall_seconds, give_up)) is not None:
            number, frame = taken
            result = next(frame_results(stream.step(frame), first_frame + number, len(waiting), waiting.dropped))
            frames += 1
            for sink in sinks:
                sink.on_result(result)
    finally:
        waiting.stop()
        source.close()
        summary = Summary(frames, waiting.dropped)
        for sink in sinks:
            sink.on_end(summary)
    return summary


def _next_frame(
    waiting: _Buffer, sinks: Sequence[Sink], source: Source, stall: float, give_up: float
) -> tuple[int, np.ndarray] | None:
    silent_since, stalled = monotonic(), False
    while True:
        limit = give_up if stalled else min(stall, give_up)
        try:
            return waiting.take(None if limit == inf else max(0.0, silent_since + limit - monotonic()))
        except TimeoutError:
            silence = monotonic() - silent_since
            if silence >= give_up:
                way_out = "start it again, or wait longer with --give-up-seconds"
                raise InputError(f"{source.name} has sent nothing for {give_up:g} s; {way_out}") from None
            if silence >= stall and not stalled:
                stalled = True
                for sink in sinks:
                    sink.on_stall(silence)
