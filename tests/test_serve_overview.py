"""The rows of all people: what a page that shows everyone gets, how little, and within which limits."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from protas_gtcc.live import pipeline
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.live_page import LivePage
from protas_gtcc.serve.overview import NUMBERS, PERIODS_OF_NUMBERS, Overview, Rows, changes
from protas_gtcc.serve.sessions import Sessions
from protas_gtcc.serve.watching import Watcher
from tests.test_live import Frames
from tests.test_serve import push, serving, why_closed
from tests.tiny_models import make_model, video
from tests.tiny_procedures import MIXED_UP, features_of, make_procedure_model

WATCH = "/watch?name=a&brief=1"


def merged(rows: Rows, message: dict[str, Any]) -> Rows:
    """The rows that a page has after a message."""
    people = message.get("people", {})
    return {name: rows.get(name, {}) | people.get(name, {}) for name in [*rows, *people] if name not in gone(message)}


def gone(message: dict[str, Any]) -> list[str]:
    return message.get("gone", [])


def sessions_of(model: Any, limits: Limits | None = None) -> Sessions:
    sessions: Sessions = make_app(model, limits).state.sessions
    return sessions


def pushed(sessions: Sessions, name: str, features: np.ndarray) -> None:
    person = sessions.people.get(name) or sessions.begin(name)
    person.allowance = 1e9
    sessions.push(person, features.astype("<f4").tobytes())


def test_a_watcher_gets_the_rows_of_all_people_then_only_what_has_changed_and_who_has_gone():
    async def run(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=b") as b, connect(f"ws://{address}/overview") as watching:
            await push(b, video(3, 2))
            async with connect(f"ws://{address}/stream?name=a") as a:
                rows: Rows = {}
                while set(rows) != {"a", "b"}:
                    rows = merged(rows, json.loads(await watching.recv()))
                results = await push(a, video(30))
                while rows["a"]["label"] is None or rows["a"]["progress"] != expected(results[-1]):
                    message = json.loads(await watching.recv())
                    assert "b" not in message.get("people", {}) or set(message["people"]["b"]) <= NUMBERS
                    rows = merged(rows, message)
                assert rows["a"]["label"] == results[-1]["label"]
            while not gone(message := json.loads(await watching.recv())):
                rows = merged(rows, message)
            assert gone(message) == ["a"]
            assert set(merged(rows, message)) == {"b"}

    def expected(result: dict[str, Any]) -> float | None:
        return None if result["label"] == 0 else round(result["progress"], 2)

    with serving() as address:
        asyncio.run(asyncio.wait_for(run(address), 20))


def test_numbers_are_in_every_second_message_and_all_else_is_in_the_next_one():
    sessions, features, known, messages = sessions_of(make_procedure_model()), features_of(MIXED_UP), Rows(), []
    for moment in range(len(features)):
        pushed(sessions, "a", features[moment : moment + 1])
        text, known = sessions.overview.message(known, moment)
        messages.append(json.loads(text).get("people", {}).get("a", {}))
        assert known["a"]["label"] == sessions.overview.rows()["a"]["label"]
    between = [row for number, row in enumerate(messages) if number % PERIODS_OF_NUMBERS]
    assert any(between)
    assert all(set(row) - NUMBERS for row in between if row)
    assert any(row and set(row) <= NUMBERS for row in messages)


def test_what_has_changed_is_found_once_for_all_watchers_and_in_full_for_a_slow_one():
    sessions = sessions_of(make_model())
    quick = [Rows() for _ in range(5)]
    slow = Rows()
    for moment in range(0, 40, 2):
        for name, seed in (("a", 1), ("b", 2)):
            pushed(sessions, name, video(1, seed + moment))
        found = [sessions.overview.message(known, moment) for known in quick]
        quick = [rows for _, rows in found]
        assert moment == 0 or all(text is found[0][0] for text, _ in found), "it is the same text"
        if moment % 10 == 0:
            text, rows = sessions.overview.message(slow, moment)
            slow = merged(slow, json.loads(text))
            assert slow == rows == sessions.overview.rows()


def test_rows_of_an_hour_ago_are_not_shown_to_a_new_watcher():
    sessions = sessions_of(make_model())
    pushed(sessions, "a", video(1))
    sessions.overview.message(Rows(), 0)
    pushed(sessions, "a", video(20))
    assert sessions.overview.message(Rows(), 7201)[1] == sessions.overview.rows()


def test_the_rows_of_fifty_people_are_small_and_what_changes_is_smaller():
    sessions = sessions_of(make_procedure_model())
    for number in range(50):
        pushed(sessions, f"person {number}", features_of(MIXED_UP[:40], number))
    before = Overview(sessions).rows()
    assert len(json.dumps(changes({}, before))) < 50 * 260
    assert changes(before, before) == {}
    for number in range(50):
        pushed(sessions, f"person {number}", features_of(MIXED_UP[40:44], number))
    assert 0 < len(json.dumps(changes(before, Overview(sessions).rows()))) < 50 * 120


def test_a_row_has_action_progress_interval_time_left_steps_and_the_last_alarm():
    model = make_procedure_model()
    model.set_alarms(1000.0)
    sessions, features = sessions_of(model, Limits(frames_a_message=200)), features_of(MIXED_UP)
    sessions.begin("silent yet")
    pushed(sessions, "a", features[:60])
    rows = sessions.overview.rows()
    found, row = model.predict(features[:60]), rows["a"]
    alarms = [event for event in found.procedure.events if event.is_alarm]
    assert row["label"] == found.labels[-1] != 0
    assert row["progress"] == pytest.approx(found.reported[-1], abs=0.006)
    assert [row["progress_low"], row["progress_high"]] == pytest.approx(found.interval[:, -1].tolist(), abs=0.006)
    assert row["left"] == pytest.approx(found.procedure.left_seconds[-1], abs=0.6)
    assert (row["alarms"], row["alarm"]) == (len(alarms), [alarms[-1].kind, alarms[-1].label])
    assert (row["task"], row["steps"][1]) == ("cake", 2)
    assert rows["silent yet"] == dict.fromkeys(row) | {"alarms": 0, "silent": 0}


def test_the_background_has_no_progress_and_one_whose_frames_stopped_is_silent():
    sessions = sessions_of(make_model())
    pushed(sessions, "a", video(20))
    [person] = sessions.people.values()
    assert person.last_result is not None
    person.last_result |= {"label": 0}
    person.last_result_at = time.monotonic() - 12.2
    row = sessions.overview.rows()["a"]
    assert row["label"] == 0
    assert [row[name] for name in ("progress", "progress_low", "progress_high", "left")] == [None] * 4
    assert row["silent"] == 12


def test_one_whose_results_come_later_than_frames_is_not_silent_before_the_first_can_come():
    model = make_model()
    model.set_lag(10.0)
    sessions = sessions_of(model)
    pushed(sessions, "a", video(20))
    [person] = sessions.people.values()
    began_at = person.last_result_at
    for seconds, silent in ((12.5, 0), (15.5, 5)):
        person.last_result_at = began_at - seconds
        assert sessions.overview.rows()["a"]["silent"] == silent


def test_a_watcher_of_all_people_counts_as_a_watcher_and_frees_its_place():
    async def run(address: str) -> None:
        async with connect(f"ws://{address}/overview") as watching:
            assert json.loads(await watching.recv()) == {}
            for path in ("/overview", "/watch?name=a"):
                reason = await asyncio.to_thread(why_closed, address, path=path)
                assert reason.startswith(("503 there are 1 watchers already", "404 no stream"))
            await watching.send("anything")
            async for _ in watching:  # it ends
                pass
        async with connect(f"ws://{address}/overview") as watching:
            assert json.loads(await watching.recv()) == {}

    with serving(Limits(watchers=1)) as address:
        asyncio.run(asyncio.wait_for(run(address), 20))
    with serving(token="secret") as address:
        assert "a token is required" in why_closed(address, path="/overview")
        assert "pages of other sites" in why_closed(
            address, path="/overview?token=secret", origin="http://elsewhere.example"
        )


def test_all_people_end_with_the_stream_of_a_server_that_has_only_one():
    model, features = make_model(), video(20)
    page = LivePage(model)
    address = page.address.removeprefix("http://").rstrip("/")

    async def run() -> list[dict[str, Any]]:
        async with connect(f"ws://{address}/overview") as watching:
            messages = [json.loads(await watching.recv())]
            await asyncio.to_thread(pipeline.run, model.stream(), Frames(features), [page])
            closing = asyncio.create_task(asyncio.to_thread(page.close))
            messages += [json.loads(message) async for message in watching]
            await closing
            return messages

    try:
        messages = asyncio.run(asyncio.wait_for(run(), 20))
    finally:
        page.close()
    assert gone(messages[-1]) == ["live"]


def test_a_brief_watcher_gets_a_list_when_it_has_answered_the_one_before():
    features = video(40)

    async def run(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=a") as pushing:
            first = await push(pushing, features[:10])
            async with connect(f"ws://{address}{WATCH}") as watching:
                before = json.loads(await watching.recv())
                fields = ("frame", "label", "progress")
                assert before[:-1] == [{name: one[name] for name in fields} for one in first[:-1]]
                assert before[-1] == first[-1]
                one = await push(pushing, features[10:11])
                assert json.loads(await watching.recv()) == one, "it is as long as any"
                rest = [result for frame in np.split(features[11:], 29) for result in await push(pushing, frame)]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(watching.recv(), 0.2)
                await watching.send("shown")
                found = json.loads(await watching.recv())
        assert found[-1] == rest[-1]
        assert all(result in rest for result in found)
        labels = [result["label"] for result in rest]
        changed = {0} | {number for number in range(1, 29) if labels[number] != labels[number - 1]}
        kept = sorted(changed | {number - 1 for number in changed if number} | {28})
        assert found == [rest[number] for number in kept], "the first and the last of each segment"

    with serving() as address:
        asyncio.run(asyncio.wait_for(run(address), 20))


def test_a_brief_watcher_that_never_answers_is_disconnected_with_the_reason():
    async def run(address: str) -> str:
        async with connect(f"ws://{address}/stream?name=a") as pushing:
            refused = asyncio.create_task(asyncio.to_thread(why_closed, address, path=WATCH))
            while not refused.done():
                await push(pushing, video(1))
                await asyncio.sleep(0.02)
            return await refused

    with serving(Limits(idle_seconds=0.5)) as address:
        assert "the watcher answered no list for 0.5 s" in asyncio.run(asyncio.wait_for(run(address), 20))


def test_no_result_with_an_event_is_left_out():
    watcher = Watcher(takes_pictures=False, brief=True)
    watcher.put([(f"{number}", None if number == 3 else 1) for number in range(8)])

    async def taken() -> list[str]:
        return (await watcher.take())[0]

    assert asyncio.run(taken()) == ["0", "2", "3", "4", "7"]
