"""ELAN's .eaf files (MPI for Psycholinguistics, "EAF Annotation Format"), by the library pympi-ling.

Times are whole milliseconds. A tier is a tier, its attribute ANNOTATOR the annotator; a tier with a parent is a
sub-tier. Annotations that divide their parent without times of their own have equal parts of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    WriteFacts,
    milliseconds,
    timed_segment,
    video_of,
)
from protas_gtcc.errors import InputError, lacks_package, plural
from protas_gtcc.storage.atomic import replace_when_whole

DEFAULT_TIER = "actions"
_VOCABULARY, _TYPE = "actions", "action"
_MIME = {
    ".mp4": "video/mp4",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".mov": "video/quicktime",
    ".wav": "audio/x-wav",
}
_DEEPEST = 20
"""Tiers below tiers."""


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read all tiers. Raises `InputError` for a file that is not whole, and without the library."""
    document = _parsed(path)
    media = [str(one.get("MEDIA_URL") or one.get("RELATIVE_MEDIA_URL") or "") for one in document.media_descriptors]
    notices = []
    if len(media) > 1:
        notices.append(f"{plural(len(media), 'media file')}; the video has the name of the first")
    first_media = next(iter(media), "")
    name = video_of(first_media, video)
    times = _Times(document, path)
    found = []
    for tier, (aligned, refs, facts, _) in document.tiers.items():
        segments = [
            timed_segment(f"{path}, tier {tier}", row, *times.of(key), _value(document, key))
            for row, key in enumerate([*aligned, *refs], start=1)
        ]
        if segments:
            by, parent = facts.get("ANNOTATOR") or "", facts.get("PARENT_REF") or ""
            whole = tuple(segments)
            found.append(Annotation(name, whole, annotator=by, tier=tier, parent_tier=parent, media=first_media))
    if not found:
        found = [Annotation(name, (), tier=tier) for tier in list(document.tiers)[:1]]
        notices.append("no tier has an annotation: background")
    return AnnotationFile(found, notices)


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a tier for each annotation, and all labels as a controlled vocabulary.

    Raises `InputError` without the library.
    """
    pympi = _library()
    document = pympi.Eaf(author="protas_gtcc")
    document.adocument["DATE"] = "2000-01-01T00:00:00+00:00"  # the same annotations make the same file
    document.remove_tier("default")
    media = next((one.media for one in annotations if one.media), "")
    if media:
        kind = _MIME.get(Path(media).suffix.lower(), "video/mp4")
        document.add_linked_file(_address(media), mimetype=kind)
    names = dict.fromkeys([*facts.class_names, *(segment.name for one in annotations for segment in one.segments)])
    document.add_language("und", "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")
    document.add_controlled_vocabulary(_VOCABULARY)
    for number, name in enumerate(names):
        document.add_cv_entry(_VOCABULARY, f"cve{number}", [(name, "und", None)])
    document.add_linguistic_type(_TYPE)
    document.linguistic_types[_TYPE]["CONTROLLED_VOCABULARY_REF"] = _VOCABULARY
    for tier, one in zip(_tier_names(annotations), annotations, strict=True):
        document.add_tier(tier, ling=_TYPE, ann=one.annotator or None)
        for segment in one.segments:
            start = milliseconds(segment.start)
            document.add_annotation(tier, start, max(start + 1, milliseconds(segment.end)), segment.name)
    with replace_when_whole(path) as temporary:
        temporary.write_text(pympi.Elan.to_string(document), encoding="utf-8")


class _Times:
    """Start and end of annotations in seconds, also of those whose times follow from others."""

    def __init__(self, document: Any, path: Path):
        self._document, self._path = document, path
        self._slots: dict[str, Fraction] = {
            slot: Fraction(time, 1000) for slot, time in document.timeslots.items() if time is not None
        }
        children: dict[tuple[str, str], list[str]] = {}
        for aligned, refs, _, _ in document.tiers.values():
            self._interpolate([slot for first, last, *_ in aligned.values() for slot in (first, last)])
            for key, (parent, _, previous, _) in refs.items():
                siblings = children.setdefault((document.annotations[key], parent), [])
                in_order = previous is None or siblings[-1:] == [previous] or previous not in siblings
                siblings.insert(len(siblings) if in_order else siblings.index(previous) + 1, key)
        self._place = {key: (at, len(own)) for own in children.values() for at, key in enumerate(own)}
        """Of annotations that divide a parent: which part they have, and of how many."""

    def of(self, key: str, depth: int = 0) -> tuple[Fraction, Fraction]:
        """Start and end of an annotation. Raises `InputError` if it has none, or refers to one that is not there."""
        tier = self._document.annotations.get(key)
        if tier is None or depth > _DEEPEST:
            raise InputError(f"{self._path}: annotation {key} refers to one that is not there; save it again in ELAN")
        aligned, refs = self._document.tiers[tier][:2]
        if key in aligned:
            first, last = aligned[key][:2]
            if first not in self._slots or last not in self._slots:
                raise InputError(f"{self._path}, tier {tier}: annotation {key} has no times; align it in ELAN")
            return self._slots[first], self._slots[last]
        start, end = self.of(refs[key][0], depth + 1)
        at, number = self._place[key]
        part = (end - start) / number
        return start + at * part, start + (at + 1) * part

    def _interpolate(self, slots: Sequence[str]) -> None:
        """Times of slots without one: evenly between their neighbours in the tier."""
        chain = list(dict.fromkeys(slots))
        known = [at for at, slot in enumerate(chain) if slot in self._slots]
        for before, after in pairwise(known):
            start, end = self._slots[chain[before]], self._slots[chain[after]]
            for at in range(before + 1, after):
                self._slots[chain[at]] = start + (end - start) * Fraction(at - before, after - before)


def _value(document: Any, key: str) -> str:
    aligned, refs = document.tiers[document.annotations[key]][:2]
    return str(aligned[key][2] if key in aligned else refs[key][1])


def _tier_names(annotations: Sequence[Annotation]) -> list[str]:
    names: list[str] = []
    for one in annotations:
        name = one.tier or DEFAULT_TIER
        names.append(f"{name} ({one.annotator or len(names)})" if name in names else name)
    return names


def _parsed(path: Path) -> Any:
    pympi = _library()
    try:
        return pympi.Eaf(str(path), suppress_version_warning=True)
    except Exception as error:  # the library raises bare exceptions, and KeyError for what is missing
        what = f"is no whole ELAN file ({type(error).__name__}: {error})"
        raise InputError(f"{path} {what}; open it in ELAN, and save it again") from error


def _library() -> Any:
    try:
        import pympi
    except ImportError as error:
        raise lacks_package("an ELAN file", error, "elan") from error
    return pympi


def _address(media: str) -> str:
    """As ELAN writes it; it looks for a file that has moved beside the .eaf."""
    return media if "://" in media else f"file:///{media.lstrip('/')}" if media.startswith("/") else f"./{media}"


def _is_it(head: str) -> bool:
    return True


FORMAT = Format("elan", "ELAN", (".eaf",), read, write, _is_it, has_tiers=True, require=_library)
