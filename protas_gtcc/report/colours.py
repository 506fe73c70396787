"""The look of a class, the same wherever it is shown, and the colours of runs, which are never those of a class.

Looks are those of the dataset (`annotations/palette.py`), which its models and predictions have too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from protas_gtcc.annotations.palette import BACKGROUND, known_colours

RUN_COLOURS = ("#111111", "#7a2cf5", "#7d1717", "#0b4a20", "#00408c", "#5c3a00", "#00484d", "#5e5e5e")
RUN_COLOURS_ON_DARK = ("#ffffff", "#f04bff", "#ffc9c4", "#c4f2cd", "#bcd4ff", "#ffdfb0", "#bdf3f3", "#b5b5b5")
"""Darker than any class, and on a dark page lighter, so that no line of a run is taken for a class.

The second one is more vivid than any class instead: of two runs, one line is much lighter than the other.
"""
NAME_LENGTH = 34
"""Longer class names are shortened in the middle, where they differ least."""


@runtime_checkable
class HasClasses(Protocol):
    """Facts of a dataset, a model or predictions."""

    @property
    def class_names(self) -> list[str]:
        """By class id."""

    @property
    def background(self) -> list[int]:
        """Ids of the background classes."""

    @property
    def class_colours(self) -> list[str]:
        """By class id; none if not known."""


@dataclass(frozen=True)
class ClassLook:
    """Fill, colour of the stripe along the bottom of a bar, "" for none, and the colour of text upon it."""

    fill: str
    stripe: str
    text: str

    def cell(self, column: int) -> str:
        """The colour of a character of a bar on a terminal, where the stripe is every third one."""
        return self.stripe if self.stripe and column % 3 == 1 else self.fill


def class_looks(facts: HasClasses) -> list[ClassLook]:
    """A look for each class id; background is light grey."""
    colours = known_colours(facts.class_colours, len(facts.class_names), facts.background)
    parts = [(*colour.split(" "), "")[:2] for colour in colours]
    return [ClassLook(fill, stripe, "#555555" if fill == BACKGROUND else _text_on(fill)) for fill, stripe in parts]


def shorten(name: str, length: int = NAME_LENGTH) -> str:
    """The name of a class, at most `length` characters of it."""
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[:half]}…{name[-half:]}"


def _text_on(fill: str) -> str:
    red, green, blue = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "black" if luminance > 0.18 else "white"
