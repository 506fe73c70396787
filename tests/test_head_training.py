"""Training a head on frozen features, its scores beside the per-class model's, and both verbs for a moment."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory, AlignmentLossConfig, EncoderConfig
from protas_gtcc.alignment.training import align
from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.cli.commands.heads import Command
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig, HeadLossConfig, HeadTraining, HeadVersion
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.training import ActionSegment, pad_segments, read_segments, train_head, validation_error
from protas_gtcc.heads.versions import VERSIONS, HeadSwitches, version_of
from protas_gtcc.report.head_table import AVERAGES
from protas_gtcc.runs import heads as scoring
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import slow_but_first, tiny_config


def visible_progress(num_segments=24, seed=0):
    """Segments whose first feature is their progress, beside noise of a large scale."""
    random, segments = np.random.default_rng(seed), []
    for number in range(num_segments):
        length = int(random.integers(1, 12))
        embeddings = random.normal(size=(length, 3)) * [1, 100, 1]
        embeddings[:, 0] = np.arange(1, length + 1) / length
        segments.append(ActionSegment(f"video{number // 4}", number, 1, embeddings.astype(np.float32)))
    return segments


@pytest.fixture
def dataset(tiny_dataset):
    return Dataset(tiny_dataset)


def segments_of(dataset, part):
    return read_segments(dataset, dataset.part("1", part), FeatureReader(dataset, "features", "1"))


@pytest.mark.parametrize("name", slow_but_first(["v3", "v4", "mlp-dense", "conv-root", "transformer-dense"]))
def test_a_head_learns_progress_that_can_be_seen(name):
    segments, training = visible_progress(), HeadTraining(epochs=20, lr=0.008, batch_size=8)
    head = train_head(VERSIONS[name], segments[4:], segments[:4], training)
    tested = visible_progress(seed=1)
    estimates, target = scoring.head_reports(head, tested), [one.embeddings[:, 0] for one in tested]
    assert np.abs(np.concatenate(estimates) - np.concatenate(target)).mean() < 0.15
    assert not head.training


@pytest.mark.parametrize("error", slow_but_first(["log", "absolute"]))
def test_a_head_learns_the_frames_left_too(error):
    switches = HeadSwitches(frames_left=True, frames_left_error=error, frames_left_weight=1.0)
    segments, training = visible_progress(80), HeadTraining(epochs=30, lr=0.008, batch_size=8, validation_share=0.0)
    head, tested = train_head(version_of("gru-dense", switches), segments, (), training), visible_progress(seed=1)
    by_half = scoring.left_error([np.full(len(one.embeddings), 2.0) for one in tested], 1.0)
    [found] = scoring.left_seconds(head, tested, 1.0)
    assert found < 0.6 * by_half
    assert scoring.left_seconds(head, tested, 5.0) == [pytest.approx(found / 5)]
    assert scoring.left_seconds(train_head(VERSIONS["v2"], segments, (), HeadTraining(epochs=1)), tested, 1.0) == []


def test_the_mean_of_longer_training_segments_is_the_look_up_of_the_time_left():
    def of_lengths(*lengths):
        return [ActionSegment("a", 0, 1, np.zeros((length, 1), dtype=np.float32)) for length in lengths]

    [left] = scoring.median_left(of_lengths(2, 4, 6), of_lengths(7))
    assert left.tolist() == [3, 3, 2, 2, 1, 0, 0]
    assert scoring.left_error([np.array([2.0, 2.0, 0.0])], fps=2.0) == pytest.approx(1 / 6)


def weights(**settings):
    head = train_head(VERSIONS["gru-weighted"], visible_progress(8), (), HeadTraining(epochs=1, **settings))
    return torch.nn.utils.parameters_to_vector(head.parameters())


def test_the_same_seed_gives_the_same_head_and_another_one_does_not():
    assert torch.equal(weights(seed=0), weights(seed=0))
    assert not torch.equal(weights(seed=0), weights(seed=1))


def test_a_feature_that_is_not_finite_stops_training_and_is_named():
    segments = visible_progress(4)
    segments[2].embeddings[0, 1] = np.nan
    unscaled = HeadVersion(HeadConfig(standardise=False), HeadLossConfig())
    with pytest.raises(
        InputError, match=r"loss term progress is nan for the segment at frame 2 of video video0 at epo"
    ):
        train_head(unscaled, segments, (), HeadTraining(epochs=1))


def test_a_held_out_feature_that_is_not_finite_is_named_too():
    segments = visible_progress(4)
    segments[1].embeddings[:] = np.nan
    head = ScalarHead(HeadConfig(), 3).eval()
    with pytest.raises(InputError, match="loss term error is nan for the segment at frame 1 of video video0 at valid"):
        validation_error(head, segments, 0)


def test_without_anything_to_train_on_training_is_refused():
    with pytest.raises(InputError, match="no training video has an action"):
        train_head(VERSIONS["v2"], [], [], HeadTraining())


def test_the_epoch_with_the_least_error_on_held_out_segments_is_kept(monkeypatch):
    errors, seen = [0.3, 0.1, 0.2], []

    def score(head, *_):
        seen.append(torch.nn.utils.parameters_to_vector(head.parameters()).clone())
        return errors[len(seen) - 1]

    monkeypatch.setattr("protas_gtcc.heads.training.validation_error", score)
    segments = visible_progress()
    kept = train_head(VERSIONS["v2"], segments[4:], segments[:4], HeadTraining(epochs=3))
    assert torch.equal(torch.nn.utils.parameters_to_vector(kept.parameters()), seen[1])


def test_no_clipping_is_clipping_to_a_norm_that_is_never_reached():
    assert torch.equal(weights(clip_norm=0.0), weights(clip_norm=1e9))
    assert not torch.equal(weights(clip_norm=0.0), weights(clip_norm=1e-6))


def test_a_published_head_has_its_own_clipping_norm_whatever_the_trainings():
    def trained(clip_norm, **switches):
        version, training = version_of("v2", HeadSwitches(**switches)), HeadTraining(epochs=1, clip_norm=clip_norm)
        return torch.nn.utils.parameters_to_vector(train_head(version, visible_progress(8), (), training).parameters())

    assert torch.equal(trained(1e-6), trained(5.0))
    assert not torch.equal(trained(5.0, head_clip_norm=1e-6), trained(5.0))


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"lr": -1.0}, r"--lr is -1\.0; it must be from 1e-12 to 1000"),
        ({"lr": float("nan")}, r"--lr is nan"),
        ({"clip_norm": -1.0}, r"--clip-norm is -1\.0"),
        ({"epochs": 0}, r"--epochs is 0"),
        ({"batch_size": 0}, r"--batch-size is 0"),
        ({"seed": -1}, r"--seed is -1"),
        ({"validation_share": 1.0}, r"--validation-share is 1\.0; it must be in \[0, 1\)"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_its_flag(setting, match):
    with pytest.raises(InputError, match=match):
        HeadTraining(**setting)


def test_segments_are_the_true_actions_and_padding_is_zero(dataset):
    segments = segments_of(dataset, "test")
    assert {one.label for one in segments} == {1, 2, 3}
    one = segments[0]
    expected = dataset.features(one.video, "features")[one.start : one.start + len(one.embeddings)]
    assert np.array_equal(one.embeddings, expected)
    padded, lengths = pad_segments(segments[:3])
    assert padded.shape[1] == lengths.max()
    assert not padded[lengths.argmin(), int(lengths.min()) :].any()


def test_the_truth_has_no_error_and_half_is_the_constant(dataset):
    segments = segments_of(dataset, "test")

    def truth(chosen):
        return [progress_target(np.full(len(one.embeddings), one.label), [0]) for one in chosen]

    def half(chosen):
        return [np.full(len(one.embeddings), 0.5) for one in chosen]

    perfect = scoring.score_reports(dataset, "1", 0, segments, truth)
    row = scoring.reported_row("truth", scoring.START, [perfect])
    assert {row.figures[average] for average in AVERAGES} == {0.0}
    ends = [row.figures[name] for name in ("first_error", "last_error", "rank_correlation")]
    assert ends == pytest.approx([0, 0, 1], abs=1e-6)
    halves = scoring.score_reports(dataset, "1", 0, segments, half)
    constant = next(row for row in scoring.lookup_rows(perfect) if row.name == "`constant`").figures
    found = scoring.reported_row("half", scoring.START, [halves]).figures
    for part in ("per_class", "by_length"):
        assert found.pop(part) == pytest.approx(constant.pop(part))
    assert found == pytest.approx(constant)
    assert found["rank_correlation"] == 0
    with pytest.raises(InputError, match="do not hold all frames of its actions"):
        scoring.score_reports(dataset, "1", 0, segments[1:], lambda chosen: truth(chosen))


def verb(name, *arguments):
    command = [sys.executable, "-W", "error", "-m", "protas_gtcc", name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))


@pytest.mark.slow
def test_scalar_heads_stand_in_one_table_with_look_ups_and_a_model(tiny_dataset, dataset, tmp_path):
    run = RunDirectory(tmp_path / "run")
    train(tiny_config(tiny_dataset, epochs=1), dataset, run)
    metrics = evaluate_run(run, dataset, "1", max_pictures=0).metrics
    flags = ["--dataset", tiny_dataset, "--seeds", 2, "--epochs", 1, "--out", tmp_path]
    done = verb("heads", *flags, "--heads", "v3", "conv-dense", "--runs", run.path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.md").read_text() == done.stdout
    table = pd.read_csv(tmp_path / "table.csv").set_index(["predictor", "given", "figure"])["value"]
    for average in AVERAGES:
        oracle, counted = metrics["progress"]["oracle"], metrics["baselines"]["average_index"]["oracle_segments"]
        assert table["per class: reference", "true class", average] == pytest.approx(oracle[average], abs=1e-5)
        assert table["average_index", "true start", average] == pytest.approx(counted[average], abs=1e-5)
        for row in (("v3", "true start"), ("cumulative distance", "true start, true class")):
            assert 0 < table[(*row, average)] < 1
    assert ("conv-dense", "true start", "per_class.cut") in table.index
    curves = metrics["curves"]["lookups"]["oracle_segments"]["average_index"]
    for name in ("rank_correlation", "first_error", "last_error"):
        assert table["average_index", "true start", name] == pytest.approx(curves[name], abs=1e-5)
        assert np.isfinite(table["v3", "true start", name])
    length = metrics["breakdowns"]["length_seconds"]["1-2"]
    assert table["per class: reference", "true class", "by_length.1-2"] == pytest.approx(
        length["oracle"]["error"], abs=1e-5
    )


def test_an_unknown_head_or_dataset_is_named(tiny_dataset):
    with pytest.raises(InputError, match="no head 'v9'; there are v2, v3, v4"):
        Command(str(tiny_dataset), heads=("v9",)).run()
    with pytest.raises(InputError, match="a mlp head has no position; use a gru"):
        Command(str(tiny_dataset), heads=("mlp-dense",), switches=HeadSwitches(position=True)).run()
    with pytest.raises(InputError, match="no dataset 'kitchen': it is neither a file"):
        Command("kitchen").run()
    with pytest.raises(InputError, match="encoders were trained on the features, not on --control noise"):
        Command(str(tiny_dataset), joint=(tiny_dataset.parent,), control="noise").run()


def test_an_interrupted_run_keeps_its_rows_and_a_dataset_is_known_by_name(tiny_dataset, tmp_path, monkeypatch):
    def interrupted(version, *others):
        if version == VERSIONS["v3"]:
            raise KeyboardInterrupt
        return train_head(version, *others)

    monkeypatch.setattr("protas_gtcc.runs.head_comparison.train_head", interrupted)
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    shutil.copy(tiny_dataset, "data/egoprocel.h5")
    with pytest.raises(KeyboardInterrupt):
        Command("egoprocel", heads=("v2", "v3"), training=HeadTraining(epochs=1)).run()
    out = Path("runs/egoprocel-split1-heads")
    names = [line.split("|")[1].strip() for line in (out / "table.md").read_text().splitlines() if "true start" in line]
    assert names[0] == "`average_index`"
    assert names[-2:] == ["cumulative distance", "v2"]
    assert names[-1] in set(pd.read_csv(out / "table.csv")["predictor"])


def test_heads_of_encoders_and_published_ones_stand_in_the_table(tiny_dataset, dataset, tmp_path, capsys):
    encoder, loss = EncoderConfig(hidden=8, layers=2, output_dim=4), AlignmentLossConfig(sampled_frames=20)
    config = AlignmentConfig(str(tiny_dataset), loss="tcc", head="v2", encoder=encoder, alignment=loss)
    runs = [tmp_path / f"run{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        training = dataclasses.replace(config.training, epochs=1, seed=seed)
        align(dataclasses.replace(config, training=training), dataset, AlignmentDirectory(run))
    head, published = published_head(6), tmp_path / "epoch-50.pt"
    torch.save(published_state(head), published)
    Command(str(tiny_dataset), heads=(), joint=tuple(runs), published=(published,), out=tmp_path).run()
    *lines, last = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if line.startswith("|")]
    assert rows[-2:] == [["published: epoch-50", "true start"], ["v2 with tcc", "true start"]]
    assert last.startswith("Over frames, 0.5 everywhere (.25")
    table = pd.read_csv(tmp_path / "table.csv").set_index(["predictor", "figure"])["value"]
    estimates = scoring.head_reports(head, segments_of(dataset, "test"))
    errors = [np.abs(one - np.arange(1, len(one) + 1) / len(one)) for one in estimates]
    assert table["published: epoch-50", "frame"] == pytest.approx(np.concatenate(errors).mean(), abs=1e-5)


def test_switches_are_in_the_names_of_rows_and_the_time_left_is_a_column(tiny_dataset, tmp_path, capsys):
    switches = HeadSwitches(position=False, frames_left=True)
    training = HeadTraining(epochs=1)
    Command(str(tiny_dataset), heads=("v3",), switches=switches, training=training, out=tmp_path).run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith("| v3, position False, frames_left True | true start | ")
    cells = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in lines if line.startswith("|")}
    assert cells[""] == "time left, s"
    assert cells["`constant`"] == "–"
    table = pd.read_csv(tmp_path / "table.csv").set_index(["predictor", "figure"])["value"]
    for predictor in ("average_index", "v3, position False, frames_left True"):
        assert 0 < table[predictor, "left_seconds"] < 3


def published_head(width):
    torch.manual_seed(0)
    return ScalarHead(HeadConfig(standardise=False), width).eval()


def published_state(head):
    """A head's weights by their published names."""
    tensors = {name: tensor for name, tensor in head.state_dict().items() if not name.startswith("feature_")}
    return {name.replace("body.", "").replace("readout.", "fc."): tensor for name, tensor in tensors.items()}


def test_a_published_head_of_another_width_is_refused_before_anything_is_trained(tiny_dataset, tmp_path):
    torch.save(published_state(published_head(128)), tmp_path / "epoch-50.pt")
    match = (
        r"^--published with feature set features, 6 wide: .*epoch-50\.pt: its head takes 128 numbers a frame, without "
        r"a learnt initial state; published heads of 6-wide embeddings take 6, 7, or with such a state 8: leave it out"
    )
    with pytest.raises(InputError, match=match):
        Command(str(tiny_dataset), published=(tmp_path / "epoch-50.pt",), out=tmp_path).run()
    assert not (tmp_path / "table.md").exists()


def test_the_seed_of_a_single_head_is_refused(tiny_dataset):
    with pytest.raises(InputError, match="--seed is for one head; here, give --seeds"):
        Command(str(tiny_dataset), training=HeadTraining(seed=3))
