"""The live page of several people in a real browser: all at a glance and one in full, by keyboard, in either look."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from protas_gtcc.inference import TrainedModel
from protas_gtcc.report.colours import class_looks
from protas_gtcc.serve import overview
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.page import page_text
from tests.test_accessibility import CHECK
from tests.test_page import BROWSER, Ask, asking, browser, text_of, until
from tests.test_serve import push, running, serving
from tests.tiny_models import DIM, video
from tests.tiny_procedures import MIXED_UP, features_of, make_procedure_model

in_a_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
HOSTILE = "<img src=x onerror=hacked=1>"
PEOPLE = {name: features_of(MIXED_UP[:end]) for name, end in (("anna", 24), ("ben", 39), (HOSTILE, 54), ("dora", 69))}
"""Each is somewhere else in the procedure."""
COLLECT = """problems = []; for (const kind of ['error', 'unhandledrejection', 'securitypolicyviolation'])
  addEventListener(kind, (event) => problems.push(kind + ' ' + (event.message ?? event.reason ?? event.blockedURI)));"""
ROWS = """[...document.querySelectorAll('#rows a')].map((one) =>
  [...one.querySelectorAll('.name > span, .action, .number, .left, .alarms')].map((part) => part.textContent))"""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}


def make_hostile_model() -> TrainedModel:
    """One that follows procedures, raises alarms, and whose classes have names that would be markup."""
    model = make_procedure_model()
    names = ["rest", HOSTILE, "<b>mix</b> the long and narrow leaves, one after the other", "serve & clean up"]
    model = TrainedModel(model.network, dataclasses.replace(model.facts, class_names=names))
    model.set_alarms(1000.0)
    return model


@contextmanager
def serving_procedures(model: TrainedModel) -> Iterator[str]:
    limits = Limits(frames_a_message=200)
    with running(server_config(make_app(model, limits), limits, DIM, port=0, log_config=None)) as address:
        yield address


@asynccontextmanager
async def connected(address: str, features: dict[str, np.ndarray]) -> AsyncIterator[dict[str, ClientConnection]]:
    """Streams of people, who have sent these features each."""
    async with AsyncExitStack() as stack:
        streams = {}
        for name, own in features.items():
            streams[name] = await stack.enter_async_context(connect(f"ws://{address}/stream?name={quote(name)}"))
            await push(streams[name], own)
        yield streams


async def value(ask: Ask, code: str) -> Any:
    answer = await ask("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


async def become(ask: Ask, code: str, expected: Any) -> None:
    """Wait until an expression has this value; the test as a whole has a time limit."""
    while (found := await value(ask, code)) != expected:
        assert not await value(ask, "problems"), await value(ask, "problems")
        await asyncio.sleep(0.05)
    assert found == expected


async def opened(ask: Ask, page: str, width: int = 1280, look: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    await ask("Emulation.setDeviceMetricsOverride", **size)
    await ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look}])
    await ask("Page.enable")
    await ask("Page.addScriptToEvaluateOnNewDocument", source=COLLECT)
    await ask("Page.navigate", url="about:blank")
    await ask("Page.navigate", url=page)
    await until(ask, "connected", "status")


async def press(ask: Ask, key: str) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        await ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])
        if kind == "rawKeyDown" and key == "Enter":
            await ask("Input.dispatchKeyEvent", type="char", key=key, code=key, text="\r", windowsVirtualKeyCode=13)


def run_in_browser(profile: Path, test: Any, seconds: float = 60) -> None:
    async def run(page: str) -> None:
        async with connect(page, max_size=None) as tab:
            await test(await asking(tab))

    with browser(profile) as page:
        asyncio.run(asyncio.wait_for(run(page), seconds))


@pytest.mark.slow
@in_a_browser
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_all_people_and_one_in_full_fit_the_screen_and_axe_finds_nothing_serious(tmp_path, width, look):
    model = make_hostile_model()
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")

    async def look_at(ask: Ask) -> None:
        await ask("Runtime.evaluate", expression=axe)
        found, *_ = json.loads(await value(ask, CHECK))
        assert [one for one in found if one[0] in ("serious", "critical")] == []
        assert await value(ask, "document.documentElement.scrollWidth") <= width
        assert await value(ask, "[document.querySelectorAll('img').length, typeof hacked]") == [0, "undefined"]
        assert await value(ask, "problems") == []

    async def test(ask: Ask) -> None:
        async with connected(address, PEOPLE):
            await opened(ask, f"http://{address}/", width, look)
            names = [HOSTILE, "anna", "ben", "dora"]
            await become(ask, f"({ROWS}).map((row) => row[0])", names)
            await become(ask, f"({ROWS}).every((row) => row[3].endsWith(' left'))", True)
            rows = {row[0]: row for row in await value(ask, ROWS)}
            assert await text_of(ask, "summary") == "4 people, 4 with alarms"
            assert re.fullmatch(r"! \d  [a-z ]+: .+", rows["anna"][4])
            await look_at(ask)
            await value(ask, "document.querySelector('#rows a').click()")
            await until(ask, "frame ")
            assert await text_of(ask, "name") == names[0]
            await look_at(ask)

    with serving_procedures(model) as address:
        run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
def test_all_people_fit_a_wide_window_in_letters_as_large_as_their_number_allows(tmp_path):
    size = "parseFloat(getComputedStyle(document.querySelector('#rows .action')).fontSize)"

    async def test(ask: Ask) -> None:
        for people, least in ((4, 50), (12, 33), (50, 16)):
            async with connected(address, {f"p{number}": video(2) for number in range(people)}):
                await opened(ask, f"http://{address}/")
                await become(ask, f"({ROWS}).length", people)
                await become(ask, f"{size} >= {least}", True)
                await become(ask, "document.documentElement.scrollHeight <= 900", True)

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_a_person_is_chosen_by_keyboard_alone_and_left_again(tmp_path, width):
    focus = "document.activeElement.closest('li')?.dataset.name ?? document.activeElement.id"

    async def test(ask: Ask) -> None:
        async with connected(address, PEOPLE):
            await opened(ask, f"http://{address}/", width)
            await become(ask, "document.querySelectorAll('#rows a').length", 4)
            await press(ask, "Tab")
            assert await value(ask, focus) == HOSTILE
            for key, name in (("ArrowDown", "anna"), ("ArrowDown", "ben"), ("ArrowUp", "anna")):
                await press(ask, key)
                assert await value(ask, focus) == name
            await press(ask, "Enter")
            await become(ask, "document.getElementById('name').textContent", "anna")
            assert await value(ask, "location.hash") == "#person=anna"
            await become(ask, focus, "anna" if width > 500 else "name")
            await press(ask, "Escape")
            assert await value(ask, "[location.hash, document.getElementById('person').hidden]") == ["", True]
            assert await value(ask, focus) == "anna"
            assert await value(ask, "document.body.dataset.view") == "all"

    with serving_procedures(make_hostile_model()) as address:
        run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
def test_a_link_opens_one_person_who_is_awaited_and_followed_and_whose_end_is_stated(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "SILENT_SECONDS", 1)
    old = "document.getElementById('person').classList.contains('old')"

    async def test(ask: Ask) -> None:
        async with connect(f"ws://{address}/stream?name=ben") as ben:
            await push(ben, video(5))
            await opened(ask, f"http://{address}/#person=anna")
            await until(ask, "not connected; the page waits", "quiet")
            assert (await text_of(ask, "action"), await value(ask, old)) == ("", True)
            async with connect(f"ws://{address}/stream?name=anna") as anna:
                await push(anna, video(30))
                await until(ask, "frame 29,")
                assert await value(ask, "[document.title, document.body.dataset.view]") == [
                    "anna · protas_gtcc live",
                    "both",
                ]
                await until(ask, "no frames for 0:0", "quiet")
                assert await value(ask, old), "what is shown is not live"
                await become(ask, f"({ROWS}).map((row) => row[3].slice(0, 8))", ["silent 0", "silent 0"])
                await push(anna, video(1))
                await until(ask, "frame 30,")
                await become(ask, old, False)
            await until(ask, "the stream has ended (", "quiet")
            await become(ask, f"({ROWS})[0][1]", "not connected")
            assert await value(ask, old)
            assert await value(ask, "problems") == []

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
def test_without_a_server_nothing_is_shown_as_live_and_it_says_since_when(tmp_path):
    lost = "[document.body.classList.contains('lost'), getComputedStyle(document.querySelector('main')).filter]"

    async def test(ask: Ask) -> None:
        with serving() as address:
            async with connected(address, {"anna": video(5), "ben": video(5)}):
                await opened(ask, f"http://{address}/")
                await become(ask, f"({ROWS}).map((row) => row[0])", ["anna", "ben"])
                assert await value(ask, lost) == [False, "none"]
        await until(ask, "not connected to the server since ", "status")
        assert re.search(r"since \d+:\d\d:\d\d", since := await text_of(ask, "status"))
        assert await value(ask, lost) == [True, "grayscale(1)"]
        await asyncio.sleep(1.5)
        again = await text_of(ask, "status")
        assert again.split(";")[0] == since.split(";")[0], "it is the time of the loss, not of the last try"
        with serving(port=int(address.rpartition(":")[2])):
            async with connected(address, {"carl": video(5)}):
                await until(ask, "connected", "status")
                await become(ask, f"({ROWS}).map((row) => row[0])", ["carl"])
                assert await value(ask, lost) == [False, "none"]

    run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
def test_rows_of_those_who_have_left_stay_for_a_while_but_never_many(tmp_path):
    async def test(ask: Ask) -> None:
        async with connected(address, {"anna": video(3), "ben": video(3)}):
            await opened(ask, f"http://{address}/")
            for first in (0, 15):
                async with connected(address, {f"p{number}": video(1) for number in range(first, first + 15)}):
                    await become(ask, f"({ROWS}).filter((row) => row[1] !== 'not connected').length", 17)
                await become(
                    ask, f"({ROWS}).filter((row) => row[1] === 'not connected').length", 15 if first == 0 else 20
                )
                assert await value(ask, f"({ROWS}).length") == (17 if first == 0 else 22)
            assert await value(ask, "problems") == []

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


@pytest.mark.slow
@in_a_browser
def test_colours_are_those_of_the_classes_with_their_stripes(tmp_path):
    names = ["rest", *(f"step {number}" for number in range(1, 4))]
    model = make_procedure_model()
    colours = ["#dddddd", "#0f6054 white", "#4699fe", "#fb80ca black"]
    facts = dataclasses.replace(model.facts, class_names=names, class_colours=colours)
    looks, features = class_looks(facts), {"a": features_of(MIXED_UP[:28]), "b": features_of(MIXED_UP[:14])}
    chips = "[...document.querySelectorAll('#rows .chip')].map((one) => one.style.background)"

    async def test(ask: Ask) -> None:
        async with connected(address, features):
            await opened(ask, f"http://{address}/")
            await become(ask, f"({chips}).length", 2)
            await become(ask, f"({chips}).every((one) => /rgb|gradient/.test(one))", True)
            for label, chip in zip((1, 2), await value(ask, chips), strict=True):
                look = looks[label]
                red, green, blue = (int(look.fill[i : i + 2], 16) for i in (1, 3, 5))
                assert f"rgb({red}, {green}, {blue})" in chip
                assert (f"{look.stripe} 10%" in chip) == (look.stripe != "")

    with serving_procedures(TrainedModel(model.network, facts)) as address:
        run_in_browser(tmp_path / "profile", test)


def test_the_page_has_the_look_of_the_report():
    report = (files("protas_gtcc.report") / "page.html").read_text(encoding="utf-8")
    variables = re.compile(r"(--[a-z]+): ([^;]+);")
    of_page, of_report = (
        [dict(variables.findall(part)) for part in text.split("prefers-color-scheme", 1)]
        for text in (page_text(), report)
    )
    for own, shared in zip(of_page, of_report, strict=True):
        assert {"--paper", "--text", "--mark"} <= own.keys()
        assert own.items() <= shared.items()
