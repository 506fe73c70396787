"""States of streams in a folder, from which a server goes on after it was stopped or killed."""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path

from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, save_tensors
from protas_gtcc.streaming.streams import STATE_FORMAT, Stream

SAVE_SECONDS = 0.5
"""Between two savings; with the time that they take, a killed server loses a second at most."""
MOST_STATES = 256
"""Files in the folder; one more removes the oldest."""
_LOG = logging.getLogger(__name__)


class KeptStates:
    """A file for each name, in the format of `Stream.save`. `write` may run in a thread of its own."""

    def __init__(self, folder: Path, stream: Stream):
        """`stream` is any of the model's. Raises `InputError` if a file is damaged or of another model."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._failure = folder, ""
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[str, Tensor]] = {}
        self.frames: dict[str, int] = {}
        """Frames that each kept stream has had, by name."""
        for path in sorted(folder.glob("*.safetensors")):
            stream.load(path)
            name = load_tensors(path, STATE_FORMAT)[1].get("name")
            if not isinstance(name, str):
                raise InputError(f"{path} is no state that a server has kept; remove it from the folder")
            self.frames[name] = stream.num_frames
        stream.reset()

    def keep(self, name: str, stream: Stream) -> None:
        """Take a copy of a stream's state, which the next `write` writes."""
        with self._lock:
            self._waiting[name] = stream.state_dict()
        self.frames[name] = stream.num_frames

    def restore(self, name: str, stream: Stream) -> None:
        """Let a stream go on from the state of that name; without one, it stays as it is."""
        if name in self._waiting:
            stream.load_state_dict(self._waiting[name])
        elif name in self.frames and self._path(name).is_file():
            stream.load(self._path(name))

    def write(self) -> None:
        """Write what waits. A disk that refuses is logged once, and does not stop the server."""
        for name, state in list(self._waiting.items()):
            try:
                save_tensors(self._path(name), STATE_FORMAT, state, {"name": name})
            except InputError as error:
                if str(error) != self._failure:
                    _LOG.error("states are not kept: %s", error)
                self._failure = str(error)
                return
            with self._lock:
                if self._waiting[name] is state:  # else there is a newer one already
                    del self._waiting[name]
        self._failure = ""
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        paths = list(self._folder.glob("*.safetensors"))
        if len(paths) > MOST_STATES:
            paths.sort(key=lambda path: path.stat().st_mtime)
            for path in paths[:-MOST_STATES]:
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """A name of its own for any name of a stream, in any file system."""
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"
