"""An ensemble gives the mean of its runs' networks, streams like one run, and is of runs that differ by seed alone."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protas_gtcc.inference import load
from protas_gtcc.network.checkpoint import ModelFacts, load_checkpoint, save_checkpoint
from protas_gtcc.training.run_directory import RunDirectory
from tests.mstcn_folder import exit_code
from tests.tiny_models import BASE, DIM, make_model

PARALLEL = dataclasses.replace(BASE, arrangement="parallel", graph=False, standardise=True)


def write_run(path: Path, seed: int = 0, facts: dict[str, Any] | None = None, **changes) -> Path:
    """A run with random weights and the same standardisation whatever the seed."""
    model = make_model(dataclasses.replace(PARALLEL, **changes), seed)
    model.network.set_features(torch.arange(DIM) / 10, torch.full((DIM,), 2.0))
    written = dataclasses.replace(model.facts, **(facts or {}))
    run = RunDirectory(path)
    run.start(written.config)
    save_checkpoint(run.checkpoint, model.network, written)
    return path


def with_bias(facts: ModelFacts, bias: float) -> dict[str, Any]:
    decoding = dataclasses.replace(facts.config.decoding, background_bias=bias)
    return {"config": dataclasses.replace(facts.config, decoding=decoding)}


def test_an_ensemble_gives_the_mean_of_all_networks_of_all_runs(tmp_path):
    runs = [write_run(tmp_path / "a", 0, stages=2), write_run(tmp_path / "b", 1, stages=1)]
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


def test_what_each_run_calibrated_is_averaged(tmp_path):
    facts = make_model(PARALLEL).facts
    runs = [write_run(tmp_path / str(bias), 1, with_bias(facts, bias)) for bias in (0.5, 2.0)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 0
    assert load(tmp_path / "both").facts.config.decoding.background_bias == 1.25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 5}, "differs from .*a in --layers; name runs that differ by seed alone"),
        ({"facts": {"class_names": ["rest", "cut", "mix", "eat"]}}, "in class_names"),
        ({"facts": {"training_videos": ["v"]}}, "in training videos"),
        ({"facts": {"fps": 6.0}}, "in fps"),
        ({"arrangement": "series"}, "has stages in series"),
        ({"graph": True}, "or a task graph"),
        ({"facts": {"awaits_calibration": True}}, "end it first"),
    ],
)
def test_runs_that_are_no_ensemble_are_refused_in_one_line(changes, message, tmp_path, capsys):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 1, **changes)]
    assert exit_code("ensemble", *runs, "--out", tmp_path / "both") == 1
    assert_refused(capsys, message)
    assert not (tmp_path / "both").exists()


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
    before = (runs[0] / "checkpoint.safetensors").read_bytes()
    assert exit_code("ensemble", *runs, "--out", runs[0]) == 1
    assert_refused(capsys, "already holds a run")
    assert (runs[0] / "checkpoint.safetensors").read_bytes() == before
