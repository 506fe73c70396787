"""Tasks in the duration filter: counted apart, inferred by the filter or given to it."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.annotations.transcripts import TranscriptTables, check_tables, count_transcripts, known_tasks
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.decoder import DurationDecoder, NetworkResult
from protas_gtcc.decoding.rule import TINY
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import CHANNELS, Prediction
from tests.test_decoding import ALONE, FPS, SETTINGS, TRAINING, chain, quantile, state_weights, video

CAKE = [video((0, 3), (1, 9), (2, 20)), video((1, 12), (2, 25), (0, 5))]
TEA = [video((0, 2), (2, 6), (3, 14)), video((2, 4), (3, 30), (0, 2)), video((3, 22), (2, 5))]
TABLES = count_transcripts([*CAKE, *TEA], 4, SETTINGS, FPS, ["cake"] * 2 + ["tea"] * 3)


def decoded(
    probs: np.ndarray,
    progress: np.ndarray | None = None,
    settings: DecodingConfig = SETTINGS,
    tables: TranscriptTables = TABLES,
    task: int = 0,
) -> Prediction:
    decoder = DurationDecoder(tables, settings, [0], FPS).fresh(task=task)
    return decoder.decode(np.zeros(len(probs), dtype=np.int64), probs, progress)


def random_frames(num_frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and progress of four classes."""
    random = np.random.default_rng(seed)
    probs = random.dirichlet(np.ones(4), num_frames).astype(np.float32)
    return probs, random.random((num_frames, 4)).astype(np.float32)


class Twin(NamedTuple):
    """What the whole Markov chain over all states of all tasks gives, frame by frame."""

    classes: np.ndarray
    tasks: np.ndarray
    progress: np.ndarray


HAS_CLASS = np.array([[((TABLES.state_class == c) & (TABLES.state_task == k)).any() for c in range(4)] for k in (0, 1)])
IS_ACTION = np.array([False, True, True, True])


