"""Simulated operations: the lengths that Cholec80's paper has, phases without background, surgeons, tools."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.layouts.cholec80_files import PHASES, TOOLS
from protas_gtcc.simulate import profiles
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import dataset_info, simulate, simulate_videos
from protas_gtcc.simulate.operations import simulate_phases, simulate_tools
from protas_gtcc.simulate.procedures import simulate_labels
from protas_gtcc.simulate.profiles import OPERATIONS

PROFILE = OPERATIONS[0]
CONFIG = SimulationConfig(only=(PROFILE.name,))
NAMES = [f"sim-{name}" for name in PHASES]
FEW = replace(CONFIG, share_of_videos=0.01, fewest_videos=4)


@pytest.fixture(scope="module")
def labels() -> list[np.ndarray]:
    """Phases of the frames of many more operations than 80: the model is compared, and not one draw of it."""
    return [simulate_labels(CONFIG, PROFILE, number, NAMES) for number in range(800)]


def test_there_are_80_operations_of_7_phases_without_background_half_of_them_by_other_surgeons():
    info = dataset_info(CONFIG)
    assert info.class_names == NAMES
    assert list(info.background) == []
    parts = info.splits["1"]
    assert {part: len(videos) for part, videos in parts.items()} == {"train": 40, "test": 40}
    surgeons = {part: {int(video[-3:]) % CONFIG.people for video in videos} for part, videos in parts.items()}
    assert not surgeons["train"] & surgeons["test"]


def test_the_phases_and_tools_are_those_that_the_reader_of_cholec80_gives():
    assert tuple(phase.name for phase in PROFILE.phases) == PHASES
    assert profiles.TOOLS == TOOLS
    assert all(len(phase.tools) == len(TOOLS) for phase in PROFILE.phases)


def test_phases_are_as_long_as_published(labels):
    for number, phase in enumerate(PROFILE.phases):
        seconds = np.array([(one == number).sum() for one in labels])
        assert np.mean(seconds > 0) == pytest.approx(phase.share, abs=0.04)
        assert seconds[seconds > 0].mean() == pytest.approx(phase.mean_seconds, rel=0.1)
        assert seconds[seconds > 0].std() == pytest.approx(phase.spread_seconds, rel=0.25)


def test_operations_last_40_minutes_and_some_more_than_80(labels):
    minutes = np.array([len(one) for one in labels]) / 60
    assert minutes.mean() == pytest.approx(40, abs=2)
    assert 0.005 < np.mean(minutes > 80) < 0.05
    assert minutes.min() < 15


def test_phases_are_skipped_come_early_and_return_but_the_first_four_keep_their_order(labels):
    orders = [segment_array(one)[:, 2].tolist() for one in labels]
    assert all(one != other for order in orders for one, other in pairwise(order))
    packaging, cleaning, retraction = 4, 5, 6
    assert all([phase for phase in order if phase < packaging] in ([0, 1, 2, 3], [1, 2, 3]) for order in orders)
    assert any(cleaning not in order for order in orders)
    both = [order for order in orders if {cleaning, retraction} <= set(order)]
    assert any(order.index(retraction) < order.index(cleaning) for order in both)
    assert 0.05 < np.mean([order.count(cleaning) == 2 for order in orders]) < 0.2


def test_a_slow_surgeon_is_slow_in_all_operations():
    def total(number: int, surgeon: int) -> float:
        return float(simulate_phases(CONFIG, PROFILE, number, surgeon)[1].sum())

    means = [np.mean([total(number, surgeon) for number in range(40)]) for surgeon in range(24)]
    again = [np.mean([total(number, surgeon) for number in range(40, 80)]) for surgeon in range(24)]
    assert np.corrcoef(means, again)[0, 1] > 0.7


def test_a_tool_is_seen_as_often_as_its_phase_uses_it():
    for number, phase in enumerate(PROFILE.phases):
        tools = simulate_tools(CONFIG, PROFILE, number, np.full(20_000, number))
        np.testing.assert_array_equal(np.unique(tools), [0, 1])
        np.testing.assert_allclose(tools.mean(axis=0, dtype=float), phase.tools, atol=0.05)


def test_a_tool_stays_for_seconds():
    tools = simulate_tools(CONFIG, PROFILE, 0, np.full(20_000, 3))
    hook = tools[:, TOOLS.index("Hook")]
    assert np.mean(hook[1:] != hook[:-1]) < 0.1, "drawn anew at each frame, it would be 0.32"


def test_a_written_file_has_features_and_tools_and_is_marked_as_simulated(tmp_path):
    simulate(tmp_path / "operations.h5", FEW)
    dataset = Dataset(tmp_path / "operations.h5")
    assert dataset.info.simulated
    assert dataset.info.name == "simulated-operations"
    assert "not recordings" in dataset.info.source
    assert "Cholec80" in dataset.info.source
    assert "EgoProceL" not in dataset.info.source
    assert {name: one.dim for name, one in dataset.feature_sets.items()} == {"features": 64, "tools": 7}
    assert dataset.choose_feature_set("1") == "features"
    for video in simulate_videos(FEW):
        np.testing.assert_array_equal(dataset.features(video.name, "tools"), video.features["tools"])
        assert dataset.attribute(video.name, "task") == "sim-cholecystectomy"


def test_beside_a_task_with_background_an_operation_has_none_and_there_are_no_tools():
    both = replace(FEW, only=("Pizza.cmu", PROFILE.name))
    videos = {video.task: video for video in simulate_videos(both)}
    assert dataset_info(both).background == [0]
    assert 0 in videos["sim-Pizza.cmu"].labels
    assert 0 not in videos["sim-cholecystectomy"].labels
    assert {*videos["sim-cholecystectomy"].features} == {"features"}
