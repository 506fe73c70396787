"""Training: what is written, how it stops, and that a killed run goes on as if it had not been."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from protas_gtcc.alignment.config import AlignmentConfig, EncoderConfig
from protas_gtcc.annotations.segments import long_action
from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.config import DEFAULT, REFERENCE, ModelConfig, RunConfig, TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.network.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from protas_gtcc.storage.yaml_configs import from_yaml, to_yaml
from protas_gtcc.training.callbacks import Callback, ProgressBar
from protas_gtcc.training.optimisation import learning_rate
from protas_gtcc.training.run_directory import Row, RunDirectory
from protas_gtcc.training.state import STATE_FORMAT
from protas_gtcc.training.trainer import Trainer, train
from protas_gtcc.training.validation import choose_validation, validation_scores
from tests.checked_data import changed_by_hand
from tests.conftest import tiny_config, tiny_video, write_videos
from tests.mstcn_folder import exit_code

REPOSITORY = Path(__file__).resolve().parents[1]
TIMED = ["seconds", "frames_per_second"]


def train_into(folder: Path, config: RunConfig, **options: Any) -> RunDirectory:
    run = RunDirectory(folder)
    train(config, Dataset(config.dataset), run, **options)
    return run


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoint)[0].state_dict()


def log(run: RunDirectory) -> pd.DataFrame:
    return pd.read_csv(run.log).drop(columns=TIMED)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], atol: float = 0.0) -> None:
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=atol, msg=name)


def test_the_loss_falls_and_every_epoch_is_logged(tiny_dataset, tmp_path):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset, epochs=8, lr=1e-2))
    rows = pd.read_csv(run.log)
    assert rows["epoch"].tolist() == list(range(1, 9))
    assert rows["loss"].iloc[-1] < 0.8 * rows["loss"].iloc[0]
    terms = rows[["cross_entropy", "smoothing", "progress", "graph"]].sum(axis=1)
    np.testing.assert_allclose(terms, rows["loss"], rtol=1e-5)
    assert run.task_graph.is_file()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model_and_another_seed_another(tiny_dataset, tmp_path):
    runs = [train_into(tmp_path / str(i), tiny_config(tiny_dataset, seed=s)) for i, s in enumerate([1, 1, 2])]
    assert_same(weights(runs[0]), weights(runs[1]))
    with pytest.raises(AssertionError):
        assert_same(weights(runs[0]), weights(runs[2]))


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_what_an_uninterrupted_run_gives(tiny_dataset, tmp_path):
    config = tiny_config(
        tiny_dataset,
        "default",
        epochs=40,
        batch_size=2,
        validation_share=0.3,
        optimizer="adamw",
        weight_decay=0.01,
        schedule="cosine",
        clip_norm=1.0,
    )
    uninterrupted = train_into(tmp_path / "uninterrupted", config)
    broken = RunDirectory(tmp_path / "broken")
    broken.start(config)  # as a run that was killed before its first epoch ended leaves it
    rng, done = np.random.default_rng(0), 0
    command = [sys.executable, "-W", "ignore", "-m", "protas_gtcc", "train", "--resume", str(broken.path)]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and (not broken.log.exists() or len(pd.read_csv(broken.log)) < done + 3):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = len(pd.read_csv(broken.log))
        assert 3 <= done < 40, "the run was killed on its way"
    train_into(broken.path, config, resume=True)
    pd.testing.assert_frame_equal(log(uninterrupted), log(broken))
    assert_same(weights(uninterrupted), weights(broken))


def test_one_process_in_a_slurm_job_of_several_tasks_trains_alone_and_warns_of_nothing(
    tiny_dataset, tmp_path, monkeypatch
):
    (tmp_path / "srun").touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    run = train_into(tmp_path / "beside-slurm", tiny_config(tiny_dataset))
    for name, value in {
        "NTASKS": "4",
        "JOB_NAME": "train",
        "JOB_ID": "7",
        "NODELIST": "a,b",
        "NTASKS_PER_NODE": "2",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert_same(weights(run), weights(train_into(tmp_path / "within", tiny_config(tiny_dataset))))


def test_resuming_a_finished_run_changes_nothing(tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset)
    run = train_into(tmp_path / "run", config)
    before = run.checkpoint.read_bytes()
    train_into(run.path, config, resume=True)
    assert run.checkpoint.read_bytes() == before


@pytest.mark.slow
def test_two_processes_train_the_model_that_one_does(tiny_dataset, tmp_path):
    # Without dropout, and with a last batch of one window, which one process only watches.
    config = tiny_config(tiny_dataset, batch_size=7, epochs=3)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0))
    alone = train_into(tmp_path / "alone", config)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "config.yaml").write_text(to_yaml(config))
    # An address of its own: the machine's name need not be known to its network.
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    torchrun = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *options]
    resume = ["-m", "protas_gtcc", "train", "--resume", str(tmp_path / "two")]
    done = subprocess.run([*torchrun, *resume], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_same(weights(alone), weights(RunDirectory(tmp_path / "two")), atol=1e-5)
    pd.testing.assert_frame_equal(log(alone), log(RunDirectory(tmp_path / "two")), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_a_killed_process_ends_the_others_and_any_number_of_processes_goes_on(tiny_dataset, tmp_path, caplog):
    config = tiny_config(tiny_dataset, epochs=60)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0))
    alone, two = train_into(tmp_path / "alone", config), RunDirectory(tmp_path / "two")
    two.start(config)
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *options]
    command += ["-m", "protas_gtcc", "train", "--resume", str(two.path)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and (not two.log.exists() or len(pd.read_csv(two.log)) < 3):
        time.sleep(0.01)
    processes = [int(one) for one in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()]
    os.kill(processes[-1], signal.SIGKILL)
    assert started.wait(60) != 0
    assert not any(Path(f"/proc/{one}").exists() for one in processes)
    assert 3 <= len(pd.read_csv(two.log)) < 60
    train_into(two.path, config, resume=True)
    assert "was trained by 2 processes and goes on with 1" in caplog.text
    assert_same(weights(alone), weights(two), atol=1e-4)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_video_and_step(tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset)
    trainer = Trainer(config, Dataset(tiny_dataset), RunDirectory(tmp_path))
    network: Any = trainer.network
    with torch.no_grad():
        network.stages[1].progress_head.conv.bias[2] = float("nan")
    with pytest.raises(InputError, match=r"loss term \w+ is nan for video video\d at epoch 1, step 1; lower"):
        trainer.fit()


@pytest.mark.slow
def test_patience_stops_early_and_keeps_the_best_epoch(tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset, epochs=60, lr=0.02, validation_share=0.25, patience=3)
    run = train_into(tmp_path / "run", config)
    rows = pd.read_csv(run.log)
    assert len(rows) < 60
    assert rows["validation_score"].idxmax() == len(rows) - 4
    dataset = Dataset(tiny_dataset)
    features = FeatureReader(dataset, "features", "1")
    held_out = choose_validation(dataset, "1", 0.25, 0)[1]
    kept = validation_scores(load(run.path), dataset, held_out, features)
    assert kept["validation_score"] == pytest.approx(rows["validation_score"].max())


def test_features_are_standardised_by_the_training_videos_alone(tiny_dataset, tmp_path):
    dataset = Dataset(tiny_dataset)
    videos = dataset.part("1", "train")
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset, "default", epochs=1))
    network = load(run.path).network
    frames = np.concatenate([dataset.features(video, "features") for video in videos]).astype(np.float64)
    np.testing.assert_allclose(network.feature_mean, frames.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.feature_scale, 1 / frames.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize(("fps", "layers"), [(3.0, 5), (15.0, 7), (30.0, 8), (0.01, 1), (1e9, 16)])
def test_without_a_number_of_layers_a_stage_sees_a_long_action(fps, layers):
    assert ModelConfig(layers=0).at(fps, 16.0).layers == layers
    assert ModelConfig(layers=3).at(fps, 16.0).layers == 3
    assert ModelConfig(layers=0, reach_seconds=32.0).at(fps / 2, 1.0).layers == layers
    if 1 < layers < 16:
        assert 2 ** (layers + 1) - 1 >= 16 * fps > 2**layers - 1


def test_the_number_of_layers_is_kept_with_the_weights(tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset, "default", epochs=1)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, layers=0))
    run = train_into(tmp_path / "run", config)
    assert run.read_config().model.layers == 0, "the run keeps the setting"
    dataset = Dataset(tiny_dataset)
    labels = [dataset.labels(video) for video in dataset.part("1", "train")]
    fps = dataset.info.fps
    layers = config.model.at(fps, long_action(labels, dataset.info.background) / fps).layers
    model: Any = load(run.path)
    assert model.facts.config.model.layers == layers == len(model.network.stages[0].layers)


@pytest.mark.slow
def test_a_checkpoint_alone_filters_as_the_run_did(tiny_dataset, tmp_path):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset, "default"))
    dataset = Dataset(tiny_dataset)
    labels = (dataset.labels(video) for video in dataset.part("1", "train"))
    counted = count_transcripts(labels, dataset.info.num_classes, run.read_config().decoding, dataset.info.fps)
    kept = load_checkpoint(run.checkpoint)[1].transcripts
    assert kept is not None
    for name, values in vars(counted).items():
        np.testing.assert_array_equal(getattr(kept, name), values, err_msg=name)
    plain = load_checkpoint(train_into(tmp_path / "plain", tiny_config(tiny_dataset)).checkpoint)[1]
    assert not plain.filtered
    assert plain.procedure, "the filter's tables are for the procedure alone"
    network, facts = load_checkpoint(run.checkpoint)
    for wrong, message in (
        (None, "do not fit each other"),
        (dataclasses.replace(kept, first=kept.first[:-1]), "the filter's first is"),
    ):
        save_checkpoint(run.checkpoint, network, dataclasses.replace(facts, transcripts=wrong))
        with pytest.raises(InputError, match=message):
            load_checkpoint(run.checkpoint)


def test_validation_videos_come_from_the_training_videos_only(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    training, validation = choose_validation(dataset, "1", 0.25, 0)
    assert sorted(training + validation) == sorted(dataset.part("1", "train"))
    assert len(validation) == 2


def test_whole_people_are_held_out_and_a_named_validation_part_is_taken_as_it_is(tmp_path):
    videos = [dataclasses.replace(tiny_video(f"v{number}", number), subject=f"P{number // 2}") for number in range(8)]
    dataset = Dataset(write_videos(tmp_path / "people.h5", videos, 6, "people"))
    people = {name: dataset.attribute(name, "subject") for name in dataset.part("1", "train")}
    training, validation = choose_validation(dataset, "1", 0.2, 0)
    assert {people[name] for name in training}.isdisjoint(people[name] for name in validation)
    named = {"train": ["v1", "v2", "v4"], "validation": ["v0", "v3"], "test": ["v6"]}
    dataset.info = dataclasses.replace(dataset.info, splits={"named": named})
    assert choose_validation(dataset, "named", 0.2, 0) == (["v1", "v2", "v4"], ["v0", "v3"])
    assert choose_validation(dataset, "named", 0.0, 0) == (["v1", "v2", "v4"], [])
    assert choose_validation(dataset, "named", 0.0, 0, train_on_all=True) == (["v1", "v2", "v4", "v0", "v3"], [])


def test_the_cosine_schedule_falls_from_the_rate_to_nearly_nothing_and_the_constant_one_does_not():
    cosine = TrainingConfig(lr=0.1, schedule="cosine")
    assert [learning_rate(cosine, step, 4) for step in (0, 2)] == pytest.approx([0.1, 0.05])
    assert learning_rate(cosine, 999, 1000) < 1e-6
    assert learning_rate(TrainingConfig(lr=0.1), 999, 1000) == 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"precision": "bf16"},
        {"schedule": "cosine"},
        {"clip_norm": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.5},
        {"window_frames": 10},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_each_of_these_settings_changes_what_is_learnt_and_the_weights_are_finite(tiny_dataset, tmp_path, changed):
    plain = train_into(tmp_path / "plain", tiny_config(tiny_dataset))
    other = train_into(tmp_path / "other", tiny_config(tiny_dataset, **changed))
    with pytest.raises(AssertionError):
        assert_same(weights(plain), weights(other), atol=1e-7)
    assert all(tensor.isfinite().all() for tensor in weights(other).values())


def test_a_run_that_is_refused_leaves_no_directory(tiny_dataset, tmp_path):
    with pytest.raises(InputError, match="no feature set"):
        train_into(tmp_path / "run", dataclasses.replace(tiny_config(tiny_dataset), feature_set="i3d"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("before", ["training.loop.save_state", "training.run_directory.RunDirectory.write_log"])
def test_a_run_killed_while_its_first_epoch_was_kept_starts_again(tiny_dataset, tmp_path, monkeypatch, before):
    whole = train_into(tmp_path / "whole", tiny_config(tiny_dataset, epochs=1))
    monkeypatch.setattr(f"protas_gtcc.{before}", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_into(tmp_path / "run", tiny_config(tiny_dataset, epochs=1))
    run, has_epoch = RunDirectory(tmp_path / "run"), before.endswith("save_state")
    assert run.checkpoint.is_file()
    assert not run.state.exists()
    assert len(run.read_log()) == has_epoch
    assert run.is_trained() == has_epoch, "a checkpoint alone is no model"
    monkeypatch.undo()
    again = train_into(tmp_path / "run", tiny_config(tiny_dataset, epochs=1), resume=True)
    assert_same(weights(again), weights(whole))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_resume_with_reading_processes_ends_as_an_uninterrupted_run_without(tiny_dataset, tmp_path):
    whole = train_into(tmp_path / "whole", tiny_config(tiny_dataset, epochs=3))
    config = tiny_config(tiny_dataset, epochs=3, workers=1)
    with pytest.raises(KeyboardInterrupt):
        train(config, Dataset(tiny_dataset), RunDirectory(tmp_path / "run"), [_StopsAfterFirstEpoch()])
    assert_same(weights(train_into(tmp_path / "run", config, resume=True)), weights(whole))


class _StopsAfterFirstEpoch(Callback):
    def on_epoch(self, row: Row) -> None:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_a_finished_model_without_a_state_is_not_resumed_over(tiny_dataset, tmp_path):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset))
    run.state.unlink()
    with pytest.raises(InputError, match="nothing to resume"):
        train_into(run.path, tiny_config(tiny_dataset), resume=True)


@pytest.mark.slow
def test_a_state_whose_rows_are_not_those_of_the_log_is_refused_before_an_epoch(tiny_dataset, tmp_path):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset))
    tensors, facts = load_tensors(run.state, STATE_FORMAT)
    save_tensors(run.state, STATE_FORMAT, tensors, facts | {"rows": [{"epoch": 1}]})
    with pytest.raises(InputError, match=r"state.safetensors and .*log.csv have different columns"):
        train_into(run.path, tiny_config(tiny_dataset, epochs=3), resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["network.", "optimizer.0.exp_avg", "optimizer.0.exp_avg_sq"])
def test_a_state_that_has_nan_is_not_resumed_and_stays_as_it_is(tiny_dataset, tmp_path, capsys, kind):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset))
    tensors, facts = load_tensors(run.state, STATE_FORMAT)
    name = next(name for name in tensors if name.startswith(kind))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, run.state, {key: json.dumps(value) for key, value in facts.items()})
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert exit_code("train", "--resume", run.path) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"state.safetensors: {name} has NaN or infinity; " in line
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_run_is_not_resumed_on_other_classes(tiny_dataset, tmp_path):
    run = train_into(tmp_path / "run", tiny_config(tiny_dataset))
    renamed = tmp_path / "renamed.h5"
    renamed.write_bytes(tiny_dataset.read_bytes())
    with changed_by_hand(renamed) as file:
        file.attrs["class_names"] = np.array(["rest", "cut", "stir", "serve"], dtype=h5py.string_dtype())
    with pytest.raises(InputError, match="class_names was"):
        train_into(run.path, tiny_config(renamed, epochs=3), resume=True)


@pytest.mark.parametrize("preset", ["reference", "default"])
def test_features_that_are_not_finite_are_named_as_the_cause(tiny_dataset, tmp_path, preset):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(tiny_dataset.read_bytes())
    with changed_by_hand(broken) as file:
        file["videos/video3/features/features"][5, 2] = np.nan
    with pytest.raises(InputError, match=r"features of video video3 \(features\) have NaN, infinity .* at frame 5"):
        train_into(tmp_path / "run", tiny_config(broken, preset))


@pytest.mark.parametrize("stop", ["on_prepare", "on_start", "on_step", "on_epoch"])
def test_callbacks_hear_of_the_end_also_after_an_error(tiny_dataset, tmp_path, stop):
    calls = []

    class Recorder(Callback):
        def __getattribute__(self, name: str) -> Any:
            calls.append(name)
            if name == stop:
                raise KeyboardInterrupt
            return super().__getattribute__(name)

    config = tiny_config(tiny_dataset, "default")
    with pytest.raises(KeyboardInterrupt):
        train(config, Dataset(tiny_dataset), RunDirectory(tmp_path / "run"), [Recorder()])
    assert calls[0] == "on_prepare", "something is shown before features are read"
    assert calls[-2:] == [stop, "on_end"]


def test_without_a_terminal_progress_is_shown_from_the_first_second(tiny_dataset, tmp_path):
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    bar = ProgressBar(console, seconds_between_lines=0.0)
    train(tiny_config(tiny_dataset, "default"), Dataset(tiny_dataset), RunDirectory(tmp_path / "run"), [bar])
    lines = shown.getvalue().splitlines()
    assert lines[0] == "reading labels: 8 training videos"
    assert "feature statistics: 8 training videos" in lines
    assert "training: 2 epochs of 4 steps" in lines
    for where in ("feature statistics: 4 of 8 videos", "epoch 1/2, step 1/4", "epoch 1/2", "epoch 2/2  0 s left"):
        assert any(line.startswith(where) for line in lines), where
    assert sum("s left" in line for line in lines) > 10


def test_without_a_terminal_the_first_two_steps_are_shown_at_once_and_the_first_one_is_not_timed():
    shown = io.StringIO()
    bar = ProgressBar(Console(file=shown, width=80), seconds_between_lines=1000.0)
    bar.on_start(0, 40, 128)
    for step in range(3):
        bar.on_step(0, step, {"loss": 1.0})
    lines = shown.getvalue().splitlines()
    assert lines[0] == "training: 40 epochs of 128 steps"
    assert lines[1] == "epoch 1/40, step 1/128  loss 1.00"
    assert re.fullmatch(r"epoch 1/40, step 2/128  \d+ s left  loss 1.00", lines[2])
    assert len(lines) == 3


@pytest.mark.parametrize("terminal", [False, True])
def test_every_line_of_a_training_fits_80_columns(terminal):
    terms = {"cross_entropy": 12.076, "smoothing": 0.238, "progress": 2.008, "graph": -0.014}
    losses = {"loss": 14.308, **terms}
    output = io.StringIO()
    console = Console(file=output, width=80, force_terminal=terminal, color_system=None)
    bar = ProgressBar(console, seconds_between_lines=0.0)
    bar.on_start(0, 40, 128)
    bar.on_step(24, 99, losses)
    bar.on_epoch({"epoch": 25, **losses, "train_acc": 61.9})
    bar.on_end()
    shown = [line for line in re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", output.getvalue()) if line.strip()]
    assert max(map(len, shown)) <= 80
    assert "…" not in output.getvalue()
    if terminal:
        assert "3172/5120" in shown[-1]
        assert "loss 14.31" in shown[-1]
    else:
        assert shown[1].startswith("epoch 25/40, step 100/128  ")
        assert shown[1].endswith(" s left  loss 14.31")
        assert shown[2].endswith(" s left  ce 12.08 smooth 0.24 prog 2.01 graph -0.01  acc 61.9")


def test_on_a_terminal_the_bar_is_shown_and_removed(tiny_dataset, tmp_path):
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=True)
    train(tiny_config(tiny_dataset), Dataset(tiny_dataset), RunDirectory(tmp_path / "run"), [ProgressBar(console)])
    shown = output.getvalue()
    assert "reading labels" in shown
    assert "epoch 2" in shown
    assert "16/16" in shown


def test_balanced_class_weights_favour_rare_classes_and_keep_a_mean_of_one(tiny_dataset, tmp_path):
    config = tiny_config(tiny_dataset)
    balanced = dataclasses.replace(config, loss=dataclasses.replace(config.loss, class_weights="balanced"))
    trainer = Trainer(balanced, Dataset(tiny_dataset), RunDirectory(tmp_path))
    labels = np.concatenate([trainer.dataset.labels(video) for video in trainer.train_videos])
    counts = np.bincount(labels)
    found = trainer.class_weights.numpy()
    assert np.argmin(counts) == np.argmax(found)
    assert (found * counts).sum() / counts.sum() == pytest.approx(1)


ALIGNMENT = AlignmentConfig(loss="vava", encoder=EncoderConfig(multi_head=True), head="v3")


@pytest.mark.parametrize("config", [REFERENCE, DEFAULT, ALIGNMENT], ids=["reference", "default", "alignment"])
def test_a_configuration_survives_yaml(config):
    assert from_yaml(to_yaml(config), "here", type(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {stages: 4, wings: 2}", "unknown field 'wings'; another version of protas_gtcc wrote it: train again"),
        ("model: {stages: four}", "stages is 'four', expected a int"),
        ("loss: {progress_over: some}", "progress_over is 'some'; it is one of all, active"),
        ("- 1", "expected fields of RunConfig"),
        ("model: {stages: 0}", "--stages is 0"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_name(text, message):
    with pytest.raises(InputError, match=message):
        from_yaml(text, "here", RunConfig)


def test_a_split_without_enough_training_videos_is_refused(tiny_dataset):
    dataset: Any = Dataset(tiny_dataset)
    with pytest.raises(InputError, match="no split '2'; choose one of its splits: 1"):
        choose_validation(dataset, "2", 0.0, 0)
    dataset.info.splits.update({"one": {"train": ["video0"]}, "none": {"train": []}})
    with pytest.raises(InputError, match=r"has 1 training video, too few to train on with --validation-share 0\.5"):
        choose_validation(dataset, "one", 0.5, 0)
    with pytest.raises(InputError, match=r"has 0 training videos, too few to train on; add some$"):
        choose_validation(dataset, "none", 0.0, 0)


def test_a_gpu_that_is_not_there_is_refused(tiny_dataset, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="--device cuda: this machine has none"):
        Trainer(tiny_config(tiny_dataset, device="cuda"), Dataset(tiny_dataset), RunDirectory(tmp_path))


def test_reading_configurations_of_runs_does_not_wait_for_torch():
    modules = ["alignment.config", "heads.config", "training.run_directory", "training.callbacks"]
    code = f"import sys, {', '.join(f'protas_gtcc.{name}' for name in modules)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_more_processes_than_gpus_are_refused_in_one_line(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("protas_gtcc.training.loop.choose_device", lambda wanted: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(InputError, match="started 2 processes on a machine with 1 GPU; start one a GPU"):
        train_into(tmp_path / "run", tiny_config(tiny_dataset))
    assert not (tmp_path / "run").exists()


def test_several_processes_that_torchrun_has_not_started_are_refused_in_one_line(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="WORLD_SIZE is 2, but there is no RANK: torchrun sets both; start"):
        train_into(tmp_path / "run", tiny_config(tiny_dataset, device="cpu"))
