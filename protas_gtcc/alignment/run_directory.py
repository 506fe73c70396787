"""The run directory of an encoder: the files of any run, with the configuration of an alignment."""

from __future__ import annotations

from typing import Any

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.config import flat_settings
from protas_gtcc.errors import InputError
from protas_gtcc.storage.configs import from_yaml
from protas_gtcc.training.run_directory import RunDirectory


class AlignmentDirectory(RunDirectory):
    """Paths and files of an alignment run."""

    def read_alignment(self) -> AlignmentConfig:
        """The run's  Raises `InputError` if there is no alignment run here."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path} is not a run directory: it has no config.yaml")
        text = self.config_file.read_text(encoding="utf-8")
        if "alignment:" not in text.splitlines():
            raise InputError(f"{self.path} is no alignment run (of align.py)")
        return from_yaml(text, str(self.config_file), AlignmentConfig)

    def read_settings(self) -> dict[str, Any]:
        """Every setting of the run, by its flag's name. Raises `InputError` if there is no alignment run here."""
        return flat_settings(self.read_alignment())

    def is_trained(self) -> bool:
        """Whether every epoch is done."""
        return self.log.is_file() and len(self.read_log()) >= self.read_alignment().training.epochs

    def is_finished(self) -> bool:
        """The same: embeddings are scored whenever scores are wanted."""
        return self.is_trained()
