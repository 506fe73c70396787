"""The report answers a reader's questions in words: the worst class, where a video goes wrong; and it prints whole."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.page_meanings import meanings
from protas_gtcc.report.runs import open_runs
from tests.predicted_videos import delayed
from tests.test_page import BROWSER
from tests.test_report_page import FPS, NAMES, labels_of, make_report
from tests.test_report_procedure import make_kitchen, make_procedure_run
from tests.test_report_videos import opened

DELAYS = {"a": 3, "b": 9}
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two runs on two videos."""
    return make_report(tmp_path_factory.mktemp("report"), DELAYS)


def worst_class(frames: int) -> str:
    """Of the test videos' actions, the one of which the fewest frames are right in predictions that are late."""
    truth = np.concatenate([labels_of(seed) for seed in range(2)])
    taken = np.concatenate([np.roll(labels_of(seed), frames) for seed in range(2)])
    right = {label: 100 * float(np.mean(taken[truth == label] == label)) for label in range(1, len(NAMES))}
    worst = min(right, key=right.__getitem__)
    return (
        f"fewest frames right in {NAMES[worst]}, {right[worst]:.1f} % of {np.sum(truth == worst)}; predicted instead: "
    )


def longest_wrong(seed: int, frames: int) -> str:
    """Of the longest part of a true segment of a video in which no frame is right."""
    labels = labels_of(seed)
    taken, segments = delayed(labels, frames, len(NAMES)).labels, np.cumsum(np.diff(labels, prepend=labels[0]) != 0)
    stretches = [
        list(same)
        for (_, is_wrong), same in groupby(range(len(labels)), lambda at: (segments[at], taken[at] != labels[at]))
        if is_wrong
    ]
    longest = max(stretches, key=len)
    (most, _), *others = Counter(taken[longest].tolist()).most_common()
    mostly = "mostly " if others else ""
    where = f"{longest[0] / FPS:.1f} to {(longest[-1] + 1) / FPS:.1f} s"
    return f"longest wrong stretch, {NAMES[labels[longest[0]]]} {mostly}predicted as {NAMES[most]}: {where}"


def test_every_head_of_scores_and_of_done_lists_and_every_look_up_has_a_meaning() -> None:
    heads = {"edit, merged", "f1@50", "error, macro", "order (POS)", "delay, s", "average index class", "skill"}
    assert heads <= meanings().keys()


def test_no_two_heads_have_the_same_meaning() -> None:
    assert len(set(meanings().values())) == len(meanings())


@pytest.mark.slow
@needs_browser
def test_further_figures_have_words_for_every_key_of_two_words(tmp_path: Path) -> None:
    run = make_procedure_run(tmp_path / "run", make_kitchen(tmp_path / "kitchen.h5"))
    write_report(tmp_path / "report.html", page_data(open_runs([run])))

    async def look(tab: Any) -> None:
        metrics = "Object.entries(DATA.groups[0].runs[0].metrics).filter(([name]) => !SHOWN_ELSEWHERE.includes(name))"
        names = f"[...leaves(Object.fromEntries({metrics})).keys()].flatMap((path) => path.split(JOIN))"
        keys = set(await tab.js(f"{names}.filter((name) => name.includes('_') && !(name in WORDS))"))
        look_ups = {"average_index", "average_index_class", "median_index_class", "best_constant"}
        assert keys <= look_ups | {"next_step", "time_left", "budget_per_hour"}, "others are words already"

    opened(tmp_path / "report.html", tmp_path / "profile", look)


@pytest.mark.slow
@needs_browser
def test_words_name_the_worst_class_of_each_run_and_where_each_video_goes_wrong(report: Path, tmp_path: Path) -> None:
    async def look(tab: Any) -> None:
        classes = await tab.js("document.getElementById('classes').textContent")
        videos = await tab.js("[...document.querySelectorAll('.video')].map((one) => one.textContent)")
        assert all(f"{name}: {worst_class(frames)}" in classes for name, frames in DELAYS.items())
        for text in videos:
            seed = int(text.split("</i> ")[1][0])
            assert all(f"{longest_wrong(seed, frames)}" in text for frames in DELAYS.values()), text
        figures = "[...document.querySelectorAll('.video > summary strong')].slice(0, 2).map((one) => one.title)"
        assert await tab.js(figures) == list(DELAYS), "the figures of a video are of the runs in their order"
        await tab.js("document.querySelector('.runs input').click()")
        assert await tab.js(figures) == ["b", "b"]

    opened(report, tmp_path / "profile", look)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_print_has_every_plot_in_the_colours_of_paper_and_the_page_is_as_before(
    report: Path, tmp_path: Path, theme: str
) -> None:
    plots = "[...document.querySelectorAll('.plot')].filter((one) => one.checkVisibility())"
    undrawn = f"{plots}.filter((one) => !one.querySelector('.main-svg') && !one.matches('.matrix')).length"
    widths = f"{plots}.map((one) => one._fullLayout ? one._fullLayout.width - one.clientWidth : 0)"
    ground = "getComputedStyle(document.body).backgroundColor"
    noting = f"addEventListener('beforeprint', () => {{ window.printed = [{ground}, {undrawn}, {widths}].flat() }})"

    async def look(tab: Any) -> None:
        await tab._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        await tab.resize(1280)
        before = await tab.js(ground)
        assert await tab.js(undrawn) > 0, "plots out of view are not drawn"
        await tab.js(noting)
        await tab._ask("Page.printToPDF")
        paper, left, *off = await tab.js("window.printed")
        assert (paper, left) == ("rgb(255, 255, 255)", 0)
        assert max(map(abs, off)) <= 1, "plots are as wide as paper"
        await tab.until(f"!document.documentElement.classList.contains('printed') && {ground} === '{before}'")
        assert max(map(abs, await tab.js(widths))) <= 1, "plots are as wide as the window again"
        assert await tab.js("document.documentElement.scrollWidth <= innerWidth")

    opened(report, tmp_path / "profile", look)
