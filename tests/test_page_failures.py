"""The live page where something fails or lasts: names of any kind, connections that break, a page open over night."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from protas_gtcc.inference import TrainedModel
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from tests.test_page import Ask, text_of, until
from tests.test_page_people import (
    ROWS,
    become,
    connected,
    in_a_browser,
    opened,
    press,
    run_in_browser,
    serving_procedures,
    value,
)
from tests.test_serve import push, running, serving
from tests.tiny_models import DIM, make_model, video
from tests.tiny_procedures import MIXED_UP, features_of, make_procedure_model

pytestmark = [pytest.mark.slow, in_a_browser]
SOCKETS = """const Own = WebSocket; sockets = [];
  WebSocket = class extends Own { constructor(address) { super(address); sockets.push(this); } };"""
"""Makes the connections of the page reachable."""
LATEST = "sockets.findLast((one) => one.url.includes('/watch'))"
PEN = "CanvasRenderingContext2D.prototype"
OLD = "document.getElementById('person').classList.contains('old')"


async def keep_pushing(streams: dict[str, Any]) -> None:
    while True:
        for stream in streams.values():
            await push(stream, video(1))
        await asyncio.sleep(0.05)


def model_with(names: list[str]) -> TrainedModel:
    model = make_procedure_model()
    return TrainedModel(model.network, dataclasses.replace(model.facts, class_names=names))


@pytest.mark.parametrize("width", [1280, 400])
def test_names_of_any_script_and_length_move_and_hide_nothing_beside_them(tmp_path, width):
    names = ["rest", "x" * 10_000, "שלום 12\nעולם 7", "\U0001f600" * 300]
    people = {"שלום 7": features_of(MIXED_UP[:28]), "W" * 64: features_of(MIXED_UP[:60])}

    async def test(ask: Ask) -> None:
        ends = "[...document.getElementById('upcoming').children].map((one) => one.getBoundingClientRect())"
        async with connected(address, people):
            for name in people:
                await opened(ask, f"http://{address}/#person={quote(name)}", width)
                await until(ask, "frame ")
                assert await value(ask, "document.documentElement.scrollWidth") <= width
                assert await value(ask, "document.documentElement.scrollHeight") < 3000
                in_order = (
                    f"(([before, name, after]) => before.bottom <= after.bottom && name.top <= after.top)({ends})"
                )
                assert await value(ask, in_order)
                if width > 500 and name == "שלום 7":
                    beside = f"(([, name, after]) => name.right <= after.left || after.top >= name.bottom)({ends})"
                    assert await value(ask, beside), "what comes after a name from right to left is right of it"
                await value(ask, "document.getElementById('all').click()")
                await become(ask, f"({ROWS}).length", 2)
                assert await value(ask, "document.documentElement.scrollHeight") < 1000
            assert await value(ask, "problems") == []

    with serving_procedures(model_with(names)) as address:
        run_in_browser(tmp_path / "profile", test)


def test_arrow_keys_go_on_past_the_person_who_is_shown(tmp_path):
    async def test(ask: Ask) -> None:
        focus = "document.activeElement.parentElement.dataset.name"
        async with connected(address, {name: video(3) for name in ("anna", "ben", "carl", "dora")}):
            await opened(ask, f"http://{address}/#person=anna")
            await become(ask, f"({ROWS}).length", 4)
            await value(ask, "document.querySelector('#rows a').focus()")
            for name in ("ben", "carl", "dora"):
                await press(ask, "ArrowDown")
                assert await value(ask, focus) == name

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


def test_the_row_that_has_the_focus_keeps_it_when_the_page_connects_again(tmp_path):
    async def test(ask: Ask) -> None:
        overview = "sockets.findLast((one) => one.url.includes('/overview'))"
        async with connected(address, {"anna": video(3), "ben": video(3)}):
            await ask("Page.enable")
            await ask("Page.addScriptToEvaluateOnNewDocument", source=SOCKETS)
            await opened(ask, f"http://{address}/")
            await become(ask, f"({ROWS}).length", 2)
            await value(ask, "document.querySelector('#rows a[href$=ben]').focus()")
            await value(ask, f"before = {overview}; before.close(); 0")
            await become(ask, f"{overview} !== before && document.getElementById('status').textContent", "connected")
            assert await value(ask, "document.activeElement.parentElement.dataset.name") == "ben"
            assert await value(ask, f"({ROWS}).length") == 2

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


def test_a_person_whose_connection_breaks_alone_is_not_shown_as_live_and_is_followed_again(tmp_path):
    taken: list[ClientConnection] = []

    async def test(ask: Ask) -> None:
        async with connected(address, {"anna": video(3), "ben": video(3)}) as streams:
            pushing = asyncio.create_task(keep_pushing(streams))
            await ask("Page.enable")
            await ask("Page.addScriptToEvaluateOnNewDocument", source=SOCKETS)
            await opened(ask, f"http://{address}/#person=anna")
            await until(ask, "frame ")
            await become(ask, OLD, False)
            # It hears nothing more, as of a connection that is dead on the way.
            await value(ask, f"{LATEST}.onmessage = null; broken = {LATEST}; 0")
            await become(ask, f"{LATEST} !== broken && !{OLD}", True)
            # Its place is taken by others meanwhile.
            taking = asyncio.create_task(take_place())
            await value(ask, f"{LATEST}.close()")
            await taking
            await until(ask, "no results reach this page; this is the last one", "quiet")
            assert await value(ask, OLD)
            assert not await value(ask, f"({ROWS}).some((row) => row[3].includes('silent'))"), "the rows are live"
            await taken.pop().close()
            await become(ask, OLD, False)
            assert await text_of(ask, "quiet") == ""
            assert not pushing.done()
            pushing.cancel()

    async def take_place() -> None:
        while not taken:
            try:
                taken.append(await connect(f"ws://{address}/overview", max_queue=None))
            except InvalidStatus:
                await asyncio.sleep(0.01)

    with serving(Limits(watchers=2, frames_a_second=1e9)) as address:
        run_in_browser(tmp_path / "profile", test)


def test_a_server_with_another_model_leaves_nothing_of_the_old_one_on_the_page(tmp_path):
    async def test(ask: Ask) -> None:
        with serving() as address:
            async with connected(address, {"anna": video(40)}):
                await opened(ask, f"http://{address}/#person=anna")
                await until(ask, "frame 39,")
        limits = Limits()
        model = make_model()
        other = TrainedModel(model.network, dataclasses.replace(model.facts, class_names=["a", "b", "c", "d"]))
        config = server_config(make_app(other, limits), limits, DIM, port=int(address.split(":")[1]), log_config=None)
        with running(config):
            await until(ask, "not connected; the page waits for this person", "quiet")
            assert [await text_of(ask, one) for one in ("action", "note")] == ["", ""]

    run_in_browser(tmp_path / "profile", test)


def test_a_server_that_accepts_and_never_answers_is_not_waited_for_for_ever(tmp_path):
    async def test(ask: Ask) -> None:
        with serving() as address:
            await opened(ask, f"http://{address}/")
        port = int(address.split(":")[1])
        with socket.create_server(("127.0.0.1", port)) as listener:
            connection, _ = await asyncio.to_thread(listener.accept)
        with connection, serving(port=port):
            await until(ask, "connected", "status")

    run_in_browser(tmp_path / "profile", test)


def test_a_page_that_stays_open_draws_no_more_points_the_longer_it_is_open(tmp_path):
    async def test(ask: Ask) -> None:
        async with connected(address, {"anna": video(40)}):
            await opened(ask, f"http://{address}/#person=anna")
            await until(ask, "frame 39,")
            result = "{ frame: i, label: 1 + (i >> 1) % 3, progress: 0 }"
            await value(ask, f"for (let i = 40; i < 9000; i++) strip.add({result})")
            await value(ask, f"points = 0; for (const name of ['moveTo', 'lineTo']) {PEN}[name] = () => points++")
            await value(ask, "strip.show(true)")
            assert 500 < await value(ask, "points") <= 2000

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


def test_an_address_without_a_name_shows_all_people(tmp_path):
    async def test(ask: Ask) -> None:
        async with connected(address, {"anna": video(3), "ben": video(3)}):
            for end in ("#person=", "#person", "#anything", "#" + "%" * 1000):
                await opened(ask, f"http://{address}/{end}")
                await become(ask, f"({ROWS}).length", 2)
                assert await value(ask, "document.getElementById('person').hidden")
                assert await value(ask, "problems") == []

    with serving() as address:
        run_in_browser(tmp_path / "profile", test)


def test_a_model_that_waits_for_later_frames_states_how_late_its_results_are(tmp_path):
    model = make_model()
    model.set_lag(6.0)

    async def test(ask: Ask) -> None:
        async with connected(address, {"anna": video(40)}):
            await opened(ask, f"http://{address}/#person=anna")
            await until(ask, "frame 9,")
            assert await text_of(ask, "delay") == "shown 0:06 after its frame"
            assert not await value(ask, "document.getElementById('delay').hidden")

    with serving_procedures(model) as address:
        run_in_browser(tmp_path / "profile", test)
