"""The last k pictures of each frame, for backbones that see a window: never a later one."""

from __future__ import annotations

import numpy as np


class Windows:
    """Gives each picture of a video together with those before it. Before the first picture, that one is repeated."""

    def __init__(self, window: int):
        self._window = window
        self.before: np.ndarray | None = None
        """The last pictures, uint8 `[window - 1, H, W, 3]`, which the next windows begin with."""

    def of(self, pictures: np.ndarray) -> np.ndarray:
        """The next pictures `[B, H, W, 3]` -> `[B, window, H, W, 3]`, oldest first; as they are for a window of 1."""
        if self._window == 1:
            return pictures
        row = self._push(pictures)
        windows = np.lib.stride_tricks.sliding_window_view(row, self._window, axis=0)  # [B, H, W, 3, window]
        return np.array(np.moveaxis(windows, -1, 1), order="C")  # a copy: the view is read-only, which torch refuses

    def skip(self, picture: np.ndarray, count: int) -> None:
        """Let a picture `[1, H, W, 3]` pass `count` times without its windows."""
        if count and self._window > 1:
            self._push(np.repeat(picture, min(count, self._window - 1), axis=0))

    def _push(self, pictures: np.ndarray) -> np.ndarray:
        """The pictures after the last ones before them, which are replaced."""
        if self.before is None:
            self.before = np.repeat(pictures[:1], self._window - 1, axis=0)
        row = np.concatenate([self.before, pictures])
        self.before = row[len(pictures) :]
        return row
