"""Learning a procedure: gradients, weights that are known, folds of people, and training videos that lack something."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.dataset.file import Dataset, DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.procedure import learning
from protas_gtcc.procedure.calibration import learn_procedure
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.evidence import LATER, NEXT, compiled_tables, find_features, score_next
from protas_gtcc.procedure.learning import (
    _later_loss,
    _minimise,
    _next_loss,
    fit_models,
    fold_people,
    step_features,
    without_each_fold,
)
from protas_gtcc.procedure.model import ProcedureModel, from_arrays
from protas_gtcc.procedure.result import CHANNELS
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures, steps_of
from protas_gtcc.procedure.truth import truth_of
from protas_gtcc.runs.procedures import learn
from tests.chained_procedures import CLASSES, FPS, SETTINGS, chain_model, labels_of, learn_from, training_video

PEOPLE = ["a", "b", "c"]
CHAINS = [labels_of([1, 2, 3, 4], seed) for seed in range(3)]


def assert_gradient(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], weights: np.ndarray) -> None:
    small = 1e-5 * np.eye(len(weights))
    expected = [(loss(weights + one)[0] - loss(weights - one)[0]) / 2e-5 for one in small]
    np.testing.assert_allclose(loss(weights)[1], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_finite_differences(seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(40, 6, NEXT))
    features[:, 2] = np.nan  # no step
    chosen = random.choice([0, 1, 3, 4, 5], 40)
    assert_gradient(lambda weights: _next_loss(weights, features, chosen), random.normal(size=NEXT))
    later, came, counts = random.normal(size=(30, LATER)), random.random(30) < 0.5, random.choice([0.5, 1], 30)
    assert_gradient(lambda weights: _later_loss(weights, later, came, counts), random.normal(size=LATER))


def test_losses_are_finite_however_large_the_scores_are():
    features, weights = np.full((2, 3, NEXT), 500.0), np.full(NEXT, 50.0)
    features[:, 1] *= -1
    value, gradient = _next_loss(weights, features, np.array([0, 1]))
    assert np.isfinite([value, *gradient]).all()
    later = np.repeat([[500.0], [-500.0]], LATER, axis=1)
    value, gradient = _later_loss(np.full(LATER, 50.0), later, np.array([False, True]), np.ones(2))
    assert np.isfinite([value, *gradient]).all()


def drawn_order(tables: ProcedureTables, weights: np.ndarray, random: np.random.Generator) -> list[int]:
    """Five steps, each drawn from the conditional logit after those before."""
    compiled, scores, order = compiled_tables(tables), np.empty(CLASSES), []
    done, last = np.zeros((2, CLASSES))
    features, later = np.empty((CLASSES, NEXT)), np.empty((CLASSES, LATER))
    for _ in range(5):
        find_features(compiled, 0, last, done, features, later)
        score_next(compiled, 0, weights, features, scores)
        order.append(int(random.choice(CLASSES, p=scores)))
        done[order[-1]], last = 1, np.eye(CLASSES)[order[-1]]
    return order


def test_weights_that_recordings_are_drawn_with_are_found_again():
    needs = np.eye(CLASSES, k=-1) * [0, 1, 0, 1, 0]
    tables = dataclasses.replace(chain_model()[0].tables, repeat=np.array([0, -0.5, -2, -1, -3]), needs=needs)
    true = np.array([0.5, -0.4, 0.3, 0.4, -0.5, 0.6, 0.3, -0.4, 0.3, 0.5])
    random, frames = np.random.default_rng(0), 10 * np.arange(5)
    recordings = [
        Recording(np.stack([frames, frames + 9, drawn_order(tables, true, random)], axis=1)) for _ in range(1500)
    ]
    found = step_features(tables, recordings, FPS)
    weights = _minimise(lambda given: _next_loss(given, found.next, found.chosen), NEXT)
    np.testing.assert_allclose(weights, true, atol=0.3)


def test_whether_a_step_comes_is_found_again():
    random, true = np.random.default_rng(0), np.linspace(-1, 1, LATER)
    features = random.normal(size=(20000, LATER))
    came = random.random(20000) < 1 / (1 + np.exp(-features @ true))
    found = _minimise(lambda given: _later_loss(given, features, came, np.ones(20000)), LATER)
    np.testing.assert_allclose(found, true, atol=0.06)


def test_what_counts_half_is_worth_half_of_two_copies():
    random = np.random.default_rng(0)
    later, came, weights = random.normal(size=(5, LATER)), np.array([True, False, True, True, False]), np.ones(LATER)
    twice = [0, 0, 1, 1, 2, 2, 3, 3, 4]
    once = _later_loss(weights, later[twice], came[twice], np.ones(9))
    found = _later_loss(weights, later, came, np.array([1, 1, 1, 1, 0.5]))
    assert found[0] == pytest.approx(once[0])
    np.testing.assert_allclose(found[1], once[1])


def test_a_missing_step_is_found_by_who_has_seen_complete_recordings_alone():
    orders = [[1, 2, 3, 4]] * 20 + [[1, 2, 4, 3], [2, 1, 3, 4], [1, 3, 2, 4], [2, 1, 4, 3]]
    videos = [labels_of(order, number) for number, order in enumerate(orders)]
    model, states = learn_from(videos, [f"person {number}" for number in range(24)])
    budget = 2 * model.smallest_budget(1)
    decoder = ProcedureDecoder(states, SETTINGS, [0], FPS, model, budget, ["missing"])

    def missing(order: list[int], seed: int) -> list[int]:
        labels = labels_of(order, seed)
        probs, frames = np.eye(CLASSES, dtype=np.float32)[labels], np.zeros(len(labels), dtype=np.int64)
        procedure = decoder.fresh().decode(frames, probs, None).procedure
        assert procedure is not None
        return [event.label for event in procedure.events if event.kind == "missing"]

    for step in (1, 2):  # 4 came before 3 twice
        assert missing([one for one in (1, 2, 3, 4) if one != step], 100 + step) == [step]
    assert [missing([1, 2, 3, 4], 200 + number) for number in range(5)] == [[]] * 5


@pytest.mark.parametrize("seed", range(5))
def test_folds_never_mix_people_and_have_every_recording_once(seed):
    random = np.random.default_rng(seed)
    people = random.choice(["", "a", "b", "c", "d", "e"], 40).tolist()
    folds = fold_people(people, 4)
    assert sorted(number for fold in folds for number in fold) == list(range(40))
    for person in set(people) - {""}:
        assert sum(any(people[number] == person for number in fold) for fold in folds) == 1
    assert len(folds) == 4


def test_tables_of_a_fold_have_not_counted_its_people():
    videos = [labels_of([1, 2, 3, 4]), labels_of([1, 2, 3, 4], 1), labels_of([4, 3, 2, 1], 2), labels_of([4, 3], 3)]
    states = count_transcripts(videos, CLASSES, SETTINGS, FPS)
    recordings = [Recording(steps_of(labels, [0])) for labels in videos]
    found = list(without_each_fold(recordings, ["a", "a", "b", "b"], states, [0], FPS))
    assert sorted(fold for fold, _ in found) == [[0, 1], [2, 3]]
    for fold, tables in found:
        assert tables.orders[:, 0].tolist() == ([4, 4] if fold == [0, 1] else [1, 1])


def assert_works(model: ProcedureModel, states: Any, labels: np.ndarray, background: list[int]) -> None:
    """It is a sound model, and what it reports of a video is finite."""
    from_arrays(model.arrays(), states, "here")
    decoder = ProcedureDecoder(states, SETTINGS, background, FPS, model)
    probs = np.eye(len(states.share), dtype=np.float32)[labels]
    procedure = decoder.decode(np.zeros(len(labels), dtype=np.int64), probs, None).procedure
    for name in CHANNELS:
        assert np.isfinite(getattr(procedure, name)).all(), name


@pytest.mark.parametrize("people", [["a"], ["a", "a", "a"]])
def test_one_person_or_one_video_learns_tables_but_calibrates_nothing(people):
    model, states = learn_from(CHAINS[: len(people)], people)
    assert model.smallest_budget() == np.inf
    assert (model.models.next_weights == 1).all()
    assert len(model.tables.orders) == len(people)
    assert_works(model, states, CHAINS[0], [0])


def test_videos_that_no_network_has_seen_as_new_are_counted_but_calibrate_nothing():
    states = count_transcripts(CHAINS, CLASSES, SETTINGS, FPS)
    videos = [training_video(*one)._replace(probs=None) for one in zip(CHAINS, PEOPLE, strict=True)]
    model = learn_procedure(videos, states, SETTINGS, [0], FPS)
    assert model.smallest_budget() == np.inf
    assert not (model.models.next_weights == 1).all()
    assert len(model.tables.orders) == 3


@pytest.mark.parametrize("idle", [0, 1, 2])
def test_a_video_without_an_action_and_a_person_who_does_none_are_learnt_from(idle):
    videos = [np.zeros(30, dtype=np.int64) if number == idle else labels for number, labels in enumerate(CHAINS)]
    model, states = learn_from(videos, PEOPLE)
    assert model.calibrations[0].false_alarms.size[0] == 3
    assert_works(model, states, videos[idle], [0])


def test_two_people_of_whom_one_does_nothing_are_learnt_from():
    model, states = learn_from([CHAINS[0], np.zeros(30, dtype=np.int64)], PEOPLE[:2])
    assert_works(model, states, CHAINS[0], [0])


def test_without_any_action_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no training recording has a step; give training videos with labels"):
        learn_from([np.zeros(30, dtype=np.int64)] * 2, PEOPLE[:2])


def test_a_dataset_without_background_is_learnt_from():
    videos = [labels[labels > 0] - 1 for labels in CHAINS]
    states = count_transcripts(videos, CLASSES - 1, SETTINGS, FPS)
    lessons = [
        training_video(labels, person, num_classes=4)._replace(truth=truth_of(steps_of(labels, [])))
        for labels, person in zip(videos, PEOPLE, strict=True)
    ]
    model = learn_procedure(lessons, states, SETTINGS, [], FPS)
    assert model.tables.is_step.all()
    assert_works(model, states, videos[0], [])


def test_a_class_that_is_never_seen_is_improbable_but_possible():
    model, states = learn_from([labels_of([1, 2, 3], seed) for seed in range(3)], PEOPLE)
    assert 0 < model.tables.share[4] < 0.2
    assert_works(model, states, labels_of([1, 4]), [0])


def test_a_task_of_one_recording_and_one_of_idle_recordings_are_learnt_from():
    videos = [*CHAINS, labels_of([4, 3]), np.zeros(20, dtype=np.int64)]
    tasks = ["cake", "cake", "cake", "tea", "wait"]
    states = count_transcripts(videos, CLASSES, SETTINGS, FPS, tasks)
    lessons = [
        training_video(labels, person, ["cake", "tea", "wait"].index(task))
        for labels, task, person in zip(videos, tasks, [*PEOPLE, "d", "e"], strict=True)
    ]
    model = learn_procedure(lessons, states, SETTINGS, [0], FPS)
    assert [model.tables.steps(task) for task in range(3)] == [[1, 2, 3, 4], [4, 3], []]
    for labels in (videos[0], videos[3], videos[4]):
        assert_works(model, states, labels, [0])


def test_a_step_that_others_hide_is_a_step_and_may_come():
    """Step 4 is annotated within step 2, so that no frame has its label."""
    labels = labels_of([1, 2, 3])
    start, end = np.flatnonzero(labels == 2)[[0, -1]].tolist()
    rows = [(1, 2, 9), (2, start, end), (4, start + 2, start + 3), (3, end + 4, end + 9)]
    track = Track(tuple(Step(*row) for row in rows), (), (Mistake(2, start, end, "Order Error"),))
    truth = truth_of(np.array([(start, end, label) for label, start, end in rows]), track)
    states = count_transcripts([labels] * 3, CLASSES, SETTINGS, FPS)
    lessons = [training_video(labels, person)._replace(truth=truth) for person in PEOPLE]
    model = learn_procedure(lessons, states, SETTINGS, [0], FPS)
    assert model.tables.share[4] > 0.8
    assert model.tables.orders[0].tolist() == [1, 2, 4, 3, -1]
    assert model.smallest_budget() == np.inf  # a mistake in each
    assert_works(model, states, labels, [0])


def test_a_step_that_is_no_state_of_its_task_is_left_out():
    videos, tasks = [labels_of([1, 2]), labels_of([3, 4])], ["cake", "tea"]
    states = count_transcripts(videos, CLASSES, SETTINGS, FPS, tasks)
    hidden = np.array([(2, 9, 1), (4, 5, 3), (11, 20, 2)])
    tables = count_procedures([Recording(hidden, 0), Recording(steps_of(videos[1], [0]), 1)], states, [0], FPS)
    assert tables.orders[0].tolist() == [1, 2, -1]


def test_a_step_that_no_training_frame_shows_is_named_once_with_its_number(tmp_path, caplog):
    videos = {f"{task}{number}": (labels_of(order, number), task) for number in range(3)
              for task, order in (("cake", [1, 2]), ("tea", [3, 4]))}  # fmt: skip
    info = DatasetInfo("kitchen", ["rest", "cut", "mix", "pour", "serve"], [0], FPS, {"1": {"train": [*videos]}})
    with write_dataset(tmp_path / "d.h5", info, {}) as writer:
        for name, (labels, task) in videos.items():
            rows = [Step(label, start, end) for start, end, label in steps_of(labels, [0]).tolist()]
            hidden = [Step(4, rows[1].start, rows[1].start + 1)] * (task == "cake" and name != "cake0")
            track = Track(tuple(sorted(rows + hidden, key=lambda one: one.start)))
            writer.add(Video(name, labels, {}, task, name, track=track))
    dataset = Dataset(tmp_path / "d.h5")
    learn(dataset, dataset.part("1", "train"), lambda _: None, SETTINGS)
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("step 'serve' of task 'cake' is annotated 2 times, but no training frame shows it: ")


def test_weights_do_not_depend_on_the_order_of_recordings():
    recordings = [Recording(steps_of(labels_of([1, 2, 3, 4], seed), [0])) for seed in range(6)]
    states = count_transcripts(CHAINS, CLASSES, SETTINGS, FPS)
    people = list("abcdef")
    one = fit_models(recordings, people, states, [0], FPS)
    other = fit_models(recordings[::-1], people[::-1], states, [0], FPS)
    np.testing.assert_allclose(one.next_weights, other.next_weights, atol=1e-3)
    np.testing.assert_allclose(one.later_weights, other.later_weights, atol=1e-3)


def test_of_many_recordings_a_part_is_fitted_on_and_always_the_same(monkeypatch):
    recordings = [Recording(steps_of(labels_of([1, 2, 3, 4], seed), [0])) for seed in range(9)]
    states, people = count_transcripts(CHAINS, CLASSES, SETTINGS, FPS), list("abcdefghi")
    counted: list[int] = []

    def count(recordings: list[Recording], *rest: Any) -> ProcedureTables:
        counted.append(len(recordings))
        return count_procedures(recordings, *rest)

    monkeypatch.setattr(learning, "count_procedures", count)
    monkeypatch.setattr(learning, "MOST_FITTED", 5)
    fitted = [fit_models(recordings, people, states, [0], FPS) for _ in range(2)]
    assert counted == [4] * 10, "each of five is left out once"
    np.testing.assert_array_equal(fitted[0].next_weights, fitted[1].next_weights)
    np.testing.assert_array_equal(fitted[0].later_weights, fitted[1].later_weights)


def test_of_many_recordings_of_a_task_a_part_of_the_orders_is_kept_and_all_else_counts_all(monkeypatch):
    recordings = [Recording(steps_of(labels_of([1, 2, 3, 4], seed), [0])) for seed in range(9)]
    states = count_transcripts(CHAINS, CLASSES, SETTINGS, FPS)
    whole = count_procedures(recordings, states, [0], FPS)
    monkeypatch.setattr("protas_gtcc.procedure.tables.MOST_ORDERS", 4)
    part = count_procedures(recordings, states, [0], FPS)
    assert (len(whole.orders), len(part.orders), len(part.orders_task)) == (9, 4, 4)
    assert {tuple(one) for one in part.orders} <= {tuple(one) for one in whole.orders}
    for name in {field.name for field in dataclasses.fields(whole)} - {"orders", "orders_task"}:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name), err_msg=name)
