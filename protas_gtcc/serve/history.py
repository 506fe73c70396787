"""What a new watcher is shown of a stream: little, and no more the longer the stream is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

RECENT_FRAMES = 128
"""Whose results are kept one by one."""
EARLIER_RESULTS = 256
"""The first and the last result of each segment before: of 128 segments."""
OF_BARS = ("frame", "label", "progress")
"""Fields of a brief result."""


class Kept(NamedTuple):
    """A result: its class, as JSON text, and briefly so."""

    label: int
    text: str
    brief: str


class History:
    """Results as JSON texts: the recent ones, and before them the ends of segments, from which a page draws bars."""

    def __init__(self) -> None:
        self._earlier: deque[Kept] = deque(maxlen=EARLIER_RESULTS)
        self._recent: deque[Kept] = deque()
        self._last: Kept | None = None
        self._last_is_kept = False

    def add(self, result: Mapping[str, Any], text: str) -> None:
        """Add the result of the next frame, and the same as JSON text."""
        self._recent.append(Kept(result["label"], text, json.dumps({name: result[name] for name in OF_BARS})))
        if len(self._recent) > RECENT_FRAMES:
            self._thin(self._recent.popleft())

    def text(self, events: Sequence[dict[str, Any]] = (), brief: bool = False) -> str:
        """All kept results, a JSON list; before them all `events` so far, if there are any.

        If brief, those before the last one have what bars are drawn from, and nothing else.
        """
        between = [] if self._last is None or self._last_is_kept else [self._last]
        kept = [*self._earlier, *between, *self._recent]
        texts = [one.brief if brief and one is not kept[-1] else one.text for one in kept]
        happened = [json.dumps({"events": events})] if events else []
        return f"[{','.join([*happened, *texts])}]"

    def _thin(self, oldest: Kept) -> None:
        begins = self._last is None or self._last.label != oldest.label
        if begins:
            if self._last is not None and not self._last_is_kept:
                self._earlier.append(self._last)
            self._earlier.append(oldest)
        self._last, self._last_is_kept = oldest, begins
