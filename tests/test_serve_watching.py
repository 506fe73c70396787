"""Watchers of a stream with pictures: each picture comes with its result, a slow watcher gets the newest."""

from __future__ import annotations

import asyncio
import io
import json
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protas_gtcc.live import pipeline
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.live_page import LivePage
from protas_gtcc.serve.pictures import LARGEST_BYTES
from protas_gtcc.serve.watching import Picture, Watcher
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from tests.test_page import BROWSER, asking, browser
from tests.test_serve import push, running, serving, why_closed
from tests.test_serve_pictures import jpeg
from tests.tiny_models import video
from tests.video_files import grey, numbers, plain, write_video
from tests.video_models import model_on, torchscript

STREAM, WATCH = "/stream?name=a&pictures=1", "/watch?name=a&pictures=1"


@pytest.fixture
def backbone(tmp_path) -> Backbone:
    return make_backbone(str(torchscript(tmp_path / "means.pt")), size=16)


def of_pictures(backbone: Backbone, limits: Limits | None = None) -> Any:
    """A server that takes pictures; its address without a scheme."""
    model = model_on(backbone)
    app = make_app(model, limits, backbone=backbone)
    return running(
        server_config(app, limits or Limits(), model.facts.feature_dim, LARGEST_BYTES, port=0, log_config=None)
    )


async def sent(pushing: Any, pictures: list[bytes]) -> list[dict[str, Any]]:
    """The results of pictures that a client sends."""
    results = []
    for picture in pictures:
        await pushing.send(picture)
        results += json.loads(await pushing.recv())
    return results


def test_a_picture_comes_before_the_result_that_is_about_it(backbone):
    pictures = [jpeg(plain(number)) for number in range(6)]

    async def run(address: str) -> None:
        async with connect(f"ws://{address}{STREAM}") as pushing:
            first = await sent(pushing, pictures[:2])
            async with (
                connect(f"ws://{address}{WATCH}") as shown,
                connect(f"ws://{address}/watch?name=a") as plainly,
            ):
                assert json.loads(await shown.recv()) == json.loads(await plainly.recv()) == first
                for picture in pictures[2:]:
                    results = await sent(pushing, [picture])
                    assert await shown.recv() == picture
                    assert json.loads(await shown.recv()) == results
                    assert json.loads(await plainly.recv()) == results, "without pictures=1, no picture comes"
                    await shown.send("shown")
                await pushing.close()
                assert json.loads(await shown.recv()) == [{"ended": True}]

    with of_pictures(backbone) as address:
        asyncio.run(asyncio.wait_for(run(address), 20))


def test_a_watcher_that_is_slow_gets_the_newest_picture_and_all_results_up_to_it(backbone):
    pictures = [jpeg(plain(number)) for number in range(30)]

    async def run(address: str) -> None:
        async with connect(f"ws://{address}{STREAM}") as pushing, connect(f"ws://{address}{WATCH}") as shown:
            await shown.recv()
            await sent(pushing, pictures[:1])
            assert await shown.recv() == pictures[0]
            await shown.recv()
            await sent(pushing, pictures[1:])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(shown.recv(), 0.2)
            await shown.send("shown")
            assert await shown.recv() == pictures[-1]
            assert [one["frame"] for one in json.loads(await shown.recv())] == list(range(1, 30))

    with of_pictures(backbone) as address:
        asyncio.run(asyncio.wait_for(run(address), 20))


def test_a_watcher_that_never_shows_its_picture_is_disconnected_with_the_reason(backbone):
    async def run(address: str) -> str:
        async with connect(f"ws://{address}{STREAM}") as pushing, connect(f"ws://{address}{WATCH}") as shown:
            await sent(pushing, [jpeg(plain(1))])
            for _ in range(3):
                await shown.recv()
            with pytest.raises(ConnectionClosed) as closed:
                await shown.recv()
            assert closed.value.rcvd is not None
            return closed.value.rcvd.reason

    with of_pictures(backbone, Limits(idle_seconds=0.5)) as address:
        assert "the watcher showed no picture for 0.5 s" in asyncio.run(asyncio.wait_for(run(address), 20))


def test_a_watcher_of_pictures_is_admitted_by_the_same_rules():
    with serving(token="secret") as address:
        assert "a token is required" in why_closed(address, path=WATCH)
    with serving() as address:
        elsewhere = why_closed(address, path=WATCH, origin="http://elsewhere.example")
        assert "pages of other sites" in elsewhere


