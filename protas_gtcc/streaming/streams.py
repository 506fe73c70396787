"""Streams: one or many videos processed frame by frame, each with its own state."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.decoding import DurationDecoder
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, save_tensors
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.predictions import Prediction
from protas_gtcc.streaming.engines import Engine, Result

STATE_FORMAT = "protas_gtcc stream state"


class Streams:
    """Several streams at once, each of which may start, pause and end on its own.

    The result for one stream never depends on the others.
    """

    def __init__(
        self,
        engine: Engine,
        network: ProgressNetwork,
        background: list[int],
        decoder: DurationDecoder | None = None,
    ):
        """`decoder` is the filter after the network, for as many streams as the engine has; None without a filter."""
        self._engine, self._decoder = engine, decoder
        self._is_action = np.ones(network.num_classes, dtype=np.float32)
        self._is_action[background] = 0
        self._feature_dim, self._fingerprint = network.feature_dim, _fingerprint(network, decoder)

    def __len__(self) -> int:
        return self._engine.num_streams

    def num_frames(self, stream: int) -> int:
        """Frames that a stream has had."""
        return self._engine.num_frames(self._known(stream))

    def step(self, frames: np.ndarray, streams: list[int] | np.ndarray | None = None) -> Prediction:
        """Step each of the k streams `streams` (by default all) by one frame; `frames` is `[k, D]`.

        Returns labels `[k]`, probs `[C, k]`, progress `[C, k]`, reported `[k]`, in the order of `streams`; the other
        streams pause. Raises `InputError` for frames of another size or not finite, and for streams that do not exist
        or are given twice; then no stream has moved.
        """
        chosen = np.arange(len(self)) if streams is None else np.asarray(streams).reshape(-1)
        if chosen.dtype.kind not in "iu" and len(chosen):
            raise InputError(f"expected whole numbers for streams, found {chosen.dtype}")
        chosen = chosen.astype(np.int64)
        for stream in chosen:
            self._known(int(stream))
        if len(set(chosen.tolist())) != len(chosen):
            raise InputError(f"a stream is given twice in {chosen.tolist()}; give each stream one frame at a time")
        checked = self._checked(frames)
        if len(checked) != len(chosen):
            raise InputError(f"{len(checked)} frames for {len(chosen)} streams; give one frame for each stream")
        return self._prediction(chosen, self._engine.step(chosen, checked))

    def step_chunk(self, stream: int, frames: np.ndarray) -> Prediction:
        """Step one stream by its next frame `[D]` or chunk of frames `[k, D]`; returns the fields for these frames."""
        result = self._engine.step_chunk(self._known(stream), self._checked(frames))
        return self._prediction(np.full(len(result.probs), stream), result)

    def reset(self, stream: int) -> None:
        """Return a stream to the state before its first frame."""
        self._engine.reset(self._known(stream))
        if self._decoder is not None:
            self._decoder.reset(stream)

    def state_dict(self, stream: int) -> dict[str, Tensor]:
        """A copy of a stream's state; its size does not depend on the number of frames."""
        state = {"model": self._fingerprint, **self._engine.state_dict(self._known(stream))}
        return state if self._decoder is None else state | self._decoder.state_dict(stream)

    def load_state_dict(self, stream: int, state: dict[str, Tensor]) -> None:
        """Continue from a state. Raises `InputError`, and changes nothing, if another model or engine made it."""
        own = self.state_dict(stream)
        if set(state) - set(own):
            raise InputError(f"this is no state of such a stream: it has no {min(set(state) - set(own))}")
        for name, values in own.items():
            if name not in state or state[name].shape != values.shape or state[name].dtype != values.dtype:
                raise InputError(f"this is no state of such a stream: {name} is missing or of another size")
            if not torch.isfinite(state[name]).all() or (name == "num_frames" and state[name].min() < 0):
                raise InputError(f"this is no state of such a stream: {name} has impossible values")
        if not torch.equal(state["model"], self._fingerprint):
            raise InputError("this state belongs to a model with other weights; load it with the model that made it")
        if self._decoder is not None:
            self._decoder.require_belief(state)
        self._engine.load_state_dict(stream, state)
        if self._decoder is not None:
            self._decoder.load_state_dict(stream, state)

    def save(self, path: Path | str, stream: int) -> None:
        """Write a stream's state to a safetensors file, in one step."""
        save_tensors(Path(path), STATE_FORMAT, self.state_dict(stream), {})

    def load(self, path: Path | str, stream: int) -> None:
        """Continue from a file that `save` wrote. Raises `InputError` as `load_state_dict` does."""
        if not Path(path).is_file():
            raise InputError(f"no stream state {path}; write one with save")
        state, _ = load_tensors(Path(path), STATE_FORMAT, way_out="start a new stream without it")
        try:
            self.load_state_dict(stream, state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _known(self, stream: int) -> int:
        if not 0 <= stream < len(self):
            raise InputError(f"there is no stream {stream}; streams are numbered 0 to {len(self) - 1}")
        return stream

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        frames = np.asarray(frames, dtype=np.float32)
        if frames.ndim == 1:
            frames = frames[None]
        if frames.ndim != 2 or frames.shape[1] != self._feature_dim:
            raise InputError(f"frames are {frames.shape}; the model takes [D] or [k, D] with D = {self._feature_dim}")
        if not np.isfinite(frames).all():
            frame = int(np.argmin(np.isfinite(frames).all(axis=1)))
            raise InputError(f"frame {frame} of these {len(frames)} has NaN or infinity; no frame was processed")
        return np.ascontiguousarray(frames)

    def _prediction(self, streams: np.ndarray, result: Result) -> Prediction:
        if self._decoder is not None:
            return self._decoder.decode(streams, result.probs, result.progress)
        labels = result.logits.argmax(axis=1)
        if result.progress is None:
            return Prediction(labels, result.probs.T, None, np.zeros(len(labels), dtype=np.float32))
        reported = result.progress[np.arange(len(labels)), labels] * self._is_action[labels]
        return Prediction(labels, result.probs.T, result.progress.T, reported)


class Stream:
    """One video, processed frame by frame."""

    def __init__(self, streams: Streams):
        self._streams = streams

    @property
    def num_frames(self) -> int:
        """Frames that the stream has had."""
        return self._streams.num_frames(0)

    def step(self, frames: np.ndarray) -> Prediction:
        """Step by the next frame `[D]` or chunk of frames `[k, D]`.

        Returns labels `[k]`, probs and progress `[C, k]`, reported `[k]`. For any chunking, the results together equal
        `predict` on the whole video. Raises `InputError` for frames of another size or not finite; then the stream has
        not moved.
        """
        return self._streams.step_chunk(0, frames)

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._streams.reset(0)

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the state; its size does not depend on the number of frames."""
        return self._streams.state_dict(0)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a state, bit for bit. Raises `InputError` if another model or engine made it."""
        self._streams.load_state_dict(0, state)

    def save(self, path: Path | str) -> None:
        """Write the state to a safetensors file, in one step."""
        self._streams.save(path, 0)

    def load(self, path: Path | str) -> None:
        """Continue from a file that `save` wrote. Raises `InputError` as `load_state_dict` does."""
        self._streams.load(path, 0)


def _fingerprint(network: ProgressNetwork, decoder: DurationDecoder | None) -> Tensor:
    """A hash, uint8 `[16]`, of a model's weights and its filter's tables."""
    digest = hashlib.blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    if decoder is not None:
        for table in vars(decoder.tables).values():
            digest.update(np.ascontiguousarray(table).tobytes())
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
