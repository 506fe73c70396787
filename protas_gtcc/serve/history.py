"""What a new watcher is shown of a stream: little, and no more the longer the stream is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

RECENT_FRAMES = 128
"""Whose results are kept one by one."""
EARLIER_RESULTS = 256
"""The first and the last result of each segment before: of 128 segments."""


class History:
    """Results as JSON texts: the recent ones, and before them the ends of segments, from which a page draws bars."""

    def __init__(self) -> None:
        self._earlier: deque[str] = deque(maxlen=EARLIER_RESULTS)
        self._recent: deque[tuple[int, str]] = deque()
        self._last: tuple[int, str] | None = None
        self._last_is_kept = False

    def add(self, label: int, text: str) -> None:
        """Add the result of the next frame, whose class is `label`."""
        self._recent.append((label, text))
        if len(self._recent) > RECENT_FRAMES:
            self._thin(self._recent.popleft())

    def text(self, events: Sequence[dict[str, Any]] = ()) -> str:
        """All kept results, a JSON list; before them all `events` so far, if there are any."""
        between = [] if self._last is None or self._last_is_kept else [self._last[1]]
        happened = [json.dumps({"events": events})] if events else []
        return f"[{','.join([*happened, *self._earlier, *between, *(text for _, text in self._recent)])}]"

    def _thin(self, oldest: tuple[int, str]) -> None:
        begins = self._last is None or self._last[0] != oldest[0]
        if begins:
            if self._last is not None and not self._last_is_kept:
                self._earlier.append(self._last[1])
            self._earlier.append(oldest[1])
        self._last, self._last_is_kept = oldest, begins