def test_a_stream_of_features_has_no_pictures():
    async def run(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=a") as pushing, connect(f"ws://{address}{WATCH}") as shown:
            await shown.recv()
            for frame in np.split(video(5), 5):
                expected = await push(pushing, frame)
                assert json.loads(await shown.recv()) == expected

    with serving() as address:
        asyncio.run(asyncio.wait_for(run(address), 20))


def test_what_waits_for_a_watcher_is_limited_and_no_jpeg_is_made_in_vain(monkeypatch):
    made: list[int] = []
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: made.append(1))

    async def run() -> None:
        slow, careless = Watcher(takes_pictures=True), Watcher(takes_pictures=False)
        for number in range(1000):
            for watcher in (slow, careless):
                watcher.put([(str(number), None)], Picture(plain(number % 30)))
        results, picture = await slow.take()
        assert results == [str(number) for number in range(744, 1000)]
        assert picture is not None
        assert (await careless.take())[1] is None
        assert made == []
        assert picture.jpeg() == picture.jpeg() == b""
        assert made == [1]

    asyncio.run(run())


def test_the_live_page_of_a_video_gives_the_picture_that_each_result_is_about(backbone, tmp_path):
    model = model_on(backbone)
    clip, page = write_video(tmp_path / "clip.mp4", range(0, 4000, 100)), LivePage(model)
    address = page.address.removeprefix("http://").rstrip("/")

    async def watched() -> list[tuple[dict[str, Any], int]]:
        found: list[tuple[dict[str, Any], int]] = []
        async with connect(f"ws://{address}/watch?name=live&pictures=1") as socket:
            await socket.recv()
            running = asyncio.create_task(
                asyncio.to_thread(pipeline.run, model.stream(), model.source(clip, True, backbone), [page])
            )
            while not found or found[-1][0]["frame"] < 18:  # the last one may come together with the end
                pixels = np.asarray(Image.open(io.BytesIO(await socket.recv(decode=False))))
                found.append((json.loads(await socket.recv())[-1], numbers(pixels[None])[0]))
                await socket.send("shown")
            await running
        return found

    try:
        found = asyncio.run(asyncio.wait_for(watched(), 30))
        assert len(found) > 8
        assert all(shown == 2 * line["frame"] for line, shown in found), "5 of 10 pictures a second"
        for line, _ in found:
            parts = sum(part for name, part in line["delay_parts"].items() if name != "output")
            assert line["delay_seconds"] == pytest.approx(parts, abs=1e-3)
            assert line["dropped"] >= 0
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not tested")
def test_the_page_never_shows_another_picture_than_that_of_its_result(backbone, tmp_path):
    shown_now = """(() => {
      const canvas = document.getElementById('picture'), note = document.getElementById('note').textContent;
      if (canvas.hidden) return null;
      return [Number(note.match(/frame (\\d+)/)[1]), canvas.getContext('2d').getImageData(9, 9, 1, 1).data[0]];
    })()"""

    async def run(address: str, page: str) -> None:
        async with connect(f"ws://{address}{STREAM}") as pushing, connect(page, max_size=None) as tab:
            ask = await asking(tab)

            async def seen(code: str) -> Any:
                return (await ask("Runtime.evaluate", expression=code, returnByValue=True))["result"].get("value")

            await sent(pushing, [jpeg(plain(0))])
            await ask("Page.navigate", url=f"http://{address}/")
            while not str(await seen("document.getElementById('note')?.textContent")).startswith("frame 0"):
                await asyncio.sleep(0.05)
            assert await seen("document.getElementById('picture').hidden"), "no picture has come yet"
            frames = set()
            for number in range(1, 36):
                await sent(pushing, [jpeg(plain(number))])
                await asyncio.sleep(0.02)
                if (now := await seen(shown_now)) is not None:
                    frames.add(now[0])
                    assert abs(now[1] - grey(now[0])) <= 2
            deadline = time.monotonic() + 10
            while (now := await seen(shown_now))[0] != 35:
                assert time.monotonic() < deadline, now
                await asyncio.sleep(0.05)
            assert abs(now[1] - grey(35)) <= 2
            assert len(frames) > 3

    with of_pictures(backbone) as address, browser(tmp_path / "profile") as page:
        asyncio.run(asyncio.wait_for(run(address, page), 60))
