"""How long a frame takes: one stream, many at once, the prefix run again for every frame, and a whole video offline.

Frames are random; the arithmetic does not depend on their values. What is compared is timed one after the other,
history by history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.config import EngineName
from protas_gtcc.errors import plural
from protas_gtcc.inference import TrainedModel

PREFIX_SECONDS = 3.0
"""The prefix is run again for at least this long, and at least `FEWEST` times."""
FEWEST = 3
MOST_WARM_UP = 20


@dataclass(frozen=True)
class Timing:
    """The speed of one way to process frames, after a history of frames."""

    what: str
    engine: str
    history: int
    """Frames that each stream had seen before."""
    streams: int
    samples: int
    p50_ms: float
    """Median time of a step: one new frame of every stream."""
    p95_ms: float
    p99_ms: float
    frames_per_second: float
    """Of all streams together, at the median."""


def time_stream(model: TrainedModel, history: int, samples: int, engine: EngineName = "auto") -> Timing:
    """Single frames through `model.stream()`, after `history` frames."""
    stream = model.stream(engine)
    frames = random_frames(model, max(history, 1024))
    for chunk in np.array_split(frames[:history], max(1, history // 256)):
        stream.step(chunk)
    seconds = _repeat(lambda number: stream.step(frames[number % len(frames)]), samples)
    return _timing("stream", engine, history, 1, seconds)


def time_streams(model: TrainedModel, count: int, samples: int, threads: int) -> Timing:
    """One frame each of `count` people through `model.streams(count)`."""
    streams = model.streams(count, threads=threads)
    frames = random_frames(model, count)
    seconds = _repeat(lambda number: streams.step(frames), samples)
    return _timing(f"{plural(count, 'stream')}, {plural(threads, 'thread')}", "auto", 0, count, seconds)


def time_prefix(model: TrainedModel, history: int) -> Timing:
    """One new frame as the field does it: the network runs again on all `history + 1` frames so far."""
    prefix = random_frames(model, history + 1)
    model.outputs(prefix)
    seconds: list[float] = []
    while len(seconds) < FEWEST or sum(seconds) < PREFIX_SECONDS:
        seconds += _repeat(lambda number: model.outputs(prefix), 1, warm_up=0)
    return _timing("prefix run again", "torch", history, 1, seconds)


def time_offline(model: TrainedModel, num_frames: int) -> Timing:
    """A whole video of `num_frames` at once; the times are of a frame."""
    features = random_frames(model, num_frames)
    seconds = _repeat(lambda number: model.predict(features), FEWEST, warm_up=1)
    return _timing("offline, a frame", "torch", num_frames, 1, [one / num_frames for one in seconds])


def benchmark(
    model: TrainedModel, histories: Sequence[int], counts: Sequence[int], samples: int, threads: int
) -> list[Timing]:
    """Time everything that can be timed on a model; an acausal one cannot be streamed and raises `InputError`."""
    timings = []
    for history in histories:
        timings += [time_stream(model, history, samples, engine) for engine in ("compiled", "torch")]
        timings.append(time_prefix(model, history))
    timings += [time_streams(model, count, max(5, samples // count), threads) for count in counts]
    return [*timings, time_offline(model, max([*histories, 1]))]


def state_bytes(model: TrainedModel) -> int:
    """Bytes of one stream's state."""
    return sum(values.nbytes for values in model.stream().state_dict().values())


def random_frames(model: TrainedModel, count: int) -> np.ndarray:
    """Random frames, float32 `[count, D]`."""
    return np.random.default_rng(0).standard_normal((count, model.facts.feature_dim), dtype=np.float32)


def _repeat(step: Callable[[int], object], samples: int, warm_up: int = MOST_WARM_UP) -> list[float]:
    seconds = []
    for number in range(samples + warm_up):
        started = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - started)
    return seconds[warm_up:]


def _timing(what: str, engine: str, history: int, streams: int, seconds: list[float]) -> Timing:
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(seconds, [50, 95, 99]))
    return Timing(what, engine, history, streams, len(seconds), p50, p95, p99, 1e3 * streams / p50)
