"""Scores in one call: their examples run, and they agree with plain loops and with the evaluation of files."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc import metrics
from protas_gtcc.errors import InputError
from protas_gtcc.metrics import scores
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.predictions import Prediction

NAMES = ["class 0", "class 1", "class 2"]
LABELS = st.lists(st.integers(0, 2), min_size=1, max_size=20).map(np.array)


def test_the_examples_in_the_docstrings_run():
    found = doctest.testmod(scores)
    assert found.attempted >= 6
    assert not found.failed


def test_importing_the_metrics_loads_neither_torch_nor_pandas_nor_scipy_stats():
    slow = "{'torch', 'pandas', 'scipy.stats', 'numba'}"
    loaded = f"{slow} & set(sys.modules)"
    code = f"import sys, protas_gtcc; protas_gtcc.metrics.progress_error; assert not {loaded}, {loaded}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@given(st.lists(LABELS, min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_progress_errors_are_those_of_the_evaluation(videos, seed):
    random = np.random.default_rng(seed)
    reported = [random.random(len(labels)).astype(np.float32) for labels in videos]
    found = metrics.progress_error(reported, videos, [0], NAMES)
    expected = metrics.evaluate(videos, videos, [0], reported=reported, class_names=NAMES)["progress"]
    assert found.pop("background_false_progress") == pytest.approx(expected["background_false_progress"])
    for one, other in (
        (found.pop("per_class"), expected["predicted"].pop("per_class")),
        (found, {name: expected["predicted"][name] for name in AVERAGES}),
    ):
        assert one == pytest.approx(other)


def test_one_video_is_a_list_of_one_and_names_are_keys():
    labels, reported = np.array([0, 1, 1, 2]), np.array([0.2, 0.5, 0.5, 1.0])
    one = metrics.progress_error(reported, labels, [0], ["rest", "pour", "stir"])
    assert one == metrics.progress_error([reported], [labels], [0], ["rest", "pour", "stir"])
    assert one["per_class"] == {"pour": 0.25, "stir": 0}
    assert metrics.segmentation_scores(labels, labels, [0]) == metrics.segmentation_scores([labels], [labels], [0])


def test_evaluating_arrays_gives_the_figures_of_evaluating_predictions():
    random = np.random.default_rng(0)
    labels = [np.repeat(random.integers(0, 3, 6), random.integers(2, 9, 6)) for _ in range(4)]
    predicted = [np.roll(one, 1) for one in labels]
    reported = [random.random(len(one)).astype(np.float32) for one in labels]
    found = metrics.evaluate(predicted, labels, [0], reported=reported, training_labels=labels, fps=5.0)
    predictions = [Prediction(one, None, None, report) for one, report in zip(predicted, reported, strict=True)]
    assert metrics.evaluate(predictions, labels, [0], training_labels=labels, fps=5.0) == found
    triples = [(str(number), *pair) for number, pair in enumerate(zip(labels, predictions, strict=True))]
    expected = evaluate_videos(triples, labels, NAMES, [0], EvaluationInfo("x", "1", False, seed=0), 5.0).metrics
    for part in ("segmentation", "progress", "baselines", "margin", "intervals", "online"):
        assert found[part] == expected[part]


def test_people_are_named_for_each_video_or_not_at_all():
    with pytest.raises(InputError, match="1 people are named for 2 videos; name one for each video"):
        metrics.evaluate([[1], [1]], [[1], [1]], people=["P1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [[1, 1]]), r"video 0: reported progress are \[1\], labels \[2\]; expected \[T\]"),
        (([[0.5], [0.5]], [[1]]), "reported progress are of 2 videos, labels of 1"),
        (([0.5], ["pour"]), "labels of video 0 are .*; expected class ids"),
        (([0.5], [-1]), "expected class ids"),
        (([np.nan], [1]), "video 0: reported progress of predictor 0 is NaN at frame 0"),
        (([], []), "there is no video"),
        (([0.5], [3], [], ["rest"]), "labels hold class 3, but there are 1 class names"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message):
        metrics.progress_error(*arguments)
