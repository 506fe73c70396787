"""Predictions of a video as subtitles (WebVTT), which any player shows: the action and how far it is.

A cue is what was reported at its beginning. The next one begins with another action, or when progress has moved by a
step, at least a second later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.storage.atomic import write_text

STEPS = 10
"""Steps of progress."""
SHORTEST = Fraction(1)
"""Seconds of a cue whose action goes on: a shorter one cannot be read."""


def write_subtitles(path: Path, rows: Sequence[Row], offset: Fraction = Fraction(0)) -> int:
    """Write the subtitles of a video to `path` and return the number of cues.

    `offset` is when the first picture is shown, in seconds of the player. Raises `InputError` as `write_text` does.
    """
    cues = [f"{_time(start + offset)} --> {_time(end + offset)}\n{text}\n" for start, end, text in subtitles(rows)]
    write_text(path, "\n".join(["WEBVTT\n", *cues]))
    return len(cues)


def subtitles(rows: Sequence[Row]) -> Iterator[tuple[Fraction, Fraction, str]]:
    """Yield start and end in seconds from the first picture, and text, of each cue: a line for each row."""
    times = sorted({frame / row.rate for row in rows for frame in range(row.num_frames)})
    end = max(row.seconds for row in rows)
    start, state = times[0], _state(rows, times[0])
    for time in times[1:]:
        now = _state(rows, time)
        is_other = [one[0] for one in now] != [one[0] for one in state]
        if is_other or (now != state and time - start >= SHORTEST):
            yield start, time, _text(rows, start)
            start, state = time, now
    yield start, end, _text(rows, start)


def _state(rows: Sequence[Row], time: Fraction) -> list[tuple[int, int]]:
    """Class and step of progress of each row."""
    shown = [row.shown(row.frame_at(time)) for row in rows]
    return [(one.label, math.floor(STEPS * one.progress + 1e-6)) for one in shown]


def _text(rows: Sequence[Row], time: Fraction) -> str:
    lines = []
    for row in rows:
        one = row.shown(row.frame_at(time))
        progress = "" if one.label in row.info.background else f" {100 * one.progress:.0f} %"
        name = f"{row.name}: " if len(rows) > 1 else ""
        lines.append(_escaped(f"{name}{row.info.class_names[one.label]}{progress}"))
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """In one line, without what WebVTT takes for markup."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: Fraction) -> str:
    thousandths = round(seconds * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
