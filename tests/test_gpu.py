"""What a CUDA GPU computes is what the processor computes. Skipped where there is no such GPU."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory, AlignmentLossConfig, EncoderConfig
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.soft_dtw import soft_dtw
from protas_gtcc.alignment.training import align
from protas_gtcc.config import RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from protas_gtcc.video.backbones.choice import make_backbone
from tests.conftest import alignment_config, tiny_config
from tests.test_streaming import assert_same, joined
from tests.tiny_models import CONFIGS, make_model, make_task_model, video
from tests.video_models import torchscript

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU that torch can use")
LOSSES = get_args(get_type_hints(AlignmentConfig)["loss"])


def on_gpu(model: TrainedModel) -> TrainedModel:
    """The same model, its weights on the GPU."""
    return TrainedModel(model.network, model.facts, "cuda")


def trained_on(device: Any, folder: Any, config: RunConfig) -> tuple[pd.DataFrame, RunDirectory]:
    """The log of a run without dropout, whose random numbers differ between devices, and the run."""
    model = dataclasses.replace(config.model, dropout=0.0, feature_dropout=0.0)
    config = dataclasses.replace(config, model=model, training=dataclasses.replace(config.training, device=device))
    run = RunDirectory(folder)
    train(config, Dataset(config.dataset), run)
    return pd.read_csv(run.log).drop(columns=["seconds", "frames_per_second"]), run


@pytest.mark.parametrize("name", CONFIGS)
def test_a_video_is_predicted_as_on_the_processor(name):
    features = video(200)
    expected = make_model(CONFIGS[name]).predict(features)
    assert_same(on_gpu(make_model(CONFIGS[name])).predict(features), expected)


@pytest.mark.parametrize("make", [make_model, make_task_model])
def test_streams_on_the_gpu_give_what_the_whole_video_gives(make):
    features = video(60)
    model = on_gpu(make())
    stream = model.stream("torch")
    parts = [stream.step(part) for part in np.array_split(features, 7)]
    assert_same(joined(parts), make().predict(features))


def test_many_streams_on_the_gpu_are_kept_apart():
    videos = [video(30, seed) for seed in range(4)]
    streams = on_gpu(make_model()).streams(4, "torch")
    steps = [streams.step(np.stack([one[t] for one in videos])) for t in range(30)]
    for number, features in enumerate(videos):
        expected = make_model().predict(features)
        reported = [step.reported[number] for step in steps]
        np.testing.assert_allclose(reported, expected.reported, rtol=0, atol=1e-5)


@pytest.mark.parametrize("preset", ["reference", "default", "offline"])
def test_training_has_the_losses_of_the_processor(preset, tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset, preset, epochs=3)
    expected, _ = trained_on("cpu", tmp_path / "cpu", config)
    got, run = trained_on("cuda", tmp_path / "cuda", config)
    pd.testing.assert_frame_equal(got, expected, rtol=1e-3, atol=1e-4)
    dataset = Dataset(tiny_dataset)
    name = dataset.part("1", "test")[0]
    features = dataset.features(name, "features").astype(np.float32)
    assert_same(load(run.path, "cuda").predict(features), load(run.path).predict(features))


@pytest.mark.parametrize("precision", ["16", "bf16"])
def test_half_precision_trains_to_about_the_same_losses(precision, tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset, "default", epochs=6, lr=1e-2)
    expected, _ = trained_on("cpu", tmp_path / "cpu", config)
    changed = dataclasses.replace(config, training=dataclasses.replace(config.training, precision=precision))
    got, _ = trained_on("cuda", tmp_path / "cuda", changed)
    np.testing.assert_allclose(got["loss"], expected["loss"], rtol=0.1)


@pytest.mark.parametrize("precision", ["32", "16", "bf16"])
def test_a_killed_run_on_the_gpu_resumes_to_what_an_uninterrupted_run_gives(precision, tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset, "default", epochs=30, batch_size=2, device="cuda", precision=precision)
    whole, broken = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "broken")
    train(config, Dataset(config.dataset), whole)
    broken.start(config)
    command = [sys.executable, "-W", "ignore", "-m", "protas_gtcc", "train", "--resume", str(broken.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and (not broken.log.exists() or len(pd.read_csv(broken.log)) < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(pd.read_csv(broken.log)) < 30, "the run was killed on its way"
    train(config, Dataset(config.dataset), broken, resume=True)
    one, other = (pd.read_csv(run.log).drop(columns=["seconds", "frames_per_second"]) for run in (whole, broken))
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_alignment_has_the_losses_of_the_processor(loss, kitchen, tmp_path):
    # All frames and no dropout: what is drawn on a device is that device's.
    settings = AlignmentLossConfig(sampled_frames=0, anchors=0, drop_rate=1.0, temperature=0.1)
    encoder = EncoderConfig(hidden=8, layers=2, output_dim=4, dropout=0.0)
    first = []
    for device in ("cpu", "cuda"):
        config = alignment_config(kitchen, loss, epochs=1, alignment=settings, encoder=encoder)
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, device=device, lr=1e-12))
        run = AlignmentDirectory(tmp_path / device)
        align(config, Dataset(kitchen), run)
        first.append(run.read_log()[0]["loss"])
    assert first[1] == pytest.approx(first[0], rel=1e-3)
    assert load_encoder(tmp_path / "cuda").encoder is not None


def test_soft_dtw_and_its_gradient_are_those_of_the_compiled_loop():
    results = []
    for device in ("cpu", "cuda"):
        costs = torch.rand(3, 40, 30, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
        value = soft_dtw(costs, 0.1)
        value.sum().backward()
        results.append((value.detach().cpu(), costs.grad.cpu()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def test_a_backbone_on_the_gpu_gives_the_same_features(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    path = str(torchscript(tmp_path / "mean.pt"))
    features = [make_backbone(path, device, 32)(pictures) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(features[1], features[0], atol=1e-4)
