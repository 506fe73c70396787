"""WebVTT: a cue for each segment (W3C, "WebVTT: The Web Video Text Tracks Format").

A cue may name its speaker, `<v anna>`, which is the tier. Other markup is not read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    TimedSegment,
    WriteFacts,
    milliseconds,
    timed_segment,
)
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.text_files import read_lines

_VOICE = re.compile(r"<v(?:\.[^<>\s]*)?\s([^<>]*)>")
_MARKUP = re.compile(r"<[^<>]*>")
_OTHER_BLOCKS = ("NOTE", "STYLE", "REGION", "WEBVTT")


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read the cues of a file. Raises `InputError` for a cue without times, and if there is none."""
    tiers: dict[str, list[TimedSegment]] = {}
    row = 0
    for number, block in _blocks(read_lines(path)):
        at = next((at for at, line in enumerate(block) if "-->" in line), None)
        if at is None:
            if block[0].split(" ")[0].removeprefix("\ufeff") in _OTHER_BLOCKS:
                continue
            raise InputError(f"{path}, line {number}: expected a cue with '-->', came {block[0][:60]!r}; correct it")
        start, _, rest = block[at].partition("-->")
        words = rest.split()
        row += 1
        content = "\n".join(block[at + 1 :])
        voice = _VOICE.search(content)
        name = html.unescape(_MARKUP.sub("", content))
        segment = timed_segment(str(path), row, start.strip(), words[0] if words else "", name)
        tiers.setdefault(html.unescape(voice[1]).strip() if voice else "", []).append(segment)
    if not tiers:
        raise InputError(f"{path} has no cues; expected lines such as 00:01.000 --> 00:02.500")
    return AnnotationFile([Annotation(video, tuple(found), tier=tier) for tier, found in tiers.items()])


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a cue for each segment, in time order; the tier is the speaker if there are several."""
    cues = []
    for one in annotations:
        voice = f"<v {_escaped(one.tier or one.annotator)}>" if len(annotations) > 1 else ""
        for segment in one.segments:
            times = f"{_clock(segment.start)} --> {_clock(segment.end)}"
            cues.append((segment.start, f"{times}\n{voice}{_escaped(segment.name)}\n"))
    cues.sort(key=lambda cue: cue[0])
    write_text(path, "\n".join(["WEBVTT\n", *(cue for _, cue in cues)]))


def _blocks(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Line number and lines of each block between blank lines."""
    blocks: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate((line.rstrip("\r") for line in lines), start=1):
        if not line.strip():
            inside = False
        elif inside:
            blocks[-1][1].append(line)
        else:
            blocks.append((number, [line]))
            inside = True
    return blocks


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: Fraction) -> str:
    rest, thousandths = divmod(milliseconds(seconds), 1000)
    minutes, rest = divmod(rest, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}.{thousandths:03d}"


FORMAT = Format("webvtt", "WebVTT", (".vtt",), read, write, has_tiers=True)
