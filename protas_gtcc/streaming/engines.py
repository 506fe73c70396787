"""Two engines that compute a stream's frames: compiled code on the CPU, or the network itself on any device.

Both hold the state of n streams and give the same numbers; they differ in speed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.network.model import Outputs, ProgressNetwork
from protas_gtcc.streaming.program import Program
from protas_gtcc.streaming.recording import record

FEWEST_STREAMS_A_THREAD = 8
"""A thread with fewer streams costs more than it saves."""


class Result(NamedTuple):
    """The network's output for k frames: one frame of each of k streams, or k frames of one stream."""

    logits: np.ndarray
    """After the task graph, float32 `[k, C]`."""
    probs: np.ndarray
    """float32 `[k, C]`."""
    progress: np.ndarray | None
    """In [0, 1], float32 `[k, C]`; None for a network without progress."""


class Engine(ABC):
    """Holds the state of `num_streams` streams and steps them."""

    num_streams: int

    @abstractmethod
    def step(self, streams: np.ndarray, frames: np.ndarray) -> Result:
        """Step the k streams `streams`, int64 `[k]`, all different, by one frame each; `frames` is float32 `[k, D]`."""

    @abstractmethod
    def step_chunk(self, stream: int, frames: np.ndarray) -> Result:
        """Step one stream by its next frames, float32 `[k, D]`."""

    @abstractmethod
    def num_frames(self, stream: int) -> int:
        """Frames that a stream has had."""

    @abstractmethod
    def reset(self, stream: int) -> None:
        """Return a stream to the state before its first frame."""

    @abstractmethod
    def state_dict(self, stream: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""

    @abstractmethod
    def load_state_dict(self, stream: int, state: dict[str, Tensor]) -> None:
        """Set a stream to a state with the names and shapes of `state_dict`."""


class CompiledEngine(Engine):
    """Runs the recorded arithmetic of a frame; by far the fastest on the CPU. Compiles for seconds on first use.

    Raises `NotImplementedError` if the network has an operation that cannot be recorded.
    """

    def __init__(self, network: ProgressNetwork, num_streams: int, threads: int = 1):
        # Here, because importing numba takes half a second.
        from protas_gtcc.decoding.compilation import report_compilation
        from protas_gtcc.streaming import stepper

        self.num_streams, self._stepper = num_streams, stepper
        self.program: Program = record(network)
        self._memories = np.repeat(self.program.memory[None], num_streams, axis=0)
        self._rings = np.zeros((num_streams, self.program.ring_floats), dtype=np.float32)
        self._numbers = np.zeros(num_streams, dtype=np.int64)
        spans = [self.program.logits, self.program.probs, *filter(None, [self.program.progress])]
        self._kept = np.concatenate([np.arange(span.start, span.start + span.size) for span in spans])
        self._threads = threads
        # The first call compiles the code, or loads it from numba's cache: now, not at the first frame of a stream.
        with report_compilation("the step program"):
            self.step_chunk(0, np.zeros((1, network.feature_dim), dtype=np.float32))
        self.reset(0)

    def step(self, streams: np.ndarray, frames: np.ndarray) -> Result:
        """Step the k streams `streams`, int64 `[k]`, all different, by one frame each; `frames` is float32 `[k, D]`."""
        results = np.empty((1, len(frames), len(self._kept)), dtype=np.float32)
        shares = max(1, min(self._threads, len(streams) // FEWEST_STREAMS_A_THREAD))
        if shares == 1:
            self._run(streams, frames[None], results)
        else:
            parts = [
                np.array_split(streams, shares),
                *(np.array_split(one, shares, 1) for one in (frames[None], results)),
            ]
            list(self._pool.map(self._run, *parts))
        return self._result(results[0])

    def step_chunk(self, stream: int, frames: np.ndarray) -> Result:
        """Step one stream by its next frames, float32 `[k, D]`."""
        results = np.empty((len(frames), 1, len(self._kept)), dtype=np.float32)
        self._run(np.array([stream]), frames[:, None], results)
        return self._result(results[:, 0])

    def num_frames(self, stream: int) -> int:
        """Frames that a stream has had."""
        return int(self._numbers[stream])

    def reset(self, stream: int) -> None:
        """Return a stream to the state before its first frame."""
        self._memories[stream], self._rings[stream], self._numbers[stream] = self.program.memory, 0, 0

    def state_dict(self, stream: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""
        return {name: torch.from_numpy(np.array(values)) for name, values in self._state(stream).items()}

    def load_state_dict(self, stream: int, state: dict[str, Tensor]) -> None:
        """Set a stream to a state with the names and shapes of `state_dict`."""
        for name, values in self._state(stream).items():
            values[...] = state[name].numpy()

    def _state(self, stream: int) -> dict[str, np.ndarray]:
        carried = self._memories[stream, self.program.carried.slice]
        return {"carried": carried, "rings": self._rings[stream], "num_frames": self._numbers[stream : stream + 1]}

    def _run(self, streams: np.ndarray, frames: np.ndarray, results: np.ndarray) -> None:
        program = self.program
        state = (self._memories, self._rings, self._numbers)
        constants = (program.instructions, program.weights, program.rings)
        self._stepper.step(*constants, *state, streams, frames, program.frame.start, self._kept, results)

    def _result(self, kept: np.ndarray) -> Result:
        classes = self.program.probs.size
        progress = None if self.program.progress is None else kept[:, 2 * classes :]
        return Result(kept[:, :classes], kept[:, classes : 2 * classes], progress)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="streams")


class TorchEngine(Engine):
    """Runs the network on its own device; the engine for streams on a GPU, and for any network."""

    def __init__(self, network: ProgressNetwork, num_streams: int):
        self.num_streams, self._network = num_streams, network
        self._device = network.device
        self._state = network.start(num_streams)

    def step(self, streams: np.ndarray, frames: np.ndarray) -> Result:
        """Step the k streams `streams`, int64 `[k]`, all different, by one frame each; `frames` is float32 `[k, D]`."""
        return self._run(torch.from_numpy(streams), torch.from_numpy(frames)[:, :, None])

    def step_chunk(self, stream: int, frames: np.ndarray) -> Result:
        """Step one stream by its next frames, float32 `[k, D]`."""
        if not len(frames):
            empty = np.zeros((0, self._network.num_classes), dtype=np.float32)
            return Result(empty, empty, empty if self._network.config.progress else None)
        return self._run(torch.tensor([stream]), torch.from_numpy(frames).t()[None])

    def num_frames(self, stream: int) -> int:
        """Frames that a stream has had."""
        assert self._state.num_frames is not None
        return int(self._state.num_frames[stream])

    def reset(self, stream: int) -> None:
        """Return a stream to the state before its first frame."""
        for values in self._state.named().values():
            values[stream] = 0

    def state_dict(self, stream: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""
        return {name: values[stream : stream + 1].cpu().clone() for name, values in self._state.named().items()}

    def load_state_dict(self, stream: int, state: dict[str, Tensor]) -> None:
        """Set a stream to a state with the names and shapes of `state_dict`."""
        for name, values in self._state.named().items():
            values[stream : stream + 1] = state[name].to(self._device)

    def _run(self, streams: Tensor, features: Tensor) -> Result:
        streams = streams.to(self._device)
        with torch.inference_mode():
            outputs = self._network(features.to(self._device), state=self._state.apply(lambda one: one[streams]))
            after = outputs.state.named()
            for name, values in self._state.named().items():
                values[streams] = after[name]
        return _as_result(outputs)


def _as_result(outputs: Outputs) -> Result:
    """The result for a batch of single frames, or for one video: its only axis longer than 1 becomes the first."""

    def rows(values: Tensor) -> np.ndarray:
        return values.movedim(1, 2).flatten(0, 1).float().cpu().numpy()

    logits = outputs.final_logits
    progress = None if outputs.final_progress is None else rows(outputs.final_progress.clamp(0, 1))
    return Result(rows(logits), rows(torch.softmax(logits, dim=1)), progress)
