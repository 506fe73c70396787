"""In which way each class is wrong, in the report: late or early, short or long, missed, taken for another one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.metrics.found_segments import ClassSegments, found_by_class, match_segments
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from tests.test_page import BROWSER
from tests.test_report_keyboard import focus, press
from tests.test_report_page import FPS, NAMES, make_dataset, make_run
from tests.test_report_videos import opened

DELAYS = {"late": 3, "later": 9, "lost": 40}
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs whose predictions come late, the last one's so late that it misses segments or finds them too early."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = make_dataset(folder / "kitchen.h5")
    return [make_run(folder / name, dataset, frames=frames) for name, frames in DELAYS.items()]


def found(run: Path) -> list[ClassSegments | None]:
    """Of the predictions that the run's file has."""
    data, files = Dataset(run.parent / "kitchen.h5"), open_predictions(run / "predictions.h5")
    pairs = [(data.labels(video), files.read(video).labels) for video in data.part("1", "test")]
    videos = [ScoredVideo(labels, estimate, np.zeros((1, len(labels))), [0]) for labels, estimate in pairs]
    return found_by_class(map(match_segments, videos), len(NAMES), FPS)


def difference(seconds: float, more: str, less: str, none: str) -> str:
    size = abs(seconds)
    return none if size < 0.05 else f"{size:.{0 if size >= 9.95 else 1}f} s {more if seconds > 0 else less}"


