"""Rows of statistics while videos are visited: one a video, or of many videos one for all that are left out together.

A row takes tens of kilobytes. Every figure and every interval is made of sums over rows in which the videos of one part
(`left_out.MOST_PARTS`) are all counted or all left out. So these may be added up at once: memory grows by some hundred
bytes a video alone, delays of which a median is made and names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.metrics.left_out import MOST_PARTS

MOST_ROWS = 10 * MOST_PARTS
"""So many videos have a row each; from then on, rows are added up."""


class RowSums:
    """Collects rows, dictionaries of arrays and of what else can be added; added up only with `together`."""

    def __init__(self, together: bool):
        self._together, self.is_added_up = together, False
        self._numbers: dict[str, int] = {}
        self._rows: list[dict[str, Any]] = []
        self._parts: list[int] = []
        """The part that the video of each row belongs to, until rows are added up."""

    def add(self, row: dict[str, Any], cluster: str) -> None:
        """Add the row of the next video; `cluster` is what it is left out with."""
        part = self._numbers.setdefault(cluster, len(self._numbers)) % MOST_PARTS
        if self.is_added_up:
            self._add_up(row, part)
            return
        self._rows.append(row)
        self._parts.append(part)
        if self._together and len(self._rows) > MOST_ROWS:
            rows, self._rows, self.is_added_up = self._rows, [], True
            for one, of_part in zip(rows, self._parts, strict=True):
                self._add_up(one, of_part)

    def stacked(self) -> dict[str, Any]:
        """All rows of each family: arrays `[rows, …]`, and tuples of what else there is. The rows are used up."""
        # One family after the other: the rows are not in memory twice.
        families = list(self._rows[0]) if self._rows else []
        return {family: self._column([row.pop(family) for row in self._rows]) for family in families}

    @staticmethod
    def _column(values: list[Any]) -> Any:
        return np.stack(values) if isinstance(values[0], np.ndarray) else tuple(values)

    def _add_up(self, row: dict[str, Any], part: int) -> None:
        if part == len(self._rows):  # parts are numbered in the order in which they come
            self._rows.append(row)
            return
        for family, values in row.items():
            self._rows[part][family] = self._rows[part][family] + values
