"""A learnt procedure model: tables, weights and what was calibrated; kept with a network or alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

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
        return found | {"false_alarms": np.stack([one.values for one in alarms]), "normal_recordings": alarms[0].size}


def from_arrays(arrays: Mapping[str, np.ndarray], where: str) -> ProcedureModel:
    """The model of `arrays`. Raises `InputError`, which starts with `where`, unless it is a sound one."""
    _check(arrays, where)
    inferred, given = (
        Calibration(float(left), float(upcoming), FalseAlarms(values, arrays["normal_recordings"]))
        for (left, upcoming), values in zip(arrays["widths"], arrays["false_alarms"], strict=True)
    )
    tables = ProcedureTables(**{name: arrays[name] for name in SHAPES})
    return ProcedureModel(tables, Models(arrays["next_weights"], arrays["later_weights"]), (inferred, given))


def _check(arrays: Mapping[str, np.ndarray], where: str) -> None:
    others: dict[str, tuple[int, ...]] = {
        "next_weights": (NEXT,),
        "later_weights": (LATER,),
        "widths": (2, 2),
        "false_alarms": (2, len(REASONS), KEPT),
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
    _check_values(arrays, where)


def _check_values(arrays: Mapping[str, np.ndarray], where: str) -> None:
    tasks, orders = arrays["state_task"], arrays["orders"]
    width, num_tasks = orders.shape[1], int(tasks.max(initial=0)) + 1
    is_sound = {
        "state_task": tasks.size and tasks[0] == 0 and np.isin(np.diff(tasks), (0, 1)).all(),
        "after": np.bincount(tasks.clip(0), minlength=1).max() <= width,
        "orders": ((orders >= -1) & (orders < width)).all(),
        "orders_task": ((np.diff(arrays["orders_task"], prepend=0) >= 0) & (arrays["orders_task"] < num_tasks)).all(),
        "share": ((arrays["share"] >= 0) & (arrays["share"] < 1)).all(),
        "length": (arrays["length"][:, 1] > 0).all(),
        "widths": (arrays["widths"] > 0).all(),
    }
    for name, sound in is_sound.items():
        if not sound:
            raise InputError(f"{where}: the procedure's {name} has impossible values; train again")
