"""Cross-fitting: no network of an ensemble learns from people who are held out of it. Calibration on these people."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.config import PRESETS, DecodingConfig, ModelConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.network.checkpoint import load_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.training.calibration import (
    EVIDENCES,
    LEVELS,
    MOST_FRAMES,
    HeldOutVideo,
    assign_members,
    calibrate,
    enough_videos,
    why_not_calibrated,
    without_held_out,
)
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import tiny_config, tiny_video, write_videos

SETTINGS = DecodingConfig(filter="durations")


def test_whole_people_are_held_out_of_one_network_each():
    people = {f"v{number}": f"P{number // 3}" for number in range(24)}
    members = assign_members(people, 4, 0)
    assert set(members) == set(people)
    assert set(members.values()) == {0, 1, 2, 3}
    for person in set(people.values()):
        assert len({members[video] for video in people if people[video] == person}) == 1


PEOPLE = {f"v{number}": f"P{number}" for number in range(4)}


@pytest.mark.parametrize(
    ("changes", "people", "reason"),
    [
        ({}, PEOPLE, "^$"),
        ({}, {"v": "P", "w": "Q"}, "2 people to train on are too few for 4 networks"),
        ({}, dict.fromkeys(PEOPLE, ""), "not known"),
        ({}, PEOPLE | {"w": ""}, "not known"),
        ({}, dict.fromkeys(PEOPLE, "P"), "one person"),
        ({"arrangement": "series"}, PEOPLE, "in parallel"),
        ({"stages": 1}, PEOPLE, "two stages"),
        ({"graph": True}, PEOPLE, "no task graph"),
    ],
)
def test_a_run_says_why_nobody_is_held_out(changes, people, reason):
    default = PRESETS["default"]
    config = dataclasses.replace(default, model=dataclasses.replace(default.model, **changes))
    assert re.search(reason, why_not_calibrated(config, people))


def test_a_setting_that_was_asked_for_is_kept():
    videos = videos_of_a_network(0.9)
    tables = count_transcripts([np.repeat([0, 1, 0, 2], [30, 15, 30, 15])] * 3, 3, SETTINGS, 2.0)
    assert calibrate(SETTINGS, tables, [0], 2.0, videos).background_bias > 0
    asked = dataclasses.replace(SETTINGS, background_bias=0.1, evidence=20.0, interval_level=0.9)
    chosen = calibrate(asked, tables, [0], 2.0, videos)
    assert (chosen.background_bias, chosen.evidence, chosen.interval_level) == (0.1, 20.0, 0.9)


def test_without_background_there_is_no_bias_against_it():
    videos = videos_of_a_network(0.5)
    tables = count_transcripts([one.labels for one in videos], 3, SETTINGS, 2.0)
    assert calibrate(SETTINGS, tables, [], 2.0, videos).background_bias == 0.0


def test_videos_are_drawn_until_there_are_enough_frames():
    assert sorted(enough_videos({"a": 10, "b": 20}, 0)) == ["a", "b"]
    num_frames = {f"v{number}": 10_000 for number in range(50)}
    assert len(enough_videos(num_frames, 0)) == MOST_FRAMES // 10_000
    assert enough_videos(num_frames, 0) != enough_videos(num_frames, 1)


def test_a_video_has_no_gradient_in_the_network_that_it_is_held_out_of():
    network = ProgressNetwork(ModelConfig(stages=3, arrangement="parallel", layers=2, maps=4, graph=False), 5, 3)
    outputs = without_held_out(network(torch.randn(2, 5, 9)), [1, 1])
    (outputs.logits.square().sum() + outputs.progress.square().sum()).backward()
    gradients = [sum(float(one.grad.abs().sum()) for one in stage.parameters()) for stage in network.stages]
    assert gradients[1] == 0
    assert min(gradients[0], gradients[2]) > 0


@pytest.mark.slow
def test_a_network_of_a_trained_ensemble_does_not_depend_on_the_people_held_out_of_it(tmp_path):
    """Its weights are the same whatever these people do."""
    weights, others = [], []
    for changed in (False, True):
        videos = [dataclasses.replace(tiny_video(f"v{n}", n), subject=f"P{n // 2}") for n in range(10)]
        members = assign_members({one.name: one.subject for one in videos[:8]}, 2, 0)
        held_out = [one for one in videos[:8] if members[one.name] == 1]
        if changed:
            for one in held_out:
                one.labels[:] = 1
        dataset = write_videos(tmp_path / f"{changed}.h5", videos, 8, "people")
        # Without clipping, which looks at the gradient of all networks at once.
        config = tiny_config(dataset, "default", batch_size=1, clip_norm=0.0, epochs=1, schedule="constant")
        run = RunDirectory(tmp_path / f"run-{changed}")
        train(config, Dataset(dataset), run)
        network, facts = load_checkpoint(run.checkpoint)
        assert facts.transcripts is not None
        weights.append(dict(network.stages[1].named_parameters()))
        others.append(dict(network.stages[0].named_parameters()))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(not torch.equal(others[0][name], others[1][name]) for name in others[0])


def videos_of_a_network(missed: float) -> list[HeldOutVideo]:
    """A network that takes actions for background in this share of their frames, with half of its confidence."""
    random, videos = np.random.default_rng(0), []
    for _ in range(4):
        labels = np.repeat([0, 1, 0, 2, 0, 1], random.integers(5, 30, 6))
        seen = np.where(random.random(len(labels)) < missed, 0, labels)
        probs = (0.4 * np.eye(3)[labels] + 0.5 * np.eye(3)[seen] + 1 / 30).astype(np.float32)
        videos.append(HeldOutVideo(labels, probs, None))
    return videos


def test_a_network_that_predicts_background_too_often_is_corrected_for_it():
    chosen = []
    for missed in (0.0, 0.9):
        videos = videos_of_a_network(missed)
        tables = count_transcripts([np.repeat([0, 1, 0, 2], [30, 15, 30, 15])] * 3, 3, SETTINGS, 2.0)
        chosen.append(calibrate(SETTINGS, tables, [0], 2.0, videos))
    assert chosen[1].background_bias > chosen[0].background_bias


def videos_with_mistakes(share: float) -> list[HeldOutVideo]:
    """A network that takes an action for the other one, and is sure of it, in so many stretches of five frames."""
    random, videos = np.random.default_rng(1), []
    for _ in range(8):
        labels = np.repeat([0, 1, 0, 2, 0, 1, 0, 2], [4, 30, 4, 30, 4, 30, 4, 30])
        wrong = np.repeat(random.random(len(labels) // 5 + 1) < share, 5)[: len(labels)]
        seen = np.where(wrong & (labels > 0), 3 - labels, labels)
        videos.append(HeldOutVideo(labels, (0.985 * np.eye(3)[seen] + 0.005).astype(np.float32), None))
    return videos


def test_a_network_that_is_sure_of_its_mistakes_counts_for_less():
    chosen = []
    for share in (0.0, 0.4):
        videos = videos_with_mistakes(share)
        tables = count_transcripts([one.labels for one in videos], 3, SETTINGS, 2.0)
        chosen.append(calibrate(SETTINGS, tables, [0], 2.0, videos).evidence)
    assert chosen == [EVIDENCES[0], EVIDENCES[-1]]


def test_intervals_are_widened_until_they_hold_as_often_as_they_promise():
    videos = videos_of_a_network(0.3)
    others = [np.repeat([0, 1, 0, 2], [8, 150, 9, 160]) for _ in range(3)]
    tables = count_transcripts(others, 3, SETTINGS, 2.0)  # actions are much shorter here
    assert calibrate(SETTINGS, tables, [0], 2.0, videos).interval_level > SETTINGS.interval_level


def test_the_widest_intervals_are_taken_if_none_holds_often_enough():
    probs = np.array([[0.999, 0.001, 0], [0, 0, 1]], np.float32).repeat(
        [1, 400], axis=0
    )  # another action, just before its end
    videos = [HeldOutVideo(np.repeat([1, 2], [1, 400]), probs, np.ones((401, 3), np.float32))]
    tables = count_transcripts([np.repeat([0, 1, 2], 2)] * 3, 3, SETTINGS, 2.0)
    settings = dataclasses.replace(SETTINGS, network_progress_share=1.0, progress_doubt=0.0)
    assert calibrate(settings, tables, [0], 2.0, videos).interval_level == LEVELS[-1]


def test_a_level_of_an_interval_that_was_asked_for_is_kept():
    tables = count_transcripts([np.repeat([0, 1, 0, 2], [30, 15, 30, 15])] * 3, 3, SETTINGS, 2.0)
    asked = dataclasses.replace(SETTINGS, interval_level=0.5, remaining_level=0.6)
    chosen = calibrate(asked, tables, [0], 2.0, videos_of_a_network(0.3))
    assert (chosen.interval_level, chosen.remaining_level) == (0.5, 0.6)


def test_intervals_stay_if_no_action_is_predicted():
    videos = [HeldOutVideo(np.repeat([0, 1, 0], 20), np.tile(np.array([0.99, 0.01], np.float32), (60, 1)), None)]
    tables = count_transcripts([videos[0].labels], 2, SETTINGS, 2.0)
    assert calibrate(SETTINGS, tables, [0], 2.0, videos).interval_level == SETTINGS.interval_level


@pytest.fixture
def people_dataset(tmp_path: Path) -> Path:
    """Ten videos of five people, the last of whom is tested."""
    videos = [dataclasses.replace(tiny_video(f"v{n}", n), subject=f"P{n // 2}") for n in range(10)]
    return write_videos(tmp_path / "people.h5", videos, 8, "people")


@pytest.mark.slow
def test_the_checkpoint_keeps_what_was_calibrated(people_dataset, tmp_path, monkeypatch):
    def fixed(settings, *_):
        return dataclasses.replace(settings, background_bias=0.25)

    monkeypatch.setattr("protas_gtcc.training.trainer.calibrate", fixed)
    run = RunDirectory(tmp_path / "run")
    train(tiny_config(people_dataset, "default"), Dataset(people_dataset), run)
    facts = load_checkpoint(run.checkpoint)[1]
    assert facts.config.decoding.background_bias == 0.25
    assert "background's log-probability lowered by 0.25" in facts.calibration
    assert run.read_config().decoding.background_bias == 0.0


@pytest.mark.slow
def test_scores_say_how_the_filter_was_calibrated_or_why_not(people_dataset, tiny_dataset, tmp_path):
    for dataset, note in (
        (people_dataset, "the filter was calibrated on held-out people: background's log"),
        (tiny_dataset, "the filter is not calibrated: who is in the training videos is not known"),
    ):
        run = RunDirectory(tmp_path / dataset.stem)
        train(tiny_config(dataset, "default"), Dataset(dataset), run)
        notes = evaluate_run(run, Dataset(dataset), "1", max_pictures=0).metrics["notes"]
        assert any(one.startswith(note) for one in notes)


@pytest.mark.slow
def test_a_run_killed_before_its_calibration_is_not_finished_and_its_scores_say_so(
    people_dataset, tmp_path, monkeypatch, caplog
):
    def killed(*_):
        raise KeyboardInterrupt

    def notes():
        return evaluate_run(run, dataset, "1", max_pictures=0).metrics["notes"]

    config, dataset = tiny_config(people_dataset, "default"), Dataset(people_dataset)
    whole, run = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "run")
    train(config, dataset, whole)
    monkeypatch.setattr("protas_gtcc.training.trainer.calibrate", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, dataset, run)
    monkeypatch.undo()
    assert len(run.read_log()) == config.training.epochs
    note = "the run is not finished: its filter is not calibrated (--resume continues)"
    assert "not calibrated" in repr(load(run.path))
    assert "not calibrated" in caplog.text
    uncalibrated = load(run.path).stream().state_dict()
    assert note in notes()
    assert not run.is_finished()
    train(config, dataset, run, resume=True)
    assert not run.metrics.exists(), "scores of the unfinished model do not pass for those of the finished one"
    decodings = [load_checkpoint(one.checkpoint)[1].config.decoding for one in (run, whole)]
    assert decodings[0] == decodings[1]
    assert note not in notes()
    assert run.is_finished()
    with pytest.raises(InputError, match="procedure_done is missing"):
        load(run.path).stream().load_state_dict(uncalibrated)
    assert f"lowered by {decodings[0].background_bias:g}" in repr(load(run.path))


@pytest.mark.slow
def test_a_run_is_not_resumed_when_other_people_are_held_out(people_dataset, tmp_path, monkeypatch):
    run, config = RunDirectory(tmp_path / "run"), tiny_config(people_dataset, "default")
    train(config, Dataset(people_dataset), run)
    for subjects in (lambda n: f"P{n % 5}", lambda _: ""):
        videos = [dataclasses.replace(tiny_video(f"v{n}", n), subject=subjects(n)) for n in range(10)]
        other = Dataset(write_videos(tmp_path / "other.h5", videos, 8, "people"))
        with pytest.raises(InputError, match="cannot be resumed: its dataset's held_out_videos"):
            train(config, other, run, resume=True)
