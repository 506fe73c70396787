"""Runs that are to be made: their flags and directories, and the variants that a command line names.

`one stage: --stages 1` is a variant: runs under that name, with these flags beside those of all runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from protas_gtcc.config import MAY_CHANGE, WHERE_COMPUTED, flat_settings
from protas_gtcc.errors import InputError
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.work.jobs import Job

SINGLE_RUN_FLAGS = ("--split", "--seed", "--title", "--resume", "--json")
"""Flags of one run, which a command that makes many runs sets itself."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be made."""

    name: str
    run: RunDirectory
    config: Any
    """A `RunConfig` or an `AlignmentConfig`."""
    verb: str
    """The verb of protas-gtcc that makes it."""
    flags: list[str]
    """Its flags, without --out."""
    always: tuple[str, ...] = ()
    """More flags, which are no settings of the run, and must be given again when it is resumed."""

    @property
    def log(self) -> Path:
        """The file with the output of its process."""
        return self.run.path.with_name(f"{self.run.path.name}.log")

    def state(self) -> Literal["missing", "unfinished", "done"]:
        """How far it is. Raises `InputError` if there is another run in its place."""
        if not self.run.config_file.exists():
            return "missing"
        self._require_same()
        return "done" if self.run.is_finished() else "unfinished"

    def epochs_done(self) -> int:
        """Epochs in its log.csv."""
        try:
            return max(self.run.log.read_bytes().count(b"\n") - 1, 0)
        except OSError:
            return 0

    def command(self) -> list[str]:
        """Verb and flags that make or resume it."""
        if self.state() == "missing":
            return [self.verb, *self.flags, *self.always, "--out", str(self.run.path)]
        where = [(f"--{name}", str(getattr(self.config.training, name))) for name in WHERE_COMPUTED]
        return [self.verb, "--resume", str(self.run.path), *(word for pair in where for word in pair), *self.always]

    def is_done(self) -> bool:
        """Whether it is trained and evaluated. Raises `InputError` if there is another run in its place."""
        return self.state() == "done"

    def job(self) -> Job:
        """It as a job of a work list."""
        training = self.config.training
        steps = training.epochs, self.epochs_done, "evaluating"
        return Job(self.name, self.log, self.command, self.is_done, *steps, training.threads, training.device)

    def _require_same(self) -> None:
        existing = self.run.read_settings()
        for name, wanted in flat_settings(self.config).items():
            # The preset's name decides nothing: all settings are compared.
            if name not in (*MAY_CHANGE, "preset") and existing[name] != wanted:
                found = f"{self.run.path} is a run with {name} {existing[name]}, not {wanted}"
                raise InputError(f"{found}; give another --out, or remove it")


def named_variants(texts: Sequence[str], may_be_bare: bool = False) -> dict[str, list[str]]:
    """Parse texts `NAME: FLAGS`, or also `NAME` if they `may_be_bare`; flags by name, as it stands in folder names.

    Raises `InputError` for any other text, for a name that comes twice, and for flags of one run.
    """
    variants: dict[str, list[str]] = {}
    for text in texts:
        name, _, flags = text.partition(":")
        words, name = shlex.split(flags), re.sub(r"[^\w.]+", "-", name.strip()).strip("-")
        if not name or not (words or may_be_bare):
            raise InputError(f"{text!r}: expected 'NAME: FLAGS', as in 'slow: --lr 1e-4'")
        if name in variants:
            raise InputError(f"two have the same name, {name}; give each its own")
        refuse_single_run_flags(words)
        variants[name] = words
    return variants


def for_seed(words: Sequence[str], seed: int) -> list[str]:
    """The flags of a variant for a seed, whose number replaces {seed}."""
    return [word.replace("{seed}", str(seed)) for word in words]


def refuse_single_run_flags(
    words: Sequence[str], way_out: str = "here, give --splits and --seeds, and the same command again to continue"
) -> None:
    """Raise `InputError` for flags of one run."""
    for word in words:
        if word.split("=")[0] in SINGLE_RUN_FLAGS:
            raise InputError(f"{word} is for one run; {way_out}")
