"""Which settings a search varies, and within what: texts such as `lr=3e-4..3e-3` -> Optuna's distributions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from protas_gtcc.config import SECTIONS, WHERE_COMPUTED, RunConfig, flat_settings
from protas_gtcc.errors import InputError, listed

Space = Mapping[str, Any]
"""Optuna's distributions by field name."""
USUAL = (
    "lr=3e-4..3e-3",
    "epochs=20..60",
    "layers=0,4,6,8,10",
    "maps=32,64,128",
    "dropout=0.2..0.7",
    "feature_dropout=0..0.5",
    "smoothing_weight=0.05..0.5",
    "progress_weight=0.3..3",
    "class_weights=none,balanced",
)
"""What is searched unless the user says otherwise."""
LOG_RATIO = 10
"""A range whose ends differ by this factor or more is searched on a log scale."""
NOT_SEARCHED = ("seed", *WHERE_COMPUTED)


def read_space(texts: Sequence[str], base: RunConfig, flags: Sequence[str] = ()) -> Space:
    """Read `NAME=LOW..HIGH` and `NAME=A,B,C`.

    `flags` hold for every trial; what they set is not searched, though it usually is. Raises `InputError` for an
    unknown setting, values that it cannot have beside those of `base`, and a name that comes twice or is among the
    flags.
    """
    fixed = {word.split("=")[0].removeprefix("--").removeprefix("no-").replace("-", "_") for word in flags}
    texts = [one for one in texts if texts is not USUAL or one.split("=")[0] not in fixed]
    space: dict[str, Any] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not values.strip():
            raise InputError(f"--search {text}: expected NAME=LOW..HIGH or NAME=A,B,C, as in lr=3e-4..3e-3")
        if name in space:
            raise InputError(f"--search has {name} twice; give each setting once")
        space[name] = _distribution(text, values, _type_of(text, name))
        if name in fixed:
            raise InputError(f"--search {text}: {name} is given by a flag as well; leave out one of the two")
        for value in _extremes(space[name]):
            try:
                with_settings(base, {name: value})
            except InputError as error:
                raise InputError(f"--search {text}: {error}") from None
    if not space:
        raise InputError("--search has no setting to vary; name one, as in --search lr=3e-4..3e-3")
    return space


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """A configuration with other values of some fields. Raises `InputError` for a value that it cannot have."""
    sections = {}
    for section in SECTIONS:
        part = getattr(config, section)
        own = {one.name for one in dataclasses.fields(part)} & settings.keys()
        sections[section] = dataclasses.replace(part, **{name: settings[name] for name in own})
    return dataclasses.replace(config, **sections)


def flags_of(settings: Mapping[str, Any], base: RunConfig) -> list[str]:
    """The flags of `run` for these settings, beside flags that give `base`."""
    words, usual = [], flat_settings(base)
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{'' if value else 'no-'}{flag}"] if value != usual[name] else []
        else:
            words += [f"--{flag}", str(value)]
    return words


def described(space: Space) -> dict[str, str]:
    """Each setting's values as text, to see whether two spaces are equal."""
    return {name: _text(one) for name, one in sorted(space.items())}


def contains(space: Space, settings: Any) -> bool:
    """Whether these are values of the space, one for each of its settings."""
    return (
        isinstance(settings, dict)
        and settings.keys() == space.keys()
        and all(_contains(space[name], value) for name, value in settings.items())
    )


def own_point(space: Space, config: RunConfig) -> dict[str, Any] | None:
    """The searched settings of a configuration; None if one of them lies outside the space."""
    settings = flat_settings(config)
    found = {name: settings[name] for name in space}
    return found if contains(space, found) else None


def _contains(distribution: Any, value: Any) -> bool:
    if hasattr(distribution, "choices"):
        return any(type(value) is type(one) and value == one for one in distribution.choices)
    kinds = (int,) if type(distribution.low) is int else (int, float)
    return type(value) in kinds and bool(distribution.low <= value <= distribution.high)


def _text(distribution: Any) -> str:
    if hasattr(distribution, "choices"):
        return ",".join(map(str, distribution.choices))
    return f"{distribution.low:g}..{distribution.high:g}"


def _extremes(distribution: Any) -> tuple[Any, ...]:
    return tuple(getattr(distribution, "choices", ())) or (distribution.low, distribution.high)


def _type_of(text: str, name: str) -> Any:
    hints: dict[str, Any] = {}
    for section in SECTIONS:
        hints |= get_type_hints(get_type_hints(RunConfig)[section])
    known = [one for one in hints if one not in NOT_SEARCHED]
    if name not in known:
        raise InputError(
            f"--search {text}: there is no setting {name}; these can be searched: {listed(known, most=99)}"
        )
    return hints[name]


def _distribution(text: str, values: str, kind: Any) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    low, dots, high = values.partition("..")
    if not dots:
        return CategoricalDistribution(
            list(dict.fromkeys(_value(text, one.strip(), kind) for one in values.split(",")))
        )
    if kind not in (int, float):
        raise InputError(f"--search {text}: only numbers have a range; list the values, as in NAME=A,B")
    ends = _value(text, low, kind), _value(text, high, kind)
    if not ends[0] < ends[1]:
        raise InputError(f"--search {text}: {low} is not below {high}; a range is LOW..HIGH")
    logarithmic = ends[0] > 0 and ends[1] >= LOG_RATIO * ends[0] * (1 - 1e-9)
    return (IntDistribution if kind is int else FloatDistribution)(*ends, log=logarithmic)


def _value(text: str, word: str, kind: Any) -> Any:
    readers: dict[Any, Callable[[str], Any]] = {int: int, float: float}
    choices = get_args(kind) if get_origin(kind) is Literal else ("on", "off") if kind is bool else ()
    if choices:
        if word not in choices:
            raise InputError(f"--search {text}: expected one of {listed(choices)}, not {word!r}")
        return word == "on" if kind is bool else word
    try:
        value = readers[kind](word)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass
    expected = "a whole number" if kind is int else "a finite number"
    raise InputError(f"--search {text}: expected {expected}, not {word!r}") from None
