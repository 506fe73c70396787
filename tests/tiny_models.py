"""Models with random weights that several tests stream, serve and export, and features for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from protas_gtcc.annotations.task_graph import TaskGraph
from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.config import PRESETS, ModelConfig
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork

DIM, CLASSES = 5, 4
BASE = ModelConfig(stages=3, layers=4, maps=8)
CONFIGS = {
    "whole": BASE,
    "one stage": dataclasses.replace(BASE, stages=1),
    "no graph": dataclasses.replace(BASE, graph=False),
    "no progress": dataclasses.replace(BASE, graph=False, progress=False),
    "parallel": dataclasses.replace(BASE, arrangement="parallel"),
    "no fusion": dataclasses.replace(BASE, fusion=False),
    "standardised": dataclasses.replace(BASE, standardise=True),
}
DECODING = dataclasses.replace(PRESETS["default"].decoding, background_bias=0.5)
TRANSCRIPTS = count_transcripts(
    [np.repeat([0, 1, 0, 2, 3], [3, 9, 1, 20, 14]), np.repeat([2, 1, 3], [17, 8, 11])], 4, DECODING, 5.0
)

TASKS = ["cake", "tea"]
"""In cake nothing is served, in tea nothing is cut."""
TASK_TRANSCRIPTS = count_transcripts(
    [
        np.repeat([0, 1, 0, 2], [3, 9, 1, 20]),
        np.repeat([1, 2, 0], [7, 8, 4]),
        np.repeat([2, 3, 0], [5, 12, 6]),
        np.repeat([3, 2], [9, 15]),
        np.repeat([0, 2, 3], [2, 6, 14]),
    ],
    4,
    DECODING,
    5.0,
    ["cake", "cake", "tea", "tea", "tea"],
)


def make_model(config: ModelConfig = BASE, seed: int = 0, filtered: bool = True) -> TrainedModel:
    """A model with random weights and a task graph, with a duration filter or without one."""
    torch.manual_seed(seed)
    graph = TaskGraph(*np.random.default_rng(seed).random((2, CLASSES, CLASSES)))
    network = ProgressNetwork(config, DIM, CLASSES, graph)
    if config.standardise:
        network.set_features(torch.rand(DIM), torch.rand(DIM))
    run = dataclasses.replace(PRESETS["reference"], model=config, decoding=DECODING)
    facts = ModelFacts(run, DIM, ["rest", "cut", "mix", "serve"], [0], 5.0)
    return TrainedModel(network, dataclasses.replace(facts, transcripts=TRANSCRIPTS) if filtered else facts)


def video(num_frames: int, seed: int = 1) -> np.ndarray:
    """Random features `[T, D]`."""
    return np.random.default_rng(seed).normal(size=(num_frames, DIM)).astype(np.float32)


def make_task_model(filtered: bool = True, config: ModelConfig = BASE) -> TrainedModel:
    """A model of the two `TASKS`."""
    model = make_model(config, filtered=filtered)
    tables = TASK_TRANSCRIPTS if filtered else None
    return TrainedModel(model.network, dataclasses.replace(model.facts, tasks=TASKS, transcripts=tables))
