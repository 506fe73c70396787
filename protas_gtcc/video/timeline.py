"""Which picture of a video is shown at which time.

Pictures come with presentation times at whatever distances. Frame i of the output is the picture that is shown at time
i / N, counted in seconds from the first picture:

    pictures    |A      |B |C          |D      |   shown from their own time to that of the next
    i / N       0     1     2     3     4     5
    frames      A     A     C     C     D     D
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

P = TypeVar("P")

LONGEST_GAP = Fraction(3600)
"""Seconds from one picture to the next. A longer gap is a damaged or restarted clock."""
LONGEST_DISORDER = Fraction(1)
"""Seconds that a time may go back in a badly ordered file. A longer step back is a restarted clock."""
USUAL_DURATION = Fraction(1, 25)
"""Seconds of a picture where neither times nor a rate are known."""
COARSEST_ROUNDING = Fraction(1, 1000)
"""Seconds. Matroska, WebM and FLV round times to milliseconds; no usual format rounds them more."""


class Clock:
    """Presentation times -> seconds from the first picture, also where times are missing, go back or jump."""

    def __init__(self, time_base: Fraction, rate: Fraction | None):
        """`time_base` is seconds a tick, `rate` the usual number of pictures a second, if that is known."""
        self.num_jumps = 0
        """How often the clock was damaged or restarted; time then goes on after the picture before."""
        self._tick = time_base
        self._usual = 1 / rate if rate and 1 / rate <= LONGEST_GAP else USUAL_DURATION
        self._zero: Fraction | None = None
        self._start = self._end = Fraction(0)

    def interval(self, pts: int | None, duration: int | None) -> tuple[Fraction, Fraction] | None:
        """From when to when the next decoded picture is shown, in seconds; None if it comes too late to be shown.

        `pts` and `duration` are in ticks; None where they are missing. A later picture may come before the end.
        """
        start = self._end if pts is None else self._seconds(pts)
        if start < self._start:
            return None
        lasts = duration * self._tick if duration else self._usual
        self._start, self._end = start, start + (lasts if 0 < lasts <= LONGEST_GAP else self._usual)
        return self._start, self._end

    def _seconds(self, pts: int) -> Fraction:
        time = pts * self._tick
        if self._zero is None:
            self._zero = time - self._end
        start = time - self._zero
        if not self._start - LONGEST_DISORDER <= start <= self._end + LONGEST_GAP:
            self.num_jumps += 1
            self._zero, start = time - self._end, self._end
        return start


def repeated(
    pictures: Iterable[tuple[P, tuple[Fraction, Fraction]]], fps: Fraction, time_base: Fraction
) -> Iterator[tuple[P, int]]:
    """Yield each picture that is shown at a time i / `fps`, and at how many of them, in order.

    Pictures come with the times between which they are shown, ascending. Containers round times to `time_base`: so a
    picture counts from half of that before its time, at most half a millisecond. The last one counts until its end.
    """
    early = min(time_base, COARSEST_ROUNDING) / 2
    held: list[P] = []
    done, until = 0, Fraction(0)
    for picture, (start, end) in pictures:
        due = math.ceil((start - early) * fps)
        if held and due > done:
            yield held[0], due - done
            done = due
        held, until = [picture], end
    # Start and duration of the last picture are both rounded. The first frame is there in any case.
    due = max(math.ceil((until - 2 * early) * fps), 1)
    if held and due > done:
        yield held[0], due - done
