"""Output in an encoding that lacks some characters: something else stands for them, and nothing fails."""

from __future__ import annotations

import codecs
import sys
import unicodedata

HANDLER = "protas_gtcc.plain"
PLAIN = {"–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "×": "x", "·": ".", "±": "+-", "≤": "<=", "≥": ">="}
"""Of the characters that the commands themselves print, those that have no plain letters within them, as R² has."""


def make_output_safe() -> None:
    """Let standard output and standard error replace what their encoding lacks."""
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not all that stand in for them have it
            stream.reconfigure(errors=HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(one: str) -> str:
    """Plain letters for what has any, else an escape, as `\\u8336`: names stay different."""
    if one in PLAIN:
        return PLAIN[one]
    if 0x2500 <= ord(one) < 0x25A0:  # lines and bars of tables and progress
        return "|" if one in "│┃║" else "-"
    letters = unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode()
    return letters if letters and not unicodedata.category(one).startswith("L") else ascii(one)[1:-1]
