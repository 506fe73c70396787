"""Rows of many videos are added up while they come: every figure and every interval stays the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protas_gtcc.metrics import left_out, row_sums
from protas_gtcc.metrics.evaluation import evaluate_videos
from protas_gtcc.metrics.intervals import leaves
from tests.test_evaluation import BACKGROUND, CLASSES, FPS, INFO, TRAIN, labels_of, shifted

VIDEOS = {f"test{seed}": labels_of(seed) for seed in range(14)}


def metrics(people: dict[str, str]) -> dict[str, Any]:
    triples = ((name, labels, shifted(labels)) for name, labels in VIDEOS.items())
    evaluated = evaluate_videos(triples, TRAIN.values(), CLASSES, BACKGROUND, replace(INFO), FPS, people=people)
    return evaluated.metrics


@pytest.mark.parametrize("who", ["three people", "nobody known", "one not known"])
def test_every_figure_is_the_same_however_many_videos_share_a_row(monkeypatch, who):
    people = {} if who == "nobody known" else {name: f"p{number % 3}" for number, name in enumerate(VIDEOS)}
    if who == "one not known":
        people["test5"] = ""
    for module in (left_out, row_sums):
        monkeypatch.setattr(module, "MOST_PARTS", 6)
    expected = metrics(people)
    monkeypatch.setattr(row_sums, "MOST_ROWS", 4)
    found = metrics(people)
    assert found["num_videos"] == 14
    assert found["num_people"] == expected["num_people"]
    values, others = (dict(leaves(one)) for one in (found, expected))
    assert values.keys() == others.keys()
    for path, value in values.items():
        other = others[path]
        if isinstance(value, float | list) and path != ("notes",):
            np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-12, err_msg=".".join(path))
        else:
            assert value == other, path


def test_what_is_kept_does_not_grow_with_the_videos(monkeypatch):
    monkeypatch.setattr(row_sums, "MOST_ROWS", 20)
    sums = row_sums.RowSums(together=True)
    for number in range(1000):
        sums.add({"counts": np.array([1, number])}, f"video{number}")
    (counts,) = sums.stacked().values()
    assert counts.shape == (left_out.MOST_PARTS, 2)
    assert counts.sum(axis=0).tolist() == [1000, 999 * 500]
    assert sums.is_added_up


def test_without_adding_up_each_video_keeps_its_row(monkeypatch):
    monkeypatch.setattr(row_sums, "MOST_ROWS", 2)
    sums = row_sums.RowSums(together=False)
    for number in range(5):
        sums.add({"counts": np.array([number])}, "one")
    assert sums.stacked()["counts"].tolist() == [[0], [1], [2], [3], [4]]
    assert not sums.is_added_up
