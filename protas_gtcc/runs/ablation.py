"""The worth of each part of the decoding: finished runs, whose network's output is decoded in other ways.

Nothing is trained, and each network runs once on each test video. Every variant is pooled as in cross-validation, and
compared with the runs' own decoding on the same videos.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.decoding.alternatives import expect_progress, filter_true_classes, hold_labels
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pool, pooled_scores
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.of_model import make_decoder, to_prediction
from protas_gtcc.report.pooled_table import overview_heading, overview_row
from protas_gtcc.report.ruler import verdict
from protas_gtcc.runs.cross_validation import rows_of_split

DecodeFunction = Callable[[TrainedModel, Outputs, np.ndarray], Prediction]
"""From a model, its network's output for a video, and the video's true class ids `[T]`, to a prediction."""
AS_TRAINED = "as trained"
"""Name of the runs' own decoding, with which the others are compared."""


def ablate(
    paths: Sequence[Path], dataset: Dataset, on_progress: Callable[[str, int, int], None]
) -> dict[str, dict[str, Any]]:
    """Decode the test videos of runs with each of `DECODINGS`, and pool the runs.

    Returns, by decoding, the `scores`, structured as metrics.json, and the `differences` from the runs' own decoding;
    its own are None. `on_progress` is called with (what, done, total). Raises `InputError` if a run has no duration
    filter.
    """
    if not paths:
        raise InputError("there is no run to decode; name run directories of the default preset")
    runs = [_load(path) for path in paths]
    parts: dict[str, list[PooledRows]] = {name: [] for name in DECODINGS}
    total = sum(len(dataset.part(model.facts.config.split, "test")) for model in runs) * len(DECODINGS)
    done = itertools.count(1)
    on_progress("decoding", 0, total)
    for model in runs:
        for name, rows in _rows(model, dataset, lambda: on_progress("decoding", next(done), total)):
            parts[name].append(rows)
    pooled = {name: pool(rows) for name, rows in parts.items()}
    compared = {}
    for number, (name, rows) in enumerate(pooled.items()):
        on_progress("comparing", number, len(pooled))
        differences = None if name == AS_TRAINED else paired_differences(rows, pooled[AS_TRAINED])
        compared[name] = {"scores": pooled_scores(rows), "differences": differences}
    on_progress("comparing", len(pooled), len(pooled))
    return compared


def markdown(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each decoding; bold where the 95 % interval of the difference from the first excludes 0.

    Below it what the first row means.
    """
    rows = [overview_row(name, **one) for name, one in compared.items()]
    name, first = next(iter(compared.items()))
    return "\n".join([*overview_heading("decoding"), *rows, "", f"{name}: {verdict(first['scores'])}"]) + "\n"


def _load(path: Path) -> TrainedModel:
    model = load(path)
    if not model.facts.filtered:
        raise InputError(f"{path} has no duration filter to change; give runs of the default preset")
    return model


def _rows(model: TrainedModel, dataset: Dataset, on_video: Callable[[], None]) -> Iterator[tuple[str, PooledRows]]:
    """The scored test videos of a run, for each decoding."""
    config = model.facts.config
    feature_set = dataset.choose_feature_set(config.split, config.feature_set)
    features = FeatureReader(dataset, feature_set, config.split, config.control)
    outputs = {video: model.outputs(features.read(video)) for video in dataset.part(config.split, "test")}
    for name, decode in DECODINGS.items():

        def read(video: str, decode: DecodeFunction = decode) -> Prediction:
            on_video()
            return decode(model, outputs[video], dataset.labels(video))

        yield name, rows_of_split(dataset, config, read)


def _filter(**settings: Any) -> DecodeFunction:
    """The run's filter, with other settings."""

    def decode(model: TrainedModel, outputs: Outputs, _: np.ndarray) -> Prediction:
        config = model.facts.config
        decoding = dataclasses.replace(config.decoding, **settings)
        facts = dataclasses.replace(model.facts, config=dataclasses.replace(config, decoding=decoding))
        return to_prediction(outputs, model.background, make_decoder(facts))

    return decode


def _no_filter(model: TrainedModel, outputs: Outputs, _: np.ndarray) -> Prediction:
    return to_prediction(outputs, model.background)


def _hold(seconds: float) -> DecodeFunction:
    """The expected progress of the network's labels, each held for some seconds; 0 holds none."""

    def decode(model: TrainedModel, outputs: Outputs, labels: np.ndarray) -> Prediction:
        assert model.facts.fps is not None
        frames = round(seconds * model.facts.fps)
        return expect_progress(hold_labels(_no_filter(model, outputs, labels), frames), model.background)

    return decode


def _true_classes(model: TrainedModel, _: Outputs, labels: np.ndarray) -> Prediction:
    facts = model.facts
    assert facts.transcripts is not None
    assert facts.fps is not None
    return filter_true_classes(labels, facts.transcripts, facts.config.decoding, facts.background, facts.fps)


LAGS: Mapping[str, float] = {
    "reported at once": 0.0,
    **{f"reported {one:g} s later": one for one in (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)},
    "reported at the end of the video": inf,
}
"""Seconds of lag, by the name of the decoding."""
DECODINGS: Mapping[str, DecodeFunction] = {
    AS_TRAINED: _filter(),
    "classes of the filter alone": _filter(network_class_share=0.0),
    "classes of the network alone": _filter(network_class_share=1.0),
    "progress of the filter alone": _filter(network_progress_share=0.0),
    "progress of the network alone": _filter(network_progress_share=1.0, progress_doubt=0.0),
    "evidence 4": _filter(evidence=4.0),
    "evidence 40": _filter(evidence=40.0),
    "less of the network in classes": _filter(network_class_share=0.6, temperature=1.25, label_margin=0.1),
    "prior not divided out": _filter(prior_exponent=0.0),
    "prior divided out": _filter(prior_exponent=1.0),
    "labels without a margin": _filter(label_margin=0.0),
    "order of the class before alone": _filter(order_memory=0.0),
    **{name: _filter(lag_seconds=seconds) for name, seconds in LAGS.items()},
    "no filter": _no_filter,
    "no filter, expected progress": _hold(0),
    **{f"no filter, labels held for {one:g} s unless above 0.9": _hold(one) for one in (0.5, 1.0, 2.0)},
    "the filter, given the true class of every frame": _true_classes,
}
"""Every decoding, named by its difference from the run's own."""
