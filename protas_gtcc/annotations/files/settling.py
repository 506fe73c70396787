"""From what files have to segments that do not overlap: once, for every format.

    choose     one annotator for each video, and the tiers that are wanted
    settle     times are scaled, open events closed, overlaps resolved; what has no name or no duration is left out

Everything that is changed or left out is counted in a notice. What no segment covers is background.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

from protas_gtcc.annotations.files.options import AnnotationOptions, Overlaps
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, TimedSegment, by_video
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.plain_names import is_text

LATEST: Overlaps = "latest"
_RULES = {"latest": "the one that began last counts", "earliest": "the one that began first counts"}


@dataclass
class _Counts:
    """What was changed or left out."""

    numbers: Counter[str] = field(default_factory=Counter)
    overlap_seconds: Fraction = Fraction(0)
    overlapping_videos: set[str] = field(default_factory=set)


def settle_file(file: AnnotationFile, options: AnnotationOptions, keep_all: bool = False) -> AnnotationFile:
    """One annotation for each video, without overlaps; with `keep_all`, every annotator and tier is kept.

    Raises `InputError` if an annotator or a tier has to be chosen, and for what `options` refuse.
    """
    notices = list(file.notices)
    wanted = options.tier is not None or options.annotator is not None
    chosen = file.annotations if keep_all and not wanted else choose(file.annotations, options, notices)
    return AnnotationFile(settle(chosen, options, notices), notices)


def choose(annotations: Sequence[Annotation], options: AnnotationOptions, notices: list[str]) -> list[Annotation]:
    """One annotation for each video: by the wanted annotator, with the wanted tiers as one.

    Raises `InputError` for names that are not there, and where one has to be chosen.
    """
    _require_known("--annotator", options.annotator or (), annotations, "annotator")
    _require_known("--tier", options.tier or (), annotations, "tier")
    chosen, left_out = [], set[str]()
    for video, of_video in by_video(annotations).items():
        own = _of_annotator(video, of_video, options.annotator or ())
        own = _of_tiers(video, own, options.tier, left_out)
        if own:
            merged = tuple(segment for one in own for segment in one.segments)
            opened = tuple(event for one in own for event in one.open_events)
            tier = own[0].tier if len(own) == 1 else ""
            chosen.append(replace(own[0], segments=merged, open_events=opened, tier=tier))
    if left_out:
        notices.append(f"sub-tiers left out: {listed(sorted(left_out))}; --tier takes others")
    absent = sorted({one.video for one in annotations} - {one.video for one in chosen})
    if absent:
        notices.append(f"{plural(len(absent), 'video')} without a tier that is wanted, left out: {listed(absent)}")
    return chosen


def settle(annotations: Iterable[Annotation], options: AnnotationOptions, notices: list[str]) -> list[Annotation]:
    """Annotations whose segments are in time order and do not overlap. Raises `InputError` for what is refused."""
    counts = _Counts()
    settled = [_settled(one, options, counts) for one in annotations]
    notices += _notices(counts, options)
    return settled


def without_overlaps(segments: Sequence[TimedSegment], rule: Overlaps) -> list[TimedSegment]:
    """At each time one segment: the one that began last (`latest`) or first (`earliest`), in time order.

    Of those that began together, the shorter one counts (`latest`), or the longer one. A segment goes on where one that
    lies within it ends.
    """
    return [replace(segments[number], start=start, end=end) for number, start, end in _pieces(segments, rule)]


def _pieces(segments: Sequence[TimedSegment], rule: Overlaps) -> list[tuple[int, Fraction, Fraction]]:
    """The number of the segment that counts, from when to when, in time order."""
    times = sorted({time for one in segments for time in (one.start, one.end)})
    waiting = sorted(range(len(segments)), key=lambda number: segments[number].start, reverse=True)
    active: list[tuple[Fraction, Fraction, int]] = []
    pieces: list[tuple[int, Fraction, Fraction]] = []
    sign = -1 if rule == LATEST else 1
    for start, end in pairwise(times):
        while waiting and segments[waiting[-1]].start <= start:
            number = waiting.pop()
            heapq.heappush(active, (sign * segments[number].start, -sign * segments[number].end, number))
        while active and segments[active[0][2]].end <= start:
            heapq.heappop(active)
        if active:
            number = active[0][2]
            goes_on = bool(pieces) and pieces[-1][0] == number and pieces[-1][2] == start
            pieces.append((number, pieces.pop()[1] if goes_on else start, end))
    return pieces


def _of_annotator(video: str, annotations: Sequence[Annotation], wanted: Sequence[str]) -> list[Annotation]:
    names = sorted({one.annotator for one in annotations})
    found = next((name for name in wanted if name in names), None)
    if found is not None:
        return [one for one in annotations if one.annotator == found]
    if len(names) > 1:
        known = listed(name or "one without a name" for name in names)
        way_out = "choose one with --annotator, or compare them with 'protas-gtcc convert --agreement'"
        raise InputError(f"{annotations[0].source}: video {video} has annotations by {known}; {way_out}")
    return list(annotations)


def _of_tiers(
    video: str, annotations: Sequence[Annotation], wanted: Collection[str] | None, left_out: set[str]
) -> list[Annotation]:
    if wanted is not None:
        return [one for one in annotations if one.tier in wanted]
    own = [one for one in annotations if not one.parent_tier]
    names = {one.tier for one in own}
    if len(names) > 1:
        where = f"{annotations[0].source}: video {video}"
        raise InputError(f"{where} has the tiers {listed(sorted(names))}; choose one or more with --tier")
    left_out |= {one.tier for one in annotations if one.parent_tier}
    return own


def _require_known(flag: str, wanted: Collection[str], annotations: Sequence[Annotation], field_name: str) -> None:
    known = sorted({getattr(one, field_name) for one in annotations} - {""})
    for name in wanted:
        if name not in known:
            raise InputError(f"{flag} {name!r} is not in the files, which have {listed(known)}; correct the name")


def _settled(one: Annotation, options: AnnotationOptions, counts: _Counts) -> Annotation:
    closed = [*one.segments, *_closed(one, options, counts)]
    named = [_named(one, segment, options) for segment in closed]
    counts.numbers["joined lines"] += sum(" ".join(segment.name.split()) != segment.name for segment in closed)
    counts.numbers["nameless"] += sum(not segment.name for segment in named)
    counts.numbers["points"] += sum(bool(segment.name) and segment.start == segment.end for segment in named)
    whole = sorted(
        (segment for segment in named if segment.name and segment.end > segment.start),
        key=lambda segment: (segment.start, segment.end),
    )
    if options.scale != 1:
        whole = [
            replace(segment, start=segment.start * options.scale, end=segment.end * options.scale) for segment in whole
        ]
    seconds = None if one.seconds is None else one.seconds * options.scale
    return replace(one, segments=tuple(_apart(one, whole, options, counts)), open_events=(), seconds=seconds)


def _named(one: Annotation, segment: TimedSegment, options: AnnotationOptions) -> TimedSegment:
    """With its detail if that is wanted, in one line. Raises `InputError` for a name that is no text."""
    name = f"{segment.name}: {segment.detail}" if options.details and segment.detail else segment.name
    line = " ".join(name.split())
    if not is_text(line):
        what = f"label {line[:60]!r} has control characters, or is not Unicode"
        raise InputError(f"{one.source}: of video {one.video}, {segment.unit} {segment.row}: {what}; rename it")
    return segment if line == segment.name else replace(segment, name=line)


def _closed(one: Annotation, options: AnnotationOptions, counts: _Counts) -> list[TimedSegment]:
    """The open events as segments."""
    if not one.open_events:
        return []
    event = one.open_events[0]
    if options.open_events == "refuse":
        what = f"row {event.row} ({event.name}, from {float(event.start):g} s) has no stop"
        raise InputError(f"{one.source}: of video {one.video}, {what}; add it, or choose another --open-events")
    counts.numbers["open"] += len(one.open_events)
    if options.open_events == "drop":
        return []
    times = [segment.end for segment in one.segments] + [event.start for event in one.open_events]
    last = max([*times, one.seconds or Fraction(0)])
    return [TimedSegment(event.start, last, event.name, event.row, event.detail) for event in one.open_events]


def _apart(
    one: Annotation, segments: list[TimedSegment], options: AnnotationOptions, counts: _Counts
) -> list[TimedSegment]:
    """Segments in time order, without overlaps, which are counted."""
    reached: TimedSegment | None = None
    count = 0
    for segment in segments:
        if reached is not None and segment.start < reached.end:
            count += 1
            if options.overlaps == "refuse":
                what = f"{reached} and {segment} overlap"
                raise InputError(f"{one.source}: of video {one.video}, {what}; end one where the other starts")
        if reached is None or segment.end > reached.end:
            reached = segment
    if not count:
        return segments
    pieces = _pieces(segments, options.overlaps or LATEST)
    apart = [replace(segments[number], start=start, end=end) for number, start, end in pieces]
    counts.numbers["overlaps"] += count
    counts.numbers["hidden"] += len(segments) - len({number for number, _, _ in pieces})
    counts.overlapping_videos.add(one.video)
    total = sum((segment.end - segment.start for segment in segments), Fraction(0))
    counts.overlap_seconds += total - sum((segment.end - segment.start for segment in apart), Fraction(0))
    return apart


def _notices(counts: _Counts, options: AnnotationOptions) -> list[str]:
    numbers, notices = counts.numbers, []
    if numbers["overlaps"]:
        where = f"in {plural(len(counts.overlapping_videos), 'video')}, {float(counts.overlap_seconds):.3f} s"
        rule = _RULES[options.overlaps or LATEST]
        hidden = f"; {plural(numbers['hidden'], 'segment')} behind others left out" if numbers["hidden"] > 0 else ""
        notices.append(f"{plural(numbers['overlaps'], 'overlap')} {where}: {rule} (--overlaps){hidden}")
    if numbers["open"]:
        done = "left out" if options.open_events == "drop" else "ended with their video, or its last event"
        notices.append(f"{plural(numbers['open'], 'event')} with a start and no stop, {done} (--open-events)")
    if numbers["points"]:
        notices.append(f"{plural(numbers['points'], 'event')} without a duration left out")
    if numbers["nameless"]:
        notices.append(f"{plural(numbers['nameless'], 'segment')} without a label left out: background")
    if numbers["joined lines"]:
        notices.append(
            f"{plural(numbers['joined lines'], 'label')} with line breaks or blanks in a row, read with single blanks"
        )
    return notices
