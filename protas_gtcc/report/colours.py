"""The same look for a class in every picture of a run: a colour that is safe for the colour-blind, and a hatch.

Ten hues can be distinguished (after Okabe & Ito and Tol); more classes reuse them with another hatch. Consecutive class
ids, which often follow each other in time, get different hues. Numbers in the bars are class ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

HUES = (
    "#0072B2",  # blue
    "#E69F00",  # orange
    "#009E73",  # green
    "#CC79A7",  # pink
    "#56B4E9",  # sky
    "#D55E00",  # vermilion
    "#882255",  # wine
    "#F0E442",  # yellow
    "#44AA99",  # teal
    "#332288",  # indigo
)
HATCHES = {
    "": ("", 0),
    "////": ("/", 7),
    "....": (".", 6),
    "\\\\\\\\": ("\\", 7),
    "xxxx": ("x", 7),
    "----": ("-", 6),
    "||||": ("|", 6),
    "oooo": (".", 10),
    "++++": ("+", 7),
    "****": ("x", 11),
    "//..": ("/", 12),
    "\\\\..": ("\\", 12),
}
"""Names in matplotlib, and the nearest patterns of plotly: shape, size."""
BACKGROUND = "#DDDDDD"
NAME_LENGTH = 34
"""Longer class names are shortened in the middle, where they differ least."""


@dataclass(frozen=True)
class ClassLook:
    """Fill, hatch, and the colour of text upon it."""

    fill: str
    hatch: str
    text: str


def class_looks(num_classes: int, background: Collection[int]) -> list[ClassLook]:
    """A look for each class id; background is light grey, and takes no hue from the actions."""
    # Hatches change more slowly than hues.
    actions = itertools.cycle(ClassLook(fill, hatch, _text_on(fill)) for hatch in HATCHES for fill in HUES)
    grey = ClassLook(BACKGROUND, "", "#555555")
    return [grey if label in background else next(actions) for label in range(num_classes)]


def plotly_looks(num_classes: int, background: Collection[int]) -> list[tuple[str, str, int, str]]:
    """The same for pages: fill, plotly's shape of the hatch and its size in pixels, colour of text."""
    return [(look.fill, *HATCHES[look.hatch], look.text) for look in class_looks(num_classes, background)]


def shorten(name: str, length: int = NAME_LENGTH) -> str:
    """The name of a class, at most `length` characters of it."""
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[:half]}…{name[-half:]}"


def _text_on(fill: str) -> str:
    red, green, blue = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "black" if luminance > 0.18 else "white"