def words(one: ClassSegments, letters: int = 60) -> list[str]:
    """What the page says of a class, in parts."""
    parts = []
    if one.start and one.end and one.length:
        start, end = (difference(times[1], "late", "early", "on time") for times in (one.start, one.end))
        length = difference(one.length[1], "too long", "too short", "as long as true")
        parts.append(f"start {start}, end {end} ({length})")
    missed = f"{one.num_missed} of {one.num} missed ({100 * one.num_missed / one.num:.0f} %)"
    if one.num_missed in {0, one.num}:
        all_or_none = "all" if one.num_missed else "none of"
        missed = f"{all_or_none} {one.num} missed"
    if one.taken_for:
        label, count = one.taken_for
        name = NAMES[label] if len(NAMES[label]) <= letters else NAMES[label][: (letters - 1) // 2] + "…"
        several = ", taken for different classes" if count == 1 else f", {count} of them taken for {name}"
        missed += f", taken for {name}" if count == one.num_missed else several
    return [*parts, missed, *([f"{one.num_in_pieces} of {one.num} in several pieces"] if one.num_in_pieces else [])]


def test_the_page_has_how_each_class_is_found_of_each_run(runs: list[Path]) -> None:
    for run, path in zip(page_data(open_runs(runs))["groups"][0]["runs"], runs, strict=True):
        expected = [dataclasses.asdict(one) if one else {} for one in found(path)]
        assert (run["found"][0], expected[0]) == (None, {}), "background has no segments"
        for own, one in zip(run["found"][1:], expected[1:], strict=True):
            assert own.keys() == one.keys()
            for name, value in one.items():
                assert own[name] == (value if value is None else pytest.approx(value, rel=1e-4, abs=1e-9)), name


def test_runs_are_as_late_as_they_were_made_and_the_last_one_misses_segments(runs: list[Path]) -> None:
    late, later, lost = ([one for one in found(run) if one] for run in runs)
    assert max(one.start[1] for one in late if one.start) == 3 / FPS
    assert max(one.start[1] for one in later if one.start) == 9 / FPS
    assert any(one.num_missed for one in lost)
    assert min(one.start[0] for one in lost if one.start) < 0


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_words_name_the_way_in_which_each_class_is_wrong_in_a_list_and_under_the_pointer(
    runs: list[Path], tmp_path: Path, width: int
) -> None:
    write_report(tmp_path / "r.html", page_data(open_runs(runs)))
    summary = "document.querySelectorAll('#classes details > summary')[1]"
    lines = "[...document.querySelectorAll('#classes dd')].map((one) => one.innerText)"
    heads = "[...document.querySelectorAll('#classes dt')].map((one) => one.textContent)"
    plot = "document.querySelector('#classes .plot')"

    async def look(tab: Any) -> None:
        await tab.resize(width)
        await focus(tab, summary)
        await press(tab, "Enter")
        await tab.until("document.querySelectorAll('#classes dd').length === 9")
        names, texts = await tab.js(heads), await tab.js(lines)
        assert sorted(names) == sorted(NAMES[1:])
        by_run = {run.name: found(run) for run in runs}
        for number, text in enumerate(texts):
            run, label = list(DELAYS)[number % 3], NAMES.index(names[number // 3])
            one = by_run[run][label]
            assert one is not None
            for part in words(one):
                assert part in text, (run, label)
            assert text.startswith(f"{run}: ")
        assert await tab.js("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"
        await tab.js("Object.assign(document.querySelector('#classes input'), { value: 'cut' }).oninput()")
        assert await tab.js(heads) == [NAMES[1]]
        await tab.js("document.querySelector('.runs input').click()")
        assert len(await tab.js(lines)) == 2, "of the runs that are shown"
        await focus(tab, plot)
        await tab.until(f"{plot}.data.length === 6 && {plot}.data[0].x.length === 1")
        await press(tab, "ArrowDown")  # from the look-up to the run
        later = by_run["later"][1]
        assert later is not None
        spoken = "document.querySelector('.spoken').textContent"
        await tab.until(f"{spoken}.includes('Its segments:')")
        heard = (await tab.js(spoken)).replace(",", "")
        assert all(part.replace(",", "") in heard for part in words(later)), heard
        box = "document.querySelector('#classes .hoverlayer .hovertext').getBoundingClientRect()"
        assert await tab.js(f"{box}.left >= 0 && {box}.right <= innerWidth"), "the box is whole"
        assert await tab.js("document.querySelectorAll('img, b, i').length + (typeof window.EVIL !== 'undefined')") == 0

    opened(tmp_path / "r.html", tmp_path / "profile", look)


@pytest.mark.slow
@needs_browser
def test_of_a_class_with_one_segment_the_page_says_in_a_sentence_how_it_is_found(
    runs: list[Path], tmp_path: Path
) -> None:
    write_report(tmp_path / "r.html", page_data(open_runs(runs[:1])))
    none = {"num": 1, "num_missed": 1, "num_in_pieces": 0, "start": None, "end": None, "length": None}
    one = {**none, "num_missed": 0, "num_in_pieces": 1, "start": [1, 1, 1], "end": [0, 0, 0], "length": [-1, -1, -1]}
    expected = {
        "only segment is missed, taken for rest": {**none, "taken_for": [0, 1]},
        "only segment: start 1.0 s late, end on time (1.0 s too short); in several pieces": {**one, "taken_for": None},
        "segments: both missed": {**none, "num": 2, "num_missed": 2, "taken_for": None},
    }

    async def look(tab: Any) -> None:
        for text, own in expected.items():
            group, run = json.dumps({"class_names": NAMES}), json.dumps({"found": [None, own]})
            given = f"{group}, {run}, {json.dumps(NAMES[1])}"
            assert await tab.js(f"`${{foundLead({given})}} ${{foundParts({given}).join('; ')}}`") == text

    opened(tmp_path / "r.html", tmp_path / "profile", look)


@pytest.mark.slow
@needs_browser
def test_classes_are_put_in_order_by_how_late_they_are_and_how_often_missed(runs: list[Path], tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", page_data(open_runs(runs[2:])))
    lost = {NAMES[label]: one for label, one in enumerate(found(runs[2])) if one}
    rows = "[...document.querySelectorAll('#classes tbody tr')].map((one) => one.cells[0].textContent)"
    column = "[...document.querySelectorAll('#classes th button')].find((one) => one.textContent.startsWith({}))"

    async def look(tab: Any) -> None:
        await tab.js("document.querySelector('#classes details').open = true")
        await tab.until("document.querySelectorAll('#classes tbody tr').length === 3")
        shares = {name: one.num_missed / one.num for name, one in lost.items()}
        starts = {name: one.start[1] if one.start else -np.inf for name, one in lost.items()}
        for head, values in (("missed", shares), ("start late", starts)):
            await tab.js(column.format(json.dumps(head)) + ".click()")
            found_values = [values[name] for name in await tab.js(rows)]
            assert found_values == sorted(found_values, reverse=True)

    opened(tmp_path / "r.html", tmp_path / "profile", look)
