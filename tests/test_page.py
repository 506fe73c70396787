"""The live page in a real browser, without any network but this machine's own."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from protas_gtcc.inference import TrainedModel
from protas_gtcc.live.sinks import FrameResult
from protas_gtcc.procedure.result import REASONS, Event, Procedure
from protas_gtcc.report.colours import class_looks
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.live_page import LivePage
from protas_gtcc.streaming.following import Delay
from tests.test_serve import push, running, serving
from tests.tiny_models import DIM, make_model, video
from tests.tiny_procedures import FPS, MIXED_UP, features_of, make_procedure_model

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
Ask = Callable[..., Awaitable[Any]]


@contextmanager
def browser(profile: Path, *options: str) -> Iterator[str]:
    """A headless browser; the address of its first page, for the DevTools protocol."""
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += ["--window-size=1000,760", f"--user-data-dir={profile}", *options, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file, deadline = profile / "DevToolsActivePort", time.monotonic() + 30
        while not port_file.exists() or not port_file.read_text().strip():
            assert time.monotonic() < deadline, "the browser does not start"
            time.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = json.load(answer)
        yield next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    finally:
        process.kill()
        process.wait()


async def asking(socket: Any) -> Ask:
    """A function that gives the page a command and returns its result."""
    numbers = itertools.count(1)

    async def ask(method: str, **params: Any) -> Any:
        number = next(numbers)
        await socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := json.loads(await socket.recv())).get("id") != number:
            pass
        return message["result"]

    return ask


async def text_of(ask: Ask, element: str) -> str:
    """The text of an element of the page."""
    answer = await ask("Runtime.evaluate", expression=f"document.getElementById('{element}').textContent")
    return str(answer["result"].get("value"))


async def until(ask: Ask, beginning: str, element: str = "note") -> None:
    """Wait until the text of an element of the page begins so."""
    deadline = time.monotonic() + 20
    while not (await text_of(ask, element)).startswith(beginning):
        assert time.monotonic() < deadline, await text_of(ask, element)
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_shows_the_action_and_its_progress_live(tmp_path):
    features = video(120)
    expected, names = make_model().predict(features), make_model().class_names
    shown = ["no action" if label == 0 else names[label] for label in expected.labels]

    async def run(address: str, page: str) -> None:
        async with connect(f"ws://{address}/stream?name=anna") as pushing, connect(page, max_size=None) as tab:
            ask = await asking(tab)
            await push(pushing, features[:60])
            await ask("Page.navigate", url=f"http://{address}/")
            for seen in (60, 120):
                if seen == 120:
                    await push(pushing, features[60:])
                await until(ask, f"frame {seen - 1},")
                assert await text_of(ask, "action") == shown[seen - 1]
                if expected.labels[seen - 1] != 0:
                    assert await text_of(ask, "progress-number") == f"{expected.reported[seen - 1] * 100:.0f} %"
            picture = base64.b64decode((await ask("Page.captureScreenshot"))["data"])
            Path(os.environ.get("PAGE_SCREENSHOT", tmp_path / "page.png")).write_bytes(picture)

    with serving() as address, browser(tmp_path / "profile") as page:
        asyncio.run(run(address, page))


CHECKLIST = """(() => {
  const text = (id) => document.getElementById(id).textContent, list = document.getElementById('steps');
  return {
    counted: text('counted'), left: text('left'), upcoming: text('upcoming'), promise: text('promise'),
    steps: [...list.children].map((one) => [one.className, one.children[1].textContent]),
    none: document.getElementById('no-alarms').hidden ? '' : text('no-alarms'),
    alarms: [...document.getElementById('alarms').children].map((one) => one.textContent),
    width: document.documentElement.scrollWidth,
  };
})()"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_lists_steps_alarms_and_the_time_left_and_a_page_that_is_opened_later_shows_the_same(tmp_path):
    model = make_procedure_model()
    names = ["rest", *(f"{name} the long and narrow leaves, one after the other ".ljust(60, ".") for name in "abc")]
    model = TrainedModel(model.network, dataclasses.replace(model.facts, class_names=names))
    model.set_alarms(1000.0)
    features, limits = features_of(MIXED_UP), Limits(frames_a_message=200)
    alarms = [event for event in model.predict(features).procedure.events if event.is_alarm]

    async def run(address: str, page: str) -> list[dict[str, Any]]:
        async with connect(f"ws://{address}/stream?name=anna") as pushing, connect(page, max_size=None) as tab:
            ask, found = await asking(tab), []
            for width in (1280, 400):
                await ask(
                    "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
                )
                await ask("Page.navigate", url=f"http://{address}/")
                if width == 1280:
                    await push(pushing, features)
                await until(ask, f"frame {len(features) - 1},")
                answer = await ask("Runtime.evaluate", expression=CHECKLIST, returnByValue=True)
                found.append(answer["result"]["value"])
            return found

    config = server_config(make_app(model, limits), limits, DIM, port=0, log_config=None)
    with running(config) as address, browser(tmp_path / "profile") as page:
        wide, narrow = asyncio.run(run(address, page))
    assert wide["counted"] == "2 of 2 steps done, cake (inferred)"
    assert wide["steps"] == [["done", names[1]], ["done", names[2]]]
    assert {alarm.kind for alarm in alarms} == set(REASONS)
    assert wide["alarms"][::-1] == [
        f"0:{alarm.frame / FPS:02.0f}{alarm.kind}: {names[alarm.label]}{alarm.confidence * 100:.0f} %"
        for alarm in alarms
    ]
    assert wide["none"] == ""
    assert wide["left"].startswith("time left 0:")
    assert model.alarms.promise in wide["promise"]
    assert narrow.pop("width") <= 400
    assert narrow == {name: value for name, value in wide.items() if name != "width"}


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_a_missing_step_is_shown_as_missing_only_and_a_page_without_alarms_states_it(tmp_path):
    model = make_procedure_model()
    model.set_alarms(1000.0)
    live = LivePage(model)
    zero, next_is_1 = np.zeros(1, np.float32), np.eye(4, dtype=np.float32)[:, 1:2]
    ends = np.zeros((2, 1), np.float32)
    plain = Procedure(zero, ends, zero, next_is_1, zero, ends, np.zeros((4, 1), np.float32))
    alarmed = dataclasses.replace(plain, events=(Event("missing", 1, 1, 0, 0.9),))

    async def run(page: str) -> list[dict[str, Any]]:
        async with connect(page, max_size=None) as tab:
            ask, found = await asking(tab), []
            await ask("Page.navigate", url=live.address)
            for frame, procedure in enumerate((plain, alarmed)):
                result = FrameResult(
                    frame, 0, 0.8, 0.5, None, None, 0, 0, task=0, task_probability=1.0, task_given=True
                )
                live.on_result(dataclasses.replace(result, procedure=procedure))
                await until(ask, f"frame {frame},")
                answer = await ask("Runtime.evaluate", expression=CHECKLIST, returnByValue=True)
                found.append(answer["result"]["value"])
            return found

    try:
        with browser(tmp_path / "profile") as page:
            before, after = asyncio.run(run(page))
    finally:
        live.close()
    assert (before["none"], before["steps"]) == ("none so far", [["next", "cut"], ["", "mix"]])
    assert (after["none"], after["steps"]) == ("", [["missing", "cut"], ["", "mix"]])
    assert after["counted"] == "0 of 2 steps done, cake (given)"


