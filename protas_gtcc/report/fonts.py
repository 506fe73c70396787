"""Which font draws a text in pictures, and what stands for letters that no installed font has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

OWN = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""It comes with matplotlib; Chinese, Japanese and Korean letters and emoji are not in it."""


def font_for(text: str) -> Path:
    """The own font if it has all letters, else an installed one that has them, else the own one."""
    letters = frozenset(map(ord, filter(str.isprintable, text)))
    return OWN if letters <= _letters(OWN) else _installed(letters)


def drawable(text: str) -> str:
    """The text with `\\u8336` for a letter that its font lacks, and a mark for each control character.

    Names of classes may hold any.
    """
    known = _letters(font_for(text))

    def shown(one: str) -> str:
        if not one.isprintable():
            return "\N{REPLACEMENT CHARACTER}"
        return one if ord(one) in known else ascii(one)[1:-1]

    return "".join(map(shown, text))


@cache
def _installed(letters: frozenset[int]) -> Path:
    # Here, because it looks through all fonts of the machine, which takes time and is seldom needed.
    from matplotlib.font_manager import fontManager

    for file in sorted({font.fname for font in fontManager.ttflist if "Last Resort" not in font.name}):
        if letters <= _letters(Path(file)):
            return Path(file)
    return OWN


@cache
def _letters(font: Path) -> frozenset[int]:
    """Those that a font has; none if it cannot be read."""
    try:
        return frozenset(FT2Font(str(font)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
