"""Choose the engine of a stream, and check that compiled code computes what the network does."""

from __future__ import annotations

import copy
import logging
from functools import cache

import numpy as np
import torch

from protas_gtcc.config import EngineName
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.streaming.engines import CompiledEngine, Engine, TorchEngine

CHECKED_FRAMES = 6
TOLERANCE = 1e-4
"""Largest difference of progress, and of logits as a share of the largest logit (or of 1)."""


def make_engine(network: ProgressNetwork, num_streams: int, name: EngineName = "auto", threads: int = 1) -> Engine:
    """The engine of `num_streams` streams: `compiled` runs on the CPU, `torch` on the network's device.

    `auto` is `compiled` for a network on the CPU, and `torch` if the network cannot be compiled; a logged warning then
    says why. Raises `NotImplementedError` if `compiled` is required and not possible, `InputError` for an acausal
    network.
    """
    on_cpu = network.device.type == "cpu"
    if name == "torch" or (name == "auto" and not on_cpu):
        return TorchEngine(network, num_streams)
    try:
        return checked_engine(network if on_cpu else copy.deepcopy(network).cpu(), num_streams, threads)
    except NotImplementedError as error:
        if name == "compiled":
            raise
        _report_fallback(str(error))
        return TorchEngine(network, num_streams)


def checked_engine(network: ProgressNetwork, num_streams: int, threads: int = 1) -> CompiledEngine:
    """A compiled engine that equals the network on a few random frames, else `NotImplementedError`."""
    engine, frames = CompiledEngine(network, num_streams, threads), _random_frames(network)
    compiled = engine.step_chunk(0, frames)
    engine.reset(0)
    expected = TorchEngine(network, 1).step_chunk(0, frames)
    limits = [(compiled.logits, expected.logits, TOLERANCE * max(1.0, float(np.abs(expected.logits).max())))]
    if compiled.progress is not None and expected.progress is not None:
        limits.append((compiled.progress, expected.progress, TOLERANCE))
    for one, other, limit in limits:
        difference = float(np.abs(one - other).max())
        if not difference <= limit:  # also for NaN
            raise NotImplementedError(f"compiled code differs from the network by {difference:.2g} on random frames")
    return engine


def _random_frames(network: ProgressNetwork) -> np.ndarray:
    """Frames `[k, D]` on the scale of the training features, as far as the network knows it."""
    frames = torch.randn(CHECKED_FRAMES, network.feature_dim, generator=torch.Generator().manual_seed(0))
    if network.config.standardise:
        frames = frames / network.feature_scale.cpu() + network.feature_mean.cpu()
    return frames.numpy()


@cache
def _report_fallback(reason: str) -> None:
    """Once for each reason, however many streams are made."""
    message = "streams run in torch, which is slower: the network cannot be compiled (%s)"
    logging.getLogger(__name__).warning(message, reason)
