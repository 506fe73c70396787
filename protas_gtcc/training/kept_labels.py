"""The labels of all training videos, kept as segments: memory grows with their number, not with the frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from protas_gtcc.annotations.segments import segment_array


class KeptLabels(Mapping[str, np.ndarray]):
    """Video -> class ids, int64 `[T]`, made anew at each reading; from pairs of a video and its labels `[T]`."""

    def __init__(self, videos: Iterable[tuple[str, np.ndarray]]):
        self._segments: dict[str, np.ndarray] = {}
        for video, labels in videos:
            segments = segment_array(labels)
            self._segments[video] = np.stack([segments[:, 1] - segments[:, 0], segments[:, 2]]).astype(np.int32)

    def __getitem__(self, video: str) -> np.ndarray:
        lengths, labels = self._segments[video]
        return np.repeat(labels.astype(np.int64), lengths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)
