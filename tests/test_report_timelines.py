"""Timelines: the one that is drawn ahead moves nothing, bars with room have their numbers, and the truth differs."""

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
from protas_gtcc.predictions import Prediction, PredictionInfo
from tests.test_page import BROWSER
from tests.test_report_page import FPS, NAMES, make_dataset, make_run
from tests.test_report_videos import opened

LENGTHS = {0: 20, 1: 200, 2: 2, 3: 100}
"""Frames of a segment of each class, of which 0 is the background and 2 has no room for its number."""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_of_many_videos_a_timeline_is_drawn_ahead_unseen_and_numbers_follow_the_zoom(tmp_path: Path) -> None:
    labels = np.repeat(list(LENGTHS), list(LENGTHS.values()))
    tested = [f"video {number}" for number in range(21)]
    info = DatasetInfo("kitchen", NAMES, [0], FPS, {"1": {"train": ["other"], "test": tested}})
    with write_dataset(tmp_path / "kitchen.h5", info, {"features": FeatureSet(1)}) as writer:
        for name in ["other", *tested]:
            writer.add(Video(name, labels, {"features": np.zeros((len(labels), 1), dtype=np.float32)}))
    run = make_run(tmp_path / "run", tmp_path / "kitchen.h5", frames=0)
    main(["report", str(run), "--out", str(tmp_path / "r.html")])
    numbers = "[...document.querySelectorAll('.video .numbers text')].map((one) => one.textContent).join()"
    fits = "document.documentElement.scrollWidth <= innerWidth"

    async def look(tab: Any) -> None:
        await tab.resize(400)
        await tab.until(f"!document.querySelector('.unseen') && {fits}")  # tables follow the new width a frame later
        assert await tab.js(f"(prepareTimelines(), [!!document.querySelector('.unseen'), {fits}])") == [True, True]
        await tab.until("!document.querySelector('.unseen')")
        await tab.js("document.querySelector('.video').open = true")
        await tab.js("document.querySelector('.video').scrollIntoView()")
        await tab.until(f"{numbers} === '1,3,1,3'")
        box = "document.querySelector('.video .plot')"
        await tab.js(f"void Plotly.relayout({box}, {{ 'xaxis.range': [{216 / FPS}, {226 / FPS}] }})")
        await tab.until(f"{numbers} === '1,2,3,1,2,3'")

    opened(tmp_path / "r.html", tmp_path / "profile", look)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_beside_the_band_of_the_only_run_the_truth_is_a_line_in_another_tone(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "kitchen.h5")
    runs = [make_run(tmp_path / name, dataset) for name in ("one", "two")]
    for run in runs:
        files = open_predictions(run / "predictions.h5")
        spread = [(name, with_interval(files.read(name))) for name in files.video_names]
        write_predictions(run / "predictions.h5", spread, PredictionInfo(NAMES, [0], FPS))
    main(["report", *map(str, runs), "--out", str(tmp_path / "r.html")])
    curves = "document.querySelector('.video .plot').data.filter((one) => one.type === 'scatter')"
    areas = f"{curves}.filter((one) => one.fill).length"
    truth = f"{curves}.find((one) => one.name === '<b>true</b>')"

    async def look(tab: Any) -> None:
        await tab.js("document.querySelector('.video').open = true")
        await tab.js("document.querySelector('.video').scrollIntoView()")
        await tab.until("!!document.querySelector('.video .main-svg')")
        assert await tab.js(f"[{areas}, {truth}.fill]") == [1, "tozeroy"], "of two runs, only the truth is an area"
        await tab.js("document.querySelector('.runs input').click()")
        await tab.until(f"{curves}.length === 4")
        assert await tab.js(f"[{areas}, {truth}.fill ?? null, {truth}.line.width]") == [1, None, 2]
        band = f"{curves}.find((one) => one.fill)"
        assert await tab.js(f"{curves}.indexOf({band}) < {curves}.indexOf({truth})"), "the band hides no line"

    opened(tmp_path / "r.html", tmp_path / "profile", look)


def with_interval(prediction: Prediction) -> Prediction:
    ends = prediction.reported + np.array([[-0.2], [0.2]], dtype=np.float32)
    return dataclasses.replace(prediction, interval=ends.clip(0, 1))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_runs_differ_by_the_gaps_of_their_lines_too_in_their_curves_and_beside_their_names(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "kitchen.h5")
    main(
        ["report", *(str(make_run(tmp_path / f"run{n}", dataset)) for n in range(9)), "--out", str(tmp_path / "r.html")]
    )

    async def look(tab: Any) -> None:
        dashes = "document.querySelector('.video .plot').data.slice(-27).map((one) => one.line?.dash).filter(Boolean)"
        await tab.until("!!document.querySelector('.video .plot').data")
        drawn = await tab.js(dashes)
        assert len(drawn) == 9
        assert len({*drawn[:4]}) == 4
        assert drawn[0] != drawn[8], "of two runs of one colour"
        lines = "[...document.querySelectorAll('.runs .line')].map((one) => one.style.background)"
        assert len({*(await tab.js(lines))[:4]}) == 4

    opened(tmp_path / "r.html", tmp_path / "profile", look)
