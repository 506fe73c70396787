"""Exact online state: the answer of the whole video, frame by frame, for constant work and memory a frame.

**Latency**: what is said of frame t is said when its features are there and one step (`protas-gtcc benchmark`) has run;
the features of frame t are there `look_ahead_frames` frames after it, and the network itself waits for no frame more.
"""

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
from protas_gtcc.streaming.engines import CompiledEngine, Engine, Result, TorchEngine

__all__ = ["CompiledEngine", "Engine", "Stream", "Streams", "TorchEngine"]

STATE_FORMAT = "protas_gtcc stream state"
STATE_VERSION = 1


class Streams:
    """Several people at once, each of whom may start, pause and end on their own.

    What is said of one never depends on the others.
    """

    def __init__(
        self,
        engine: Engine,
        network: ProgressNetwork,
        background: list[int],
        decoder: DurationDecoder | None = None,
    ):
        """`decoder` is the filter after the network, for as many streams as the engine has; None: there is none."""
        self._engine, self._decoder = engine, decoder
        self._is_action = np.ones(network.num_classes, dtype=np.float32)
        self._is_action[background] = 0
        self._feature_dim, self._fingerprint = network.feature_dim, _fingerprint(network, decoder)

    def __len__(self) -> int:
        return self._engine.num_streams

    def num_frames(self, who: int) -> int:
        """How many frames a stream has seen."""
        return self._engine.num_frames(self._known(who))

    def step(self, frames: np.ndarray, who: list[int] | np.ndarray | None = None) -> Prediction:
        """One more frame of each of the streams `who` (all by default): frames `[k, D]` for k streams.

        Gives labels `[k]`, probs `[C, k]`, progress `[C, k]`, reported `[k]`, in the order of `who`; streams that are
        not named pause. Raises `InputError` for frames of another size or not finite, and for streams that are not
        there or come twice; then no stream has moved.
        """
        chosen = np.arange(len(self)) if who is None else np.asarray(who).reshape(-1)
        if chosen.dtype.kind not in "iu" and len(chosen):
            raise InputError(f"streams are named by whole numbers, came {chosen.dtype}")
        chosen = chosen.astype(np.int64)
        for stream in chosen:
            self._known(int(stream))
        if len(set(chosen.tolist())) != len(chosen):
            raise InputError(f"a stream comes twice in {chosen.tolist()}; give each one frame at a time")
        checked = self._checked(frames)
        if len(checked) != len(chosen):
            raise InputError(f"{len(checked)} frames for {len(chosen)} streams; give each one frame")
        return self._prediction(chosen, self._engine.step(chosen, checked))

    def follow(self, who: int, frames: np.ndarray) -> Prediction:
        """The next frames of one stream: `[D]`, or a chunk `[k, D]`; gives the fields for exactly those frames."""
        result = self._engine.follow(self._known(who), self._checked(frames))
        return self._prediction(np.full(len(result.probs), who), result)

    def reset(self, who: int) -> None:
        """Let a stream start anew."""
        self._engine.reset(self._known(who))
        if self._decoder is not None:
            self._decoder.reset(who)

    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's state, whose size does not depend on how many frames there were."""
        state = {"model": self._fingerprint, **self._engine.state_dict(self._known(who))}
        return state if self._decoder is None else state | self._decoder.state_dict(who)

    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Go on from a state. Raises `InputError` if it is of another model or engine, and then changes nothing."""
        own = self.state_dict(who)
        if set(state) - set(own):
            raise InputError(f"this is no state of such a stream: {min(set(state) - set(own))} is unknown to it")
        for name, values in own.items():
            if name not in state or state[name].shape != values.shape or state[name].dtype != values.dtype:
                raise InputError(f"this is no state of such a stream: {name} is missing or of another size")
            if not torch.isfinite(state[name]).all() or (name == "num_frames" and state[name].min() < 0):
                raise InputError(f"this is no state of such a stream: {name} holds what it cannot")
        if not torch.equal(state["model"], self._fingerprint):
            raise InputError("this state belongs to a model with other weights; load it with the one that made it")
        if self._decoder is not None:
            self._decoder.require_belief(state)
        self._engine.load_state_dict(who, state)
        if self._decoder is not None:
            self._decoder.load_state_dict(who, state)

    def save(self, path: Path | str, who: int) -> None:
        """Write a stream's state to a safetensors file, in one step."""
        metadata = {"format": STATE_FORMAT, "format_version": STATE_VERSION}
        save_tensors(Path(path), self.state_dict(who), metadata)

    def load(self, path: Path | str, who: int) -> None:
        """Go on from a file that `save` wrote. Raises `InputError` as `load_state_dict` does."""
        if not Path(path).is_file():
            raise InputError(f"no stream state {path}; write one with save")
        state, facts = load_tensors(Path(path), STATE_FORMAT, way_out="begin anew without it")
        if facts["format_version"] > STATE_VERSION:
            raise InputError(f"{path} was written by a newer version; upgrade")
        try:
            self.load_state_dict(who, state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _known(self, who: int) -> int:
        if not 0 <= who < len(self):
            raise InputError(f"there is no stream {who}; they are 0 to {len(self) - 1}")
        return who

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        frames = np.asarray(frames, dtype=np.float32)
        if frames.ndim == 1:
            frames = frames[None]
        if frames.ndim != 2 or frames.shape[1] != self._feature_dim:
            raise InputError(f"frames are {frames.shape}; the model takes [D] or [k, D] with D = {self._feature_dim}")
        if not np.isfinite(frames).all():
            frame = int(np.argmin(np.isfinite(frames).all(axis=1)))
            raise InputError(f"frame {frame} of these {len(frames)} has NaN or infinity; none was taken")
        return np.ascontiguousarray(frames)

    def _prediction(self, who: np.ndarray, result: Result) -> Prediction:
        if self._decoder is not None:
            return self._decoder.decode(who, result.probs, result.progress)
        labels = result.logits.argmax(axis=1)
        if result.progress is None:
            return Prediction(labels, result.probs.T, None, np.zeros(len(labels), dtype=np.float32))
        reported = result.progress[np.arange(len(labels)), labels] * self._is_action[labels]
        return Prediction(labels, result.probs.T, result.progress.T, reported)


class Stream:
    """One person, followed frame by frame."""

    def __init__(self, streams: Streams):
        self._streams = streams

    @property
    def num_frames(self) -> int:
        """How many frames were seen."""
        return self._streams.num_frames(0)

    def step(self, frames: np.ndarray) -> Prediction:
        """The next frame `[D]`, or chunk of frames `[k, D]`: labels `[k]`, probs and progress `[C, k]`, reported `[k]`.

        Whatever the chunks, all of them together are what `predict` says of the whole video. Raises `InputError` for
        frames of another size or not finite; then the stream has not moved.
        """
        return self._streams.follow(0, frames)

    def reset(self) -> None:
        """Start anew."""
        self._streams.reset(0)

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the state, whose size does not depend on how many frames there were."""
        return self._streams.state_dict(0)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state, bit for bit. Raises `InputError` if it is of another model or engine."""
        self._streams.load_state_dict(0, state)

    def save(self, path: Path | str) -> None:
        """Write the state to a safetensors file, in one step."""
        self._streams.save(path, 0)

    def load(self, path: Path | str) -> None:
        """Go on from a file that `save` wrote. Raises `InputError` as `load_state_dict` does."""
        self._streams.load(path, 0)


def _fingerprint(network: ProgressNetwork, decoder: DurationDecoder | None) -> Tensor:
    """16 bytes that tell one model's weights, and its filter's tables, from another's."""
    digest = hashlib.blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    if decoder is not None:
        for table in vars(decoder.tables).values():
            digest.update(np.ascontiguousarray(table).tobytes())
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