def shared_among(tasks: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Probabilities `[C]` of which that of all actions is shared by how likely the tasks are that have them."""
    own = probs * (tasks @ HAS_CLASS) * IS_ACTION
    return np.where(IS_ACTION, own * probs[IS_ACTION].sum() / own.sum(), probs)


def twin(probs: np.ndarray, settings: DecodingConfig, task: int = 0) -> Twin:
    """The slow, obvious filter: one dense matrix."""
    begins, move, states, low, high, _ = chain(TABLES, settings)
    labels, tasks = TABLES.state_class[states], TABLES.state_task[states]
    if task:
        begins = np.where(tasks == task - 1, begins, 0)
    mass, found = begins, Twin(*(np.zeros((size, len(probs))) for size in (4, 2, 4)))
    for t, weights in enumerate(state_weights(probs, TABLES, settings)):
        mass = (begins if t == 0 else mass @ move) * weights[states]
        mass = mass / mass.sum()
        if not task:
            mass = mass * np.maximum(TINY / np.bincount(tasks, mass), 1)[tasks]
        of_task = np.bincount(tasks, mass, minlength=2)
        network = (probs[t] / TABLES.share**settings.prior_exponent) ** (1 / settings.temperature)
        network = shared_among(of_task, network / network.sum())
        share = settings.network_class_share
        found.tasks[:, t] = of_task
        found.classes[:, t] = (1 - share) * np.bincount(labels, mass, minlength=4) + share * network
        for label in range(4):
            own = mass * (labels == label)
            found.progress[label, t] = quantile(low, high, own, 0.5) if own.any() else 0.5
    return found


@pytest.mark.parametrize("task", [0, 1, 2])
def test_classes_and_tasks_are_those_of_the_dense_chain(task):
    probs, _ = random_frames(50)
    settings = dataclasses.replace(SETTINGS, network_progress_share=0.0, progress_doubt=0.0)
    found, expected = decoded(probs, None, settings, task=task), twin(probs, settings, task)
    np.testing.assert_allclose(found.probs, expected.classes, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.task_probs, expected.tasks, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.task_probs.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(found.progress, expected.progress, atol=1e-3)


def test_what_a_network_gives_to_steps_of_other_tasks_does_not_become_background():
    settings = dataclasses.replace(SETTINGS, doubt=0.0, prior_exponent=0.0)
    torn, sure = (
        np.tile(np.array(frame, np.float32), (40, 1)) for frame in ([0.3, 0.1, 0.0, 0.6], [0.3, 0.7, 0.0, 0.0])
    )
    of_cake = decoded(torn, settings=settings, task=1)  # class 3 is of tea alone
    np.testing.assert_allclose(of_cake.probs, decoded(sure, settings=settings, task=1).probs, atol=1e-6)
    assert set(of_cake.labels[1:].tolist()) == {1}


def test_a_given_task_without_an_action_is_background():
    tables = count_transcripts([*CAKE, video((0, 20))], 4, SETTINGS, FPS, ["cake", "cake", "rest"])
    found = decoded(random_frames(20)[0], tables=tables, task=2)
    np.testing.assert_allclose(found.probs[0], 1, atol=1e-6)
    assert not found.labels.any()


@pytest.mark.parametrize("frame", [[0, 0, 0, 1], [0.3, 0, 0, 0.7], [1, 0, 0, 0]])
def test_without_a_filter_the_actions_of_a_given_task_share_what_all_actions_have(frame):
    decoder = DurationDecoder(TABLES, SETTINGS, [0], FPS).fresh(task=1)
    probs = np.array([frame], dtype=np.float32)
    own = decoder.within_task(NetworkResult(np.log(probs + TINY), probs, None), np.zeros(1, dtype=np.int64)).probs
    np.testing.assert_allclose(own, [[frame[0], (1 - frame[0]) / 2, (1 - frame[0]) / 2, 0]], atol=1e-6)


@pytest.mark.parametrize("task", [1, 2])
def test_a_given_task_is_the_filter_of_that_task_alone(task):
    probs, progress = random_frames(60)
    found = decoded(probs, progress, task=task)
    absent = 3 if task == 1 else 1
    assert absent not in found.labels
    assert not found.probs[absent].any()
    np.testing.assert_array_equal(found.task_probs[task - 1], 1)
    alone = TABLES.of_task(task - 1)
    settings = dataclasses.replace(SETTINGS, network_class_share=0.0)
    given, expected = (decoded(probs, progress, settings, *one) for one in ((TABLES, task), (alone,)))
    for name in ("labels", "reported", *CHANNELS):
        if name != "task_probs":
            # Remaining times are interpolated between points that reach to the longest segment of all tasks.
            close = 1e-2 if name.startswith("remaining") else 1e-6
            np.testing.assert_allclose(getattr(given, name), getattr(expected, name), close, 1e-6, err_msg=name)


def test_frames_of_one_task_alone_make_that_task_likely():
    cake, tea = (decoded(0.9 * np.eye(4)[labels] + 0.025).task_probs for labels in (CAKE[0], TEA[0]))
    assert cake[0, -1] > 0.95
    assert tea[1, -1] > 0.95
    np.testing.assert_allclose(
        decoded(np.ones((1, 4)), settings=dataclasses.replace(ALONE, evidence=0.0)).task_probs[:, 0], [0.4, 0.6]
    )


def test_a_task_comes_back_however_long_another_one_was_likely():
    labels = np.concatenate([np.tile(TEA[0], 30), np.tile(CAKE[0], 4)])
    tasks = decoded(0.996 * np.eye(4)[labels] + 0.001, settings=dataclasses.replace(ALONE, evidence=1e3)).task_probs
    assert tasks[0, : -4 * len(CAKE[0])].min() == pytest.approx(TINY)
    assert tasks[0, -1] > 0.99


def test_the_least_probability_of_a_task_is_that_of_the_dense_chain():
    labels = np.tile(TEA[0], 3)
    probs, settings = 0.996 * np.eye(4)[labels] + 0.001, dataclasses.replace(SETTINGS, evidence=1e3)
    np.testing.assert_allclose(decoded(probs, None, settings).task_probs, twin(probs, settings).tasks, rtol=1e-3)


def test_streams_of_different_tasks_do_not_affect_each_other():
    probs, _ = random_frames(30)
    three = DurationDecoder(TABLES, SETTINGS, [0], FPS).fresh(3)
    for stream in range(3):
        three.give_task(stream, stream)
    found = [three.decode(np.arange(3), np.repeat(frame[None], 3, axis=0), None) for frame in probs]
    for stream in range(3):
        expected = decoded(probs, task=stream)
        for name in ("probs", "task_probs"):
            together = np.stack([getattr(one, name)[:, stream] for one in found], axis=1)
            np.testing.assert_array_equal(together, getattr(expected, name))


def test_a_state_is_a_class_that_a_task_shows_and_is_counted_within_the_task():
    tables = count_transcripts(
        [*CAKE, *TEA], 5, DecodingConfig(spread=0.0, num_lengths=4), FPS, ["cake"] * 2 + ["tea"] * 3
    )
    assert tables.state_class.tolist() == [0, 1, 2, 0, 2, 3]
    assert tables.state_task.tolist() == [0, 0, 0, 1, 1, 1]
    cake = count_transcripts(CAKE, 3, DecodingConfig(spread=0.0, num_lengths=4), FPS)
    np.testing.assert_allclose(tables.first[:3], 2 / 5 * cake.first)
    np.testing.assert_allclose(tables.following[:3, :3], cake.following)
    np.testing.assert_allclose(tables.lengths[:3], cake.lengths)
    assert not tables.following[:3, 3:].any()
    assert not tables.following[3:, :3].any()
    assert tables.first.sum() == pytest.approx(1)
    assert len(tables.share) == 5
    check_tables(tables, 5, "here")


def counted_before(videos: list[np.ndarray], num_classes: int) -> dict[str, np.ndarray]:
    """Order and shares as they were counted before there were tasks, by plain loops."""
    count, first = np.zeros(num_classes), np.zeros(num_classes)
    frames, pairs = np.zeros(num_classes), np.zeros((num_classes, num_classes))
    every = []
    for labels in videos:
        segments = segment_array(labels)
        first[segments[0, 2]] += 1
        for start, end, label in segments:
            count[label] += 1
            frames[label] += end - start
            every.append(end - start)
        for (_, _, one), (_, _, other) in pairwise(segments):
            pairs[one, other] += 1
    share = (count + 1) / (count.sum() + num_classes)
    frames += np.median(every)
    pairs = (pairs + share) * (1 - np.eye(num_classes))
    return {
        "share": frames / frames.sum(),
        "first": (first + share) / (first + share).sum(),
        "following": pairs / pairs.sum(axis=1, keepdims=True),
        "typical": np.median(np.array(every) / FPS, keepdims=True),
    }


@pytest.mark.parametrize("tasks", [[], ["cake"] * 3, ["cake", "", "tea"], [""] * 3])
def test_with_at_most_one_known_task_every_number_is_what_it_was_without_tasks(tasks):
    """Class 3 has no segment, and is a state all the same."""
    tables = count_transcripts(TRAINING, 4, SETTINGS, FPS, tasks)
    assert tables.num_tasks == 1
    np.testing.assert_array_equal(tables.state_class, np.arange(4))
    for name, values in counted_before(TRAINING, 4).items():
        np.testing.assert_array_equal(getattr(tables, name), values, err_msg=name)
    np.testing.assert_array_equal(tables.lengths, count_transcripts(TRAINING, 4, SETTINGS, FPS).lengths)
    probs, progress = random_frames(20)
    found = decoded(probs, progress, tables=tables)
    assert found.task_probs is None
    plain = TranscriptTables(tables.lengths, tables.typical, tables.share, tables.first, tables.following)
    np.testing.assert_array_equal(decoded(probs, progress, tables=plain).probs, found.probs)


def test_names_of_tasks_are_known_where_every_video_has_one():
    assert known_tasks(["tea", "cake", "tea"]) == ["cake", "tea"]
    assert known_tasks(["tea", ""]) == known_tasks([]) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state_class": np.array([0, 1, 2, 0, 2, 4])}, "states are not 4 classes"),
        ({"state_class": np.array([0, 2, 1, 0, 2, 3])}, "states are not 4 classes"),
        ({"state_class": np.array([0, 1, 2, 0, 2])}, "states are not 4 classes"),
        ({"state_class": np.arange(6) / 2}, "states are not 4 classes"),
        ({"state_task": np.array([0, 0, 0, 2, 2, 2])}, "states are not 4 classes"),
        ({"state_task": np.array([1, 1, 1, 2, 2, 2])}, "states are not 4 classes"),
        ({"state_task": np.zeros(6, dtype=np.int64)}, "states are not 4 classes"),
        ({"following": np.full((6, 6), 1 / 6)}, "tasks are mixed"),
        ({"first": np.array([0.5, 0.3, 0.2, 0, 0, 0])}, "or one never begins"),
        ({"lengths": TABLES.lengths[:4]}, "the filter's lengths is"),
    ],
)
def test_states_that_cannot_be_are_refused(changed, message):
    check_tables(TABLES, 4, "here")
    with pytest.raises(InputError, match=message):
        check_tables(dataclasses.replace(TABLES, **changed), 4, "here")


def test_a_state_of_a_stream_that_believes_in_another_task_than_the_given_one_is_refused():
    decoder = DurationDecoder(TABLES, SETTINGS, [0], FPS).fresh()
    decoder.decode(np.zeros(5, dtype=np.int64), random_frames(5)[0], None)
    state = {name: values.clone() for name, values in decoder.state(0).items()}
    decoder.require_state(state)
    for task, message in ((1, "another task than the given one"), (3, "task 2 is none"), (-1, "is none of the model")):
        state["task"][0] = task
        with pytest.raises(InputError, match=message):
            decoder.require_state(state)
