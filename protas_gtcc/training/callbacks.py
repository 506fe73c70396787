"""Callbacks of the training loop: the progress bar on the screen, and the TensorBoard log. The loop knows neither."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from protas_gtcc.errors import InputError, plural
from protas_gtcc.training.run_directory import Row, RunDirectory

TOTAL = "loss"
"""Name of the sum of all loss terms."""
WIDE = 110
"""Columns that have room for the total and every term; at fewer, steps show the total, and epochs its terms."""
SPEED_SECONDS = 600.0
"""The bar's time left follows the speed over this long; a step of whole videos may take a minute."""


class Callback:
    """What the training loop calls. Every method does nothing until it is overridden."""

    def on_prepare(self, what: str, done: int, num_videos: int) -> None:
        """Before training, `what` is prepared from the training videos, and `done` of them are done."""

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Training begins, or continues after `epochs_done`."""

    def on_step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """A step is done; `losses` are the epoch's means so far, weighted as in the total."""

    def on_epoch(self, row: Row) -> None:
        """An epoch is done."""

    def on_end(self) -> None:
        """Training is over, also after an error, and also if it never began."""


class ProgressBar(Callback):
    """A live bar with loss terms and the time left; on anything but a terminal, a line every few seconds."""

    def __init__(self, console: Console, seconds_between_lines: float = 10.0):
        self._console, self._between = console, seconds_between_lines
        self._is_wide = console.width >= WIDE
        self._bar: Progress | None = None
        self._what = ""
        self._epochs = self._steps = self._first = self._timed_from = 0
        self._started = self._last_line = 0.0
        self._names: list[str] = []

    def on_prepare(self, what: str, done: int, num_videos: int) -> None:
        """Show what is prepared, and how many videos are done."""
        if what != self._what:
            self._begin(what, total=num_videos)
            if self._bar is None:
                self._print(f"{what}: {plural(num_videos, 'training video')}")
        self._move(done, losses="")
        if self._bar is None and self._is_line_due():
            self._print(f"{what}: {done} of {plural(num_videos, 'video')}  {self._left(done, num_videos)}".rstrip())

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Show the bar, part of it filled if the run was resumed."""
        self._epochs, self._steps, self._first = epochs, steps_an_epoch, epochs_done * steps_an_epoch
        self._timed_from = self._first
        if epochs_done:
            self._console.print(f"resumed after epoch {epochs_done} of {epochs}")
        self._begin(f"epoch {epochs_done + 1}", total=epochs * steps_an_epoch)
        if self._bar is None and epochs_done < epochs:
            self._print(f"training: {plural(epochs - epochs_done, 'epoch')} of {plural(steps_an_epoch, 'step')}")

    def on_step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Move the bar; print a line where there is none."""
        self._names, done = list(losses), epoch * self._steps + step + 1
        shown = _shown(losses if self._is_wide else {TOTAL: losses[TOTAL]})
        self._move(done, losses=shown, description=f"epoch {epoch + 1}")
        if done == self._first + 1:  # it also compiles, so its time says nothing about the others
            self._timed_from, self._started = done, time.monotonic()
        # The second step shows how long the training will take, where an epoch takes minutes.
        is_due = self._is_line_due() or done - self._first in (1, 2)
        if self._bar is None and step + 1 < self._steps and is_due:
            where = f"epoch {epoch + 1}/{self._epochs}, step {step + 1}/{self._steps}"
            self._print(f"{where}  {self._left(done, self._epochs * self._steps)}{shown}")

    def on_epoch(self, row: Row) -> None:
        """Print a line where there is no bar: for the first epoch, the last, and every few seconds."""
        done = int(row["epoch"]) * self._steps
        is_edge = row["epoch"] == self._epochs or done == self._first + self._steps
        if self._bar is None and (is_edge or self._is_line_due()):
            losses = _shown({name: row[name] for name in self._names if self._is_wide or name != TOTAL})
            accuracy = f"  acc {row['train_acc']:.1f}" if "train_acc" in row else ""
            left = self._left(done, self._epochs * self._steps)
            self._print(f"epoch {row['epoch']}/{self._epochs}  {left}{losses}{accuracy}")

    def on_end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _begin(self, what: str, total: int) -> None:
        """Start a new bar; without a terminal, only restart the clock."""
        self._what, self._started = what, time.monotonic()
        if not self._console.is_terminal:
            return
        if self._bar is not None:
            self._bar.stop()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._console,
            transient=True,
            speed_estimate_period=SPEED_SECONDS,
        )
        self._task = self._bar.add_task(what, total=total, completed=self._first, losses="")
        self._bar.start()

    def _move(self, done: int, losses: str, description: str | None = None) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, losses=losses, description=description)

    def _left(self, done: int, total: int) -> str:
        """`12 s left  `, or nothing where no time was taken yet."""
        timed = done - self._timed_from
        return f"{(time.monotonic() - self._started) / timed * (total - done):.0f} s left  " if timed else ""

    def _is_line_due(self) -> bool:
        return time.monotonic() - self._last_line >= self._between

    def _print(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(text, highlight=False)


TERMS = {"cross_entropy": "ce", "smoothing": "smooth", "progress": "prog"}
TERMS |= {"intra_contrast": "intra", "inter_contrast": "inter"}
"""Loss terms and their short names on the screen."""


def _shown(losses: Mapping[str, float]) -> str:
    # Adding 0 turns -0.0 into 0.0.
    return " ".join(f"{TERMS.get(name, name)} {round(value, 2) + 0.0:.2f}" for name, value in losses.items())


class TensorBoardLog(Callback):
    """Writes every figure of every epoch as TensorBoard events into the run directory."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._writer: Any = None

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Open the log; events after the epoch that a resume starts from are dropped."""
        # tensorboard is slow to import, and nothing but training needs it
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer = SummaryWriter(str(self._folder), purge_step=epochs_done + 1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"cannot write into {self._folder}: {reason}; correct its rights, or make room") from error
        except UnicodeEncodeError as error:
            what = "TensorBoard writes no log where a folder's name is not UTF-8"
            raise InputError(f"{self._folder}: {what}; choose another folder") from error

    def on_epoch(self, row: Row) -> None:
        """Write the epoch's figures."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def on_end(self) -> None:
        """Close the log, if training began."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def training_callbacks(console: Console, run: RunDirectory, verb: str) -> Iterator[list[Callback]]:
    """Yield the progress bar and the TensorBoard log of a training that `verb` can resume, as `resumable`."""
    with resumable(run, verb):
        yield [ProgressBar(console), TensorBoardLog(run.path)]


@contextmanager
def resumable(run: RunDirectory, verb: str) -> Iterator[None]:
    """While it is entered, an interruption ends with the command that continues the run, once its folder is made."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        if not run.config_file.is_file():
            raise
        kept = "finished epochs are kept" if run.state.is_file() else "no epoch was finished"
        line = f"interrupted; {kept}: continue with 'protas-gtcc {verb} --resume {run.path}'"
        raise KeyboardInterrupt(line) from interruption
