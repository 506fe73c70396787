"""The report goes from a class to the video and place where it is wrong for longest, and has the worst videos first."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.video_skill import video_skill
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from tests.test_page import BROWSER
from tests.test_report_page import FPS, NAMES, labels_of, make_run
from tests.test_report_videos import opened

DELAYS = {"prompt": 3, "late": 9}
VIDEOS = [f"video {seed}" for seed in range(4)]
LISTED = "[...document.querySelectorAll('.video > summary')].map((one) => one.firstChild.textContent.trim())"
TOOLS = "document.querySelector('#test-videos nav')"
ORDER = f"(([key, run]) => {{ const [order, whose] = {TOOLS}.querySelectorAll('select'); " + (
    "order.value = key; order.onchange(); if (run !== null) { whose.value = run; whose.onchange(); } })"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at"),
]


def make_kitchen(path: Path, test: list[str]) -> Path:
    """A dataset with these test videos, and two training videos."""
    videos = {name: labels_of(seed) for seed, name in enumerate([*test, "train 4", "train 5"])}
    info = DatasetInfo("kitchen", NAMES, [0], FPS, {"1": {"train": ["train 4", "train 5"], "test": test}})
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for name, labels in videos.items():
            writer.add(Video(name, labels, {"features": np.zeros((len(labels), 1), dtype=np.float32)}))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs on four test videos, one of which comes later than the other."""
    folder = tmp_path_factory.mktemp("runs")
    make_kitchen(folder / "kitchen.h5", VIDEOS)
    return [make_run(folder / name, folder / "kitchen.h5", frames=frames) for name, frames in DELAYS.items()]


@pytest.fixture(scope="module")
def report(runs: list[Path]) -> Path:
    page = runs[0].parent / "report.html"
    write_report(page, page_data(open_runs(runs)))
    return page


