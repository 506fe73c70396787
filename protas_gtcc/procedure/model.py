"""A learnt procedure model: tables, weights and what was calibrated; kept with a network or alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.errors import InputError
from protas_gtcc.procedure.alarms import KEPT, FalseAlarms
from protas_gtcc.procedure.evidence import LATER, NEXT
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.procedure.tables import ProcedureTables

SHAPES = {
    "state_class": "S", "state_task": "S", "is_step": "S", "share": "S", "start": "S", "ends": "S",
    "repeat": "S", "rank": "S",
    "after": "SW", "before": "SW", "needs": "SW", "advance": "S2", "gap": "S2", "length": "S2",
    "orders": "NW", "orders_task": "N",
}  # fmt: skip
"""Axes of each table."""
TYPES = dict.fromkeys(("state_class", "state_task", "orders", "orders_task"), np.int64) | {"is_step": np.bool_}
"""Of the tables that are not float64."""


@dataclass(frozen=True, eq=False)
class Models:
    """What is fitted on the tables of other people, float64."""

    next_weights: np.ndarray
    """`[NEXT]`."""
    later_weights: np.ndarray
    """`[LATER]`."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is chosen on held-out people."""

    left_width: float
    """Factor of the width of the time left's interval."""
    next_width: float
    """The same of the time until the next step."""
    false_alarms: FalseAlarms


@dataclass(frozen=True, eq=False)
class ProcedureModel:
    """All that following a procedure needs beside the filter."""

    tables: ProcedureTables
    models: Models
    calibrations: tuple[Calibration, Calibration]
    """Where the task is inferred, and where it is given; of one task, both are the same."""

    def smallest_budget(self, num_reasons: int = len(REASONS)) -> float:
        """As that of `FalseAlarms`; it does not depend on whether the task is given."""
        return self.calibrations[0].false_alarms.smallest_budget(num_reasons)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, to be written; `from_arrays` reads them."""
        found = {one.name: getattr(self.tables, one.name) for one in fields(self.tables)} | vars(self.models)
        found["widths"] = np.array([(one.left_width, one.next_width) for one in self.calibrations])
        alarms = [one.false_alarms for one in self.calibrations]
        found |= {"false_alarms": np.stack([one.values for one in alarms])}
        return found | {"most_in_one": np.stack([one.most for one in alarms]), "normal_recordings": alarms[0].size}


def from_arrays(arrays: Mapping[str, np.ndarray], states: TranscriptTables, where: str) -> ProcedureModel:
    """The model of `arrays`, for a filter with these tables.

    Raises `InputError`, which starts with `where`, unless it is a sound one: compiled code reads the tables unchecked.
    """
    _check(arrays, where)
    _check_values(arrays, states, where)
    inferred, given = (
        Calibration(float(left), float(upcoming), FalseAlarms(values, most, arrays["normal_recordings"]))
        for (left, upcoming), values, most in zip(
            arrays["widths"], arrays["false_alarms"], arrays["most_in_one"], strict=True
        )
    )
    tables = ProcedureTables(**{name: arrays[name] for name in SHAPES})
    return ProcedureModel(tables, Models(arrays["next_weights"], arrays["later_weights"]), (inferred, given))


def _check(arrays: Mapping[str, np.ndarray], where: str) -> None:
    others: dict[str, tuple[int, ...]] = {
        "next_weights": (NEXT,),
        "later_weights": (LATER,),
        "widths": (2, 2),
        "false_alarms": (2, len(REASONS), KEPT),
        "most_in_one": (2, len(REASONS), KEPT),
        "normal_recordings": (2,),
    }
    for name in [*SHAPES, *others]:
        if name not in arrays or not np.isfinite(arrays[name]).all():
            raise InputError(f"{where}: the procedure's {name} is missing or not finite; train again")
    if arrays["after"].ndim != 2 or arrays["orders"].ndim != 2:
        raise InputError(f"{where}: the procedure's tables have wrong axes; train again")
    sizes = dict(zip("SW", arrays["after"].shape, strict=True)) | {"N": len(arrays["orders"]), "2": 2}
    expected = {name: tuple(sizes[axis] for axis in axes) for name, axes in SHAPES.items()} | others
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InputError(f"{where}: the procedure's {name} is {arrays[name].shape}, not {shape}; train again")
        if arrays[name].dtype != TYPES.get(name, np.float64):
            raise InputError(f"{where}: the procedure's {name} is of type {arrays[name].dtype}; train again")


def _check_values(arrays: Mapping[str, np.ndarray], states: TranscriptTables, where: str) -> None:
    share, values, (number, hours) = arrays["share"], arrays["false_alarms"], arrays["normal_recordings"]
    num_places, of_recording = np.bincount(states.state_task), arrays["orders_task"]
    is_sound = {
        "state_class": np.array_equal(arrays["state_class"], states.state_class),
        "state_task": np.array_equal(arrays["state_task"], states.state_task),
        "after": arrays["after"].shape[1] == num_places.max() and _are_shares(arrays["after"]),
        "start": _are_shares(arrays["start"]),
        "ends": _are_shares(arrays["ends"]),
        "share": ((share >= 0) & (share < 1) & (~arrays["is_step"] | (share > 0))).all(),
        "before": (arrays["before"] <= 0).all(),
        "needs": np.isin(arrays["needs"], (0, 1)).all(),
        "advance": (arrays["advance"] >= 0).all(),
        "gap": (arrays["gap"] >= 0).all(),
        "length": (arrays["length"][:, 1] > 0).all(),
        "orders_task": ((np.diff(of_recording, prepend=0) >= 0) & (of_recording < len(num_places))).all(),
        "orders": _are_places(arrays["orders"], num_places[of_recording.clip(0, len(num_places) - 1)]),
        "widths": (arrays["widths"] > 0).all(),
        "false_alarms": _are_shares(values) and (np.diff(values) <= 0).all(),
        "normal_recordings": number >= 0 and hours >= 0 and (hours > 0 or number == 0),
    }
    for name, sound in is_sound.items():
        if not sound:
            raise InputError(f"{where}: the procedure's {name} has impossible values; train again")


def _are_shares(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1 + 1e-9)).all())


def _are_places(orders: np.ndarray, num_places: np.ndarray) -> bool:
    return bool(((orders >= -1) & (orders < num_places[:, None])).all())
