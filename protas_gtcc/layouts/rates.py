"""Frames per second where recordings differ: one number for all videos, or one for each, from a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.config import read_number
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.names import find_name
from protas_gtcc.storage.csv_tables import read_csv_table

FrameRates = float | Mapping[str, float]
"""Frames per second of all videos, or of each video by name."""


def rate_of(rates: FrameRates, video: str) -> float:
    """The rate of one video."""
    return rates[video] if isinstance(rates, Mapping) else rates


def all_rates(rates: FrameRates) -> list[float]:
    """The different rates, ascending."""
    return sorted(set(rates.values())) if isinstance(rates, Mapping) else [rates]


def frame_rates(given: float | Path, videos: Collection[str]) -> FrameRates:
    """The rate that is given, or those of the videos in the given table. Raises `InputError` as `read_rates` does."""
    return read_rates(given, videos) if isinstance(given, Path) else given


def read_rates(path: Path, videos: Collection[str]) -> dict[str, float]:
    """Rates of `videos` from a CSV file with the columns `video` and `fps`; rates may be fractions, as 30000/1001.

    Rows of other videos are left out. Raises `InputError` for a file without these columns, a rate that is none, a
    video that comes twice, and a video without a row.
    """
    if not path.is_file():
        raise InputError(f"no file {path}; give frames per second, or a CSV file with the columns video and fps")
    table = read_csv_table(path, ("video", "fps"))
    rates: dict[str, float] = {}
    for number, (name, text) in enumerate(zip(table["video"], table["fps"], strict=True), start=1):
        video = find_name(name.strip(), videos)
        if video in rates:
            raise InputError(f"{path}, row {number}: video {video} comes a second time; keep one row")
        if video is not None:
            rates[video] = _read_rate(text, f"{path}, row {number}")
    absent = [video for video in videos if video not in rates]
    if absent:
        raise InputError(f"{path} has no rate of {plural(len(absent), 'video')}: {listed(absent)}; add their rows")
    return rates


def _read_rate(text: str, where: str) -> float:
    try:
        rate = read_number(text)
        require_rate(rate)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{where}: expected frames per second, came {text!r}; correct the rate") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return rate
