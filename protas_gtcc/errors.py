"""The one error that a user, not a programmer, is expected to read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

LONGEST_MESSAGE = 2000


class InputError(Exception):
    """The input or the data is at fault.

    The message is one line: what was expected, what was found, where, and the way out. Commands print it on standard
    error without a traceback and exit with code 1. Whatever values it quotes, it is of printable characters, and at
    most `LONGEST_MESSAGE` of them.
    """

    def __str__(self) -> str:
        text = _with_accents_apart(_shortened(" ".join(super().__str__().split())))
        return _shortened("".join(one if one.isprintable() else repr(one)[1:-1] for one in text))


def _shortened(text: str) -> str:
    half = LONGEST_MESSAGE // 2 - 3
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} […] {text[-half:]}"


def _with_accents_apart(text: str) -> str:
    """The text with `\\u0308` in place of an accent that its letter should contain: else two names look alike.

    Programs write `ä` as one character, or as two, `a` and an accent. Accents of scripts that have them apart stay.
    """
    words = re.split(r"(\s)", text)
    return "".join(
        word
        if unicodedata.is_normalized("NFC", word)
        else "".join(ascii(one)[1:-1] if unicodedata.combining(one) else one for one in word)
        for word in words
    )


@contextmanager
def noted(broken: dict[str, str], name: str, skip: bool, kind: type[InputError] = InputError) -> Iterator[None]:
    """With `skip`, note an error of what is called `name` in `broken` instead of raising it."""
    try:
        yield
    except kind as error:
        if not skip:
            raise
        broken[name] = str(error)


def lacks_package(what: str, error: ImportError, extra: str) -> InputError:
    """The error for a missing package that `what` needs; the extra of that name installs it."""
    # From the clone: the package is on no index.
    way_out = f"pip install -e '.[{extra}]' in the folder of protas_gtcc's clone installs it"
    return InputError(f"{what} needs the package {error.name}; {way_out}")


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 video`, `2 videos`, `3 classes`."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"


def plain(number: float) -> str:
    """A number with all digits that it needs, for a flag or a count: `30`, `29.97002997002997`, `1234567`."""
    return repr(float(number)).removesuffix(".0")


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names for a message: `a, b, c and 4 more`; `none` without any."""
    shown = [str(name) for name in names]
    text = ", ".join(shown[:most]) or "none"
    return text if len(shown) <= most else f"{text} and {len(shown) - most} more"
