"""Parquet files: columns in, one file out, and back. They need the extra `[lerobot]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def write_parquet_parts(path: Path, parts: Iterable[Mapping[str, Sequence[Any]]], types: Mapping[str, str]) -> None:
    """Write a table in parts, as they come, in one step; `types` are pyarrow's names of the columns' types.

    Only one part is in memory. Raises `InputError` without pyarrow.
    """
    require_parquet(path)
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in types.items()])
    with replace_when_whole(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for part in parts:
            writer.write_table(pyarrow.table(dict(part), schema))
