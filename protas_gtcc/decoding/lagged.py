"""`LaggedDecoder`: a decoder that reports each frame once some later frames are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.decoding.base import Decoder
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.filter_output import Trace
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import Event, Procedure

WHOLE_BYTES = 2**30
"""Memory for what the filter knew, where a video is reported at its end; of a longer one, half is reported when it is
full. The frames of a given lag must fit, of each stream."""
TOO_MANY = 10**12
"""Frames that never fit."""
LEAST_SPARE = 16
"""Frames that fit beside those that wait, at least: when these are used up, those that wait move to the front."""
_PREFIX = "lag_"
"""Of the names of the state."""
_BEGIN, _END, _REPORTED, _LABEL, _ENDED = range(5)


class _Waiting(NamedTuple):
    """Frames of a stream, of which some wait to be reported."""

    trace: Trace
    """Of M frames."""
    procedure: np.ndarray
    """float32 `[M, P]`: their `Procedure.packed`; P is 0 without one."""
    place: np.ndarray
    """int64 `[5]`: the frames from BEGIN to END wait, REPORTED are reported, LABEL is 1 + that of the last of these;
    ENDED is 1 at the end of the video."""


class LaggedDecoder(Decoder):
    """As a `DurationDecoder`, but a frame is reported once `lag` later frames are known, or the video has ended.

    Its class, progress and remaining time are then what the filter believes by all frames that are known. What is
    reported of the procedure is as without a lag.
    """

    def __init__(self, decoder: DurationDecoder, lag: int | None, num_streams: int = 1, task: int = 0):
        """For new streams of a decoder; a `lag` of None reports a video at its end.

        Raises `InputError` for a lag whose frames do not fit into `WHOLE_BYTES`.
        """
        self._decoder, self._lag = decoder.fresh(num_streams, task), lag
        self.settings = (*decoder.settings, lag)
        self._has_progress = True
        self._waiting = [self._empty() for _ in range(num_streams)]

    def fresh(self, num_streams: int = 1, task: int = 0) -> LaggedDecoder:
        """As `Decoder.fresh`."""
        return LaggedDecoder(self._decoder, self._lag, num_streams, task)

    def decode(self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """As `Decoder.decode`, of the frames that are reported now; these may be none."""
        self._has_progress = progress is not None
        found, first = [], 0
        for stream, frames in groupby(streams.tolist()):
            last = first + len(list(frames))
            found += self._follow(stream, probs[first:last], None if progress is None else progress[first:last])
            first = last
        return Prediction.joined(found)

    def flush(self, stream: int) -> Sequence[Prediction]:
        """The video of a stream has ended: the prediction for the frames that wait."""
        place = self._waiting[stream].place
        place[_ENDED] = 1
        return [self._report(stream, self.num_waiting(stream))]

    def num_waiting(self, stream: int) -> int:
        """Frames of a stream that are not reported yet."""
        place = self._waiting[stream].place
        return int(place[_END] - place[_BEGIN])

    def has_ended(self, stream: int) -> bool:
        """As `Decoder.has_ended`: after `flush`."""
        return bool(self._waiting[stream].place[_ENDED])

    def _empty(self) -> _Waiting:
        trace = self._decoder.empty_trace(1)
        if self._lag is None:
            most = max(WHOLE_BYTES // trace.belief.nbytes, 2 * LEAST_SPARE)
        else:
            most = self._lag + max(self._lag // 2, LEAST_SPARE)
            fitting = WHOLE_BYTES // sum(values.nbytes for values in trace)
            if self._lag > LEAST_SPARE and most > fitting:
                longest, memory = fitting * 2 // 3 / self._decoder.settings[2], f"{WHOLE_BYTES / 2**30:g} GiB"
                raise InputError(
                    f"the lag is too long: the frames of {longest:.0f} s fit into {memory}; give a shorter "
                    "--lag-seconds, or inf for the whole of a recorded video"
                )
        packed = np.zeros((most, self._decoder.packed_size), dtype=np.float32)
        return _Waiting(self._decoder.empty_trace(most), packed, np.zeros(5, dtype=np.int64))

    def _follow(self, stream: int, probs: np.ndarray, progress: np.ndarray | None) -> list[Prediction]:
        """Filter the next frames of a stream, and report what is to be reported."""
        trace, packed, place = self._waiting[stream]
        found, first = [], 0
        while first < len(probs):
            if place[_END] == len(packed):
                found.append(self._make_room(stream))
            begin = int(place[_END])
            rows = slice(first, first + min(len(probs) - first, len(packed) - begin))
            end, own = begin + rows.stop - rows.start, None if progress is None else progress[rows]
            now = self._decoder.decode(np.full(end - begin, stream), probs[rows], own, _part(trace, begin, end))
            if now.procedure is not None:
                packed[begin:end] = now.procedure.packed()
            place[_END], first = end, rows.stop
            if self._lag is not None:
                found.append(self._report(stream, max(end - int(place[_BEGIN]) - self._lag, 0)))
        return found or [self._report(stream, 0)]

    def _make_room(self, stream: int) -> Prediction:
        """Move the frames that wait to the front; if these fill all of the memory, report half of them."""
        trace, packed, place = self._waiting[stream]
        found = self._report(stream, len(packed) // 2 if place[_BEGIN] == 0 else 0)
        begin, end = place[[_BEGIN, _END]].tolist()
        for values in (*trace, packed):
            values[: end - begin] = values[begin:end].copy()
        place[[_BEGIN, _END]] = 0, end - begin
        return found

    def _report(self, stream: int, count: int) -> Prediction:
        """The prediction for the first `count` frames that wait, by all that is known."""
        trace, packed, place = self._waiting[stream]
        begin, end, first, label, _ = place.tolist()
        lag = end - begin if self._lag is None else self._lag
        known = _part(trace, begin, end)
        found = self._decoder.smooth(stream, known, count, lag, label - 1, self._has_progress)
        if count:
            place[_LABEL] = 1 + found.labels[-1]
        place[[_BEGIN, _REPORTED]] += count
        if not packed.shape[1]:
            return found
        events = [one for one in self._decoder.events(stream) if first <= one.frame < first + count]
        own = [dataclasses.replace(one, at=one.frame - first) for one in events]
        return dataclasses.replace(found, procedure=Procedure.unpacked(packed[begin : begin + count], own))

    def arrays(self) -> list[np.ndarray]:
        """As `Decoder.arrays`."""
        return self._decoder.arrays()

    def give_task(self, stream: int, task: int) -> None:
        """As `Decoder.give_task`."""
        self._decoder.give_task(stream, task)

    def events(self, stream: int) -> tuple[Event, ...]:
        """As `Decoder.events`, of the frames that are reported."""
        reported = self._waiting[stream].place[_REPORTED]
        return tuple(one for one in self._decoder.events(stream) if one.frame < reported)

    def state(self, stream: int) -> dict[str, Tensor]:
        """As `Decoder.state`, with the frames that wait."""
        trace, packed, place = self._waiting[stream]
        arrays = {**trace._asdict(), "procedure": packed, "place": place}
        return self._decoder.state(stream) | {_PREFIX + name: torch.from_numpy(one) for name, one in arrays.items()}

    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """As `Decoder.require_state`, for the frames that wait too."""
        self._decoder.require_state(state)
        begin, end, reported, label, ended = state[_PREFIX + "place"].tolist()
        most, num_classes = state[_PREFIX + "network"].shape
        is_possible = 0 <= begin <= end <= most and reported >= 0 and 0 <= label <= num_classes and ended in (0, 1)
        known = state[_PREFIX + "known"]
        positive = all(float(state[_PREFIX + name].min()) >= 0 for name in ("belief", "weights", "network", "order"))
        if not (is_possible and positive and known.min() >= -1 and known.max() < self._decoder.num_states):
            what = "this is no state of such a stream: the frames that wait are impossible"
            raise InputError(f"{what}; start a new stream without it")


def _part(trace: Trace, begin: int, end: int) -> Trace:
    return Trace(*(values[begin:end] for values in trace))
