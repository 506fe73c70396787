"""Facts of an HDF5 file, written and read: numbers and texts as attributes, lists as attributes or arrays.

An attribute holds 64 KB, so a long list becomes an array of the same name. Text has a fixed length in UTF-8, as
`stored.py` explains; text of variable length, as earlier versions wrote it, is read too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import h5py
import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.stored import StoredGroup

LARGEST_ATTRIBUTE = 60_000
"""Bytes; the library's limit is 64 KB with all that belongs to an attribute."""

HEADER_CHANGED = "its header differs from what was written (if you changed it, delete its attribute checksum)"

V = TypeVar("V")


def write_facts(owner: Any, **facts: str | int | float) -> None:
    """Write or replace attributes. Raises `InputError` for a text that is too long or no text."""
    for name, value in facts.items():
        if not isinstance(value, str):
            owner.attrs[name] = value
            continue
        stored = text_array([value])
        if stored.nbytes > LARGEST_ATTRIBUTE:
            raise InputError(f"the {name} {value!r} has {stored.nbytes} bytes, more than a file holds; shorten it")
        owner.attrs.create(name, stored[0], dtype=stored.dtype)


def write_list(owner: Any, name: str, values: Sequence[str] | np.ndarray) -> None:
    """Write or replace a list of texts, or an array `[N]` of numbers."""
    stored = values if isinstance(values, np.ndarray) else text_array(values)
    if name in owner:
        del owner[name]
    if name in owner.attrs:
        del owner.attrs[name]
    if stored.nbytes > LARGEST_ATTRIBUTE:
        owner.create_dataset(name, data=stored)
    else:
        owner.attrs.create(name, stored, dtype=stored.dtype)


def text_array(texts: Sequence[str]) -> np.ndarray:
    """Texts as an array `[N]` of one fixed length. Raises `InputError` for what is no text."""
    try:
        encoded = [one.encode() for one in texts]
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!r} has a character that UTF-8 does not have; rename it") from error
    longest = max(map(len, encoded), default=0)
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(longest, 1)))


def has_format(group: StoredGroup, name: str) -> bool:
    """Whether the file is marked as one of this format."""
    return group.has_attribute("format") and str(group.attribute("format")) == name


def read_fact(group: StoredGroup, name: str, kind: Callable[[Any], V]) -> V:
    """An attribute of a kind, such as `whole`. Raises `ValueError`, which names it, if it is missing or of another."""
    if not group.has_attribute(name):
        raise ValueError(f"{name}{group.of} is missing")
    return _of_kind(kind, group.attribute(name), f"{name}{group.of}")


def require_checksum(group: StoredGroup, expected: int, what: str) -> None:
    """Raise `ValueError(what)` unless the group's `checksum` is the expected one, or it has none."""
    if group.has_attribute("checksum") and read_fact(group, "checksum", whole) != expected:
        raise ValueError(what)


def write_extractor(owner: Any, extractor: Extractor) -> None:
    """Write or replace what made the features, known or not."""
    write_facts(owner, backbone=extractor.backbone, backbone_fingerprint=extractor.fingerprint)
    write_facts(owner, backbone_fps=float(extractor.fps))


def read_extractor(group: StoredGroup) -> Extractor:
    """What `write_extractor` wrote; unknown in files of earlier versions. Raises `ValueError` as `read_fact` does."""
    if not group.has_attribute("backbone"):
        return Extractor()
    return Extractor(
        backbone=read_fact(group, "backbone", text),
        fingerprint=read_fact(group, "backbone_fingerprint", text),
        fps=read_fact(group, "backbone_fps", number),
    )


def without_unknown(facts: dict[str, Any]) -> dict[str, Any]:
    """The fields of a description for its checksum: earlier versions did not count those that are not known here."""
    is_known = {"extractor": bool(facts["extractor"]["backbone"]), "tasks": bool(facts.get("tasks"))}
    is_known |= {name: bool(facts.get(name)) for name in ("class_colours", "lag_seconds")}
    return {name: value for name, value in facts.items() if is_known.get(name, True)}


def read_texts(group: StoredGroup, name: str) -> list[str]:
    """A list of texts that `write_list` wrote. Raises `ValueError` as `read_fact` does."""
    if name in group and not group.has_attribute(name):
        return group.texts(name)
    return read_fact(group, name, texts)


def read_wholes(group: StoredGroup, name: str) -> list[int]:
    """A list of whole numbers that `write_list` wrote. Raises `ValueError` as `read_fact` does."""
    if name in group and not group.has_attribute(name):
        array = group.array(name)
        return _of_kind(wholes, array[:] if array.ndim == 1 else array.shape, name)
    return read_fact(group, name, wholes)


def _of_kind(kind: Callable[[Any], V], value: Any, what: str) -> V:
    try:
        return kind(value)
    except TypeError:
        raise ValueError(f"{what} is {value!r}") from None


def whole(value: Any) -> int:
    """A whole number. Raises `TypeError` for anything else, as the other kinds do."""
    if not isinstance(value, np.integer):
        raise TypeError
    return int(value)


def number(value: Any) -> float:
    """A number."""
    if not isinstance(value, np.integer | np.floating):
        raise TypeError
    return float(value)


def flag(value: Any) -> bool:
    """A truth value."""
    if not isinstance(value, np.bool_):
        raise TypeError
    return bool(value)


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def texts(value: Any) -> list[str]:
    """Texts `[N]`."""
    if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise TypeError
    return value


def wholes(value: Any) -> list[int]:
    """Whole numbers `[N]`."""
    if not (isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu"):
        raise TypeError
    return [int(one) for one in value]
