"""Heads that were trained with an encoder: scored on its embeddings of whole videos, in rows that differ in more than
the seed; what does not fit the table is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory, AlignmentLossConfig, EncoderConfig
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.training import align
from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.config import TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.versions import HeadSwitches
from protas_gtcc.runs.trained_heads import joint_row, read_joint_runs
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import tiny_config, tiny_video, write_videos

Align = Callable[..., Path]


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return Dataset(tiny_dataset)


def config_of(dataset: Dataset, seed: int = 0, head: str | None = "v4", **changes: Any) -> AlignmentConfig:
    encoder = EncoderConfig(hidden=8, layers=2, output_dim=4)
    training = TrainingConfig(epochs=1, batch_size=4, lr=0.01, clip_norm=1.0, seed=seed)
    known = {"encoder": encoder, "training": training, "alignment": AlignmentLossConfig(sampled_frames=20)}
    return AlignmentConfig(**{"dataset": str(dataset.path), "loss": "tcc", "head": head, **known, **changes})


@pytest.fixture(scope="module")
def aligned(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Align:
    """Makes a finished run of align.py --head v4, or with other settings."""

    def make(**changes: Any) -> Path:
        path = tmp_path_factory.mktemp("runs") / "run"
        align(config_of(dataset, **changes), dataset, AlignmentDirectory(path))
        return path

    return make


@pytest.fixture(scope="module")
def runs(aligned: Align) -> list[Path]:
    return [aligned(seed=seed) for seed in (0, 1)]


def frame_error(run: Path, dataset: Dataset) -> float:
    """Mean absolute error over the test videos' frames of actions, video by video and segment by segment."""
    embedder, errors = load_encoder(run), []
    for video in dataset.part("1", "test"):
        embeddings, target = embedder.embed(dataset.features(video, "features")), dataset.progress(video)
        for start, end, label in dataset.segments(video):
            if label != 0:
                with torch.no_grad():
                    estimate = embedder.encoder.progress_head.progress(torch.from_numpy(embeddings[start:end]))
                errors.append(np.abs(estimate.numpy() - target[start:end]))
                np.testing.assert_allclose(target[start:end], progress_target(np.full(end - start, label), [0]))
    return float(np.concatenate(errors).mean())


def test_a_row_scores_heads_on_their_own_encoders_embeddings_of_whole_videos(runs, dataset):
    kinds = read_joint_runs(runs, dataset, "1")
    assert list(kinds) == ["v4 with tcc"]
    row = joint_row("v4 with tcc", kinds["v4 with tcc"], dataset)
    assert (row.name, row.given) == ("v4 with tcc", "true start")
    by_hand = [frame_error(run, dataset) for run in runs]
    assert by_hand[0] != by_hand[1]
    assert row.figures["frame"] == pytest.approx(np.mean(by_hand), abs=1e-6)
    low, high = row.intervals["frame"]
    assert low <= row.figures["frame"] <= high


def test_runs_that_differ_in_more_than_the_seed_have_rows_of_their_own(runs, aligned, dataset):
    warmer = AlignmentLossConfig(sampled_frames=20, temperature=0.5)
    others = [aligned(head="conv-dense"), aligned(progress_lambda=100.0), aligned(alignment=warmer)]
    kinds = read_joint_runs([runs[0], *others, runs[1]], dataset, "1")
    seeds = {title: [one.facts.config.training.seed for one in members] for title, members in kinds.items()}
    assert seeds == {
        "v4 with tcc": [0, 1],
        "conv-dense with tcc": [0],
        "v4 with tcc, progress_lambda 100.0": [0],
        "v4 with tcc, temperature 0.5": [0],
    }


def test_a_switch_makes_a_row_of_its_own_and_the_time_left_of_a_joint_head_is_scored(runs, aligned, dataset):
    other = aligned(switches=HeadSwitches(frames_left=True))
    kinds = read_joint_runs([runs[0], other], dataset, "1")
    assert list(kinds) == ["v4 with tcc", "v4 with tcc, frames_left True"]
    rows = [joint_row(title, members, dataset) for title, members in kinds.items()]
    assert rows[0].left_seconds is None
    assert 0 < rows[1].left_seconds < 3


def test_a_run_that_does_not_fit_the_table_is_refused(runs, aligned, dataset, tmp_path):
    def refused(path: Path, match: str, split: str = "1") -> None:
        with pytest.raises(InputError, match=match):
            read_joint_runs([path], dataset, split)

    refused(aligned(head=None), r"run has no progress head: it was trained without --head")
    refused(runs[0], "run is of split 1; give runs of split 2 alone", split="2")
    refused(tmp_path, "no checkpoint")
    with pytest.raises(InputError, match="repeats seed 1 of the same settings; leave it out"):
        read_joint_runs([*runs, runs[1]], dataset, "1")
    per_class = RunDirectory(tmp_path / "per-class")
    train(tiny_config(dataset.path, epochs=1), dataset, per_class)
    refused(per_class.path, "is not a protas_gtcc encoder")
    longer = AlignmentDirectory(aligned())
    settings = longer.config_file.read_text().replace("epochs: 1", "epochs: 2")
    longer.config_file.write_text(settings)
    refused(longer.path, "run is not finished: continue with --resume")


def other_dataset(
    path: Path, name: str = "tiny", first: int = 0, width: int = 6, features: str = "features"
) -> Dataset:
    """The tiny dataset, but for its name, the number of the first video, the features' width or name."""
    made = [tiny_video(f"video{first + number}", number) for number in range(10)]
    wide = [{features: np.resize(one.features["features"], (len(one.labels), width))} for one in made]
    videos = [dataclasses.replace(one, features=own) for one, own in zip(made, wide, strict=True)]
    return Dataset(write_videos(path, videos, 8, name))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": "other"}, r"run does not fit: it was trained on dataset tiny, and .*other\.h5 is other"),
        ({"first": 1}, r"run does not fit: it was trained on video0, no training videos of split 1 in"),
        ({"width": 5}, "run does not fit: it embeds features of 6 numbers a frame; here they have 5"),
        ({"features": "other"}, "run does not fit: .* has no feature set 'features'; choose one of other"),
    ],
)
def test_a_run_on_other_videos_or_features_is_refused(runs, tmp_path, changes, match):
    other = other_dataset(tmp_path / "other.h5", **changes)
    with pytest.raises(InputError, match=match):
        read_joint_runs(runs[:1], other, "1")


def test_an_encoder_of_one_task_is_not_scored_on_others(tmp_path):
    made = [tiny_video(f"video{number}", number) for number in range(6)]
    videos = [dataclasses.replace(one, task="tea" if number % 2 else "cake") for number, one in enumerate(made)]
    dataset = Dataset(write_videos(tmp_path / "two.h5", videos, 4, "two"))
    align(config_of(dataset, task="tea"), dataset, AlignmentDirectory(tmp_path / "run"))
    with pytest.raises(InputError, match="trained on task tea alone"):
        read_joint_runs([tmp_path / "run"], dataset, "1")
