"""Who does a stream's arithmetic: compiled code on the CPU, or the network itself on any device.

Both hold the state of `n` streams and give the same numbers; which is used changes only the speed.
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
"""Fewer are not worth handing to another thread."""


class Result(NamedTuple):
    """What the network says of `k` frames: of one frame each of `k` streams, or of `k` frames of one."""

    logits: np.ndarray
    """Of the last stage, after the task graph: float32 `[k, C]`."""
    probs: np.ndarray
    """float32 `[k, C]`."""
    progress: np.ndarray | None
    """In [0, 1], float32 `[k, C]`; None in a model without progress."""


class Engine(ABC):
    """The state of `num_streams` streams, and how it moves on."""

    num_streams: int

    @abstractmethod
    def step(self, who: np.ndarray, frames: np.ndarray) -> Result:
        """One more frame, float32 `[k, D]`, of each of the streams `who`, int64 `[k]`, all different."""

    @abstractmethod
    def follow(self, who: int, frames: np.ndarray) -> Result:
        """The next frames, float32 `[k, D]`, of one stream."""

    @abstractmethod
    def num_frames(self, who: int) -> int:
        """How many frames a stream has seen."""

    @abstractmethod
    def reset(self, who: int) -> None:
        """Back to before the first frame."""

    @abstractmethod
    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""

    @abstractmethod
    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Put a stream into a state; the names and shapes are those of `state_dict`."""


class CompiledEngine(Engine):
    """Replays the recorded arithmetic of a frame; by far the fastest on the CPU. Takes seconds to compile once."""

    def __init__(self, network: ProgressNetwork, num_streams: int, threads: int = 1):
        from protas_gtcc.streaming import stepper

        self.num_streams, self._stepper = num_streams, stepper
        self.program: Program = record(network)
        self._memories = np.repeat(self.program.memory[None], num_streams, axis=0)
        self._rings = np.zeros((num_streams, self.program.ring_floats), dtype=np.float32)
        self._numbers = np.zeros(num_streams, dtype=np.int64)
        spans = [self.program.logits, self.program.probs, *filter(None, [self.program.progress])]
        self._kept = np.concatenate([np.arange(span.start, span.start + span.size) for span in spans])
        self._threads = threads
        # The code is compiled, or fetched from numba's cache, by its first calls: now, not at somebody's first frame.
        nothing = np.zeros((1, network.feature_dim), dtype=np.float32)
        self.follow(0, nothing)
        self.step(np.zeros(1, dtype=np.int64), nothing)
        self.reset(0)

    def step(self, who: np.ndarray, frames: np.ndarray) -> Result:
        """One more frame, float32 `[k, D]`, of each of the streams `who`, int64 `[k]`, all different."""
        results = np.empty((1, len(frames), len(self._kept)), dtype=np.float32)
        shares = max(1, min(self._threads, len(who) // FEWEST_STREAMS_A_THREAD))
        work = [np.array_split(values, shares, axis) for values, axis in ((who, 0), (frames[None], 1), (results, 1))]
        if shares == 1:
            self._run(who, frames[None], results)
        else:
            list(self._pool.map(self._run, *work))
        return self._result(results[0])

    def follow(self, who: int, frames: np.ndarray) -> Result:
        """The next frames, float32 `[k, D]`, of one stream."""
        results = np.empty((len(frames), 1, len(self._kept)), dtype=np.float32)
        self._run(np.array([who]), frames[:, None], results)
        return self._result(results[:, 0])

    def num_frames(self, who: int) -> int:
        """How many frames a stream has seen."""
        return int(self._numbers[who])

    def reset(self, who: int) -> None:
        """Back to before the first frame."""
        self._memories[who], self._rings[who], self._numbers[who] = self.program.memory, 0, 0

    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""
        return {name: torch.from_numpy(np.array(values)) for name, values in self._state(who).items()}

    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Put a stream into a state; the names and shapes are those of `state_dict`."""
        for name, values in self._state(who).items():
            values[...] = state[name].numpy()

    def _state(self, who: int) -> dict[str, np.ndarray]:
        carried = self._memories[who, self.program.carried.slice]
        return {"carried": carried, "rings": self._rings[who], "num_frames": self._numbers[who : who + 1]}

    def _run(self, who: np.ndarray, frames: np.ndarray, results: np.ndarray) -> None:
        program = self.program
        state = (self._memories, self._rings, self._numbers)
        constants = (program.instructions, program.weights, program.rings)
        self._stepper.step(*constants, *state, who, frames, program.frame.start, self._kept, results)

    def _result(self, kept: np.ndarray) -> Result:
        classes = self.program.probs.size
        progress = None if self.program.progress is None else kept[:, 2 * classes :]
        return Result(kept[:, :classes], kept[:, classes : 2 * classes], progress)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="streams")


class TorchEngine(Engine):
    """Runs the network on its own device; the way to follow many streams on a GPU."""

    def __init__(self, network: ProgressNetwork, num_streams: int):
        self.num_streams, self._network = num_streams, network
        self._device = network.device
        self._state = network.start(num_streams)

    def step(self, who: np.ndarray, frames: np.ndarray) -> Result:
        """One more frame, float32 `[k, D]`, of each of the streams `who`, int64 `[k]`, all different."""
        return self._run(torch.from_numpy(who), torch.from_numpy(frames)[:, :, None])

    def follow(self, who: int, frames: np.ndarray) -> Result:
        """The next frames, float32 `[k, D]`, of one stream."""
        if not len(frames):
            empty = np.zeros((0, self._network.num_classes), dtype=np.float32)
            return Result(empty, empty, empty if self._network.config.progress else None)
        return self._run(torch.tensor([who]), torch.from_numpy(frames).t()[None])

    def num_frames(self, who: int) -> int:
        """How many frames a stream has seen."""
        assert self._state.num_frames is not None
        return int(self._state.num_frames[who])

    def reset(self, who: int) -> None:
        """Back to before the first frame."""
        for values in self._state.named().values():
            values[who] = 0

    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's whole state."""
        return {name: values[who : who + 1].cpu().clone() for name, values in self._state.named().items()}

    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Put a stream into a state; the names and shapes are those of `state_dict`."""
        for name, values in self._state.named().items():
            values[who : who + 1] = state[name].to(self._device)

    def _run(self, who: Tensor, features: Tensor) -> Result:
        who = who.to(self._device)
        with torch.inference_mode():
            outputs = self._network(features.to(self._device), state=self._state.apply(lambda one: one[who]))
            after = outputs.state.named()
            for name, values in self._state.named().items():
                values[who] = after[name]
        return _as_result(outputs)


def _as_result(outputs: Outputs) -> Result:
    """Of a batch of one frame each, or of one video: the axis that is longer than 1 becomes the first."""

    def rows(values: Tensor) -> np.ndarray:
        return values.movedim(1, 2).flatten(0, 1).float().cpu().numpy()

    logits = outputs.final_logits
    progress = None if outputs.final_progress is None else rows(outputs.final_progress.clamp(0, 1))
    return Result(rows(logits), rows(torch.softmax(logits, dim=1)), progress)
