"""Two engines that compute a stream's frames: compiled code on the CPU, or the network itself on any device.

Both hold the state of n streams and give the same numbers; they differ in speed.
"""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.config import EngineName
from protas_gtcc.decoding.compilation import report_compilation
from protas_gtcc.decoding.decoder import NetworkResult, network_result, require_finite
from protas_gtcc.errors import InputError
from protas_gtcc.network.float32 import full_float32
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.streaming import stepper
from protas_gtcc.streaming.recording import record

FEWEST_STREAMS_A_THREAD = 8
"""A thread with fewer streams costs more than it saves."""
CHECKED_FRAMES = 6
TOLERANCE = 1e-4
"""Largest difference of progress, and of logits as a share of the largest logit (or of 1)."""


class Engine(ABC):
    """Holds the state of `num_streams` streams and steps them."""

    num_streams: int

    @abstractmethod
    def step(self, streams: np.ndarray, frames: np.ndarray) -> NetworkResult:
        """Step the k streams `streams`, int64 `[k]`, all different, by their next T frames, float32 `[T, k, D]`.

        Returns the result for the T * k frames in the same order. Raises `InputError` if the network overflows; then no
        stream has moved.
        """

    @abstractmethod
    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream, not a copy; all 0 before the first frame."""


class CompiledEngine(Engine):
    """Runs the recorded arithmetic of a frame; by far the fastest on the CPU. Compiles for seconds on first use.

    Raises `NotImplementedError` if the network has an operation that cannot be recorded.
    """

    def __init__(self, network: ProgressNetwork, num_streams: int, threads: int = 1):
        self.num_streams, self._threads, self._num_classes = num_streams, threads, network.num_classes
        self._program = program = record(network)
        self._memories = np.repeat(program.memory[None], num_streams, axis=0)
        self._rings = np.zeros((num_streams, program.ring_floats), dtype=np.float32)
        self._numbers = np.zeros(num_streams, dtype=np.int64)
        _, lengths, widths, _ = program.rings.T
        self._longest_ring, self._recorded_floats = int(lengths.max()), int(widths.sum())
        # The first call compiles the code, or loads it from numba's cache: now, not at the first frame of a stream.
        with report_compilation("the step program"):
            self.step(np.array([0]), np.zeros((1, 1, network.feature_dim), dtype=np.float32))
        for values in self.state(0).values():
            values.zero_()

    def step(self, streams: np.ndarray, frames: np.ndarray) -> NetworkResult:
        """Step the k streams; see `Engine`."""
        program = self._program
        results = np.empty((*frames.shape[:2], len(program.results)), dtype=np.float32)
        carried = self._memories[streams, : program.carried]
        before = np.empty((min(len(frames), self._longest_ring), len(streams), self._recorded_floats), dtype=np.float32)
        recorded = self._run_in_threads(streams, frames, results, before)
        try:
            require_finite(results, recorded, self._memories[streams, : program.carried])
        except InputError:
            self._memories[streams, : program.carried] = carried
            rings = program.instructions, program.rings, self._rings
            stepper.undo(*rings, self._numbers, streams, len(frames), before)
            raise
        rows, classes = results.reshape(-1, results.shape[2]), self._num_classes
        progress = rows[:, 2 * classes :] if rows.shape[1] > 2 * classes else None
        return NetworkResult(rows[:, :classes], rows[:, classes : 2 * classes], progress)

    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream; see `Engine`."""
        carried, numbers = self._memories[stream, : self._program.carried], self._numbers[stream : stream + 1]
        state = {"carried": carried, "rings": self._rings[stream], "num_frames": numbers}
        return {name: torch.from_numpy(values) for name, values in state.items()}

    def _run_in_threads(self, streams: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        """As `_run`; `arrays` have the streams as their second axis."""
        shares = min(self._threads, len(streams) // FEWEST_STREAMS_A_THREAD)
        if shares <= 1:
            return np.array([self._run(streams, *arrays)])
        parts = [np.array_split(one, shares, axis=1) for one in arrays]
        return np.array(list(self._pool.map(self._run, np.array_split(streams, shares), *parts)))

    def _run(self, streams: np.ndarray, frames: np.ndarray, results: np.ndarray, before: np.ndarray) -> float:
        program = self._program
        state = (self._memories, self._rings, self._numbers)
        constants = (program.instructions, program.weights, program.rings)
        places = (program.frame, program.results)
        return float(stepper.step(*constants, *state, streams, frames, *places, results, before))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="streams")


class TorchEngine(Engine):
    """Runs the network on its own device; the engine for streams on a GPU, and for any network."""

    def __init__(self, network: ProgressNetwork, num_streams: int):
        self.num_streams, self._network = num_streams, network
        self._state = network.start(num_streams)

    def step(self, streams: np.ndarray, frames: np.ndarray) -> NetworkResult:
        """Step the k streams; see `Engine`."""
        if not frames.size:
            empty = np.zeros((0, self._network.num_classes), dtype=np.float32)
            return NetworkResult(empty, empty, empty if self._network.config.progress else None)
        device = self._network.device
        chosen, features = torch.from_numpy(streams).to(device), torch.from_numpy(frames).to(device)
        with torch.inference_mode(), full_float32():
            outputs = self._network(features.permute(1, 2, 0), state=self._state.apply(lambda one: one[chosen]))
            result, after = network_result(outputs), outputs.state.named()
            state = torch.cat([values.flatten() for values in after.values()])
            require_finite(*result, (state * 0).sum().cpu().numpy())
            for name, values in self._state.named().items():
                values[chosen] = after[name]
            return result

    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream; see `Engine`."""
        return {name: values[stream : stream + 1] for name, values in self._state.named().items()}


def make_engine(network: ProgressNetwork, num_streams: int, name: EngineName = "auto", threads: int = 1) -> Engine:
    """The engine of `num_streams` streams: `compiled` runs on the CPU, `torch` on the network's device.

    `auto` is `compiled`, because a GPU takes as long for one stream as for hundreds, and `torch` if the network cannot
    be compiled; a logged warning then gives the reason. Raises `NotImplementedError` if `compiled` is required and not
    possible, `InputError` for an acausal network.
    """
    if name == "torch":
        return TorchEngine(network, num_streams)
    try:
        own = network if network.device.type == "cpu" else copy.deepcopy(network).cpu()
        return _checked_engine(own, num_streams, threads)
    except NotImplementedError as error:
        if name == "compiled":
            raise
        _report_fallback(str(error))
        return TorchEngine(network, num_streams)


def _checked_engine(network: ProgressNetwork, num_streams: int, threads: int) -> CompiledEngine:
    """A compiled engine that equals the network on a few random frames, else `NotImplementedError`."""
    engine, frames, first = CompiledEngine(network, num_streams, threads), _random_frames(network), np.array([0])
    compiled, expected = engine.step(first, frames), TorchEngine(network, 1).step(first, frames)
    for values in engine.state(0).values():
        values.zero_()
    limits = [(compiled.logits, expected.logits, TOLERANCE * max(1.0, float(np.abs(expected.logits).max())))]
    if compiled.progress is not None and expected.progress is not None:
        limits.append((compiled.progress, expected.progress, TOLERANCE))
    for one, other, limit in limits:
        difference = float(np.abs(one - other).max())
        if not difference <= limit:  # also for NaN
            raise NotImplementedError(f"compiled code differs from the network by {difference:.2g} on random frames")
    return engine


def _random_frames(network: ProgressNetwork) -> np.ndarray:
    """Frames `[T, 1, D]` on the scale of the training features, as far as the network knows it."""
    frames = torch.randn(CHECKED_FRAMES, 1, network.feature_dim, generator=torch.Generator().manual_seed(0))
    if network.config.standardise:
        frames = frames / network.feature_scale.cpu() + network.feature_mean.cpu()
    return frames.numpy()


@cache
def _report_fallback(reason: str) -> None:
    """Once for each reason, however many streams are made."""
    message = "streams run in torch, which is slower: the network cannot be compiled (%s)"
    logging.getLogger(__name__).warning(message, reason)
