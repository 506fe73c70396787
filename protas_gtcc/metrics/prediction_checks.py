"""Whether a prediction is a valid one: what is checked before it is written, and after it is read."""

from __future__ import annotations

import dataclasses

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import CHANNELS, Prediction
from protas_gtcc.procedure.result import CHANNELS as PROCEDURE_CHANNELS
from protas_gtcc.procedure.result import Event, Procedure

SMALL = 1e-4
"""How far a value may be out of its range: what rounding makes of it."""
PROBABILITY_LOST = 0.02
"""How far the probabilities of a frame may be from a sum of 1: rounded to three digits, those of 40 classes are."""


def checked(prediction: Prediction, where: str, num_classes: int | None = None) -> Prediction:
    """The prediction with the documented types; `num_classes` is None where the classes are not known.

    Raises `InputError`, which starts with `where`, if it is not valid: labels beyond the classes, values out of range.
    """
    labels, reported = prediction.labels, prediction.reported
    if labels.ndim != 1 or labels.shape != reported.shape:
        raise InputError(f"{where}: labels are {labels.shape}, progress is {reported.shape}; expected equal [T]")
    labels = checked_labels(labels, where, num_classes)
    frame = _first(~((reported >= 0) & (reported <= 1)))
    if frame is not None:
        raise InputError(f"{where}, frame {frame}: progress is {reported[frame]:g}; expected a fraction from 0 to 1")
    for kind, axes in CHANNELS.items():
        if getattr(prediction, kind) is not None:
            _require_numbers(getattr(prediction, kind), kind, axes, len(labels), where)
    _check_channels(prediction, where, num_classes)
    _check_filtered(prediction, where)
    if prediction.procedure is not None:
        _check_procedure(prediction.procedure, len(labels), num_classes, f"{where}, procedure")
    return dataclasses.replace(prediction, labels=labels, reported=reported.astype(np.float32))


def _check_channels(prediction: Prediction, where: str, num_classes: int | None) -> None:
    for kind in ("probs", "progress", "task_probs"):
        channels = getattr(prediction, kind)
        if channels is None:
            continue
        expected = len(channels) if num_classes is None or kind == "task_probs" else num_classes
        if len(channels) != expected:
            raise InputError(f"{where}: {kind} has {len(channels)} classes; expected {num_classes}")
        _require_shares(channels, kind, where)
    for kind in ("probs", "task_probs"):
        if getattr(prediction, kind) is not None:
            total = getattr(prediction, kind).sum(axis=0)
            frame = _first(np.abs(total - 1) > PROBABILITY_LOST)
            if frame is not None:
                raise InputError(f"{where}, frame {frame}: {kind} sum to {total[frame]:g}; expected about 1")


def _check_filtered(prediction: Prediction, where: str) -> None:
    if prediction.interval is not None:
        low, high = prediction.interval
        frame = _first(~((low >= 0) & (low <= high) & (high <= 1)))
        if frame is not None:
            ends = f"{low[frame]:g} to {high[frame]:g}"
            raise InputError(f"{where}, frame {frame}: the interval is {ends}; expected ends in [0, 1]")
    seconds = prediction.remaining_seconds
    frame = None if seconds is None else _first(seconds < 0)
    if seconds is not None and frame is not None:
        raise InputError(f"{where}, frame {frame}: {seconds[frame]:g} seconds remain; expected at least 0")
    if prediction.remaining_interval is not None:
        low, high = prediction.remaining_interval
        frame = _first(~((low >= 0) & (low <= high)))
        if frame is not None:
            ends = f"{low[frame]:g} to {high[frame]:g}"
            raise InputError(f"{where}, frame {frame}: {ends} seconds remain; expected ends from 0 on, in order")


