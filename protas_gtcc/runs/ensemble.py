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

from protas_gtcc.errors import InputError, listed
from protas_gtcc.inference import load
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork

CALIBRATED = ("background_bias", "interval_level", "remaining_level")
"""Settings of the filter that each run has chosen for itself; the ensemble has their means."""
SAME = ("feature_dim", "class_names", "background", "fps", "look_ahead_frames", "extractor", "dataset", "tasks")


def join(runs: Sequence[Path]) -> tuple[ProgressNetwork, ModelFacts]:
    """The ensemble of runs that differ by their seed, and its facts; procedures are followed as by the first run.

    Raises `InputError`, which names the run and the difference, for fewer than two runs, for those that are no ensemble
    of single-stage networks, and for runs of other data or settings. All must be trained on the same videos.
    """
    if len(set(map(Path.resolve, runs))) < max(len(runs), 2):
        raise InputError("an ensemble is of two different runs or more; name each once")
    models = [load(run) for run in runs]
    for run, model in zip(runs, models, strict=True):
        _require_single_stages(model.facts, run)
        _require_same(models[0].facts, model.facts, runs[0], run)
    first, settings = models[0].facts, [model.facts.config for model in models]
    stages, parts = 0, [model.network.state_dict() for model in models]
    joined = {name: values for name, values in parts[0].items() if not name.startswith("stages.")}
    for part, run in zip(parts, runs, strict=True):
        own = {name: values for name, values in part.items() if not name.startswith("stages.")}
        if not all(torch.equal(values, joined[name]) for name, values in own.items()):
            raise InputError(f"{run} standardises features in another way than {runs[0]}; train both on the same file")
        joined |= _moved(part, stages)
        stages += sum(name.endswith(".conv_in.weight") for name in part)
    means: dict[str, Any] = {
        name: float(np.mean([getattr(one.decoding, name) for one in settings])) for name in CALIBRATED
    }
    config = dataclasses.replace(
        first.config,
        title=f"ensemble of {len(runs)} runs",
        model=dataclasses.replace(first.config.model, stages=stages, arrangement="parallel"),
        decoding=dataclasses.replace(first.config.decoding, **means),
    )
    facts = dataclasses.replace(first, config=config)
    network = facts.build()
    network.load_state_dict(joined)
    return network.eval(), facts


def _require_single_stages(facts: ModelFacts, run: Path) -> None:
    model = facts.config.model
    if model.graph or (model.arrangement == "series" and model.stages > 1):
        raise InputError(f"{run} has stages in series or a task graph; name runs with --arrangement parallel")
    if facts.awaits_calibration:
        raise InputError(f"{run} is not calibrated yet; end it first: protas-gtcc train --resume {run}")


def _require_same(first: ModelFacts, other: ModelFacts, first_run: Path, run: Path) -> None:
    """Raise `InputError` unless two runs differ in seed, stages, and what was calibrated at most."""
    different = [name for name in SAME if getattr(first, name) != getattr(other, name)]
    different += ["split"] * (first.config.split != other.config.split)
    if set(first.training_videos) != set(other.training_videos):
        different.append("training videos")
    one, two = (_compared(facts) for facts in (first, other))
    different += [f"--{name.replace('_', '-')}" for name in one if one[name] != two[name]]
    if different:
        raise InputError(f"{run} differs from {first_run} in {listed(different)}; name runs that differ by seed alone")


def _compared(facts: ModelFacts) -> dict[str, Any]:
    """Settings that must be the same, by name: of the network, of the decoding, and the control."""
    config = facts.config
    model = dataclasses.replace(config.model, stages=1, arrangement="parallel")
    decoding = {name: value for name, value in vars(config.decoding).items() if name not in CALIBRATED}
    return vars(model) | decoding | {"control": config.control, "feature_set": config.feature_set}


def _moved(part: Mapping[str, torch.Tensor], by: int) -> dict[str, torch.Tensor]:
    """The weights of a network's stages, under numbers that are higher by so many."""
    found = {}
    for name, values in part.items():
        if name.startswith("stages."):
            _, number, rest = name.split(".", 2)
            found[f"stages.{int(number) + by}.{rest}"] = values
    return found
