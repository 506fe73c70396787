"""The report by keyboard in a real browser: all that a pointer can do, in order, with a visible focus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.cli.main import main
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from tests.test_page import BROWSER
from tests.test_report_page import FPS, NAMES, labels_of, make_dataset, make_run
from tests.test_report_videos import ONE, opened, write_film

CODES = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36}
CODES |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
TEXTS = {"Enter": "\r", " ": " "}

REACHABLE = """(() => {
  const all = 'a[href], button, select, input, summary, video[controls], [tabindex="0"]';
  window.reachable = [...document.querySelectorAll(all)].filter((one) => one.checkVisibility() && !one.disabled);
  return reachable.length;
})()"""
FOCUSED = """(() => {
  const one = document.activeElement, style = getComputedStyle(one), { top, bottom } = one.getBoundingClientRect();
  return {
    number: reachable.indexOf(one), name: one.outerHTML.slice(0, 80),
    isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
    isSeen: bottom > 0 && top < innerHeight,
  };
})()"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two runs on two videos."""
    folder = tmp_path_factory.mktemp("report")
    dataset = make_dataset(folder / "kitchen.h5")
    runs = [make_run(folder / name, dataset, frames=frames) for name, frames in (("a", 3), ("b", 9))]
    write_report(folder / "report.html", page_data(open_runs(runs)))
    return folder / "report.html"


async def press(tab: Any, *keys: str, shift: bool = False) -> None:
    for key in keys:
        text = TEXTS.get(key, key if len(key) == 1 else "")
        code = CODES.get(key, ord(key[0]))
        values = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        await tab._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **values)
        await tab._ask("Input.dispatchKeyEvent", type="keyUp", **values)


async def focus(tab: Any, element: str) -> None:
    """Give an element the focus as a key would, near the middle of the window, and wait for its plot."""
    await tab.js(f"{element}.scrollIntoView({{block: 'center'}}); {element}.focus({{focusVisible: true}})")
    if ".plot" in element:
        # For its present width too: a window that became narrow has plots drawn again as they come into view.
        await tab.until(f"(({{ stamp, group }}) => stamp === group.stamp)(plots.get({element}))")
        await tab.until(f"document.activeElement === {element} || ({element}.focus(), false)")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the keyboard is not tried")
@pytest.mark.parametrize("width", [1280, 400])
def test_tab_reaches_everything_in_the_order_of_the_page_and_shows_where_it_is(report, tmp_path, width):
    async def look(tab: Any) -> None:
        await tab.resize(width)
        for plot in range(await tab.js("document.querySelectorAll('.plot').length")):  # a plot has keys once drawn
            element = f"document.querySelectorAll('.plot')[{plot}]"
            await tab.js(f"{element}.scrollIntoView()")
            await tab.until(f"!{element}.checkVisibility() || {element}.tabIndex === 0")
        count = await tab.js(REACHABLE)
        await tab.js("Object.assign(document.querySelector('h1'), { tabIndex: -1 }).focus()")
        seen = []
        for _ in range(count):
            await press(tab, "Tab")
            seen.append(await tab.js(FOCUSED))
        assert [one["number"] for one in seen] == list(range(count)), [one for one in seen if one["number"] < 0]
        assert [one["name"] for one in seen if not one["isMarked"]] == []
        assert [one["name"] for one in seen if not one["isSeen"]] == []

    opened(report, tmp_path / "profile", look)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the keyboard is not tried")
@pytest.mark.parametrize("width", [1280, 400])
def test_every_control_and_plot_does_by_key_what_it_does_by_pointer(report, tmp_path, width):
    async def look(tab: Any) -> None:
        await tab.resize(width)
        links = "[...document.querySelectorAll('.contents button')]"
        await focus(tab, f"{links}.find((one) => one.textContent === 'Classes')")
        await press(tab, "Enter")
        assert await tab.js("document.activeElement.id") == "classes"
        await press(tab, "Tab")
        assert await tab.js("!!document.activeElement.closest('#classes')"), "the next key goes on in the section"
        await classes(tab)
        await points(tab)
        await matrix(tab)
        await timeline(tab)
        await press(tab, "Escape")
        await focus(tab, "document.querySelector('.runs input')")
        await press(tab, " ")
        assert await tab.js("shownRuns(DATA.groups[0]).length") == 1
        await focus(tab, "document.querySelector('.video > summary')")
        await press(tab, "Enter")
        assert not await tab.js("document.querySelector('.video').open")

    opened(report, tmp_path / "profile", look)