def _check_procedure(procedure: Procedure, num_frames: int, num_classes: int | None, where: str) -> None:
    for kind, axes in PROCEDURE_CHANNELS.items():
        _require_numbers(getattr(procedure, kind), kind, axes, num_frames, where)
    if len(procedure.next_probs) != len(procedure.done):
        sizes = f"next_probs has {len(procedure.next_probs)} classes, done has {len(procedure.done)}"
        raise InputError(f"{where}: {sizes}; expected the same")
    if num_classes is not None and len(procedure.done) != num_classes:
        raise InputError(f"{where}: done has {len(procedure.done)} classes; expected {num_classes}")
    for kind in ("progress", "next_probs", "done"):
        _require_shares(np.atleast_2d(getattr(procedure, kind)), kind, where)
    for kind, (low, high) in (("left", procedure.left_interval), ("next", procedure.next_interval)):
        middle = getattr(procedure, f"{kind}_seconds")
        frame = _first(~((low >= 0) & (low <= middle) & (middle <= high)))
        if frame is not None:
            found = f"{middle[frame]:g} in {low[frame]:g} to {high[frame]:g}"
            raise InputError(f"{where}, frame {frame}: {kind}_seconds are {found}; expected times from 0 on, in order")
    for event in procedure.events:
        _check_event(event, num_frames, len(procedure.done), where)


def _check_event(event: Event, num_frames: int, num_classes: int, where: str) -> None:
    allowed = {
        "label": (event.label, 0 <= event.label < num_classes, f"a class id below {num_classes}"),
        "at": (event.at, 0 <= event.at < num_frames, f"a frame below {num_frames}"),
        "frame": (event.frame, event.frame >= 0, "a frame from 0 on"),
        "confidence": (event.confidence, 0 <= event.confidence <= 1 + SMALL, "a value from 0 to 1"),
    }
    for name, (value, is_allowed, expected) in allowed.items():
        if not is_allowed:
            raise InputError(f"{where}: {name} of an event is {value!r}; expected {expected}")


def _require_numbers(values: np.ndarray, kind: str, axes: tuple[str, tuple[int, ...]], length: int, where: str) -> None:
    """Raise `InputError` unless `values` have these axes, of T = `length`, and are finite."""
    named, shape = axes
    sizes = (*shape, length)
    if values.ndim != len(sizes) or any(a not in (-1, b) for a, b in zip(sizes, values.shape, strict=True)):
        raise InputError(f"{where}: {kind} is {values.shape}; expected {named} with T = {length}")
    if not np.isfinite([values.min(initial=0), values.max(initial=0)]).all():  # NaN is in both
        first = int(np.argmin(np.isfinite(np.atleast_2d(values)).all(axis=0)))
        raise InputError(f"{where}, frame {first}: {kind} is not finite; expected numbers")


def _require_shares(values: np.ndarray, kind: str, where: str) -> None:
    """Raise `InputError` unless all of `values` `[C, T]` are from 0 to 1."""
    if values.min(initial=0) < -SMALL or values.max(initial=0) > 1 + SMALL:
        wrong = (values < -SMALL) | (values > 1 + SMALL)
        first = int(np.argmax(wrong.any(axis=0)))
        value = values[np.argmax(wrong[:, first]), first]
        raise InputError(f"{where}, frame {first}: {kind} has {value:g}; expected values from 0 to 1")


def _first(wrong: np.ndarray) -> int | None:
    """The first wrong frame; None if there is none."""
    return int(np.argmax(wrong)) if wrong.any() else None


def checked_labels(labels: np.ndarray, where: str, num_classes: int | None = None) -> np.ndarray:
    """Class ids `[T]` as int64. Raises `InputError`, which starts with `where`, if one is not a class id."""
    frame = _first(~(np.isfinite(labels) & (labels == np.floor(labels)) & (labels >= 0)))
    if frame is not None:
        raise InputError(f"{where}, frame {frame}: the label is not a class id; expected a whole number from 0 on")
    frame = None if num_classes is None else _first(labels >= num_classes)
    if frame is not None:
        what = f"the label is {labels[frame]:g}, the classes are 0 to {num_classes - 1 if num_classes else 0}"
        raise InputError(f"{where}, frame {frame}: {what}; expected one of them")
    return labels.astype(np.int64)
