"""`mapping.txt`: class names and their ids, in the forms that code bases write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.errors import InputError, plural
from protas_gtcc.layouts.names import composed
from protas_gtcc.storage.text_files import read_lines

_BAR, _BLANK, _NAME_FIRST = "id|name", "id name", "name id"
_FORMS = {
    _BAR: re.compile(r"(?P<id>[0-9]{1,9})\s*\|(?P<name>.*)"),
    _BLANK: re.compile(r"(?P<id>[0-9]{1,9})\s+(?P<name>\S.*)"),
    _NAME_FIRST: re.compile(r"(?P<name>.*\S)\s+(?P<id>[0-9]{1,9})"),
}


@dataclass(frozen=True)
class ClassMapping:
    """The classes of a dataset."""

    names: list[str]
    """By class id 0 ... C-1, which is the order of the file's own ids."""
    own_ids: list[int]
    """The file's own id of each class; they may begin at 1, or have gaps."""
    notices: list[str]
    """What was understood, where it is not the usual form."""

    @property
    def by_own_id(self) -> dict[str, int]:
        """Class id for each of the file's own ids, as text."""
        return {str(own): label for label, own in enumerate(self.own_ids)}


def read_mapping(path: Path) -> ClassMapping:
    """Read class names and ids, one class a line; names may contain spaces.

    A line is `id|name` (EgoPER), `id name` (MS-TCN, FACT), or, if all lines are so and not the former, `name id`. Ids
    that begin at 1 or have gaps are renumbered. Raises `InputError` for any other line, and for an id or a name that
    comes twice.
    """
    lines = [line.strip() for line in read_lines(path)]
    if not lines:
        raise InputError(f"{path} is empty; write one class a line, 'id name' or 'id|name'")
    form = _form_of(lines)
    names: dict[int, str] = {}
    first: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        found = _FORMS[form].fullmatch(line)
        if found is None or not found["name"].strip():
            raise InputError(f"{path}, line {number}: expected {form!r}, came {line!r}; correct it")
        label, name = int(found["id"]), found["name"].strip()
        if label in names:
            both = f"{names[label]!r} and {name!r}"
            raise InputError(f"{path}, line {number}: class id {label} comes twice, for {both}; renumber one")
        if composed(name) in first:
            other = first[composed(name)]
            form_too = "" if other == name else f", before as {other!r} in another Unicode form"
            raise InputError(f"{path}, line {number}: class name {name!r} comes twice{form_too}; rename one")
        names[label] = first[composed(name)] = name
    own_ids = sorted(names)
    return ClassMapping([names[label] for label in own_ids], own_ids, _notices(path, form, own_ids))


def choose_label_ids(mapping: ClassMapping, first_label: str, where: Path) -> tuple[Mapping[str, int], list[str]]:
    """Class id of each label that may stand in the labels' files, and a notice if these are ids in place of names.

    They are ids if the first label is one, and no class has a number as its name.
    """
    by_name, by_own_id = {name: label for label, name in enumerate(mapping.names)}, mapping.by_own_id
    if first_label not in by_own_id or any(name.isdecimal() for name in by_name):
        return by_name, []
    example = f"{first_label} is {mapping.names[by_own_id[first_label]]}"
    return by_own_id, [f"the labels are class ids, read as those of {where.name}: {example}"]


def _form_of(lines: list[str]) -> str:
    if _FORMS[_BAR].fullmatch(lines[0]):
        return _BAR
    all_fit = {form: all(map(_FORMS[form].fullmatch, lines)) for form in (_BLANK, _NAME_FIRST)}
    return _NAME_FIRST if all_fit[_NAME_FIRST] and not all_fit[_BLANK] else _BLANK


def _notices(path: Path, form: str, own_ids: list[int]) -> list[str]:
    notices = [f"the lines of {path.name} are read as 'name id'"] if form == _NAME_FIRST else []
    last = len(own_ids) - 1
    if own_ids != list(range(last + 1)):
        gaps = ", with gaps" if own_ids[-1] - own_ids[0] > last else ""
        numbered = f"{path.name} numbers its {plural(last + 1, 'class')} from {own_ids[0]} to {own_ids[-1]}{gaps}"
        notices.append(f"{numbered}; class ids are 0 to {last} here, in the same order")
    return notices
