"""Streams: one or many videos processed frame by frame, each with its own state."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.decoding.base import Decoder
from protas_gtcc.decoding.decoder import reported, task_number
from protas_gtcc.errors import InputError, plural
from protas_gtcc.network.checkpoint import load_tensors, save_tensors
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import Event
from protas_gtcc.storage.npy import UNUSABLE, first_unusable
from protas_gtcc.streaming.engines import Engine

STATE_FORMAT = "protas_gtcc stream state"
_PICTURES, _TASK = "pictures", "task"


class Streams:
    """Several streams at once, each of which may start, pause and end on its own.

    The result for one stream never depends on the others.
    """

    def __init__(
        self,
        engine: Engine,
        network: ProgressNetwork,
        background: list[int],
        decoder: Decoder | None,
        tasks: Sequence[str] = (),
        way_out: str = "",
    ):
        """`decoder` is the filter after the network, for as many streams as the engine has; None without a filter.

        `tasks` are the names of the model's tasks. `way_out` ends the message about frames of another size.
        """
        self.tasks, self._way_out = tuple(tasks), way_out
        self._engine, self._decoder, self._feature_dim = engine, decoder, network.feature_dim
        self._is_action = ~np.isin(np.arange(network.num_classes), background)
        self.fingerprint = _fingerprint(network, decoder)
        """A hash of the weights and of the filter, uint8 `[16]`."""

    def __len__(self) -> int:
        return self._engine.num_streams

    def stream(self, number: int) -> Stream:
        """One of the streams. Raises `InputError` if it does not exist."""
        self._require(number)
        return Stream(self, number)

    def step(self, frames: np.ndarray, streams: list[int] | np.ndarray | None = None) -> Prediction:
        """Step each of the k streams `streams` (by default all) by one frame; `frames` is `[k, D]`.

        Returns labels `[k]`, probs `[C, k]`, progress `[C, k]`, reported `[k]`, in the order of `streams`; the other
        streams pause. With a lag, they are of earlier frames, of those streams that have had more frames than the lag.
        Raises `InputError` for frames of another size or not finite, if the network overflows, and for streams that do
        not exist or are given twice; then no stream has moved.
        """
        chosen = np.arange(len(self)) if streams is None else np.asarray(streams).reshape(-1)
        if chosen.dtype.kind not in "iu" and len(chosen):
            raise InputError(f"expected whole numbers for streams, found {chosen.dtype}")
        chosen = chosen.astype(np.int64)
        for stream in chosen:
            self._require(int(stream))
        if len(set(chosen.tolist())) != len(chosen):
            raise InputError(f"a stream is given twice in {chosen.tolist()}; give each stream one frame at a time")
        checked = self._checked(frames)
        if len(checked) != len(chosen):
            raise InputError(f"{len(checked)} frames for {len(chosen)} streams; give one frame for each stream")
        unusable = first_unusable(checked)
        if unusable is not None:
            self._refuse(int(chosen[unusable]), 0, str(chosen[unusable]))
        return self._step(chosen, checked[None])

    def step_one(self, stream: int, frames: np.ndarray, name: str = "") -> Prediction:
        """As `Stream.step`; errors name the stream by its name, if it has one."""
        checked = self._checked(frames)
        unusable = first_unusable(checked)
        if unusable is not None:
            self._refuse(stream, unusable, name)
        return self._step(np.array([stream]), checked[:, None])

    def flush(self, stream: int) -> Prediction | None:
        """As `Stream.flush`; None without a lag."""
        found = () if self._decoder is None else self._decoder.flush(stream)
        return found[0] if found else None

    def num_waiting(self, stream: int) -> int:
        """As `Stream.num_waiting`."""
        return 0 if self._decoder is None else self._decoder.num_waiting(stream)

    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream, not a copy; all 0 before the first frame."""
        return self._engine.state(stream) | ({} if self._decoder is None else self._decoder.state(stream))

    def events(self, stream: int) -> tuple[Event, ...]:
        """As `Stream.events`."""
        return () if self._decoder is None else self._decoder.events(stream)

    def give_task(self, stream: int, task: int) -> None:
        """Give a stream its task before its first frame; `task` as in `DurationDecoder.give_task`."""
        if self._decoder is not None:
            self._decoder.give_task(stream, task)

    def task_number(self, task: str | None) -> int:
        """As `TrainedModel.task_number`."""
        return task_number(task, self.tasks, self._decoder is not None)

    def require_decodable(self, state: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless the filter, if there is one, can go on from the state of a stream."""
        if self._decoder is not None:
            self._decoder.require_state(state)

    def _require(self, stream: int) -> None:
        if not 0 <= stream < len(self):
            raise InputError(f"there is no stream {stream}; streams are numbered 0 to {len(self) - 1}")

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # it becomes infinity, which is refused
            frames = np.asarray(frames, dtype=np.float32)
        if frames.ndim == 1:
            frames = frames[None]
        if frames.ndim != 2 or frames.shape[1] != self._feature_dim:
            expected = f"the model takes [D] or [k, D] with D = {self._feature_dim}"
            raise InputError(f"frames are {frames.shape}; {expected}" + (f"; {self._way_out}" if self._way_out else ""))
        return np.ascontiguousarray(frames)

    def _refuse(self, stream: int, later: int, name: str) -> NoReturn:
        """Refuse what comes so many frames later than the next one."""
        number, of = int(self._engine.state(stream)["num_frames"]) + later, f" of stream {name}" if name else ""
        raise InputError(f"{UNUSABLE} at frame {number}{of}; replace it (no frame of this call was processed)")

    def _step(self, streams: np.ndarray, frames: np.ndarray) -> Prediction:
        """Step by frames `[T, k, D]`; T or k is 1. Raises `InputError` after the end of a video."""
        if self._decoder is not None and any(self._decoder.has_ended(int(stream)) for stream in streams):
            raise InputError("the video of this stream has ended; reset the stream for another one")
        result = self._engine.step(streams, frames)
        return reported(result, self._is_action, self._decoder, np.repeat(streams, len(frames)))


class Stream:
    """One video, processed frame by frame."""

    def __init__(self, streams: Streams, number: int):
        self._streams, self._number = streams, number
        self.name = ""
        """Errors name it; may be empty."""
        self.pictures: np.ndarray | None = None
        """The last pictures, uint8 `[k - 1, H, W, 3]`, for a backbone that sees k at once; part of the state."""
        self._state = streams.state(number)
        self._given = self._task_in(self._state)

    @property
    def num_frames(self) -> int:
        """Frames that the stream has had."""
        return int(self._state["num_frames"])

    @property
    def task(self) -> str | None:
        """The task that was given, or that a loaded state was made with; None if it is inferred."""
        number = self._task_in(self._state)
        return self._streams.tasks[number - 1] if number else None

    @property
    def events(self) -> tuple[Event, ...]:
        """Steps done and alarms so far, those before its state was saved included; none without a procedure."""
        return self._streams.events(self._number)

    def give_task(self, task: str | None) -> None:
        """Set the task before the first frame, for this video and those after `reset`; None infers it.

        Raises `InputError` for a task that the model does not know, and after the first frame.
        """
        number = self._streams.task_number(task)
        if self.num_frames:
            raise InputError(f"the stream has had {plural(self.num_frames, 'frame')}; give the task before the first")
        self._given = number
        self._streams.give_task(self._number, number)

    def step(self, frames: np.ndarray) -> Prediction:
        """Step by the next frame `[D]` or chunk of frames `[k, D]`.

        Returns labels `[k]`, probs and progress `[C, k]`, reported `[k]`. With a lag they are those of earlier frames,
        fewer at first; `flush` returns the last ones. For any chunking, the results together equal `predict` on the
        whole video, to 1e-5. At a border of the filter's bins of progress, a rounding error of the network may move
        progress by up to one bin. Raises `InputError` for frames of another size or not finite, if the network
        overflows, and after `flush`; then the stream has not moved.
        """
        return self._streams.step_one(self._number, frames, self.name)

    @property
    def num_waiting(self) -> int:
        """Frames that the stream has had, but whose result waits for later ones; at most the lag."""
        return self._streams.num_waiting(self._number)

    def flush(self) -> Prediction | None:
        """The video has ended: the prediction for the frames that wait, None without a lag.

        After it, the stream takes no frame until `reset`, or until it loads a state.
        """
        return self._streams.flush(self._number)

    def reset(self) -> None:
        """Return to the state before the first frame, in which a given task stays given."""
        for values in self._state.values():
            values.zero_()
        self._streams.give_task(self._number, self._given)
        self.pictures = None

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the state; its size does not depend on the number of frames."""
        state = {"model": self._streams.fingerprint, **self._state}
        if self.pictures is not None:
            state[_PICTURES] = torch.from_numpy(self.pictures)
        return {name: values.to("cpu", copy=True) for name, values in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a state, bit for bit, and with its task.

        Raises `InputError`, and changes nothing, if another model or engine made the state, and if the stream was given
        a task and the state is not of that task.
        """
        own = {"model": self._streams.fingerprint, **self._state}
        what, way_out = "this is no state of such a stream", "start a new stream without it"
        pictures = state.get(_PICTURES)
        if pictures is not None and (pictures.dtype != torch.uint8 or pictures.ndim != 4):
            raise InputError(f"{what}: {_PICTURES} are not uint8 [k - 1, H, W, 3]; {way_out}")
        if _room(state) != _room(own):
            raise InputError(f"this state was made with another lag; give that --lag-seconds, or {way_out}")
        unknown = set(state) - set(own) - {_PICTURES}
        if unknown:
            raise InputError(f"{what}: it has no {min(unknown)}; {way_out}")
        for name, values in own.items():
            if name not in state or state[name].shape != values.shape or state[name].dtype != values.dtype:
                raise InputError(f"{what}: {name} is missing or of another size; {way_out}")
            if not torch.isfinite(state[name]).all() or (name == "num_frames" and state[name].min() < 0):
                raise InputError(f"{what}: {name} has impossible values; {way_out}")
        if not torch.equal(state["model"], own["model"]):
            raise InputError("this state belongs to a model with other weights; load it with the model that made it")
        self._streams.require_decodable(state)
        self._require_task(self._task_in(state))
        for name, values in self._state.items():
            values.copy_(state[name])
        self.pictures = None if pictures is None else pictures.numpy().copy()

    @staticmethod
    def _task_in(state: Mapping[str, Tensor]) -> int:
        return int(state.get(_TASK, 0))

    def _require_task(self, number: int) -> None:
        if self._given and number != self._given:
            names = self._streams.tasks
            found = f"of task {names[number - 1]!r}" if number else "of a stream whose task is inferred"
            way_out = "give the stream no task, or start a new one without the state"
            raise InputError(f"this state is {found}, and the stream is of task {names[self._given - 1]!r}; {way_out}")

    def save(self, path: Path | str) -> None:
        """Write the state to a safetensors file, in one step."""
        save_tensors(Path(path), STATE_FORMAT, self.state_dict(), {})

    def load(self, path: Path | str) -> None:
        """Continue from a file that `save` wrote. Raises `InputError` as `load_state_dict` does."""
        if not Path(path).is_file():
            raise InputError(f"no stream state {path}; write one with save")
        state, _ = load_tensors(Path(path), STATE_FORMAT, way_out="start a new stream without it")
        try:
            self.load_state_dict(state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _room(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The number of frames for which a state has room while they wait, one for each lag; nothing without a lag."""
    weights = state.get("lag_weights")
    return () if weights is None else tuple(weights.shape[:1])


def _fingerprint(network: ProgressNetwork, decoder: Decoder | None) -> Tensor:
    """A hash, uint8 `[16]`, of a model's weights and of its filter's settings and tables."""
    digest = hashlib.blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    if decoder is not None:
        digest.update(repr(decoder.settings).encode())
        for table in decoder.arrays():
            digest.update(np.ascontiguousarray(table).tobytes())
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
