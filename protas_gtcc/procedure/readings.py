"""What is read from the tracker's numbers: times with their intervals, and events; in compiled code."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from protas_gtcc.storage.compiled_code import compiled


@compiled(nogil=True)
@no_type_check
def log_normal(statistics, widths, quantiles):
    """Quantiles, float32 `[Q, T]`, of log-normal times with mean and variance `[T, 2]`.

    `widths` `[T]` multiply the width of an interval; `quantiles` `[Q]` are those of a standard normal.
    """
    found = np.empty((len(quantiles), len(statistics)), dtype=np.float32)
    for t in range(len(statistics)):
        relative = statistics[t, 1] / max(statistics[t, 0], 1e-9) ** 2
        median = statistics[t, 0] / np.sqrt(1 + relative)
        reach = widths[t] * np.sqrt(np.log(1 + relative))
        for q in range(len(quantiles)):
            found[q, t] = median * np.exp(quantiles[q] * reach)
    return found


@compiled(nogil=True)
@no_type_check
def find_events(tracked, limits, streams, happened_at, confidence, frames, found):
    """The number of events that have not happened before; with room for them, fill in `found`, and remember them.

    A row of `found` `[M, 4]` has the frame among the T, the kind (0: done, 1 + a: an alarm), the class, and the frame
    of the recording. `happened_at` `[n, 1 + A, C]` has 1 + the frame of each event, or 0; `confidence` its value.
    `frames` is then moved on; without an event, at once.
    """
    num = 0
    seen, passed = happened_at.copy(), frames.copy()
    for t in range(len(streams)):
        n = streams[t]
        for kind in range(limits.shape[1]):
            for c in range(tracked.done.shape[1]):
                value = tracked.done[t, c] if kind == 0 else tracked.alarms[t, kind - 1, c]
                if value > limits[n, kind] and seen[n, kind, c] == 0:
                    seen[n, kind, c] = passed[n] + 1
                    if num < len(found):
                        found[num, 0], found[num, 1], found[num, 2], found[num, 3] = t, kind, c, passed[n]
                        confidence[n, kind, c] = value
                    num += 1
        passed[n] += 1
    if num == len(found):
        for n in range(len(frames)):
            frames[n] = passed[n]
            for kind in range(seen.shape[1]):
                for c in range(seen.shape[2]):
                    happened_at[n, kind, c] = seen[n, kind, c]
    return num