SHOWN = """(() => {
  const line = document.getElementById('interval'), delay = document.getElementById('delay'),
    place = line.getBoundingClientRect(), track = line.parentElement.getBoundingClientRect();
  return {
    width: document.getElementById('progress').style.width, note: document.getElementById('note').textContent,
    left: document.getElementById('left').hidden ? null : document.getElementById('left').textContent,
    interval: line.hidden ? null : [(place.left - track.left) / track.width, (place.right - track.left) / track.width],
    delay: delay.hidden ? null : [delay.textContent, delay.title],
  };
})()"""

DRAWN = """(() => {
  const canvas = document.getElementById('timeline'), pen = canvas.getContext('2d');
  const hex = (x) => '#' + [...pen.getImageData(x, 9, 1, 1).data].slice(0, 3)
    .map((one) => one.toString(16).padStart(2, '0')).join('');
  return [0, 7.5].map((frame) => hex(Math.floor(frame / 200 * canvas.width)));
})()"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_shows_interval_delay_and_skipped_frames_where_the_results_have_them(tmp_path):
    plain = FrameResult(0, 1, 0.8, 0.5, None, None, waiting=0, dropped=0)
    skipping = dataclasses.replace(plain, frame=2, dropped=1)
    delay = Delay(0.05, 0.01, 0.06, 0.001, 0.002)
    full = dataclasses.replace(skipping, frame=6, dropped=3, delay=delay, interval=(0.25, 0.75), remaining_seconds=8.0)
    live_model = make_model()
    live = LivePage(live_model)

    async def run(page: str) -> None:
        async with connect(page, max_size=None) as tab:
            ask = await asking(tab)

            async def shown(result: FrameResult) -> Any:
                live.on_result(result)
                await until(ask, f"frame {result.frame},")
                return (await ask("Runtime.evaluate", expression=SHOWN, returnByValue=True))["result"]["value"]

            await ask("Page.navigate", url=live.address)
            found = await shown(plain)
            assert (found["interval"], found["delay"], found["width"]) == (None, None, "50%")
            found = await shown(skipping)
            assert (found["interval"], found["delay"]) == (None, ["1 frame skipped", ""])
            found = await shown(full)
            assert "in this action for" in found["note"]
            assert found["left"] == "left in this action 0:08"
            assert found["interval"] == pytest.approx([0.25, 0.75], abs=0.01)
            parts = "capture 50 ms, waiting 10 ms, backbone 60 ms, model 1 ms, output 2 ms, lag 0 ms"
            assert found["delay"] == ["delay 0.12 s, 3 frames skipped", parts]
            found = await shown(dataclasses.replace(full, frame=7, label=0))
            assert (found["interval"], found["width"]) == (None, "0%"), "background has no progress"
            assert found["left"] is None
            assert "no action for" in found["note"]
            looks = class_looks(live_model.facts)
            shown_fills = await ask("Runtime.evaluate", expression="facts.looks.map(([fill]) => fill).join()")
            assert shown_fills["result"]["value"] == ",".join(look.fill for look in looks), "those of the report"
            drawn = await ask("Runtime.evaluate", expression=DRAWN, returnByValue=True)
            assert drawn["result"]["value"] == [looks[1].fill, looks[0].fill]

    with closing(live), browser(tmp_path / "profile") as page:
        asyncio.run(asyncio.wait_for(run(page), 60))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_of_a_stream_that_has_ended_keeps_its_last_result_and_picture(tmp_path):
    picture = np.full((32, 32, 3), 90, dtype=np.uint8)
    results = [FrameResult(frame, 1, 0.8, 0.5, None, None, 0, 0, picture=picture) for frame in range(3)]
    live = LivePage(make_model())

    async def run(page: str) -> None:
        async with connect(page, max_size=None) as tab:
            ask = await asking(tab)
            await ask("Page.navigate", url=live.address)
            for result in results:
                live.on_result(result)
                await until(ask, f"frame {result.frame},")
            await asyncio.to_thread(live.close)
            await asyncio.sleep(2.5)  # it has looked for the server since
            assert (await text_of(ask, "quiet")).startswith("the stream has ended (")
            assert await text_of(ask, "status") == "the stream has ended"
            shown = "document.getElementById('picture').hidden || document.getElementById('progress').style.width"
            assert (await ask("Runtime.evaluate", expression=shown))["result"]["value"] == "50%"

    with closing(live), browser(tmp_path / "profile") as page:
        asyncio.run(asyncio.wait_for(run(page), 60))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_reconnects_by_itself_after_a_restart_of_the_server(tmp_path):
    async def pushed(address: str, tab: Ask, count: int) -> None:
        async with connect(f"ws://{address}/stream?name=anna") as pushing:
            await push(pushing, video(count))
            await until(tab, f"frame {count - 1},")

    async def run(page: str) -> None:
        async with connect(page, max_size=None) as socket:
            tab = await asking(socket)
            with serving() as address:
                await tab("Page.navigate", url=f"http://{address}/")
                await pushed(address, tab, 30)
            await until(tab, "not connected to the server since ", "status")
            with serving(port=int(address.rpartition(":")[2])):
                await pushed(address, tab, 20)

    with browser(tmp_path / "profile") as page:
        asyncio.run(run(page))
