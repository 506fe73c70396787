"""Several runs as one model: an ensemble of all their networks, which streams like one of them.

The mean of the networks' logits and progress is what the parallel stages of one run give already. So an ensemble of
runs is a network with all of their stages, and everything that takes a run takes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from protas_gtcc.config import MAY_CHANGE, MOST_STAGES, RunConfig, flat_settings
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.training.calibration import calibrated_note
from protas_gtcc.training.run_directory import RunDirectory

CALIBRATED = ("background_bias", "evidence", "interval_level", "remaining_level")
"""Settings of the filter that each run may have chosen for itself; the ensemble has their means."""
SAME = (
    "feature_dim",
    "class_names",
    "background",
    "fps",
    "look_ahead_frames",
    "extractor",
    "joined_sets",
    "dataset",
    "tasks",
)
MAY_DIFFER = (*MAY_CHANGE, "seed", "dataset", "preset", "stages", "arrangement")
"""Settings in which runs may differ: files of the same dataset may lie in different places."""


def join(runs: Sequence[Path]) -> tuple[ProgressNetwork, ModelFacts, RunConfig]:
    """The ensemble of runs that differ by their seed, its facts, and its configuration as if it had been given.

    Procedures are followed as by the first run. Raises `InputError`, which names the run and the difference, for fewer
    than two runs, for one that is not trained to its end, for those that are no ensemble of single-stage networks, and
    for runs of other videos, features or settings.
    """
    if len(set(map(Path.resolve, runs))) < max(len(runs), 2):
        raise InputError("an ensemble is of two different runs or more; name each once")
    configs, models = [RunDirectory(run).read_config() for run in runs], [load(run) for run in runs]
    for run, config, model in zip(runs, configs, models, strict=True):
        _require_whole(run, config)
        _require_same((configs[0], models[0].facts, runs[0]), (config, model.facts, run))
    facts = dataclasses.replace(models[0].facts, config=_joined_config(models[0].facts.config, models))
    facts = _with_mean_calibration(facts, [model.facts for model in models])
    network = facts.build()
    network.load_state_dict(_joined_weights(runs, models))
    return network.eval(), facts, _joined_config(configs[0], models)


def _require_whole(run: Path, config: RunConfig) -> None:
    if config.model.graph or (config.model.arrangement == "series" and config.model.stages > 1):
        raise InputError(f"{run} has stages in series or a task graph; name runs with --arrangement parallel")
    if not RunDirectory(run).is_trained():
        raise InputError(f"{run} is not trained to its end; go on first: protas-gtcc train --resume {run}")


def _require_same(first: tuple[RunConfig, ModelFacts, Path], other: tuple[RunConfig, ModelFacts, Path]) -> None:
    """Raise `InputError` unless two runs differ only in `MAY_DIFFER` and in what was calibrated."""
    (one, facts, first_run), (two, other_facts, run) = first, other
    different = [name for name in SAME if getattr(facts, name) != getattr(other_facts, name)]
    if facts.config.model.layers != other_facts.config.model.layers:
        different.append("number of layers")
    if set(facts.training_videos) != set(other_facts.training_videos):
        different.append("training videos")
    wanted, found = flat_settings(one), flat_settings(two)
    names = [name for name in wanted if name not in MAY_DIFFER and wanted[name] != found[name]]
    different += [f"--{name.replace('_', '-')}" for name in names]
    if different:
        raise InputError(f"{run} differs from {first_run} in {listed(different)}; name runs that differ by seed alone")


def _joined_config(config: RunConfig, models: Sequence[TrainedModel]) -> RunConfig:
    """The configuration of the first run, with the networks of all."""
    stages = sum(model.facts.config.model.stages for model in models)
    if stages > MOST_STAGES:
        raise InputError(f"the runs have {plural(stages, 'network')} together; name runs with {MOST_STAGES} at most")
    network = dataclasses.replace(config.model, stages=stages, arrangement="parallel")
    return dataclasses.replace(config, title=f"ensemble of {len(models)} runs", model=network)


def _with_mean_calibration(facts: ModelFacts, each: Sequence[ModelFacts]) -> ModelFacts:
    """The facts with the means of what the runs calibrated, and a note that says so."""
    decodings = [one.config.decoding for one in each]
    means: dict[str, Any] = {name: float(np.mean([getattr(one, name) for one in decodings])) for name in CALIBRATED}
    decoding, note = dataclasses.replace(facts.config.decoding, **means), facts.calibration
    if all(one.calibration == calibrated_note(one.config.decoding) for one in each):
        note = f"{calibrated_note(decoding)}; the mean of {plural(len(each), 'run')}"
    return dataclasses.replace(facts, config=dataclasses.replace(facts.config, decoding=decoding), calibration=note)


def _joined_weights(runs: Sequence[Path], models: Sequence[TrainedModel]) -> dict[str, torch.Tensor]:
    """The weights of all networks, one after the other, and what they share."""
    parts = [model.network.state_dict() for model in models]
    joined, stages = _shared(parts[0]), 0
    for run, model, part in zip(runs, models, parts, strict=True):
        if any(not torch.equal(values, joined[name]) for name, values in _shared(part).items()):
            raise InputError(f"{run} standardises features in another way than {runs[0]}; train both on the same file")
        for name in part.keys() - _shared(part).keys():
            _, number, rest = name.split(".", 2)
            joined[f"stages.{int(number) + stages}.{rest}"] = part[name]
        stages += model.facts.config.model.stages
    return joined


def _shared(part: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: values for name, values in part.items() if not name.startswith("stages.")}
