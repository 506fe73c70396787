"""What each part of the decoding is worth: the same trained networks, told through other filters.

    python experiments/ablation.py runs/cv-gtea/default/split?-seed? --dataset data/gtea.h5 > table.md

Nothing is trained: of each run the network's output on the test videos is decoded anew under every variant, pooled as
`cross_validate.py` pools, and compared with the run's own decoding on the same videos (bold where the 95 % interval of
the difference leaves out 0). What trains otherwise is compared by `cross_validate.py` itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.decoding import DurationDecoder
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pool, pooled_scores
from protas_gtcc.predictions import Prediction, reported_progress
from protas_gtcc.report.pooled_table import overview_heading, overview_row
from protas_gtcc.runs.cross_validation import rows_of_split
from protas_gtcc.training.run_directory import RunDirectory

Decode = Callable[[TrainedModel, np.ndarray, np.ndarray], Prediction]
"""From a model, the features `[T, D]` and the true class ids `[T]` of a video to what is told of it."""


@dataclass(frozen=True)
class Ablation:
    """Decode finished runs in other ways and print a Markdown table."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories with a duration filter."""
    dataset: Path
    """The dataset that they were trained on."""

    def run(self) -> None:
        """Decode, pool, compare and print."""
        if not self.runs:
            raise InputError("no run to decode anew; name run directories of the default preset")
        dataset = Dataset(self.dataset)
        own = self._pooled(dataset, lambda model, features, _: model.predict(features))
        print(*overview_heading("decoding"), sep="\n")
        print(overview_row("as the runs say", pooled_scores(own), None))
        for name, decode in variants().items():
            rows = self._pooled(dataset, decode)
            print(overview_row(name, pooled_scores(rows), paired_differences(rows, own)), flush=True)

    def _pooled(self, dataset: Dataset, decode: Decode) -> PooledRows:
        return pool([_rows(RunDirectory(path), dataset, decode) for path in self.runs])


def variants() -> dict[str, Decode]:
    """Every other way to decode, by what is changed."""
    changed: dict[str, dict[str, Any]] = {
        "no hedge": {"hedge": False},
        "the filter's progress alone": {"network_share": 0.0},
        "the network's progress alone": {"network_share": 1.0},
        "evidence 0.2": {"evidence": 0.2},
        "evidence 0.4": {"evidence": 0.4},
        "evidence 1": {"evidence": 1.0},
        "interruption 0.001": {"interruption": 0.001},
        "interruption 0.03": {"interruption": 0.03},
    }
    held = {
        f"no filter, labels held for {frames} frames unless surer than 0.9": _holding(frames) for frames in (8, 16, 32)
    }
    return {
        **{name: _with(settings) for name, settings in changed.items()},
        "no filter": _network_alone,
        "no filter, hedge": _network_hedged,
        **held,
        "the filter, told the true class of every frame": _told_the_truth,
    }


def _rows(run: RunDirectory, dataset: Dataset, decode: Decode) -> PooledRows:
    config, model = run.read_config(), load(run.path)
    if model.facts.transcripts is None:
        raise InputError(f"{run.path} has no duration filter to change; give runs of the default preset")
    feature_set = dataset.choose_feature_set(config.split, config.feature_set)
    features = FeatureReader(dataset, feature_set, config.split, config.control)
    return rows_of_split(dataset, config, lambda video: decode(model, features.read(video), dataset.labels(video)))


def _with(settings: Mapping[str, Any]) -> Decode:
    def decode(model: TrainedModel, features: np.ndarray, _: np.ndarray) -> Prediction:
        config = model.facts.config
        decoding = dataclasses.replace(config.decoding, **settings)
        facts = dataclasses.replace(model.facts, config=dataclasses.replace(config, decoding=decoding))
        return TrainedModel(model.network, facts).predict(features)

    return decode


def _told_the_truth(model: TrainedModel, _: np.ndarray, labels: np.ndarray) -> Prediction:
    """The filter alone, for which the true class of every frame so far is the evidence: counting at its best."""
    decoding = dataclasses.replace(model.facts.config.decoding, evidence=10.0, hedge=False, network_share=0.0)
    assert model.facts.transcripts is not None
    decoder = DurationDecoder(model.facts.transcripts, decoding, model.background, model.facts.fps)
    return decoder.decode(np.zeros(len(labels), dtype=np.int64), np.eye(len(model.class_names))[labels], None)


def _network_alone(model: TrainedModel, features: np.ndarray, _: np.ndarray) -> Prediction:
    return TrainedModel(model.network, dataclasses.replace(model.facts, transcripts=None)).predict(features)


def _network_hedged(model: TrainedModel, features: np.ndarray, labels: np.ndarray) -> Prediction:
    """The network's likeliest class, with its expected progress over all actions."""
    return _hedged(_network_alone(model, features, labels), model.background)


def _holding(frames: int, surely: float = 0.9) -> Decode:
    """A label is kept until its segment has so many frames, unless the network is surer of another one (OnlineTAS)."""

    def decode(model: TrainedModel, features: np.ndarray, _: np.ndarray) -> Prediction:
        said = _network_alone(model, features, _)
        labels, since = said.labels.copy(), 0
        for t in range(1, len(labels)):
            keep = labels[t] != labels[t - 1] and t - since < frames and said.probability[t] < surely
            labels[t] = labels[t - 1] if keep else labels[t]
            since = t if labels[t] != labels[t - 1] else since
        return _hedged(dataclasses.replace(said, labels=labels), model.background)

    return decode


def _hedged(said: Prediction, background: list[int]) -> Prediction:
    assert said.probs is not None
    assert said.progress is not None
    actions = np.delete(np.arange(len(said.probs)), background)
    weights = said.probs[actions] / np.maximum(said.probs[actions].sum(axis=0), 1e-9)
    progress = said.progress.copy()
    progress[said.labels, np.arange(len(said.labels))] = (weights * said.progress[actions]).sum(axis=0)
    reported = reported_progress(progress, said.labels, background)
    return dataclasses.replace(said, progress=progress, reported=reported)


if __name__ == "__main__":
    run_command(lambda: tyro.cli(Ablation).run())
