"""Tables of DeepLabCut (CSV, HDF5) and of Lightning Pose (CSV), which has the form of DeepLabCut's.

    scorer,network,network,network,...
    individuals,hand,...                   where there are several animals or people
    bodyparts,thumb,thumb,thumb,...
    coords,x,y,likelihood,...              or x, y, z; columns of other names are not read
    0,10.5,20.1,0.98,...

The HDF5 file is what pandas writes of such a table. The names of its columns are in a pickle, which is not opened: all
tables of predictions have the columns x, y, likelihood, point by point.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.hdf5_arrays import WAY_OUT
from protas_gtcc.storage.keypoints.points import Keypoints
from protas_gtcc.storage.number_tables import first_rows, read_numbers
from protas_gtcc.storage.stored import StoredFile, open_stored

_AXES, _CONFIDENCE = ("x", "y", "z"), "likelihood"
_TABLE, _VALUES, _NAMES = "table", "values_block_0", "non_index_axes"


def is_dlc_csv(path: Path) -> bool:
    """Whether a CSV file has the rows of headings of these tables."""
    return _num_header_rows(path) is not None


def read_dlc_csv(path: Path) -> Keypoints:
    """The points of a table. Raises `InputError` for one without x and y."""
    head = _num_header_rows(path)
    assert head is not None
    rows = first_rows(path)[:head]
    points: dict[tuple[str, ...], dict[str, int]] = {}
    for column in range(1, len(rows[0])):
        *names, coordinate = (row[column] if column < len(row) else "" for row in rows[1:])
        points.setdefault(tuple(names), {})[coordinate.casefold()] = column
    axes = [axis for axis in _AXES if any(axis in columns for columns in points.values())]
    lacking = [names for names, columns in points.items() if not {*axes} <= {*columns}]
    if not axes or lacking:
        where = f"point {' '.join(lacking[0])}" if lacking else "it"
        raise InputError(f"{path}: {where} has no column x or y among its coords; write the table again")
    table = read_numbers(path, head)
    positions = table[:, [[columns[axis] for axis in axes] for columns in points.values()]]
    unknown = np.full((len(table), 1), np.nan, np.float32)
    table = np.concatenate([table, unknown], axis=1)  # column -1
    return Keypoints(positions, table[:, [columns.get(_CONFIDENCE, -1) for columns in points.values()]])


def find_dlc_table(file: StoredFile) -> str | None:
    """The group of an HDF5 file that pandas has written of such a table; None if there is none."""
    for name in file:
        with suppress(ValueError, KeyError, OSError, RuntimeError):
            group = file.group(name)
            if _TABLE in group and _CONFIDENCE in str(group.attribute(_NAMES)):
                return name
    return None


def read_dlc_hdf5(path: Path) -> Keypoints:
    """The points of such a file. Raises `InputError` if its columns are not x, y, likelihood, point by point."""
    with open_stored(path, WAY_OUT) as file:
        name = find_dlc_table(file)
        assert name is not None
        table = file.group(name).array(_TABLE)
        fields = table.dtype.names or ()
        if _VALUES not in fields:
            raise InputError(f"{path}: {name}/{_TABLE} has no {_VALUES}; save the table as CSV")
        values = np.asarray(table.fields(_VALUES)[:], dtype=np.float32)
    if values.ndim != 2 or values.shape[1] % 3 or not _is_share(values[:, 2::3]):
        columns = plural(values.shape[-1], "column")
        raise InputError(f"{path}: {name} has {columns} that are not x, y, likelihood in turn; save it as CSV")
    triples = values.reshape(len(values), -1, 3)
    return Keypoints(triples[:, :, :2], triples[:, :, 2])


def _is_share(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool(((known >= 0) & (known <= 1)).all())


def _num_header_rows(path: Path) -> int | None:
    rows = first_rows(path)
    names = [row[0].casefold() if row else "" for row in rows]
    if names[0] != "scorer" or "coords" not in names:
        return None
    return names.index("coords") + 1
