"""Predictions of one video as a CSV file.

    <video>.csv       frame, time_seconds, label, name, probability, progress
                      [, progress_low, progress_high] [, remaining_seconds,
                      remaining_low_seconds, remaining_high_seconds] [, lag_seconds] [, task, task_probability]
                      [, time_left_seconds, time_left_low_seconds, time_left_high_seconds, procedure_progress,
                      next, next_probability, next_seconds, next_low_seconds, next_high_seconds]
                      [, probs/<class>… , progress/<class>…]

A file from another program needs only the columns `label` and `progress`. The lag, the likeliest task and the
columns of the procedure are for whoever looks at the table; they are not read. All names but those of classes may be in
any case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_checks import SMALL, checked
from protas_gtcc.predictions import INTERVAL_COLUMNS, REMAINING_COLUMNS, Prediction, PredictionInfo
from protas_gtcc.storage.csv_tables import read_csv_table, write_csv_table

_OPTIONAL = ("frame", "time_seconds", "name", "probability", "remaining_seconds", *INTERVAL_COLUMNS, *REMAINING_COLUMNS)
_LONGEST_STEP = 1.75
"""From one time to the next, in usual ones: clocks are uneven, but a missing row makes a step twice as long."""


def write_csv(
    folder: Path | str, video: str, prediction: Prediction, info: PredictionInfo, every_class: bool = False
) -> Path:
    """Write one video as `folder/<video>.csv`; `every_class` adds two columns a class. Returns its path."""
    labels, frames = prediction.labels, np.arange(len(prediction.labels))
    table: dict[str, Any] = {"frame": frames, "time_seconds": frames / info.fps, "label": labels}
    table["name"] = [info.class_names[label] for label in labels]
    if prediction.probs is not None:
        table["probability"] = prediction.probs[labels, frames]
    table["progress"] = prediction.reported
    if prediction.interval is not None:
        table |= dict(zip(INTERVAL_COLUMNS, prediction.interval, strict=True))
    if prediction.remaining_seconds is not None:
        table["remaining_seconds"] = prediction.remaining_seconds
    if prediction.remaining_interval is not None:
        table |= dict(zip(REMAINING_COLUMNS, prediction.remaining_interval, strict=True))
    if info.lag_seconds:
        table["lag_seconds"] = [float(info.lag_seconds)] * len(labels)
    if prediction.task_probs is not None:
        table["task"] = [info.tasks[number] for number in prediction.task_probs.argmax(axis=0)]
        table["task_probability"] = prediction.task_probs.max(axis=0)
    if prediction.procedure is not None:
        table |= prediction.procedure.columns(info.class_names)
    for kind in ("probs", "progress") if every_class else ():
        channels = getattr(prediction, kind)
        if channels is not None:
            table |= {f"{kind}/{name}": channel for name, channel in zip(info.class_names, channels, strict=True)}
    path = Path(folder) / f"{video}.csv"
    write_csv_table(path, table)
    return path


def read_csv(path: Path, class_names: list[str] | None) -> Prediction:
    """Read one video's file; with a column `frame`, rows may be in any order, but none may be missing.

    `time_seconds` must rise by about the same step. With `class_names`, a column `name` must agree with them. Raises
    `InputError` for what cannot be a prediction.
    """
    table = read_csv_table(path, ("label", "progress"), _OPTIONAL)
    order = _order(table, path)

    def numbers(name: str) -> np.ndarray:
        return _numbers(table[name])[order]

    names = list(table)

    def channels(kind: str) -> np.ndarray | None:
        columns = _channel_columns(names, kind, class_names, path)
        return np.stack([numbers(one).astype(np.float32) for one in columns]) if columns else None

    def interval(columns: list[str]) -> np.ndarray | None:
        ends = [name for name in columns if name in names]
        if len(ends) == 1:
            other = min(set(columns) - set(ends))
            raise InputError(f"{path}: a column {ends[0]} needs {other} beside it; add it")
        return np.stack([numbers(name) for name in columns]).astype(np.float32) if ends else None

    prediction = Prediction(
        numbers("label"),
        channels("probs"),
        channels("progress"),
        numbers("progress"),
        interval(INTERVAL_COLUMNS),
        numbers("remaining_seconds").astype(np.float32) if "remaining_seconds" in names else None,
        interval(REMAINING_COLUMNS),
    )
    if "probability" in names:
        _require_shares(_numbers(table["probability"]), path)
    prediction = checked(prediction, str(path), None if class_names is None else len(class_names))
    if class_names is not None and "name" in names:
        _check_names(prediction.labels, np.array(table["name"], dtype=object)[order], class_names, path, order + 2)
    return prediction


def _numbers(cells: Sequence[str]) -> np.ndarray:
    """The numbers in a column; NaN for what is none: `checked` names its frame."""
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _order(table: Mapping[str, Sequence[str]], path: Path) -> np.ndarray:
    """The row of each frame, int64 `[T]`: by the column `frame`, else as in the file.

    Raises `InputError` unless the frames are 0 … T - 1, in any order, or without them the times rise evenly.
    """
    order = np.arange(len(table["label"]))
    if "frame" in table:
        frames = _numbers(table["frame"])
        order = np.argsort(frames, kind="stable")
        wrong = np.flatnonzero(frames[order] != np.arange(len(frames)))
        if len(wrong):
            row, expected = int(order[wrong[0]]), int(wrong[0])
            what = f"frame {table['frame'][row]!r} where {expected} was expected, of 0 to {len(frames) - 1}, each once"
            raise InputError(f"{path}, line {row + 2}: {what}; correct the column frame")
    elif "time_seconds" in table:
        _require_even_times(table["time_seconds"], order, path)
    return order


def _require_even_times(times: Sequence[str], order: np.ndarray, path: Path) -> None:
    """Raise `InputError` unless each frame follows the one before after about the usual time: no row is missing."""
    with np.errstate(invalid="ignore"):  # of infinite times
        steps = np.diff(_numbers(times)[order])
    rising = steps > 0
    usual = float(np.median(steps[rising])) if rising.any() else 0.0
    unit = 10.0 ** -max(len(time.partition(".")[2]) for time in times)  # what they may be rounded to
    wrong = np.flatnonzero(~(rising & (steps <= _LONGEST_STEP * usual + unit)))
    if len(wrong):
        before, row = order[wrong[0] : wrong[0] + 2]
        what = f"the time {times[row]!r} does not follow {times[before]!r}"
        if rising[wrong[0]]:
            gap = f"where others follow after {usual:g} s; add the missing rows, or correct the times"
            raise InputError(f"{path}, line {row + 2}: {what}, {gap}")
        raise InputError(f"{path}, line {row + 2}: {what}; sort the rows by time, or add a column frame")


def _require_shares(probability: np.ndarray, path: Path) -> None:
    wrong = ~((probability >= -SMALL) & (probability <= 1 + SMALL))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"probability is {probability[row]:g}; expected a value from 0 to 1"
        raise InputError(f"{path}, line {row + 2}: {what}")


def _channel_columns(names: list[str], kind: str, class_names: list[str] | None, path: Path) -> list[str]:
    """The columns `<kind>/<class>` in the order of the classes; of the file, where these are unknown."""
    columns = [name for name in names if name.startswith(f"{kind}/")]
    ordered = columns if class_names is None else [f"{kind}/{name}" for name in class_names]
    if columns and set(ordered) != set(columns):
        odd = min(set(ordered) ^ set(columns))
        raise InputError(f"{path}: the columns {kind}/… are not one for each class; look at {odd}")
    return ordered if columns else []


def _check_names(labels: np.ndarray, names: np.ndarray, class_names: list[str], path: Path, lines: np.ndarray) -> None:
    known = np.array([*class_names, ""], dtype=object)
    wrong = known[np.minimum(labels, len(class_names))] != names
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise InputError(
            f"{path}, line {lines[frame]}: class {labels[frame]} is called {names[frame]!r} here, "
            f"but {known[min(labels[frame], len(class_names))] or 'unknown'!r} in the dataset; correct one of the two"
        )
