"""An ensemble gives the mean of its runs' networks, streams like one run, and is of runs that differ by seed alone."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protas_gtcc.config import LossConfig, TrainingConfig
from protas_gtcc.inference import load
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from protas_gtcc.training.calibration import calibrated_note
from protas_gtcc.training.run_directory import RunDirectory
from tests.mstcn_folder import exit_code
from tests.tiny_models import BASE, DECODING, DIM, make_model

PARALLEL = dataclasses.replace(BASE, arrangement="parallel", graph=False, standardise=True)
WHOLE = dataclasses.replace(DECODING, lag_seconds=math.inf)


def write_run(path: Path, seed: int = 0, facts: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A run with random weights and the same standardisation whatever the seed; changes are of its settings."""
    model = make_model(dataclasses.replace(PARALLEL, **changes.pop("model", {})), seed)
    model.network.set_features(torch.arange(DIM) / 10, torch.full((DIM,), 2.0))
    config = dataclasses.replace(model.facts.config, **changes)
    written = dataclasses.replace(model.facts, config=config, **(facts or {}))
    run = RunDirectory(path)
    run.start(config)
    save_checkpoint(run.checkpoint, model.network, written)
    return path


def calibrated(path: Path, **chosen: Any) -> Path:
    """A run that has calibrated its filter."""
    network, facts = load_checkpoint(write_run(path) / "checkpoint.safetensors")
    decoding = dataclasses.replace(facts.config.decoding, **chosen)
    config = dataclasses.replace(facts.config, decoding=decoding)
    written = dataclasses.replace(facts, config=config, calibration=calibrated_note(decoding))
    save_checkpoint(path / "checkpoint.safetensors", network, written)
    return path


def test_an_ensemble_gives_the_mean_of_all_networks_of_all_runs(tmp_path):
    runs = [write_run(tmp_path / "a", 0, model={"stages": 2}), write_run(tmp_path / "b", 1, model={"stages": 2})]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 0
    x = torch.randn(1, DIM, 30)
    with torch.no_grad():
        a, b, both = (load_checkpoint(path / "checkpoint.safetensors")[0](x) for path in (*runs, tmp_path / "both"))
    for name in ("logits", "progress"):
        parts = torch.cat([getattr(a, name), getattr(b, name)])
        torch.testing.assert_close(getattr(both, name), parts)
        torch.testing.assert_close(getattr(both, f"final_{name}"), parts.mean(dim=0))


def test_an_ensemble_streams_what_it_predicts(tmp_path, capsys):
    runs = [write_run(tmp_path / str(seed), seed) for seed in range(3)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "all", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["networks"] == 9
    assert min(said["ms_of_one"], said["ms"]) > 0
    model, features = load(tmp_path / "all"), np.random.default_rng(0).normal(size=(40, DIM)).astype(np.float32)
    stream, offline = model.stream(), model.predict(features)
    for t, frame in enumerate(features):
        step = stream.step(frame)
        assert step.labels[-1] == offline.labels[t]
        assert step.reported[-1] == pytest.approx(offline.reported[t], abs=1e-5)


def test_what_each_run_calibrated_is_averaged_and_named(tmp_path):
    runs = [calibrated(tmp_path / "a", background_bias=0.5, evidence=10.0)]
    runs += [calibrated(tmp_path / "b", background_bias=2.0, evidence=5.0)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 0
    facts = load(tmp_path / "both").facts
    assert (facts.config.decoding.background_bias, facts.config.decoding.evidence) == (1.25, 7.5)
    assert "lowered by 1.25, evidence 7.5" in facts.calibration
    assert facts.calibration.endswith("the mean of 2 runs")
    given, first = (RunDirectory(path).read_config() for path in (tmp_path / "both", runs[0]))
    assert given.decoding == first.decoding, "the settings are those that were given, so that splits can be pooled"


SERIES = {"arrangement": "series"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"layers": 5}}, "differs from .*a in number of layers, --layers; name runs that differ by seed"),
        ({"loss": LossConfig(progress_over="active")}, "in --progress-over"),
        ({"training": TrainingConfig(epochs=7)}, "in --epochs"),
        ({"facts": {"class_names": ["rest", "cut", "mix", "eat"]}}, "in class_names"),
        ({"facts": {"training_videos": ["v"]}}, "in training videos"),
        ({"facts": {"fps": 6.0}}, "in fps"),
        ({"model": SERIES}, "has stages in series"),
        ({"model": {"graph": True}}, "or a task graph"),
        ({"model": {"stages": 30}}, "the runs have 33 networks together; name runs with 32 at most"),
    ],
)
def test_runs_that_are_no_ensemble_are_refused_in_one_line(changes, message, tmp_path, capsys):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 1, **changes)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 1
    assert_refused(capsys, message)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(("epochs", "awaits_calibration"), [(1, False), (50, True)])
def test_a_run_that_is_not_finished_is_refused(epochs, awaits_calibration, tmp_path, capsys):
    facts = {"awaits_calibration": awaits_calibration}
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 1, facts)]
    RunDirectory(runs[1]).write_log([{"epoch": number} for number in range(epochs)])
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 1
    assert_refused(capsys, "b is not trained to its end; go on first: protas-gtcc train --resume")


@pytest.mark.parametrize("changes", [{"model": {"causal": False}}, {"decoding": WHOLE}])
def test_runs_that_cannot_stream_are_joined_without_a_time(changes, tmp_path, capsys):
    runs = [write_run(tmp_path / str(seed), seed, **changes) for seed in (0, 1)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"run": str(tmp_path / "both"), "networks": 6}


def assert_refused(capsys, message: str) -> None:
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line


def test_runs_that_standardise_otherwise_are_refused(tmp_path, capsys):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 1)]
    network, facts = load_checkpoint(runs[1] / "checkpoint.safetensors")
    network.set_features(torch.ones(DIM), torch.ones(DIM))
    save_checkpoint(runs[1] / "checkpoint.safetensors", network, facts)
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 1
    assert_refused(capsys, "standardises features in another way")


def test_one_run_or_one_twice_is_no_ensemble_and_a_run_is_never_replaced(tmp_path, capsys):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 1)]
    assert exit_code("ensemble", runs[0], runs[0], "--out", tmp_path / "both") == 1
    assert_refused(capsys, "two different runs or more")
    assert exit_code("ensemble", runs[0], "--out", tmp_path / "both") == 1
    assert_refused(capsys, "two different runs or more")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(runs[0] / "checkpoint.safetensors", bare)
    before = (runs[0] / "checkpoint.safetensors").read_bytes()
    for out in (runs[0], bare):
        assert exit_code("ensemble", *runs, "--out", out) == 1
        assert_refused(capsys, "already holds a run")
        assert (out / "checkpoint.safetensors").read_bytes() == before
    assert exit_code("ensemble", runs[0], bare, "--out", tmp_path / "both") == 1
    assert_refused(capsys, "bare is not a run directory")
