"""Alignment runs: a loss that falls, a head beside it, resuming, and what stops a run."""

from __future__ import annotations

import math
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

import protas_gtcc
from protas_gtcc.alignment import training as training_module
from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory, AlignmentLossConfig
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.objective import alignment_terms
from protas_gtcc.alignment.pairing import by_task
from protas_gtcc.alignment.training import AlignmentTrainer, align
from protas_gtcc.config import TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError
from protas_gtcc.heads.versions import HeadSwitches
from tests.conftest import alignment_config

LOSSES = get_args(get_type_hints(AlignmentConfig)["loss"])


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_on_videos_that_can_be_aligned(kitchen, tmp_path, loss):
    run = AlignmentDirectory(tmp_path / "run")
    settings = AlignmentLossConfig(sampled_frames=0, anchors=0, drop_rate=1.0, temperature=0.1)
    config = alignment_config(kitchen, loss, epochs=25, alignment=settings)
    align(config, Dataset(kitchen), run)
    rows = run.read_log()
    assert len(rows) == 25
    assert sum(row["loss"] for row in rows[-5:]) < 0.8 * sum(row["loss"] for row in rows[:5])


@pytest.mark.parametrize("killed_at", ["alignment.training.save_encoder", "training.loop.save_state"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_that_is_killed_while_an_epoch_is_kept_is_finished_only_with_the_checkpoint_of_its_end(
    kitchen, tmp_path, monkeypatch, killed_at, epochs
):
    config, run = alignment_config(kitchen, "tcc", epochs=epochs), AlignmentDirectory(tmp_path / "run")
    kept: list[str] = []

    def save(path: Path, *given: Any) -> None:
        kept.append(path.name)
        if kept.count(path.name) == epochs:
            raise KeyboardInterrupt
        original(path, *given)

    original = attrgetter(killed_at)(protas_gtcc)
    monkeypatch.setattr(f"protas_gtcc.{killed_at}", save)
    with pytest.raises(KeyboardInterrupt):
        align(config, Dataset(kitchen), run)
    is_over = killed_at.endswith("save_state")
    assert (run.is_finished(), len(run.read_log())) == (is_over, epochs if is_over else epochs - 1)
    monkeypatch.undo()
    if is_over:
        whole = load_encoder(run.path).encoder.state_dict()
    align(config, Dataset(kitchen), run, resume=True)
    assert (run.is_finished(), len(run.read_log())) == (True, epochs)
    if is_over:
        assert all(torch.equal(whole[name], one) for name, one in load_encoder(run.path).encoder.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("head", [None, "v4"])
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(kitchen, tmp_path, head):
    config, dataset = alignment_config(kitchen, "gtcc", epochs=4, head=head, progress_lambda=1e6), Dataset(kitchen)
    whole = AlignmentDirectory(tmp_path / "whole")
    align(config, dataset, whole)
    part = AlignmentDirectory(tmp_path / "part")
    trainer = AlignmentTrainer(config, dataset, part)
    part.start(config)
    for epoch in range(2):
        trainer._keep(trainer._train_epoch(epoch))
    assert not part.is_trained()
    align(config, dataset, part, resume=True)
    assert part.is_trained()
    states = [load_encoder(run.path).encoder.state_dict() for run in (whole, part)]
    assert all(torch.equal(states[1][name], one) for name, one in states[0].items())
    logs = [[{**row, "seconds": 0} for row in run.read_log()] for run in (whole, part)]
    assert logs[0] == logs[1]
    assert ("progress" in logs[0][0]) == (head is not None)


def trained_in_one_step(kitchen: Path, folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    training = TrainingConfig(epochs=1, batch_size=6, lr=0.01, clip_norm=1.0)
    config = alignment_config(kitchen, "tcc", training=training, **changes)
    return align(config, Dataset(kitchen), AlignmentDirectory(folder)).encoder.state_dict()


def test_a_head_learns_beside_the_alignment_and_its_weight_only_reaches_the_encoder(kitchen, tmp_path):
    alone = trained_in_one_step(kitchen, tmp_path / "alone")
    unweighted, weighted = (
        trained_in_one_step(kitchen, tmp_path / f"{weight:g}", head="v4", progress_lambda=weight)
        for weight in (0.0, 1e9)
    )
    # TCC does not see where the embedding lies: that bias has no gradient but rounding, which Adam makes steps of.
    for name in alone.keys() - {"base.conv_out.bias"}:
        assert torch.allclose(unweighted[name], alone[name], atol=1e-5), f"{name} is as without a head"
    assert not torch.equal(weighted["base.conv_out.weight"], alone["base.conv_out.weight"])
    of_head = [name for name in weighted if name.startswith("progress_head.")]
    assert of_head
    assert all(torch.equal(weighted[name], unweighted[name]) for name in of_head), "the head learns alike"


def moved_most(kitchen: Path, folder: Path, **changes: Any) -> float:
    """How far the published training moves a weight of the head, in a few epochs."""
    training = TrainingConfig(epochs=3, batch_size=2, lr=1e-3, clip_norm=1e-5)
    config = alignment_config(
        kitchen, "tcc", head="v3", progress_lambda=1e6, progress_share=math.inf, training=training, **changes
    )
    trainer = AlignmentTrainer(config, Dataset(kitchen), AlignmentDirectory(folder))
    before = {name: one.clone() for name, one in trainer.network.progress_head.state_dict().items()}
    trainer.start(resume=False)
    trainer.fit()
    after = trainer.network.progress_head.state_dict()
    return max(float((after[name] - one).abs().max()) for name, one in before.items())


def test_clipped_together_with_an_encoder_of_a_millions_weight_the_head_hardly_moves(kitchen, tmp_path):
    apart = moved_most(kitchen, tmp_path / "apart")
    together = moved_most(kitchen, tmp_path / "together", clip_together=True)
    assert apart > 5e-3
    assert together < apart / 30


def test_the_head_has_a_clipping_norm_of_its_own(kitchen, tmp_path):
    def norms(**changes: Any) -> tuple[float, ...]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        trainer = AlignmentTrainer(alignment_config(kitchen, **changes), Dataset(kitchen), AlignmentDirectory(folder))
        folder.mkdir()
        return tuple(norm for _, norm in trainer.clip_norms())

    training = TrainingConfig(epochs=1, clip_norm=0.5)
    assert norms(training=training) == (0.5,)
    assert norms(training=training, head="v3") == (0.5, 1.0), "the published head's own"
    assert norms(training=training, head="gru-dense") == (0.5, 0.5)
    switches = HeadSwitches(head_clip_norm=0.25)
    assert norms(training=training, head="gru-dense", switches=switches) == (0.5, 0.25)
    assert norms(training=training, head="v3", clip_together=True) == (0.5,)


def test_the_heads_switches_are_kept_in_the_checkpoint(kitchen, tmp_path):
    switches = HeadSwitches(position=False, initial_logit=-2.0, frames_left=True)
    config = alignment_config(kitchen, "tcc", epochs=1, head="v3", switches=switches, progress_share=math.inf)
    align(config, Dataset(kitchen), AlignmentDirectory(tmp_path / "run"))
    embedder = load_encoder(tmp_path / "run")
    assert embedder.facts.config == config == AlignmentDirectory(tmp_path / "run").read_alignment()
    head = embedder.encoder.progress_head
    assert (head.config.position, head.config.learnt_start, head.config.frames_left) == (False, True, True)
    assert embedder.facts.config.progress_share == math.inf


@pytest.mark.parametrize("loss", ["gtcc", "vava"])
def test_a_head_learns_beside_the_alignment_in_bfloat16_too(kitchen, tmp_path, loss):
    training = TrainingConfig(epochs=1, batch_size=3, lr=0.01, clip_norm=1.0, precision="bf16")
    config = alignment_config(kitchen, loss, training=training, head="v3", progress_lambda=1e6)
    run = AlignmentDirectory(tmp_path / "run")
    trained = align(config, Dataset(kitchen), run).encoder.state_dict()
    assert all(one.isfinite().all() for one in trained.values())
    assert {"loss", "progress"} <= run.read_log()[0].keys()


def test_the_head_moves_as_much_however_large_the_gradient_of_the_alignment_is(kitchen, tmp_path, monkeypatch):
    def moved(scale: float) -> list[torch.Tensor]:
        with monkeypatch.context() as patch:
            patch.setattr(
                training_module,
                "alignment_terms",
                lambda *given: {name: scale * one for name, one in alignment_terms(*given).items()},
            )
            trained = trained_in_one_step(kitchen, tmp_path / f"{scale:g}", head="v2")
        return [one for name, one in trained.items() if name.startswith("progress_head.")]

    for small, large in zip(moved(1.0), moved(1e9), strict=True):
        torch.testing.assert_close(small, large)


def test_nothing_of_a_test_video_is_read_in_training(kitchen, tmp_path, monkeypatch):
    read, plain = set(), FeatureReader.read

    def recorded(self: FeatureReader, video: str) -> np.ndarray:
        read.add(video)
        return plain(self, video)

    monkeypatch.setattr(FeatureReader, "read", recorded)
    config = alignment_config(kitchen, "gtcc", head="v2")
    embedder = align(config, Dataset(kitchen), AlignmentDirectory(tmp_path / "run"))
    train = Dataset(kitchen).part("1", "train")
    assert read == set(embedder.facts.training_videos) == set(train)


def test_a_resumed_run_must_have_its_training_videos(kitchen, tmp_path):
    dataset, run = Dataset(kitchen), AlignmentDirectory(tmp_path / "run")
    config = alignment_config(kitchen, epochs=2)
    trainer = AlignmentTrainer(config, dataset, run)
    run.start(config)
    trainer._keep(trainer._train_epoch(0))
    dataset.info.splits["1"]["train"][0] = "v8"
    dataset.info.splits["1"]["test"][2] = "v0"
    with pytest.raises(InputError, match=r"cannot be resumed: its dataset's training_videos was .*v0.* and is .*v8"):
        align(config, dataset, run, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_and_videos(kitchen, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> dict[str, torch.Tensor]:
        return {"soft_dtw": torch.tensor([1.0, float("nan")])}

    monkeypatch.setattr("protas_gtcc.alignment.training.alignment_terms", broken)
    with pytest.raises(InputError, match=r"term soft_dtw is nan for videos v\d and v\d at epoch 1, step 1; lower"):
        align(alignment_config(kitchen, "lav"), Dataset(kitchen), AlignmentDirectory(tmp_path / "run"))


def test_what_cannot_be_aligned_is_refused(kitchen):
    dataset = Dataset(kitchen)
    with pytest.raises(InputError, match="nothing to align: no task among none has two training videos"):
        by_task(dataset, [])
    with pytest.raises(InputError, match="nothing to align"):
        by_task(dataset, ["v0"])
    with pytest.raises(InputError, match="no training video is of task 'tea'"):
        by_task(dataset, ["v0", "v1"], "tea")
    with pytest.raises(InputError, match="--validation-share has no effect on alignment"):
        AlignmentConfig(training=TrainingConfig(validation_share=0.5))
    with pytest.raises(InputError, match="--head is 'v5'; it is one of v2, v3, v4"):
        AlignmentConfig(head="v5")
    with pytest.raises(InputError, match="--progress-lambda is -1"):
        AlignmentConfig(progress_lambda=-1.0)
    with pytest.raises(InputError, match="--progress-share is nan"):
        AlignmentConfig(progress_share=float("nan"))
    with pytest.raises(InputError, match="--position is for a head; give --head"):
        AlignmentConfig(switches=HeadSwitches(position=True))
    with pytest.raises(InputError, match="a mlp head has no position"):
        AlignmentConfig(head="mlp-dense", switches=HeadSwitches(position=True))
    with pytest.raises(InputError, match="--clip-together and --head-clip-norm exclude each other"):
        AlignmentConfig(head="v2", clip_together=True, switches=HeadSwitches(head_clip_norm=1.0))
    for setting, message in (
        ({"sampled_frames": 1}, "--sampled-frames is 1"),
        ({"divergence_weight": 0.0}, "--divergence-weight is 0"),
    ):
        with pytest.raises(InputError, match=message):
            AlignmentLossConfig(**setting)
