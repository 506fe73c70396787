"""Time axes of a video have one unit, which follows its length: seconds, or minutes from three minutes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.cli.main import main
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from tests.test_page import BROWSER
from tests.test_report_keyboard import focus, press
from tests.test_report_page import FPS, NAMES, make_run
from tests.test_report_procedure import reported
from tests.test_report_videos import MOUSE, opened
from tests.video_files import plain, write_video

LENGTHS = {"short": 300, "long": 950}
"""Frames: a minute, and 3 minutes 10 seconds."""


def labels_of(num_frames: int) -> np.ndarray:
    return np.repeat([0, 1, 2, 3, 0], num_frames // 5)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run that follows procedures, with the file of the long video."""
    folder = tmp_path_factory.mktemp("report")
    info = DatasetInfo("kitchen", NAMES, [0], FPS, {"1": {"train": ["other"], "test": list(LENGTHS)}})
    with write_dataset(folder / "kitchen.h5", info, {"features": FeatureSet(1)}) as writer:
        for name, length in {**LENGTHS, "other": 100}.items():
            features = {"features": np.zeros((length, 1), dtype=np.float32)}
            writer.add(Video(name, labels_of(length), features, task="soup"))
    run = make_run(folder / "run", folder / "kitchen.h5")
    files = open_predictions(run / "predictions.h5")
    predictions = [
        (name, dataclasses.replace(files.read(name), procedure=reported(length, len(NAMES))))
        for name, length in LENGTHS.items()
    ]
    (run / "predictions.h5").unlink()
    write_predictions(run / "predictions.h5", predictions, files.info)
    pictures = [plain(frame % 36) for frame in range(LENGTHS["long"])]
    write_video(folder / "films" / "long.mp4", range(0, 200 * len(pictures), 200), pictures)
    main(["report", str(run), "--videos", str(folder / "films"), "--out", str(folder / "r.html")])
    return folder / "r.html"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_timeline_and_procedure_of_a_video_have_the_unit_of_its_length(page: Path, tmp_path: Path) -> None:
    part = "[...document.querySelectorAll('.video')].find((one) => one.innerText.startsWith('{}'))"

    async def look(tab: Any) -> None:
        for name, unit, size in (("short", "seconds", 1), ("long", "minutes", 60)):
            plots = f"[...{part.format(name)}.querySelectorAll('.plot')]"
            for number, title in ((0, "xtitle"), (1, "xtitle"), (1, "ytitle")):
                await tab.js(f"{plots}[{number}].scrollIntoView()")
                text = f"{plots}[{number}].querySelector('.{title}')?.textContent"
                await tab.until(f"{text} === '{unit}{' left' * (title[0] == 'y')}'")
                end = await tab.js(f"{plots}[{number}]._fullLayout.xaxis.range[1]")
                assert end == pytest.approx(LENGTHS[name] / FPS / size)
        assert ": 12.0 to 12.6 s" in await tab.js(f"{part.format('short')}.innerText")
        assert ": 0:38.0 to 0:38.6" in await tab.js(f"{part.format('long')}.innerText")

    opened(page, tmp_path / "profile", look)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_keys_and_clicks_find_their_frame_where_the_axis_is_in_minutes(page: Path, tmp_path: Path) -> None:
    plot = "document.querySelector('.video video').closest('.video').querySelector('.plot')"
    start = LENGTHS["long"] // 5

    async def look(tab: Any) -> None:
        await focus(tab, plot)
        await tab.until("document.querySelector('video').readyState >= 2")
        await press(tab, "Home", "ArrowDown")
        spoken = "document.querySelector('.spoken').textContent"
        await tab.until(f"{spoken}.includes('(0:38, frame {start})')")
        assert f"{start / FPS / 60:.2f} min" in await tab.js(spoken)
        x, y = await tab.js(
            f"(({{ left, top }}, {{ xaxis, yaxis }}) => [left + xaxis._offset + xaxis.l2p({(start + 20) / FPS / 60}), "
            f"top + yaxis._offset + yaxis.l2p(0)])({plot}.getBoundingClientRect(), {plot}._fullLayout)"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await tab._mouse(kind, x, y, button="none" if kind == "mouseMoved" else "left", clickCount=1)
        await tab.until("!document.querySelector('video').paused")
        seconds = await tab.js("document.querySelector('video').currentTime")
        assert start / FPS <= seconds < start / FPS + 5, "the segment plays from its start"
        await tab.js("document.querySelector('video').pause()")
        cursor = "document.querySelector('.cursor').offsetLeft + 1"
        axis, now = f"{plot}._fullLayout.xaxis", "document.querySelector('video').currentTime / 60"
        where = f"{axis}._offset + {axis}.l2p({now})"
        await tab.until(f"Math.abs({cursor} - ({where})) <= 2")

    opened(page, tmp_path / "profile", look, MOUSE)
