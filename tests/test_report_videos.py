"""The report plays the test videos: each by its own file, in step with its timeline; what cannot be played is named."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from websockets.asyncio.client import connect

from protas_gtcc.cli.main import main
from protas_gtcc.report.page import render
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from tests.test_page import BROWSER, asking, browser
from tests.test_report_page import FPS, Page, labels_of, make_dataset, make_run, refusal
from tests.video_files import grey, plain, write_video

ONE, TWO = "<i>video</i> 0", "<i>video</i> 1"
GREYS = 36


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two test videos, of which the first has a file: picture k is frame k, in one of 36 greys."""
    folder = tmp_path_factory.mktemp("report")
    write_film(folder / "films" / f"{ONE}.mp4")
    return make_run(folder / "run", make_dataset(folder / "kitchen.h5"))


def write_film(path: Path, start: int = 0, **options: Any) -> Path:
    """The pictures of the first video, of which the first is shown at `start` milliseconds."""
    pictures = [plain(frame % GREYS) for frame in range(len(labels_of(0)))]
    return write_video(path, range(start, start + 200 * len(pictures), 200), pictures, **options)


def data_of(page: Path) -> dict[str, Any]:
    return dict(json.loads(Page(page.read_text(encoding="utf-8")).data))


def report(run: Path, page: Path, *more: object) -> dict[str, Any]:
    main(["report", str(run), "--out", str(page), *map(str, more)])
    return data_of(page)


def test_the_page_names_the_files_by_their_place_and_what_has_none_is_named(run, tmp_path, capsys):
    page = tmp_path / "pages" / "r.html"
    page.parent.mkdir()
    data = report(run, page, "--videos", run.parent / "films")
    one, two = data["groups"][0]["videos"]
    assert not Path(unquote(one["file"])).is_absolute()
    assert os.path.samefile(page.parent / unquote(one["file"]), run.parent / "films" / f"{ONE}.mp4")
    assert "<" not in one["file"]
    assert two["file"] is None
    assert f"has no file of 1 test video: {TWO}" in capsys.readouterr().err
    assert "media-src 'self' file: data:" in page.read_text(encoding="utf-8")


def test_with_embedded_videos_the_page_is_all_there_is(run, tmp_path):
    data = report(run, tmp_path / "r.html", "--videos", run.parent / "films", "--embed-videos")
    assert data["groups"][0]["videos"][0]["file"].startswith("data:video/mp4;base64,")


def test_without_videos_the_page_may_load_no_media(run):
    text = render(page_data(open_runs([run])), "")
    assert "media-src" not in text
    assert json.loads(Page(text).data)["has_videos"] is False


def test_a_folder_of_other_videos_and_a_flag_too_many_are_refused(run, tmp_path, capsys):
    write_video(tmp_path / "other.mp4")
    out = ("--out", tmp_path / "r.html")
    message = refusal(capsys, run, "--videos", tmp_path, *out)
    assert f"{tmp_path} has no file of the 2 test videos, such as '{ONE}'; give the folder" in message
    assert "add --videos FOLDER" in refusal(capsys, run, "--embed-videos", *out)


# In a browser

CLICK = """(([seconds, row]) => {
  const box = document.querySelector('.video .plot'), { xaxis, yaxis } = box._fullLayout;
  const { left, top } = box.getBoundingClientRect();
  return [left + xaxis._offset + xaxis.l2p(seconds), top + yaxis._offset + yaxis.l2p(row)];
})"""
STATE = """(() => {
  const video = document.querySelector('video'), canvas = document.createElement('canvas');
  canvas.width = canvas.height = 9;
  canvas.getContext('2d').drawImage(video, 0, 0, 9, 9);
  return {
    time: video.currentTime, paused: video.paused, grey: canvas.getContext('2d').getImageData(4, 4, 1, 1).data[0],
    frame: Number(document.querySelector('.time').textContent.match(/frame (\\d+)/)[1]),
    action: document.querySelector('.value div').textContent, cursor: document.querySelector('.cursor').offsetLeft,
  };
})()"""

LOOK_AT_EACH_PICTURE = f"""
seen = [];
onPicture = () => {{
  const video = document.querySelector('video');
  if (!video.seeking) seen.push({STATE});
  video.requestVideoFrameCallback(onPicture);
}};
document.querySelector('video').requestVideoFrameCallback(onPicture);
"""
"""When the browser hands over a picture: at other times, a busy machine may show later ones already. A picture on the
way to another place is none: the page shows where it goes to."""

MOUSE = "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
"""Headless Chromium has no mouse by default, and plotly treats the two differently."""