def predicted(run: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """True and predicted class ids of each test video."""
    data, files = Dataset(run.parent / "kitchen.h5"), open_predictions(run / "predictions.h5")
    return [(data.labels(name), files.read(name).labels) for name in VIDEOS]


def longest_wrong(run: Path, wanted: str) -> tuple[str, int, int]:
    """Video, start and end of the longest part of a segment of the class in which no frame is right."""
    best, place = 0, ("", 0, 0)
    for name, pair in zip(VIDEOS, predicted(run), strict=True):
        start = 0
        for (label, is_right), same in groupby((label, label == taken) for label, taken in zip(*pair, strict=True)):
            length = len(list(same))
            if NAMES[label] == wanted and not is_right and length > best:
                best, place = length, (name, start, start + length)
            start += length
    return place


def test_each_class_has_a_link_to_where_it_is_wrong_for_longest_which_opens_and_marks_it(
    runs: list[Path], report: Path, tmp_path: Path
) -> None:
    async def look(tab: Any) -> None:
        await tab.js("document.querySelector('#classes details').open = true")
        rows = "[...document.querySelectorAll('#classes tbody tr')]"
        await tab.until(f"{rows}.length === 3")
        for column, run in enumerate(runs):
            for name in NAMES[1:]:
                video, start, end = longest_wrong(run, name)
                row = f"{rows}.find((one) => one.cells[0].textContent === {json.dumps(name)})"
                link = f"{row}.querySelectorAll('.link')[{column}]"
                assert (
                    await tab.js(f"{link}.closest('td').textContent")
                    == f"{start / FPS:.1f} to {end / FPS:.1f} s{video}"
                )
                await tab.js(
                    f"{TOOLS}.querySelector('input').value = 'nothing'; {TOOLS}.querySelector('input').oninput()"
                )
                await tab.js(f"{link}.click()")
                assert await tab.js("document.activeElement.firstChild.textContent.trim()") == video
                part = "document.activeElement.closest('.video')"
                mark = f"{part}.querySelector('.plot')?._fullLayout?.shapes[0]"
                near = f"Math.abs(one.x0 - {start / FPS}) + Math.abs(one.x1 - {end / FPS}) < 1e-6"
                await tab.until(f"{part}.open && ((one) => one && {near})({mark})")
                await tab.until(
                    f"(({{ top, bottom }}) => top >= 0 && bottom <= innerHeight)"
                    f"({part}.querySelector('.plot').getBoundingClientRect())"
                )
        marks = "[...document.querySelectorAll('.video .plot')].flatMap((one) => one._fullLayout?.shapes ?? []).length"
        await tab.until(f"{marks} === 1")

    opened(report, tmp_path / "profile", look)


def test_the_page_defines_a_wrong_stretch_and_names_the_longest_of_all_classes_of_each_run(
    runs: list[Path], report: Path, tmp_path: Path
) -> None:
    async def look(tab: Any) -> None:
        words = await tab.js("document.querySelector('#classes').textContent")
        assert "an unbroken part of a true segment without one right frame, whatever is predicted in it" in words
        for run in runs:
            places = {name: longest_wrong(run, name) for name in NAMES}
            seconds = max(end - start for _, start, end in places.values()) / FPS
            head = f"{run.name}: longest wrong stretch of all classes, {seconds:.1f} s, "
            rest = words.split(head)[1]
            name = next(name for name in NAMES if rest.startswith(f"{name} "))
            video, start, end = places[name]
            assert (end - start) / FPS == seconds
            assert f": {video}, {start / FPS:.1f} to {end / FPS:.1f} s" in rest

    opened(report, tmp_path / "profile", look)


def test_a_link_lists_a_video_of_hundreds_whose_name_is_part_of_others_and_keeps_the_order(tmp_path: Path) -> None:
    names = [str(number) for number in range(1, 251)]
    run = make_run(tmp_path / "run", make_kitchen(tmp_path / "kitchen.h5", names))
    write_report(tmp_path / "report.html", page_data(open_runs([run])))

    async def look(tab: Any) -> None:
        await tab.js(f"{ORDER}(['name', null])")
        assert await tab.js(LISTED) == names[:100]
        await tab.js(f"{TOOLS}.querySelector('button').click()")
        await tab.js("goToPlace(DATA.groups[0], { number: 199, start: 0, end: 1 })")
        assert (await tab.js(LISTED))[:100] == names[:-101:-1], "it is listed already"
        await tab.js(f"{TOOLS}.querySelector('input').value = '24'; {TOOLS}.querySelector('input').oninput()")
        assert await tab.js(f"{TOOLS}.querySelector('.found').textContent") == "13 of 250 videos"
        await tab.js("goToPlace(DATA.groups[0], { number: 0, start: 0, end: 1 })")
        assert await tab.js("document.activeElement.firstChild.textContent.trim()") == "1"
        assert await tab.js(LISTED) == names[::-1]
        assert await tab.js(f"{TOOLS}.querySelector('input').value") == ""
        assert await tab.js(f"{TOOLS}.querySelector('.found').textContent") == ""
        await tab.until("!!document.activeElement.closest('.video').querySelector('.main-svg')")

    opened(tmp_path / "report.html", tmp_path / "profile", look)


def test_videos_have_the_worst_first_by_a_figure_of_each_run(runs: list[Path], report: Path, tmp_path: Path) -> None:
    shown = page_data(open_runs(runs))["groups"][0]["runs"]
    data = Dataset(runs[0].parent / "kitchen.h5")
    expected: dict[tuple[str, int], list[float]] = {}
    for number, (run, path) in enumerate(zip(shown, runs, strict=True)):
        metrics, files = json.loads((path / "metrics.json").read_text()), open_predictions(path / "predictions.h5")
        scorer = video_skill(data, ["train 4", "train 5"], metrics)
        assert scorer is not None
        skills = [scorer.of(data.labels(name), files.read(name).reported) for name in VIDEOS]
        assert [video["skill"] for video in run["videos"]] == pytest.approx(skills, rel=1e-4)
        expected["skill", number] = [one["skill"] for one in run["videos"]]
        expected["acc", number] = [one["acc"] for one in run["videos"]]
        expected["error", number] = [-one["error"] for one in run["videos"]]

    async def look(tab: Any) -> None:
        for (key, run), values in expected.items():
            await tab.js(f"{ORDER}({json.dumps([key, str(run)])})")
            worst_first = [VIDEOS[number] for number in np.argsort(values, kind="stable")]
            assert await tab.js(LISTED) == worst_first, (key, run)
        await tab.js(f"{TOOLS}.querySelector('button').click()")
        assert await tab.js(LISTED) == worst_first[::-1]

    opened(report, tmp_path / "profile", look)


def test_the_order_is_at_once_of_the_runs_that_are_shown_and_names_its_run(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        whose = f"[...{TOOLS}.querySelectorAll('select')[1].options].map((one) => one.text)"
        reason = "document.querySelectorAll('.video .reason')"
        assert await tab.js(whose) == ["of prompt", "of late"]
        middle = f"[...{reason}].map((one) => one.textContent).find((one) => one.includes('number'))"
        assert "number 3 of 4 from the most frames right" in await tab.js(middle)
        await tab.js("document.querySelectorAll('.video')[1].scrollIntoView()")
        await tab.js(f"{ORDER}(['acc', null])")
        await tab.js("DATA.groups[0].runs[1].videos.reverse()")  # so that the runs differ in their order
        before = await tab.js(LISTED)
        after = await tab.js(f"document.querySelector('.runs input').click(), {LISTED}")
        run = page_data(open_runs([report.parent / "late"]))["groups"][0]["runs"][0]["videos"][::-1]
        assert after == [VIDEOS[number] for number in np.argsort([one["acc"] for one in run], kind="stable")]
        assert after != before
        assert await tab.js(whose) == ["of late"]

    opened(report, tmp_path / "profile", look)


def test_the_order_of_classes_names_the_runs_that_it_is_of(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        await tab.js("document.querySelector('#classes details').open = true")
        words = "document.querySelector('#classes .sorted thead td').textContent"
        await tab.until(f"document.querySelector('#classes .sorted') && {words} !== ''")
        assert await tab.js(words) == "In order: progress error, largest first, by the mean of the 2 runs shown"
        await tab.js("document.querySelectorAll('#classes th button')[3].click()")
        assert await tab.js(words) == "In order: frames right, fewest first, of prompt"
        assert await tab.js("document.querySelector('#classes .tools').textContent.includes('of prompt')")
        await tab.js("document.querySelectorAll('.runs input')[1].click()")
        await tab.until(f"{words} === 'In order: frames right, fewest first'")

    opened(report, tmp_path / "profile", look)
