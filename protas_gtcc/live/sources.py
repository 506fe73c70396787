"""Sources of frames, one feature vector `[D]` at a time: a replayed file, a growing file, a pipe, a socket.

video.npy           features of any form that `predict` takes, replayed at full speed or at a rate
frames.txt, -       one line for each frame: D numbers with spaces or commas between; - is standard input
frames.f32, -       raw little-endian float32, D for each frame (--format raw)
tcp://HOST:PORT     either of the two, from a program that listens there
"""

from __future__ import annotations

import os
import select
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.feature_files import ENDINGS
from protas_gtcc.storage.file_kinds import HDF5, MATLAB, NPY, NPZ, TEXT, TORCH, kind_of, require_kind

Format = Literal["auto", "features", "text", "raw"]
RAW_ENDINGS = (".f32", ".raw", ".bin")
_CHUNK_BYTES = 1 << 16
_POLL_SECONDS = 0.02
_LONGEST_LINE = 1 << 24


class Source(ABC):
    """Gives frames, float32 `[D]`, until it ends; may wait for each. Raises `InputError` for a bad frame."""

    name: str
    is_live = False
    at_once = 1
    before = None

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames."""

    def features(self, frames: np.ndarray, missed: int) -> np.ndarray:
        """Frames are features."""
        return frames

    def due(self, number: int) -> float | None:
        """When frame `number` was to be seen; a source of features does not know it."""
        return None

    def close(self) -> None:  # noqa: B027 (optional)
        """Give no more frames; end even while waiting for one."""


class Replay(Source):
    """Features `[T, D]` of a file, replayed at `fps` frames per second, or as fast as they are taken."""

    def __init__(self, name: str, features: np.ndarray, fps: float | None = None):
        """Raises `InputError` if there are no frames."""
        if len(features) == 0:
            raise InputError(f"{name}: features have no frames; extract them again")
        self.name, self._fps, self._features = name, fps, features

    def __iter__(self) -> Iterator[np.ndarray]:
        started = time.monotonic()
        for number, frame in enumerate(self._features):
            if self._fps is not None:
                time.sleep(max(0.0, started + number / self._fps - time.monotonic()))
            yield frame


class ByteFrames(Source):
    """Frames from bytes that arrive in pieces: lines of numbers, or raw float32; `closed` ends the pieces."""

    def __init__(
        self, name: str, pieces: Iterator[bytes], feature_dim: int, raw: bool, closed: Event, way_out: str = ""
    ):
        """`way_out` ends messages about frames of another size; by default it is to send that size."""
        self.name, self._pieces, self._dim, self._raw, self._closed = name, pieces, feature_dim, raw, closed
        self._way_out = way_out

    def close(self) -> None:
        """Read no more bytes."""
        self._closed.set()

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._raw_frames() if self._raw else self._text_frames()

    def _raw_frames(self) -> Iterator[np.ndarray]:
        waiting, size = b"", 4 * self._dim
        for piece in self._pieces:
            waiting += piece
            whole = len(waiting) // size * size
            yield from np.frombuffer(waiting[:whole], dtype="<f4").reshape(-1, self._dim)
            waiting = waiting[whole:]
        if waiting:
            what = f"{self.name} ends within a frame: {len(waiting)} of {size} bytes"
            more = f" ({self._way_out})" if self._way_out else ""
            raise InputError(f"{what}; send whole frames of {self._dim} float32{more}")

    def _text_frames(self) -> Iterator[np.ndarray]:
        waiting, number = b"", 0
        for piece in self._pieces:
            *lines, waiting = (waiting + piece).split(b"\n")
            if len(waiting) > _LONGEST_LINE:
                raise InputError(f"{self.name}, line {number + 1} does not end; are these raw frames (--format raw)?")
            for line in lines:
                number += 1
                if line.strip():
                    yield self._frame(line, number)
        if waiting.strip():
            yield self._frame(waiting, number + 1)

    def _frame(self, line: bytes, number: int) -> np.ndarray:
        words = line.replace(b",", b" ").split()
        try:
            frame = np.array(words, dtype=np.float32)
        except ValueError as error:
            raise InputError(f"{self.name}, line {number}: {error}; send {self._dim} numbers a line") from error
        if len(frame) != self._dim:
            what = f"{self.name}, line {number} has {len(frame)} numbers"
            raise InputError(f"{what}; the model takes {self._dim}: {self._way_out or 'send as many a line'}")
        return frame


def is_replay(name: str, format: Format, growing: bool) -> bool:
    """Whether a source is a file of features, by the format, the ending, or the first bytes.

    A CSV file that is growing is a file of frames.
    """
    path = Path(name)
    if format != "auto":
        return format == "features"
    if path.suffix in ENDINGS:
        return not (growing and path.suffix == ".csv")
    is_raw = path.suffix in RAW_ENDINGS  # raw numbers may look like anything
    return path.is_file() and not is_raw and kind_of(path) in (NPY, NPZ, TORCH, MATLAB, HDF5)


def open_source(
    name: str, feature_dim: int, format: Format = "auto", growing: bool = False, way_out: str = ""
) -> Source:
    """The source of frames that `name` means, as the module describes; not a file of features.

    With `growing`, the source waits for more at the end of a file. `way_out` is as in `ByteFrames`. Raises `InputError`
    if it does not exist.
    """
    path, closed = Path(name), Event()
    if name.startswith("tcp://"):
        pieces = _from_socket(name, *_address(name), closed)
    elif name == "-":
        # Not Python's buffered file: a thread that waits in it keeps the program from ending.
        name, pieces = "standard input", _when_readable(0, lambda: os.read(0, _CHUNK_BYTES), closed)
    elif path.is_file():
        pieces = _from_file(path, growing, closed)
    else:
        raise _no_source(name)
    raw = format == "raw" or (format == "auto" and path.suffix in RAW_ENDINGS)
    if path.is_file() and not raw:
        require_kind(path, "lines of numbers", (TEXT,), dict.fromkeys((NPY, NPZ), "give --format features"))
    return ByteFrames(name, pieces, feature_dim, raw, closed, way_out)


def _no_source(name: str) -> InputError:
    number = name.removeprefix("/dev/video")
    if number.isdecimal():
        return InputError(f"no source {name}; for a camera, give camera:{number}")
    if Path(name).is_dir():
        return InputError(f"{name} is a folder; give one video, or one file of features")
    way_out = "give a file, camera:0, an address such as rtsp://HOST/PATH, - for standard input, or tcp://HOST:PORT"
    return InputError(f"no source {name}; {way_out}")


def _when_readable(source: int | socket.socket, read: Callable[[], bytes], closed: Event) -> Iterator[bytes]:
    """Bytes as they arrive, to the end of the source or until `closed`."""
    while not closed.is_set():
        if select.select([source], [], [], 10 * _POLL_SECONDS)[0]:
            piece = read()
            if not piece:
                return
            yield piece


def _address(name: str) -> tuple[str, int]:
    try:
        address = urlsplit(name)
        if address.hostname and address.port:
            return address.hostname, address.port
    except ValueError:
        pass
    raise InputError(f"{name} is not an address; give tcp://HOST:PORT")


def _from_file(path: Path, growing: bool, closed: Event) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while not closed.is_set():
            piece = file.read(_CHUNK_BYTES)
            if piece:
                yield piece
            elif growing:
                time.sleep(_POLL_SECONDS)
            else:
                return


def _from_socket(name: str, host: str, port: int, closed: Event) -> Iterator[bytes]:
    try:
        connection = socket.create_connection((host, port), timeout=10)
    except OSError as error:
        way_out = "start the source first, or correct the address"
        raise InputError(f"cannot reach {name}: {error}; {way_out}") from error
    with connection:
        try:
            yield from _when_readable(connection, lambda: connection.recv(_CHUNK_BYTES), closed)
        except OSError as error:
            raise InputError(f"{name} broke off: {error}; start the source again") from error