async def classes(tab: Any) -> None:
    """They are put in order, turned round, found, and sorted by a column of the table."""
    names = "[...document.querySelectorAll('#classes tbody tr')].map((one) => one.cells[0].textContent)"
    await focus(tab, "document.querySelector('#classes details summary')")
    await press(tab, "Enter")
    await tab.until("document.querySelectorAll('#classes tbody tr').length === 3")
    await focus(tab, "document.querySelector('#classes select')")
    await press(tab, "n")
    rising = await tab.js(names)
    assert sorted(rising) == sorted(NAMES[1:])
    await focus(tab, "document.querySelector('#classes .tools button')")
    await press(tab, " ")
    assert await tab.js(names) == rising[::-1]
    column = "document.querySelectorAll('#classes th button')[1]"
    for direction in ("descending", "ascending"):
        await focus(tab, column)
        await press(tab, "Enter")
        assert await tab.js("document.querySelector('#classes th[aria-sort]').ariaSort") == direction
        assert await tab.js(f"document.activeElement === {column}"), "the focus stays"
    await focus(tab, "document.querySelector('#classes input')")
    await press(tab, "c", "u", "t")
    assert await tab.js(names) == ["cut & <b>chop</b>"]


async def points(tab: Any) -> None:
    """A plot of points is read one by one, and read out."""
    await focus(tab, "document.querySelector('#scores .plot')")
    spoken, before = "document.querySelector('.spoken').textContent", ""
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        await press(tab, key)
        await tab.until(f"{spoken} !== {json.dumps(before)}")
        before = await tab.js(spoken)


async def matrix(tab: Any) -> None:
    """A cell is chosen, and its counts are shown within the window."""
    await focus(tab, "document.querySelector('.matrix.plot')")
    await press(tab, "ArrowRight", "ArrowDown", "ArrowRight")
    text = await tab.js("document.querySelector('.tip').textContent")
    assert "true: cut & <b>chop</b>" in text
    assert "predicted: cut & <b>chop</b>" in text
    assert " of " in text
    inside = "((place) => place.left >= 0 && place.right <= innerWidth)"
    assert await tab.js(f"{inside}(document.querySelector('.tip').getBoundingClientRect())")
    await press(tab, "Escape")
    assert await tab.js("document.querySelector('.tip').hidden")


async def timeline(tab: Any) -> None:
    """Frames and segments of a video are read, and its time is zoomed."""
    await focus(tab, "document.querySelector('.video .plot')")
    await press(tab, "Home")
    await press(tab, "ArrowRight", shift=True)
    await tab.until("document.querySelector('.spoken').textContent.includes('(frame 1)')")
    await press(tab, "ArrowDown")
    name = await tab.js("document.querySelector('.video > summary').firstChild.textContent.trim()")
    start = int(np.flatnonzero(np.diff(labels_of(int(name[-1]))))[0]) + 1
    await tab.until(f"document.querySelector('.spoken').textContent.includes('(frame {start})')")
    width = "(([low, high]) => high - low)(document.querySelector('.video .plot')._fullLayout.xaxis.range)"
    whole = await tab.js(width)
    await press(tab, "+", "+")
    await tab.until(f"Math.abs({width} - {whole / 4}) < 1e-6")
    await press(tab, "0")
    await tab.until(f"Math.abs({width} - {whole}) < 1e-6")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the keyboard is not tried")
def test_enter_plays_the_segment_at_the_chosen_frame(tmp_path: Path) -> None:
    write_film(tmp_path / "films" / f"{ONE}.mp4")
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "kitchen.h5"))
    main(["report", str(run), "--videos", str(tmp_path / "films"), "--out", str(tmp_path / "r.html")])
    start, end = (np.flatnonzero(np.diff(labels_of(0)))[:2] + 1) / FPS

    async def look(tab: Any) -> None:
        await tab.until("document.querySelector('video').readyState >= 2")
        await focus(tab, "document.querySelector('.video .plot')")
        await press(tab, "Home", "ArrowDown", "Enter")
        await tab.until("!document.querySelector('video').paused")
        await tab.until("document.querySelector('video').paused")
        assert start < await tab.js("document.querySelector('video').currentTime") <= end, "it stops at its end"

    opened(tmp_path / "r.html", tmp_path / "profile", look)
