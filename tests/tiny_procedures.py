"""A small model that follows procedures: its network is random, its tables are those of short recordings."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import torch

from protas_gtcc.inference import TrainedModel
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.calibration import TrainingVideo, learn_procedure
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.procedure.truth import truth_of
from tests.tiny_models import CLASSES, CONFIGS, DECODING, DIM, TASK_TRANSCRIPTS, make_task_model

FPS = 5.0
RECORDINGS = [
    (0, np.repeat([0, 1, 0, 2], [3, 9, 1, 20])),
    (0, np.repeat([1, 2, 0], [7, 8, 4])),
    (0, np.repeat([1, 2], [10, 9])),
    (1, np.repeat([2, 3, 0], [5, 12, 6])),
    (1, np.repeat([2, 3], [9, 15])),
    (1, np.repeat([0, 2, 3], [2, 6, 14])),
]
"""Task and labels of each: in cake, 2 comes after 1; in tea, 3 comes after 2."""


@cache
def learnt() -> ProcedureModel:
    """What the recordings show, calibrated on their true steps."""
    certain = np.eye(CLASSES, dtype=np.float32)
    videos = [
        TrainingVideo(truth_of(steps_of(labels, [0])), task, f"person {number}", certain[labels])
        for number, (task, labels) in enumerate(RECORDINGS)
    ]
    return learn_procedure(videos, TASK_TRANSCRIPTS, DECODING, [0], FPS)


def make_procedure_model() -> TrainedModel:
    """A model of the two tasks, which follows their procedures; it sees the labels that `features_of` shows."""
    model = make_task_model(config=dataclasses.replace(CONFIGS["no graph"], stages=1))
    seeing = {"conv_in": 1.0, "conv_logits": 4.0, "fusion": 1.0}
    for name, values in model.network.named_parameters():
        layer, kind = name.split(".")[-2:]
        with torch.no_grad():
            values.zero_()
            if layer in seeing and kind == "weight":
                values[:CLASSES, :CLASSES, 0] = seeing[layer] * torch.eye(CLASSES)
    return TrainedModel(model.network, dataclasses.replace(model.facts, procedure=learnt().arrays()))


def features_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Features `[T, D]` that show the labels, with a little noise."""
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(len(labels), DIM))
    return (np.eye(CLASSES, DIM)[labels] + noise).astype(np.float32)


MIXED_UP = np.repeat([0, 2, 0, 1, 2, 1, 0], [4, 15, 3, 9, 40, 8, 5])
"""Labels of a cake whose steps are in the wrong order, repeated and too long."""


def assert_same_procedure(one: Prediction, other: Prediction) -> None:
    """Arrays to rounding errors, events but for those of their confidence."""
    for name, values in vars(one.procedure).items():
        if name != "events":
            np.testing.assert_allclose(values, getattr(other.procedure, name), rtol=1e-4, atol=1e-5, err_msg=name)
    mine, theirs = (
        [(event.kind, event.label, event.frame) for event in prediction.procedure.events] for prediction in (one, other)
    )
    assert mine == theirs
