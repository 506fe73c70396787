"""The loop from source to sinks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import inf
from time import monotonic

import numpy as np

from protas_gtcc.live.delays import Delays
from protas_gtcc.live.sinks import Sink, Summary, frame_result
from protas_gtcc.streaming.following import Followed, Following, FrameSource, WhenBehind, sent_nothing
from protas_gtcc.streaming.streams import Stream


def run(
    stream: Stream,
    source: FrameSource,
    sinks: Sequence[Sink],
    buffer: int | None = None,
    when_behind: WhenBehind | None = None,
    stall_seconds: float = 5.0,
    give_up_seconds: float | None = None,
    first_frame: int = 0,
    goes_on: bool = False,
) -> Summary:
    """Step a stream through a source to its end, and give every result to every sink.

    At most `buffer` frames wait; see the package for the frames beyond, and `Following` for what is done by default.
    After `stall_seconds` without a frame, the sinks' `on_stall` is called, once for each stall. Frames are numbered
    from `first_frame`; `goes_on` is as in `Following`. Raises `InputError` after `give_up_seconds` without a frame, and
    for a bad frame; the stream then stands after the last good one.
    """
    following = Following(stream, source, buffer, when_behind, first_frame, goes_on)
    outputs, give_up = _Outputs(sinks, stream.task is not None), inf if give_up_seconds is None else give_up_seconds
    try:
        while frames := _next_frames(following, sinks, source, stall_seconds, give_up):
            for frame, values in zip(frames, following.taken, strict=True):
                outputs.give(frame, values)
    finally:
        following.close()
        summary = Summary(outputs.frames, following.dropped, outputs.delays.figures())
        for sink in sinks:
            sink.on_end(summary)
    return summary


class _Outputs:
    """Gives results to sinks, and measures how long that takes."""

    def __init__(self, sinks: Sequence[Sink], task_given: bool):
        self._sinks, self._task_given, self._before = sinks, task_given, 0.0
        self.frames, self.delays = 0, Delays()

    def give(self, followed: Followed, values: np.ndarray | None) -> None:
        self.frames += 1
        delay, started = followed.delay, monotonic()
        delay_so_far = None if delay is None else dataclasses.replace(delay, output=self._before)
        picture = values if values is not None and values.ndim == 3 else None
        result = frame_result(followed, delay_so_far, picture, self._task_given)
        for sink in self._sinks:
            sink.on_result(result)
        self._before = monotonic() - started
        if delay is not None:
            self.delays.add(dataclasses.replace(delay, output=self._before))


def _next_frames(
    following: Following, sinks: Sequence[Sink], source: FrameSource, stall: float, give_up: float
) -> list[Followed]:
    silent_since, stalled = monotonic(), False
    while True:
        limit = give_up if stalled else min(stall, give_up)
        try:
            return following.step(None if limit == inf else max(0.0, silent_since + limit - monotonic()))
        except TimeoutError:
            silence = monotonic() - silent_since
            if silence >= give_up:
                raise sent_nothing(source, give_up) from None
            if silence >= stall and not stalled:
                stalled = True
                for sink in sinks:
                    sink.on_stall(silence)
