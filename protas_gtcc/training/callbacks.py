"""Who watches a training run: the screen and TensorBoard. The training loop knows neither."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Row = dict[str, int | float]
"""An epoch's line of log.csv."""


@runtime_checkable
class Observer(Protocol):
    """What a training run tells."""

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """The run begins, or goes on after `epochs_done`."""

    def on_step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """A step is done; `losses` are the epoch's means so far, weighted as in the total."""

    def on_epoch(self, row: Row) -> None:
        """An epoch is done."""

    def on_end(self) -> None:
        """The run is done."""


@contextmanager
def watching(observers: Sequence[Observer], epochs_done: int, epochs: int, steps_an_epoch: int) -> Iterator[None]:
    """Tell observers that a run begins, and that it is done, however it ends."""
    for observer in observers:
        observer.on_start(epochs_done, epochs, steps_an_epoch)
    try:
        yield
    finally:
        for observer in observers:
            observer.on_end()


class ProgressBar:
    """A live bar with loss terms and the time left; on anything but a terminal, a line every few seconds."""

    def __init__(self, console: Console, seconds_between_lines: float = 10.0):
        self._console, self._between = console, seconds_between_lines
        self._bar: Progress | None = None
        self._epochs = self._steps = self._first = 0
        self._started = self._last_line = 0.0
        self._names: list[str] = []

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Show the bar, part of it filled if the run goes on from before."""
        self._epochs, self._steps, self._first = epochs, steps_an_epoch, epochs_done
        self._started = time.monotonic()
        if epochs_done:
            self._console.print(f"resumed after epoch {epochs_done} of {epochs}")
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
                console=self._console,
            )
            done, total = epochs_done * steps_an_epoch, epochs * steps_an_epoch
            self._task = self._bar.add_task("training", total=total, completed=done, losses="")
            self._bar.start()

    def on_step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Move the bar."""
        self._names = list(losses)
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=epoch * self._steps + step + 1,
                description=f"epoch {epoch + 1}",
                losses=_shown(losses),
            )

    def on_epoch(self, row: Row) -> None:
        """Print a line where there is no bar."""
        now, last = time.monotonic(), row["epoch"] == self._epochs
        if self._bar is None and (last or now - self._last_line >= self._between):
            self._last_line = now
            done = int(row["epoch"])
            left = (now - self._started) / (done - self._first) * (self._epochs - done)
            losses = _shown({name: row[name] for name in self._names})
            accuracy = f"  acc {row['train_acc']:.1f}" if "train_acc" in row else ""
            self._console.print(f"epoch {done}/{self._epochs}  {left:.0f} s left  {losses}{accuracy}", highlight=False)

    def on_end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


TERMS = {"cross_entropy": "ce", "smoothing": "smooth", "progress": "progress", "graph": "graph"}
"""Loss terms and their short names on the screen."""


def _shown(losses: Mapping[str, float]) -> str:
    # Adding 0 turns -0.0 into 0.0.
    return " ".join(f"{TERMS.get(name, name)} {round(value, 3) + 0.0:.3f}" for name, value in losses.items())


class TensorBoardLog:
    """Writes every figure of every epoch as TensorBoard events into the run directory."""

    def __init__(self, folder: Path):
        self._folder = folder

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Open the log; events after the epoch that a resume starts from are dropped."""
        # tensorboard is slow to import, and nothing but training needs it
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder), purge_step=epochs_done + 1)

    def on_step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Nothing: an epoch is fine enough."""

    def on_epoch(self, row: Row) -> None:
        """Write the epoch's figures."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def on_end(self) -> None:
        """Close the log."""
        self._writer.close()
