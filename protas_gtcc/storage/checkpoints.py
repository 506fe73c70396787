"""Where the checkpoint of a model is. No torch: a wrong path is found before the seconds that its import takes."""

from __future__ import annotations

from pathlib import Path

from protas_gtcc.errors import InputError

CHECKPOINT = "checkpoint.safetensors"
"""Its name in a run directory."""


def find_checkpoint(path: Path | str) -> Path:
    """The checkpoint in a run directory, or the file itself. Raises `InputError` if there is none."""
    path = Path(path)
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"no checkpoint {file}; train first, or name the folder of a finished run")
    return file