class Tab:
    """A page of the browser, opened at an address, in which errors are collected."""

    def __init__(self, ask: Any):
        self._ask = ask

    async def open(self, address: str) -> None:
        catching = "window.failures = []; window.addEventListener('error', (event) => failures.push(event.message))"
        await self._ask("Page.enable")
        await self._ask("Page.addScriptToEvaluateOnNewDocument", source=catching)
        await self._ask("Page.navigate", url=address)
        await self.until("document.readyState === 'complete' && !!document.querySelector('.video')")
        await self.js("document.querySelector('.video').scrollIntoView()")
        # Of many videos, none is open.
        await self.until("!!document.querySelector('.video .main-svg, .video:not([open])')")

    async def js(self, expression: str) -> Any:
        answer = await self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        deadline = time.monotonic() + 20
        while not await self.js(expression):
            assert time.monotonic() < deadline, expression
            await asyncio.sleep(0.05)

    async def resize(self, width: int) -> None:
        """Make the window so wide, in pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self._ask("Emulation.setDeviceMetricsOverride", **size)
        await self.until(f"innerWidth === {width}")

    async def click(self, seconds: float, row: int, until: float | None = None, count: int = 1) -> None:
        """Press the mouse at a time of a row and release it there, or at the time `until`."""
        for kind, where in (("mousePressed", seconds), ("mouseReleased", seconds if until is None else until)):
            x, y = await self.js(f"{CLICK}([{where}, {row}])")
            await self._mouse("mouseMoved", x, y)
            await self._mouse(kind, x, y, button="left", clickCount=count)

    async def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        await self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


def opened(page: Path, profile: Path, look: Any, *options: str) -> None:
    async def run(address: str) -> None:
        async with connect(address, max_size=None) as socket:
            tab = Tab(await asking(socket))
            await tab.open(page.as_uri())
            await look(tab)
            assert await tab.js("failures.join()") == ""

    with browser(profile, *options) as address:
        asyncio.run(asyncio.wait_for(run(address), 90))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
@pytest.mark.parametrize(
    ("ending", "start", "options", "machine"),
    [
        (".mp4", 0, {}, []),
        (".mp4", 0, {}, [MOUSE]),
        (".mp4", 777, {"sound": "aac"}, [MOUSE]),
        (".webm", 777, {"sound": "libopus", "codec": "libvpx"}, [MOUSE]),
        (".webm", 7300, {"codec": "libvpx"}, [MOUSE]),
    ],
    ids=["no mouse", "mouse", "sound first", "sound first, WebM", "starts at 7.3 s"],
)
def test_a_click_on_a_segment_plays_it_to_its_end_and_the_values_are_those_of_the_picture(
    run, tmp_path, ending, start, options, machine
):
    write_film(tmp_path / "films" / f"{ONE}{ending}", start, **options)
    data = report(run, tmp_path / "r.html", "--videos", tmp_path / "films", "--embed-videos")
    assert data["groups"][0]["videos"][0]["start_seconds"] == pytest.approx(start / 1000, abs=0.002)
    labels = labels_of(0)
    borders = [0, *(frame for frame in range(1, len(labels)) if labels[frame] != labels[frame - 1]), len(labels)]
    first, last = next((a, b) for a, b in itertools.pairwise(borders) if 5 <= b - a <= 12)

    async def look(tab: Tab) -> None:
        await tab.until("document.querySelector('video').readyState >= 2")
        assert await tab.js("document.querySelector('.player .problem').hidden"), "the lengths agree"
        await tab.js(LOOK_AT_EACH_PICTURE)
        await tab.click((first + 0.6) / FPS, 0)
        await tab.until("!document.querySelector('video').paused && !document.querySelector('video').seeking")
        start = await tab.js(STATE)
        await tab.until("document.querySelector('video').paused && !document.querySelector('video').seeking")
        seen, end = await tab.js("seen"), await tab.js(STATE)
        assert end["frame"] == last - 1
        assert abs(end["grey"] - grey((last - 1) % GREYS)) <= 3
        assert end["cursor"] > start["cursor"], "the cursor has moved"
        assert {one["frame"] for one in seen} <= set(range(first, last))
        assert len({one["frame"] for one in seen}) > 3
        for one in seen:
            assert abs(one["grey"] - grey(one["frame"] % GREYS)) <= 3, one

    opened(tmp_path / "r.html", tmp_path / "profile", look, *machine)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
@pytest.mark.parametrize("machine", [[], [MOUSE]], ids=["no mouse", "mouse"])
def test_a_click_plays_once_a_drag_plays_nothing_and_a_double_click_pauses(run, tmp_path, machine):
    report(run, tmp_path / "r.html", "--videos", run.parent / "films", "--embed-videos")

    async def look(tab: Tab) -> None:
        await tab.until("document.querySelector('video').readyState >= 2")
        await tab.js("plays = 0; document.querySelector('video').addEventListener('play', () => plays++)")
        await tab.js("seeks = 0; document.querySelector('video').addEventListener('seeking', () => seeks++)")
        await tab.click(0.5, 0, until=3)
        await asyncio.sleep(0.6)
        assert await tab.js("[plays, seeks]") == [0, 0], "a drag"
        await tab.click(1, 0)
        await tab.until("plays > 0")
        await asyncio.sleep(0.6)
        assert await tab.js("[plays, seeks <= 2]") == [1, True], "a click; the end of a short segment seeks too"
        await tab.click(1, 0)
        await tab.click(1, 0, count=2)
        await tab.until("document.querySelector('video').paused")

    opened(tmp_path / "r.html", tmp_path / "profile", look, *machine)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_a_file_is_played_from_its_place_and_what_cannot_be_played_has_a_line(run, tmp_path):
    films = tmp_path / "films"
    (films / "<i>video<").mkdir(parents=True)
    (films / f"{TWO}.mp4").write_bytes(b"this is no video")
    (films / f"{ONE}.mp4").write_bytes((run.parent / "films" / f"{ONE}.mp4").read_bytes())
    report(run, tmp_path / "r.html", "--videos", films)

    async def look(tab: Tab) -> None:
        await tab.until("document.querySelector('video').videoWidth === 64")
        await tab.js("[...document.querySelectorAll('.video')].at(-1).scrollIntoView()")
        await tab.until("[...document.querySelectorAll('video')].at(-1).hidden")
        line = await tab.js("[...document.querySelectorAll('.player .problem')].at(-1).textContent")
        assert line.startswith(f"This browser cannot play films/{TWO}.mp4.")
        assert await tab.js("document.querySelectorAll('.player .problem:not([hidden])').length") == 1

    opened(tmp_path / "r.html", tmp_path / "profile", look)
