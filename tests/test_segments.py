"""Frames, segments, transcripts and the task graph: conversions lose nothing, and what is inconsistent is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protas_gtcc.annotations.segments import (
    Segment,
    labels_from_segments,
    segment_array,
    segments_from_labels,
    transcript,
)
from protas_gtcc.annotations.task_graph import count_task_graph, load_task_graph, save_task_graph
from protas_gtcc.errors import InputError
from protas_gtcc.layouts import open_layout

NUM_CLASSES = 4
LABELS = st.lists(st.integers(0, NUM_CLASSES - 1), max_size=40).map(np.array)


@given(labels=LABELS)
def test_labels_to_segments_and_back_is_the_identity(labels):
    segments = segments_from_labels(labels)
    np.testing.assert_array_equal(labels_from_segments(segments, len(labels)), labels)
    np.testing.assert_array_equal(labels_from_segments(reversed(segments), len(labels)), labels)
    assert sum(map(len, segments)) == len(labels)


@given(labels=LABELS)
def test_segments_are_maximal_runs_in_time_order(labels):
    segments = segments_from_labels(labels)
    assert segments == sorted(segments)
    for segment in segments:
        assert set(labels[segment.start : segment.end].tolist()) == {segment.label}
    for one, after in pairwise(segments):
        assert one.end == after.start
        assert one.label != after.label
    assert segment_array(labels).tolist() == [[s.start, s.end, s.label] for s in segments]


def test_a_gap_takes_the_class_that_is_named_for_it_and_is_refused_otherwise():
    segments = [Segment(4, 6, 2), Segment(1, 3, 1)]
    assert labels_from_segments(segments, 7, gap=0).tolist() == [0, 1, 1, 0, 2, 2, 0]
    with pytest.raises(InputError, match="no segment covers frame 0"):
        labels_from_segments(segments, 7)


def test_overlaps_and_segments_beyond_the_end_are_refused():
    with pytest.raises(InputError, match=r"start=2.*overlaps the segment before it"):
        labels_from_segments([Segment(0, 3, 1), Segment(2, 4, 1)], 4)
    with pytest.raises(InputError, match="ends after the last of 3 frames"):
        labels_from_segments([Segment(0, 4, 1)], 3)


@pytest.mark.parametrize(("start", "end"), [(3, 3), (3, 2), (-1, 2)])
def test_an_empty_or_negative_segment_is_refused(start, end):
    with pytest.raises(InputError, match="empty or negative"):
        Segment(start, end, 0)


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


def test_a_graph_is_read_back_as_it_was_saved_with_its_classes_beside_it(tmp_path):
    graph = count_task_graph([np.array([0, 1, 2, 1, 0, 2])], 3, [0])
    save_task_graph(graph, ["rest", "cut", "mix"], tmp_path / "graph.json")
    again = load_task_graph(tmp_path / "graph.json")
    np.testing.assert_array_equal(again.pre, graph.pre)
    np.testing.assert_array_equal(again.suc, graph.suc)
    assert json.loads((tmp_path / "graph.json").read_text())["classes"] == ["rest", "cut", "mix"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a task graph"),
        ("{", "is not a task graph"),
        ("[]", "is not a task graph"),
        ('{"classes": ["a"], "predecessors": [[0]]}', "is not a task graph"),
        ('{"predecessors": [[0]], "successors": [[0]]}', "is not a task graph"),
        ('{"classes": 3, "predecessors": [[0]], "successors": [[0]]}', "is not a task graph"),
        ('{"classes": ["a"], "predecessors": [["x"]], "successors": [[0]]}', "is not a task graph"),
        ('{"classes": ["a", "b"], "predecessors": [[0]], "successors": [[0]]}', r"\(1, 1\).*for 2 classes"),
        ('{"classes": ["a"], "predecessors": [[0]], "successors": [0]}', r"matrices are \(1, 1\) and \(1,\)"),
    ],
)
def test_a_file_that_is_no_graph_is_one_line(tmp_path, text, message):
    path = tmp_path / "graph.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_task_graph(path)


def test_on_real_recordings_every_predecessor_has_its_successor(shared_folder: Path):
    layout = open_layout(shared_folder / "data" / "gtea")
    videos = [layout.labels(video) for video in layout.splits["1"]["train"]]
    graph = count_task_graph(videos, len(layout.class_names), layout.background)
    counts = np.zeros(len(layout.class_names))
    for labels in videos:
        np.add.at(counts, transcript(labels, layout.background, merge=True), 1)
    np.testing.assert_allclose(graph.pre * counts, (graph.suc * counts).T, atol=1e-9)
    assert graph.pre.sum() > 0
    for labels in videos:
        np.testing.assert_array_equal(labels_from_segments(segments_from_labels(labels), len(labels)), labels)
