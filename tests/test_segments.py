"""Segments, transcripts and the task graph equal what is counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protas_gtcc.annotations.segments import segment_array, transcript
from protas_gtcc.annotations.task_graph import count_task_graph, save_task_graph
from protas_gtcc.layouts.recognition import open_layout
from tests.brute_force import segments_from_labels

NUM_CLASSES = 4
LABELS = st.lists(st.integers(0, NUM_CLASSES - 1), max_size=40).map(np.array)


@given(labels=LABELS)
def test_segments_repeat_to_the_labels_that_they_were_cut_from(labels):
    starts, ends, classes = segment_array(labels).T
    np.testing.assert_array_equal(np.repeat(classes, ends - starts), labels)


@given(labels=LABELS)
def test_segments_are_maximal_runs_in_time_order(labels):
    assert segment_array(labels).tolist() == [[s.start, s.end, s.label] for s in segments_from_labels(labels)]


def test_an_action_that_background_interrupts_counts_twice_unless_merged():
    labels = np.array([0, 1, 1, 0, 1, 2, 0])
    assert transcript(labels, [0]) == [1, 1, 2]
    assert transcript(labels, [0], merge=True) == [1, 2]
    assert transcript(labels) == [0, 1, 0, 1, 2, 0]
    assert transcript(labels, [0, 1, 2], merge=True) == []


# Task graph


def _brute_force_graph(videos: list[np.ndarray], background: list[int]) -> tuple[np.ndarray, np.ndarray]:
    pre, suc = np.zeros((NUM_CLASSES, NUM_CLASSES)), np.zeros((NUM_CLASSES, NUM_CLASSES))
    occurrences = [0] * NUM_CLASSES
    for labels in videos:
        actions: list[int] = []
        for label in labels.tolist():
            if label not in background and (not actions or actions[-1] != label):
                actions.append(label)
        for place, action in enumerate(actions):
            occurrences[action] += 1
            if place > 0:
                pre[actions[place - 1], action] += 1
            if place + 1 < len(actions):
                suc[actions[place + 1], action] += 1
    for action, count in enumerate(occurrences):
        if count:
            pre[:, action] /= count
            suc[:, action] /= count
    return pre, suc


@given(videos=st.lists(LABELS, max_size=6), background=st.sampled_from([[], [0], [0, 2]]))
def test_the_graph_equals_its_brute_force_twin(videos, background):
    graph = count_task_graph(videos, NUM_CLASSES, background)
    pre, suc = _brute_force_graph(videos, background)
    np.testing.assert_allclose(graph.pre, pre)
    np.testing.assert_allclose(graph.suc, suc)
    assert (graph.pre.sum(axis=0) <= 1 + 1e-12).all()


def test_a_graph_is_saved_with_its_classes_beside_it(tmp_path):
    graph = count_task_graph([np.array([0, 1, 2, 1, 0, 2])], 3, [0])
    save_task_graph(graph, ["rest", "cut", "mix"], tmp_path / "graph.json")
    saved = json.loads((tmp_path / "graph.json").read_text())
    assert saved == {
        "classes": ["rest", "cut", "mix"],
        "predecessors": graph.pre.tolist(),
        "successors": graph.suc.tolist(),
    }


def test_on_real_recordings_every_predecessor_has_its_successor(shared_folder: Path):
    layout = open_layout(shared_folder / "data" / "gtea")
    videos = [layout.labels(video) for video in layout.splits["1"]["train"]]
    graph = count_task_graph(videos, len(layout.class_names), layout.background)
    counts = np.zeros(len(layout.class_names))
    for labels in videos:
        np.add.at(counts, transcript(labels, layout.background, merge=True), 1)
    np.testing.assert_allclose(graph.pre * counts, (graph.suc * counts).T, atol=1e-9)
    assert graph.pre.sum() > 0
