"""Parquet files: columns in, one file out, and back. They need the extra `[lerobot]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, lacks_package, listed
from protas_gtcc.storage.atomic import replace_when_whole


def read_parquet(path: Path, needed: Sequence[str], optional: Sequence[str] = (), **only: int) -> dict[str, list[Any]]:
    """The columns of a Parquet file that are named, each a list `[N]`; of the optional ones those that are there.

    `only` keeps the rows whose column has that number. Raises `InputError` for a file that cannot be read, for a
    missing column, and without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise lacks_package(f"reading {path}", error, "lerobot") from error
    try:
        heads = parquet.read_schema(path).names
        if absent := [name for name in needed if name not in heads]:
            raise InputError(f"{path} has no column {absent[0]}; it has {listed(heads)}: add the column")
        chosen = [*needed, *(name for name in optional if name in heads)]
        rows = [(name, "=", number) for name, number in only.items()] or None
        table = parquet.read_table(path, columns=chosen, filters=rows, partitioning=None)
        return {name: table.column(name).to_pylist() for name in chosen}
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())[:200]}; copy it again") from error


def write_parquet(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write columns of one length, each with its type, in one step. Raises `InputError` without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise lacks_package(f"writing {path}", error, "lerobot") from error
    with replace_when_whole(path) as temporary:
        parquet.write_table(pyarrow.table(dict(columns)), temporary)


def require_parquet(path: Path) -> None:
    """Raise `InputError` without pyarrow, which writing that file would need."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise lacks_package(f"writing {path}", error, "lerobot") from error


@dataclass(frozen=True)
class Column:
    """A column of a table that is written in parts."""

    name: str
    kind: str
    """pyarrow's name of its type."""
    unit: str
    """"" of what has none."""
    meaning: str


def has_columns(path: Path, columns: Sequence[Column]) -> bool:
    """Whether a file is a table with these columns and their meanings; False without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return False
    try:
        schema = parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError):
        return False
    meanings = {field.name: (field.metadata or {}).get(b"description") for field in schema}
    return all(meanings.get(one.name) == one.meaning.encode() for one in columns)


@contextmanager
def parquet_parts(
    path: Path, columns: Sequence[Column], rows_a_part: int = 20_000
) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Write a table in parts, in one step: yields a function that adds rows; what a row lacks is null.

    A part is written of so many rows or more, so that only one is in memory. Units and meanings are in the columns'
    metadata, as `unit` and `description`. Raises `InputError` without pyarrow.
    """
    require_parquet(path)
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        pyarrow.field(
            one.name, pyarrow.type_for_alias(one.kind), metadata={"unit": one.unit, "description": one.meaning}
        )
        for one in columns
    )
    rows = list[Mapping[str, Any]]()

    def add(more: Sequence[Mapping[str, Any]]) -> None:
        rows.extend(more)
        if len(rows) >= rows_a_part:
            write()

    def write() -> None:
        part = {one.name: [row.get(one.name) for row in rows] for one in columns}
        writer.write_table(pyarrow.table(part, schema))
        rows.clear()

    with replace_when_whole(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        yield add
        if rows:
            write()
