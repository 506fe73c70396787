"""What a reader of the report meets: wrong stretches, times, a narrow window, and no run that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_page import BROWSER
from tests.test_report_page import make_report
from tests.test_report_videos import MOUSE, opened

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at"),
]


DELAYS = {"a": 3, "a run whose name has more letters than a narrow window": 9}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two runs on two videos."""
    return make_report(tmp_path_factory.mktemp("report"), DELAYS)


def test_wrong_labels_that_change_are_one_wrong_stretch_and_a_right_frame_or_another_segment_ends_it(
    report: Path, tmp_path: Path
) -> None:
    # True: 4 frames of 0, 10 of 1, 3 of 2. Predicted: 1 is lost to 2, 3 and 2, found for a frame, and lost to 0.
    group = "{fps: 5, class_names: 'abcd'.split(''), videos: [{segments: [4, 0, 10, 1, 3, 2]}]}"
    run = "{videos: [{segments: [4, 0, 1, 2, 3, 3, 1, 2, 1, 1, 9, 0]}]}"

    async def look(tab: Any) -> None:
        found = await tab.js(f"wrongStretches({group}, {run}, 0).map((one) => [one.start, one.end, one.label])")
        assert found == [[4, 9, 1], [10, 14, 1], [14, 17, 2]]
        words = f"wrongStretches({group}, {run}, 0).map((one) => predictedAs({group}, {run}, one))"
        assert await tab.js(words) == ["b mostly predicted as d", "b predicted as a", "c predicted as a"]

    opened(report, tmp_path / "profile", look)


def test_the_ends_of_a_short_stretch_are_written_with_the_digits_that_they_need(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        for frames, start, end, text in [
            (300, 159, 160, "5.30 to 5.33 s"),
            (300, 159, 200, "5.3 to 6.7 s"),
            (9000, 1150, 1159, "0:38.3 to 0:38.6"),
            (9000, 1150, 1200, "0:38 to 0:40"),
        ]:
            group = f"{{fps: 30, videos: [{{num_frames: {frames}}}]}}"
            assert await tab.js(f"fromTo({group}, 0, {start}, {end})") == text

    opened(report, tmp_path / "profile", look)


def test_without_a_run_plots_of_runs_ask_for_one_and_come_back_with_it(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        await tab.js("document.querySelector('#classes').scrollIntoView()")
        plot = "document.querySelector('#classes .plot')"
        await tab.until(f"!!{plot}.querySelector('.main-svg')")
        clicks = "document.querySelectorAll('.runs input').forEach((one) => one.click())"
        await tab.js(clicks)
        await tab.until(f"{plot}.textContent === 'Choose a run above.'")
        await tab.js(clicks)
        await tab.until(f"!!{plot}.querySelector('.main-svg .scatterlayer .point')")
        assert "Choose" not in await tab.js(f"{plot}.textContent")
        await tab.js("document.querySelector('.video').scrollIntoView()")
        await tab.js(clicks)
        await tab.until("document.querySelectorAll('.video .plot .ytick').length > 0")

    opened(report, tmp_path / "profile", look)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.65, 0.95])
def test_the_hover_box_of_a_video_is_whole_in_a_narrow_window(report: Path, tmp_path: Path, share: float) -> None:
    async def look(tab: Any) -> None:
        await tab.resize(400)
        plot = "document.querySelector('.video .plot')"
        await tab.until(f"{plot}._fullLayout?.width < 400")
        await tab.js("document.querySelector('.video').scrollIntoView()")
        for step in (0, 2):
            x, y = await tab.js(
                f"(({{ left, top, width, height }}) => [left + {share} * width + {step}, top + 0.6 * height])"
                f"({plot}.getBoundingClientRect())"
            )
            await tab._mouse("mouseMoved", x, y)
        await tab.until(f"!!{plot}.querySelector('.hoverlayer .legend')")
        left, right = await tab.js(
            f"[{plot}, {plot}.querySelector('.hoverlayer .legend .bg')].map((one) => one.getBoundingClientRect())"
            ".reduce((all, one) => [one.left - all.left, all.right - one.right])"
        )
        assert left >= 0
        assert right >= -1

    opened(report, tmp_path / "profile", look, MOUSE)


def test_narrow_texts_of_a_frame_have_two_lines(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        texts = "hoverTexts(DATA.groups[0], [0, 1], DATA.groups[0].runs[0].videos[0].frames)[1].split('<br>').length"
        await tab.resize(1280)
        assert await tab.js(texts) == 1
        await tab.resize(400)
        assert await tab.js(texts) == 2

    opened(report, tmp_path / "profile", look)


def test_back_leads_from_a_place_to_the_link_that_went_there(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        links = "document.querySelectorAll('#classes > div .link')"
        for index in (0, 1):
            await tab.js(f"{links}[{index}].focus()")
            await tab.js(f"{links}[{index}].click()")
            await tab.until("document.activeElement.matches('.video > summary')")
        for index in (1, 0):
            await tab.js("history.back()")
            await tab.until(f"document.activeElement === {links}[{index}]")
            assert await tab.js(
                f"(({{ top }}) => top > 0 && top < innerHeight)({links}[{index}].getBoundingClientRect())"
            )

    opened(report, tmp_path / "profile", look)


def test_classes_that_are_as_bad_as_the_worst_are_named(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        names = await tab.js("DATA.groups[0].class_names.slice(1)")
        await tab.js(
            "(({ runs: [run] }) => { run.confusion.forEach((row, id) => { row[0] += row[id]; row[id] = 0; });"
            " run.classFigures = null; })(DATA.groups[0])"
        )
        words = await tab.js("worstClass(DATA.groups[0], DATA.groups[0].runs[0]).textContent")
        worst = next(name for name in names if f"fewest frames right in {name}, 0.0 % of" in words)
        same = words.split("(the same in ")[1].split(");")[0]
        assert all(name in same for name in names if name != worst)
        many = "fewNames([...Array(20).keys()].map((id) => `c ${id}`))"
        assert (await tab.js(many)).endswith(", c 9, c 10, c 11 and 8 more")

    opened(report, tmp_path / "profile", look)


def test_equal_figures_of_two_runs_stand_beside_each_other(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        for count in range(2, 9):
            apart = await tab.js(f"(offset(1, {count}) - offset(0, {count})) * rowHeight({count})")
            assert apart >= 7, "pixels; markers have 8"

    opened(report, tmp_path / "profile", look)


def test_the_legend_has_a_class_that_is_only_a_likeliest_next_step(report: Path, tmp_path: Path) -> None:
    runs = "[{videos: [{segments: [1, 1], procedure: {next: [1, 3]}}]}]"
    look_of_each = "Array(4).fill(['#000000', '', 'white'])"
    group = f"{{class_names: 'abcd'.split(''), looks: {look_of_each}, videos: [{{segments: [1, 0]}}], runs: {runs}}}"

    async def look(tab: Any) -> None:
        assert await tab.js(f"[...classList({group}).children].map((one) => one.title)") == ["a", "b", "d"]

    opened(report, tmp_path / "profile", look)
