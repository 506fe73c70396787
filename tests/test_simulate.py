"""Simulated procedures: known truth, EgoProceL's shape, reproducible, neither hopeless nor easy."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.cli.main import main
from protas_gtcc.dataset.file import Dataset, Video
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.prepare import known_datasets
from protas_gtcc.simulate.appearance import build_world, simulate_features
from protas_gtcc.simulate.config import SMALL, SimulationConfig
from protas_gtcc.simulate.dataset import dataset_info, simulate, simulate_videos
from protas_gtcc.simulate.procedures import class_names_of, simulate_labels, steps_of
from protas_gtcc.simulate.profiles import TASKS, TaskProfile


@pytest.fixture(scope="module")
def small_videos() -> dict[str, list[Video]]:
    """The videos of `SMALL`, train and test."""
    parts = dataset_info(SMALL).splits["1"]
    videos = {video.name: video for video in simulate_videos(SMALL)}
    return {part: [videos[name] for name in names] for part, names in parts.items()}


def _frames(videos: list[Video]) -> tuple[np.ndarray, np.ndarray]:
    features = np.concatenate([video.features["features"] for video in videos]).astype(np.float64)
    return features, np.concatenate([video.labels for video in videos])


def _labels(config: SimulationConfig, profile: TaskProfile) -> list[np.ndarray]:
    names = class_names_of(config)
    videos = range(config.num_videos(profile))
    return [simulate_labels(config, profile, number, names) for number in videos]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    config = SimulationConfig(tasks=2, share_of_videos=0.01, fewest_videos=1)
    first, again = list(simulate_videos(config)), list(simulate_videos(config))
    other = list(simulate_videos(replace(config, seed=1)))
    for video, twin, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(video.labels, twin.labels)
        np.testing.assert_array_equal(video.features["features"], twin.features["features"])
        assert not np.array_equal(video.features["features"][:50], different.features["features"][:50])


def test_a_video_does_not_depend_on_how_many_others_are_made():
    few = {v.name: v for v in simulate_videos(SimulationConfig(tasks=3, share_of_videos=0.01, fewest_videos=1))}
    many = {v.name: v for v in simulate_videos(SimulationConfig(tasks=3, share_of_videos=0.01, fewest_videos=3))}
    assert len(few) == 3
    assert len(many) == 9
    for name, video in few.items():
        np.testing.assert_array_equal(video.features["features"], many[name].features["features"])


def test_features_up_to_a_boundary_do_not_depend_on_what_comes_after_it():
    config = SimulationConfig()
    world, profile = build_world(config), TASKS[13]
    labels = _labels(replace(config, share_of_videos=0.01, fewest_videos=1), profile)[0]
    whole = simulate_features(config, world, profile, 0, labels)
    for end in segment_array(labels)[:6, 1]:
        np.testing.assert_array_equal(simulate_features(config, world, profile, 0, labels[:end]), whole[:end])


def test_a_written_file_reads_back_is_marked_as_simulated_and_parts_people(tmp_path):
    config = SimulationConfig(tasks=2, share_of_videos=0.01)
    simulate(tmp_path / "s.h5", config)
    dataset = Dataset(tmp_path / "s.h5")
    assert dataset.info.simulated
    assert "not recordings" in dataset.info.source
    assert "seed=0" in dataset.info.source
    assert dataset.feature_sets["features"].look_ahead_frames == 0
    people = {p: {dataset.attribute(v, "subject") for v in dataset.part("1", p)} for p in ("train", "test")}
    assert people["test"]
    assert not people["train"] & people["test"]
    assert {dataset.attribute(v, "task") for v in dataset.video_names} == {"sim-BaconAndEggs.egtea", "sim-Brownie.cmu"}
    for video in simulate_videos(config):
        np.testing.assert_array_equal(dataset.labels(video.name), video.labels)
        np.testing.assert_array_equal(dataset.features(video.name, "features"), video.features["features"])


@pytest.mark.parametrize("annotated", [True, False])
def test_steps_that_a_person_left_out_are_missing_if_they_are_to_be_annotated(annotated):
    config = SimulationConfig(only=("Salad.cmu",), share_of_videos=0.1, annotate_missing=annotated)
    steps = {class_names_of(config).index(name) for name in steps_of(config, config.profiles[0])}
    tracks = [(video.track, video.labels) for video in simulate_videos(config)]
    if not annotated:
        assert [track for track, _ in tracks] == [None] * 4
        return
    assert any(track.missing for track, _ in tracks)
    for track, labels in tracks:
        assert set(track.missing) == steps - set(labels.tolist())
        done = [(one.start, one.end, one.label) for one in track.steps]
        assert done == [tuple(row) for row in segment_array(labels).tolist() if row[2]]


def test_classes_are_egoprocels_in_number_and_ten_are_shared():
    config = SimulationConfig()
    steps = [step for profile in TASKS for step in steps_of(config, profile)]
    assert len(class_names_of(config)) == 116
    assert len(steps) == 130
    assert sum(steps.count(name) > 1 for name in set(steps)) == 10
    assert [len(steps_of(config, profile)) for profile in TASKS] == [profile.key_steps for profile in TASKS]


def test_the_full_size_is_egoprocels_and_the_small_one_keeps_all_tasks(small_videos):
    full = sum(len(labels) for profile in TASKS for labels in _labels(SimulationConfig(), profile))
    assert sum(SimulationConfig().num_videos(profile) for profile in TASKS) == 325
    assert full == pytest.approx(216_000, rel=0.1)
    train, test = (sum(len(v.labels) for v in small_videos[part]) for part in ("train", "test"))
    assert 40_000 <= train <= 45_000
    assert 12_000 <= test <= 15_000
    assert len({video.task for video in small_videos["test"]}) == 16


def test_steps_are_skipped_repeated_and_swapped_and_no_two_neighbours_are_equal():
    config = replace(SimulationConfig(), share_of_videos=1.0)
    profile = TASKS[0]
    order = [class_names_of(config).index(step) for step in steps_of(config, profile)]
    transcripts = [segment_array(labels)[:, 2] for labels in _labels(config, profile)]
    actions = [[order.index(label) for label in transcript if label] for transcript in transcripts]
    assert any(len(set(done)) < len(order) for done in actions)
    assert any(len(set(done)) < len(done) for done in actions)
    assert any(a > b for done in actions for a, b in pairwise(done))
    assert all((np.diff(transcript) != 0).all() for transcript in transcripts)


def test_time_scales_with_fps():
    slow, fast = SimulationConfig(), SimulationConfig(fps=10.0)
    for profile in TASKS[:3]:
        for one, ten in zip(_labels(slow, profile)[:3], _labels(fast, profile)[:3], strict=True):
            assert len(ten) == pytest.approx(10 * len(one), rel=0.03)
            assert (segment_array(one)[:, 2] == segment_array(ten)[:, 2]).all()


@pytest.mark.parametrize("profile", TASKS, ids=lambda profile: profile.name)
def test_statistics_match_egoprocels(shared_folder, profile):
    with open(shared_folder / "data/egoprocel/egoprocel_task_stats.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["task"] == profile.name)
    real = {name: float(value) for name, value in row.items() if name not in ("task", "integers")}
    # More videos than EgoProceL has, so that the comparison is with the model and not with one draw of it.
    videos = _labels(SimulationConfig(share_of_videos=200 / profile.videos), profile)
    segments = [segment_array(labels) for labels in videos]
    actions = [rows[rows[:, 2] > 0] for rows in segments]
    lengths = np.concatenate([rows[:, 1] - rows[:, 0] for rows in actions])
    background = np.mean([(labels == 0).mean() for labels in videos])
    assert background == pytest.approx(real["bg_fraction"], abs=0.04)
    assert np.mean([len(v) for v in videos]) == pytest.approx(real["dur_mean"] / 10, rel=0.2)
    assert np.mean([len(rows) for rows in actions]) == pytest.approx(real["fg_segments"] / real["videos"], rel=0.1)
    assert np.mean([len(set(r[:, 2])) for r in actions]) == pytest.approx(real["steps_per_video_mean"], rel=0.05)
    for share, name in ((25, "seg_p25"), (50, "seg_med"), (75, "seg_p75")):
        # Half a frame of rounding at 1 fps is a lot of 1.8 s.
        assert 1 / 1.6 < (np.percentile(lengths, share) + 0.5) / (real[name] / 10 + 0.5) < 1.6


def test_look_up_predictors_err_as_much_as_on_egoprocel(small_videos):
    lookups = fit_lookups([video.labels for video in small_videos["train"]], 116, [0])
    errors = []
    for video in small_videos["test"]:
        target, is_action = progress_target(video.labels, [0]), video.labels > 0
        reported = lookups.report(video.labels, video.name)
        errors.append(np.abs(reported - target)[:, is_action].mean(axis=1))
    error = dict(zip(lookups.names, np.mean(errors, axis=0), strict=True))
    assert error["constant"] == pytest.approx(0.253, abs=0.01)
    assert error["average_index"] == pytest.approx(0.20, abs=0.03)
    assert 0.15 < error["average_index_class"] < 0.20


def test_single_frames_distinguish_actions_above_chance_but_far_from_perfectly(small_videos):
    (features, labels), (test_features, test_labels) = (_frames(small_videos[p]) for p in ("train", "test"))
    # Linear discriminants of the actions, then of everything: class means under one shared covariance.
    actions, test_actions = labels > 0, test_labels > 0
    estimate = _discriminate(features[actions], labels[actions], test_features[test_actions])
    accuracy = (estimate == test_labels[test_actions]).mean()
    assert 0.55 < accuracy < 0.75
    everything = _discriminate(features, labels, test_features)
    assert (test_labels == 0).mean() + 0.05 < (everything == test_labels).mean() < 0.85


def _discriminate(features: np.ndarray, labels: np.ndarray, test_features: np.ndarray) -> np.ndarray:
    classes, index = np.unique(labels, return_inverse=True)
    count = np.bincount(index)
    one_hot = np.eye(len(classes))[index]
    means = (one_hot.T @ features) / count[:, None]
    spread = np.cov((features - means[index]).T) + 1e-3 * np.eye(features.shape[1])
    weights = np.linalg.solve(spread, means.T)
    logits = test_features @ weights - (means.T * weights).sum(0) / 2 + np.log(count / count.sum())
    return classes[logits.argmax(axis=1)]


def test_the_phase_shows_in_some_classes_and_not_in_others():
    config = SimulationConfig(share_of_videos=4.0)
    world, profile = build_world(config), TASKS[13]
    videos = _labels(config, profile)
    half = len(videos) // 2
    features = [simulate_features(config, world, profile, n, labels) for n, labels in enumerate(videos)]
    explained = {}
    for label in world.classes_of_task[profile.name]:
        x, y = zip(*(_of_class(f, v, label) for f, v in zip(features, videos, strict=True)), strict=True)
        explained[label] = _explained(np.concatenate(x[:half]), np.concatenate(y[:half]), x[half:], y[half:])
    shows = {label: world.phase_line[label].any() for label in explained}
    assert all(explained[label] < 0.05 for label in explained if not shows[label])
    assert all(0.1 < explained[label] < 0.9 for label in explained if shows[label])
    assert set(shows.values()) == {True, False}


def _of_class(features: np.ndarray, labels: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = labels == label
    rows = np.column_stack([features[chosen].astype(np.float64), np.ones(chosen.sum())])
    return rows, progress_target(labels, [0])[chosen].astype(np.float64)


def _explained(x: np.ndarray, y: np.ndarray, test_x: Sequence[np.ndarray], test_y: Sequence[np.ndarray]) -> float:
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)
    estimate, target = np.concatenate(test_x) @ weights, np.concatenate(test_y)
    return float(1 - ((estimate - target) ** 2).mean() / target.var())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": 17}, "--tasks is 17; it must be from 1 to 16"),
        ({"fps": 0.0}, "--fps is 0.0; it must be from 0.001"),
        ({"pause_share": 1.0}, "--pause-share is 1.0; it must be from 0 to 0.999"),
        ({"drift_strength": -1.0}, "--drift-strength is -1.0; it must be from 0"),
    ],
)
def test_a_config_that_cannot_be_simulated_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SimulationConfig(**settings)


def test_the_command_leaves_an_existing_file_alone(tmp_path, capsys):
    out = tmp_path / "s.h5"
    command = ["simulate", str(out), "--tasks", "1", "--small"]
    main(command)
    dataset, printed = Dataset(out), capsys.readouterr().out
    num_videos, num_frames = len(dataset.video_names), sum(dataset.num_frames.values())
    assert printed.startswith(f"{out}: {num_videos} videos, {num_frames} frames at 1 fps, ")
    assert f"  split 1: {len(dataset.part('1', 'train'))} train, {len(dataset.part('1', 'test'))} test\n" in printed
    assert printed.endswith("  note: simulated procedures, not recordings; seed 0\n")
    before = out.read_bytes()
    with pytest.raises(SystemExit):
        main(command)
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    main([*command, "--seed", "1", "--overwrite"])
    assert out.read_bytes() != before


def test_an_unwritable_place_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        simulate(tmp_path / "file" / "s.h5", SimulationConfig(tasks=1))


def test_tasks_can_be_chosen_by_name_and_unknown_ones_are_refused():
    config = SimulationConfig(only=("tent", "Pizza.cmu"), share_of_videos=0.1)
    assert {profile.name for profile in config.profiles} == {"Pizza.cmu", "tent"}
    assert {video.task for video in simulate_videos(config)} == {"sim-Pizza.cmu", "sim-tent"}
    with pytest.raises(InputError, match="no task 'lasagne'"):
        SimulationConfig(only=("lasagne",))


@pytest.mark.slow
def test_a_stand_in_that_cannot_be_read_is_made_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("protas_gtcc.simulate.config.STAND_IN", SMALL)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "simulated-procedures.h5").write_bytes(b"of another time")
    messages: list[str] = []
    dataset = known_datasets.open_dataset("egoprocel", messages.append)
    assert dataset.info.simulated
    assert messages[-1].startswith("making ")
    known_datasets.open_dataset("egoprocel", messages.append)
    assert len(messages) == 3, "a whole file is used again"
