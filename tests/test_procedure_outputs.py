"""Where a procedure shows: in streams and their states, lines, the terminal, the server, files and the page."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from protas_gtcc.cli.shared import predicted_lines
from protas_gtcc.errors import InputError
from protas_gtcc.export import lacks
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.live import pipeline
from protas_gtcc.live.procedure_lines import checklist, procedure_texts
from protas_gtcc.live.row_sources import info_of
from protas_gtcc.live.sinks import JsonLines
from protas_gtcc.live.terminal import Terminal
from protas_gtcc.metrics.predicted_procedures import predicted_procedure
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.procedure.result import REASONS, Event
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.sessions import Sessions
from protas_gtcc.streaming.following import Following
from tests.mstcn_folder import exit_code
from tests.test_live import Frames
from tests.test_serve import running
from tests.tiny_models import DIM, TASKS, make_model
from tests.tiny_procedures import FPS, MIXED_UP, assert_same_procedure, features_of, make_procedure_model

FEATURES = features_of(MIXED_UP)
KINDS = ["out of order", "taking too long", "missing", "done", "done", "repeated"]
"""What happens in these, in order."""


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """One with alarms: its few short recordings vouch for a large budget only."""
    made = make_procedure_model()
    made.set_alarms(1000.0)
    return made


@pytest.fixture
def checkpoint(model, tmp_path, monkeypatch) -> str:
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    np.save(tmp_path / "cake.npy", FEATURES)
    monkeypatch.chdir(tmp_path)
    return "model.safetensors"


def named(events: tuple[Event, ...]) -> list[tuple[str, int, int]]:
    return [(event.kind, event.label, event.frame) for event in events]


# Streams


@pytest.mark.parametrize("sizes", [[1] * len(FEATURES), [5, 20, 1, 60], [len(FEATURES)]])
def test_each_event_comes_once_whatever_the_chunks(model, sizes):
    expected = model.predict(FEATURES)
    assert [event.kind for event in expected.procedure.events] == KINDS
    stream, events = model.stream(), []
    for chunk in np.split(FEATURES, np.cumsum(sizes)[:-1]):
        first, part = stream.num_frames, stream.step(chunk).procedure
        assert all(event.frame == first + event.at for event in part.events)
        events += part.events
    assert named(tuple(events)) == named(expected.procedure.events) == named(stream.events)


@pytest.mark.parametrize("cut", [1, 18, 40])
def test_a_saved_stream_keeps_its_events_and_repeats_none(model, tmp_path, cut):
    expected, before, after = model.predict(FEATURES), model.stream(), model.stream()
    before.step(FEATURES[:cut])
    before.save(tmp_path / "state")
    after.load(tmp_path / "state")
    assert after.events == before.events
    later = after.step(FEATURES[cut:]).procedure
    assert named(later.events) == [one for one in named(expected.procedure.events) if one[2] >= cut]
    np.testing.assert_allclose(later.left_seconds, expected.procedure.left_seconds[cut:], rtol=1e-4)
    for kept, whole in zip(after.events, expected.procedure.events, strict=True):
        assert kept.confidence == pytest.approx(whole.confidence, abs=1e-5)
    assert named(after.events) == named(expected.procedure.events)
    after.reset()
    assert after.events == ()


def test_a_state_is_continued_with_another_budget(model, tmp_path):
    before, quiet = model.stream(), make_procedure_model()
    before.step(FEATURES[:18])
    before.save(tmp_path / "state")
    quiet.set_alarms(None)
    stream = quiet.stream()
    stream.load(tmp_path / "state")
    assert {event.kind for event in stream.step(FEATURES[18:]).procedure.events} == {"done"}
    assert [event.kind for event in stream.events] == [*KINDS[:2], "done", "done"]


@pytest.mark.parametrize("name", ["happened", "confidence", "done"])
def test_a_state_with_impossible_events_is_refused(model, name):
    stream = model.stream()
    stream.step(FEATURES[:18])
    state = stream.state_dict()
    state[f"procedure_{name}"].fill_(99)
    with pytest.raises(InputError, match="this is no state of such a stream"):
        model.stream().load_state_dict(state)


def test_a_state_that_remembers_more_than_is_looked_at_is_refused(model, monkeypatch):
    monkeypatch.setattr("protas_gtcc.procedure.following.MOST", 5)
    stream = model.stream()
    stream.step(FEATURES[:18])
    state = stream.state_dict()
    stream.load_state_dict(state)
    state["procedure_known"].fill_(1)
    with pytest.raises(InputError, match="more than 5 states are up to date"):
        stream.load_state_dict(state)


def test_what_happens_in_dropped_frames_comes_with_the_frame_that_stands_for_them(model):
    source = Frames(np.repeat(FEATURES[25:26], 60, axis=0))
    following = Following(model.stream(), source, buffer=1, when_behind="drop")
    following._thread.join()  # now all frames but the last are dropped
    (followed,) = following.step()
    assert followed.frame == followed.dropped == 59
    expected = model.predict(source.frames).procedure.events
    assert expected
    assert max(event.frame for event in expected) < 59
    assert named(followed.procedure.events) == named(expected)
    assert {event.at for event in followed.procedure.events} == {0}


def test_streams_side_by_side_have_their_own_events(model):
    streams = model.streams(2)
    events = [
        event
        for frame in FEATURES
        for event in streams.step(np.stack([frame, FEATURES[0]])).procedure.events
        if event.at == 0
    ]
    assert named(tuple(events)) == named(streams.stream(0).events) == named(model.predict(FEATURES).procedure.events)
    assert streams.stream(1).events == ()


# Alarms and steps


def test_steps_of_a_task_are_in_their_usual_order_without_background(model):
    assert model.tasks == TASKS
    assert model.task_steps == [[1, 2], [2, 3]]
    assert make_model().task_steps == []


def test_a_model_states_its_budget_and_what_that_promises(model):
    assert model.alarms.reasons == REASONS
    assert model.alarms.promise.startswith(
        "on average, at most 1000 an hour should be false, in recordings like the 6 "
    )
    assert model.alarms.promise in str(model)
    assert make_procedure_model().alarms is None, "six short recordings do not vouch for one an hour"
    assert make_model().alarms is None


def test_only_alarms_of_the_wanted_reasons_are_raised():
    model = make_procedure_model()
    model.set_alarms(1000.0, ["repeated"])
    assert model.alarms.reasons == ("repeated",)
    assert {event.kind for event in model.predict(FEATURES).procedure.events} == {"done", "repeated"}


# Lines and the terminal


def lines(model: TrainedModel, features: np.ndarray = FEATURES) -> list[dict[str, Any]]:
    out = io.StringIO()
    pipeline.run(model.stream(), Frames(features), [JsonLines(out, model.class_names, 5.0, tasks=model.tasks)])
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_the_procedure_and_what_happened_at_its_frame(model):
    found, expected = lines(model), model.predict(FEATURES).procedure
    events = [event for line in found for event in line["procedure"]["events"]]
    assert [(one["kind"], one["label"], one["frame"]) for one in events] == named(expected.events)
    assert events[0] == {
        "kind": "out of order",
        "label": 2,
        "name": "mix",
        "frame": 7,
        "confidence": pytest.approx(expected.events[0].confidence, abs=1e-4),
        "seconds": 1.4,
    }
    last = found[-1]["procedure"]
    assert last["done"] == [1, 2]
    assert last["next"] == model.class_names[expected.next_probs[:, -1].argmax()]
    assert last["progress"] == pytest.approx(expected.progress[-1], abs=1e-4)
    ends = last["time_left_low_seconds"], last["time_left_seconds"], last["time_left_high_seconds"]
    assert ends == pytest.approx(
        [expected.left_interval[0, -1], expected.left_seconds[-1], expected.left_interval[1, -1]], abs=0.01
    )


def test_lines_of_a_model_without_procedures_have_none():
    assert all("procedure" not in line for line in lines(make_model(), FEATURES[:3]))


def test_the_terminal_shows_done_next_left_and_the_alarms(model):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    terminal = Terminal(console, model.facts, 5.0, model.task_steps, model.tasks)
    pipeline.run(model.stream(), Frames(FEATURES), [terminal])
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert re.search(r"task cake \(inferred, \d+%\)", shown)
    assert re.search(r"2 of 2 steps done, procedure \d+%\s+next (cut|mix) \(\d+%\) in 0:\d\d", shown)
    assert re.search(r"time left 0:\d\d \(0:\d\d to 0:\d\d\)", shown)
    view = shown[shown.rindex("time left") :]
    alarms = ["out of order: mix (11%)", "taking too long: mix (53%)", "missing: cut (22%)", "repeated: cut"]
    assert sorted(alarms, key=view.index) == alarms


def test_steps_are_listed_once_a_task_is_likelier_than_all_others_together(model):
    assert checklist(model.task_steps, 1, 0.51) == [2, 3]
    assert checklist(model.task_steps, 1, 0.5) is None
    assert checklist([[4, 5]], None, None) == [4, 5], "of a model of one task"
    (text, *_) = procedure_texts(model.predict(FEATURES).procedure.at(0), None, model.class_names)
    assert text.plain == "which task this is, is not clear yet"


# Files


def test_predict_writes_columns_and_a_file_of_events(checkpoint, model):
    given = ("predict", checkpoint, "cake.npy", "--out", "out", "--no-pictures", "--false-alarms-per-hour", "1000")
    assert exit_code(*given) == 0
    expected = open_predictions("out/predictions.h5").read("cake")
    assert_same_procedure(expected, model.predict(FEATURES))
    table = pd.read_csv("out/cake.csv")
    np.testing.assert_allclose(table["time_left_seconds"], expected.procedure.left_seconds, atol=1e-4)
    np.testing.assert_allclose(table["procedure_progress"], expected.procedure.progress, atol=1e-4)
    np.testing.assert_allclose(table["next_probability"], expected.procedure.next_probs.max(axis=0), atol=1e-4)
    assert table["next"].tolist() == [model.class_names[one] for one in expected.procedure.next_probs.argmax(axis=0)]
    assert (table["next_low_seconds"] <= table["next_seconds"]).all()
    assert open_predictions("out").read("cake").procedure is None, "the columns are not read"
    found = json.loads(Path("out/cake.procedure.json").read_text(encoding="utf-8"))
    assert (found["video"], found["task"]) == ("cake", "cake")
    assert [event["kind"] for event in found["events"]] == KINDS
    assert found["events"][0]["seconds"] == 1.4
    assert found["transcript"] == ["mix", "cut"]
    assert [(step["name"], step["done_seconds"]) for step in found["steps"]] == [("cut", 6.2), ("mix", 3.8)]
    assert found["alarms"]["false_alarms_per_hour"] == 1000
    assert found["alarms"]["promise"] == model.alarms.promise
    assert (found["task_given"], found["not_done"]) == (False, [])
    assert found["time_left_seconds"] == pytest.approx(expected.procedure.left_seconds[-1], abs=0.01)
    assert found["next"] == table["next"].iloc[-1]


def test_a_step_that_is_no_longer_done_at_the_end_has_no_time(model):
    prediction, info = model.predict(FEATURES, task="cake"), info_of(model, FPS)
    prediction.procedure.done[2, -1] = 0.4
    found = predicted_procedure("cake", prediction, info, model.task_steps, model.alarms, task_given=True)
    assert [(step["name"], step["done_seconds"]) for step in found["steps"]] == [("cut", 6.2), ("mix", None)]
    assert (found["transcript"], found["not_done"], found["task_given"]) == (["cut"], ["mix"], True)
    assert [event["name"] for event in found["events"] if event["kind"] == "done"] == ["mix", "cut"]


def test_predict_prints_task_steps_and_alarms_below_the_segments(checkpoint, capsys):
    given = ("predict", checkpoint, "cake.npy", "--no-pictures", "--false-alarms-per-hour", "1000")
    assert exit_code(*given) == 0
    printed = capsys.readouterr().out
    assert re.search(r"\n  task cake \(inferred, \d+%\); 2 of 2 steps done\n", printed)
    assert (
        "alarms: 0:01 out of order: mix, 0:03 taking too long: mix, 0:04 missing: cut, 0:14 repeated: cut"
        in " ".join(printed.split())
    )
    assert "\n  more in cake.procedure.json\n" in printed
    assert exit_code(*given[:-1], "0", "--task", "tea") == 0
    printed = capsys.readouterr().out
    assert "\n  task tea (given); " in printed
    assert "\n  no alarms are raised; 'protas-gtcc check' names the budgets that can be kept\n" in printed
    assert exit_code(*given, "--json") == 0
    assert set(json.loads(capsys.readouterr().out)) == {"predictions", "videos", "broken"}


def test_a_budget_of_0_raises_no_alarm(checkpoint):
    assert exit_code("predict", checkpoint, "cake.npy", "--out", "out", "--false-alarms-per-hour", "0") == 0
    found = json.loads(Path("out/cake.procedure.json").read_text(encoding="utf-8"))
    assert found["alarms"] is None
    assert {event["kind"] for event in found["events"]} == {"done"}


def test_names_of_steps_are_not_cut_at_hyphens():
    steps = [{"name": f"step-with-a-long-name-{number}"} for number in range(5)]
    found = {"steps": steps, "not_done": [step["name"] for step in steps], "events": [], "alarms": None}
    lines = predicted_lines.Lines()
    lines.add("tea", [], found)
    printed = "\n".join(lines.all())
    assert [step["name"] in printed for step in steps] == [True] * 4 + [False]  # the fifth is counted


def test_a_file_of_events_does_not_outlive_its_prediction(checkpoint):
    assert exit_code("predict", checkpoint, "cake.npy", "--out", "out", "--no-pictures") == 0
    assert Path("out/cake.procedure.json").exists()
    plain = make_model()
    save_checkpoint(Path("plain.safetensors"), plain.network, plain.facts)
    assert exit_code("predict", "plain.safetensors", "cake.npy", "--out", "out", "--no-pictures") == 0
    assert not Path("out/cake.procedure.json").exists()


def test_a_reason_of_alarms_does_not_take_the_file_behind_it(checkpoint):
    flags = ("--false-alarms-per-hour", "1000", "--alarms", "repeated", "--alarms", "missing")
    assert exit_code("predict", checkpoint, *flags, "cake.npy", "--out", "out", "--no-pictures") == 0
    found = json.loads(Path("out/cake.procedure.json").read_text(encoding="utf-8"))
    assert found["alarms"]["reasons"] == ["missing", "repeated"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--false-alarms-per-hour 1", "1 false alarms an hour cannot be promised with 6 held-out recordings without"),
        ("--alarms missing", "for missing; give at least 110.21"),
        ("--false-alarms-per-hour -1", "--false-alarms-per-hour is -1.0; it must be from 0 to 3600"),
        ("--false-alarms-per-hour nan", "--false-alarms-per-hour is nan; it must be from 0 to 3600"),
        ("--false-alarms-per-hour many", "expected a number, not 'many'"),
        ("--alarms late", "late"),
        ("--alarms missing repeated", "--alarms takes one value; repeat it for each: --alarms missing --alarms rep"),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "stream", "serve"])
def test_a_budget_that_cannot_be_kept_is_refused_in_one_line(checkpoint, capsys, verb, flags, message):
    source = () if verb == "serve" else ("cake.npy",)
    assert exit_code(verb, checkpoint, *source, *flags.split()) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_smallest_budget_that_the_message_names_can_be_kept():
    model = make_procedure_model()
    with pytest.raises(InputError, match="give at least ") as refused:
        model.set_alarms(1.0)
    model.set_alarms(float(str(refused.value).rpartition(" ")[2]))


def test_check_lists_the_tasks_of_a_model_their_steps_and_the_smallest_budget(checkpoint, capsys):
    assert exit_code("check", checkpoint) == 0
    printed = capsys.readouterr().out
    assert "  task cake, 2 steps in their usual order\n    1 cut\n    2 mix\n  task tea, " in printed
    assert "; smallest budget 440.82 an hour, 110.21 for one reason\n" in printed
    assert exit_code("check", checkpoint, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0] == {"name": "cake", "steps": [1, 2]}


@pytest.mark.parametrize("flags", [("--fps", "5"), ("--resample-to", "1"), ("--subject-pattern", "P")])
def test_check_of_a_model_refuses_the_flags_of_datasets(checkpoint, capsys, flags):
    assert exit_code("check", checkpoint, *flags) != 0
    assert "flags of rates and of layouts are for datasets" in capsys.readouterr().err


def test_check_lists_the_steps_of_no_model_that_follows_no_procedures(tmp_path, capsys):
    plain = make_model()
    save_checkpoint(tmp_path / "plain.safetensors", plain.network, plain.facts)
    assert exit_code("check", tmp_path / "plain.safetensors") == 0
    assert capsys.readouterr().out.endswith("  its steps are not known\n")


@pytest.mark.parametrize("budget", ["x", -1.0, float("nan"), True])
def test_a_budget_that_is_no_number_from_0_is_refused(model, budget):
    with pytest.raises(InputError, match=r"^the budget is .*; give false alarms an hour, a number of 0 or more, or "):
        unwrap(TrainedModel.set_alarms)(model, budget)  # without the tests' check of types


def test_a_model_without_procedures_raises_no_alarms_and_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = make_model()
    save_checkpoint(Path("plain.safetensors"), plain.network, plain.facts)
    np.save("cake.npy", FEATURES)
    assert exit_code("predict", "plain.safetensors", "cake.npy", "--false-alarms-per-hour", "1") == 1
    assert "the model has not learnt procedures, so it raises no alarms; train it again" in capsys.readouterr().err


# The server


def test_results_of_the_server_have_the_procedure_and_a_late_watcher_gets_all_events(model):
    sessions = Sessions(model, Limits(connections=2, frames_a_message=200, frames_a_second=1e6))
    person = sessions.begin("anna")
    results = json.loads(sessions.push(person, FEATURES.tobytes()))
    assert [event["kind"] for one in results for event in one["procedure"]["events"]] == KINDS
    assert not any(one["task_given"] for one in results)
    before = json.loads(person.history.text(person.events))
    assert [event["kind"] for event in before[0]["events"]] == KINDS
    assert before[-1]["frame"] == len(FEATURES) - 1


def test_a_resumed_stream_shows_its_events_and_repeats_none(model, tmp_path):
    limits = Limits(connections=2, frames_a_message=200, frames_a_second=1e6)
    first = Sessions(model, limits, tmp_path)
    person = first.begin("anna")
    first.push(person, FEATURES[:20].tobytes())
    first.end(person)
    asyncio.run(first.save())
    again = Sessions(model, limits, tmp_path).begin("anna", resume=True)
    assert [event["kind"] for event in again.events] == KINDS[:4]
    results = json.loads(Sessions.push(first, again, FEATURES[20:].tobytes()))
    assert [event["kind"] for one in results for event in one["procedure"]["events"]] == KINDS[4:]


@contextmanager
def serving(model: TrainedModel) -> Iterator[str]:
    """A server of a model; its address."""
    limits = Limits(frames_a_message=200, frames_a_second=1e6)
    with running(server_config(make_app(model, limits), limits, DIM, port=0, log_config=None)) as address:
        yield address


def facts_of(model: TrainedModel) -> dict[str, Any]:
    with serving(model) as address, urllib.request.urlopen(f"http://{address}/facts") as answer:
        return json.load(answer)


def test_facts_have_the_steps_of_each_task_and_the_budget(model):
    facts = facts_of(model)
    assert facts["task_steps"] == [[1, 2], [2, 3]]
    assert facts["alarms"]["promise"] == model.alarms.promise
    assert (facts_of(make_model())["alarms"], facts_of(make_model())["task_steps"]) == (None, [])


# ONNX


def test_an_exported_model_states_that_it_lacks_the_procedure(model, checkpoint):
    assert lacks(load(checkpoint)) == ["procedure", "order_memory"]
    assert lacks(make_model()) == []
    unfiltered = dataclasses.replace(model.facts.config.decoding, filter="none")
    config = dataclasses.replace(model.facts.config, decoding=unfiltered)
    own = TrainedModel(model.network, dataclasses.replace(model.facts, config=config))
    assert lacks(own) == ["procedure", "task_probs"]
