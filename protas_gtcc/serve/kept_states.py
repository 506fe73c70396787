"""States of streams in a folder, from which a server goes on after it was stopped or killed."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, save_tensors
from protas_gtcc.streaming.streams import STATE_FORMAT, Stream

SAVE_SECONDS = 0.5
"""Between two savings; with the time that they take, a killed server loses a second at most."""
MOST_STATES = 256
"""Of streams that are not connected; one more removes the oldest."""
_LOG = logging.getLogger(__name__)


class KeptStates:
    """A file for each name, in the format of `Stream.save`. `write` may run in a thread of its own."""

    def __init__(self, folder: Path, stream: Stream):
        """`stream` is any of the model's. Raises `InputError` if a file is damaged or of another model."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._is_failing = folder, False
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[str, Tensor]] = {}
        self.frames: dict[str, int] = {}
        """Frames that each kept stream has had, by name; the one that was kept last is the last."""
        for path in sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime):
            stream.load(path)
            name = load_tensors(path, STATE_FORMAT)[1].get("name")
            if not isinstance(name, str):
                raise InputError(f"{path} is no state that a server has kept; remove it from the folder")
            self.frames[name] = stream.num_frames
        stream.reset()

    def keep(self, name: str, stream: Stream) -> None:
        """Take a copy of a stream's state, which the next `write` writes; before its first frame there is none."""
        if stream.num_frames:
            with self._lock:
                self._waiting[name] = stream.state_dict()
                self.frames.pop(name, None)
                self.frames[name] = stream.num_frames

    def forget(self, name: str) -> None:
        """Keep nothing of that name any longer."""
        with self._lock:
            self._waiting.pop(name, None)
            self.frames.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    def restore(self, name: str, stream: Stream) -> None:
        """Let a stream go on from the state of that name; without one, it stays as it is."""
        if name in self._waiting:
            stream.load_state_dict(self._waiting[name])
        elif name in self.frames and self._path(name).is_file():
            stream.load(self._path(name))

    def write(self, connected: Collection[str] = ()) -> None:
        """Write what waits, and remove the oldest states, of which none is of a stream that is connected.

        A disk that refuses is logged once, and stops neither the server nor the saving of other states.
        """
        failures: list[InputError] = []
        for name, state in list(self._waiting.items()):
            try:
                save_tensors(self._path(name), STATE_FORMAT, state, {"name": name})
            except InputError as error:
                failures.append(error)
                if all(bool(values.isfinite().all()) for values in state.values()):
                    continue  # the disk may take it the next time
            with self._lock:
                if self._waiting.get(name) is state:  # else there is a newer one already
                    del self._waiting[name]
                if name not in self.frames:  # forgotten meanwhile
                    self._path(name).unlink(missing_ok=True)
        if failures and not self._is_failing:
            _LOG.error("states are not kept: %s", failures[0])
        self._is_failing = bool(failures)
        self._remove_oldest(connected)

    def _remove_oldest(self, connected: Collection[str]) -> None:
        with self._lock:
            others = [name for name in self.frames if name not in connected]
            removed = others[: max(0, len(others) - MOST_STATES)]
            for name in removed:
                del self.frames[name]
                self._waiting.pop(name, None)
        for name in removed:
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """A name of its own for any name of a stream, in any file system."""
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"
