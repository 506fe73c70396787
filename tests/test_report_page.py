"""The report page: it holds all of its runs, hides nothing, trusts no name, needs no network, and draws itself."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.cli.main import main
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos, save_evaluation
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.report.packing import NONE, pack
from protas_gtcc.report.page import render, write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.run_data import FRAME_VALUES, FrameValue
from protas_gtcc.report.runs import open_runs
from protas_gtcc.training.run_directory import RunDirectory
from tests.predicted_videos import delayed, without_progress
from tests.test_page import BROWSER, asking, browser

EVIL = '</script><script>window.EVIL = 1</script><img src="http://evil.example/x" onerror="window.EVIL = 2"><!-- $x'
NAMES = ["rest", "cut & <b>chop</b>", EVIL, "serve %{x}"]
FPS = 5.0


def labels_of(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.repeat(random.permutation(np.arange(12) % len(NAMES)), random.integers(1, 30, 12))


def make_dataset(path: Path, name: str = "kitchen", simulated: bool = False) -> Path:
    videos = {f"<i>video</i> {seed}": labels_of(seed) for seed in range(6)}
    one, two, *training = videos
    splits = {"1": {"train": training, "test": [one, two]}, "2": {"train": [one, *training], "test": [two]}}
    info = DatasetInfo(name, NAMES, [0], FPS, splits, simulated)
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for video, labels in videos.items():
            writer.add(Video(video, labels, {"features": np.zeros((len(labels), 1), dtype=np.float32)}))
    return path


def make_run(folder: Path, dataset: Path, split: str = "1", frames: int = 3, silent: bool = False) -> Path:
    """An evaluated run whose predictions come so many frames late."""
    data = Dataset(dataset)
    videos = [(name, data.labels(name)) for name in data.part(split, "test")]
    predictions = [(name, delayed(labels, frames, len(NAMES))) for name, labels in videos]
    if silent:
        predictions = [(name, without_progress(one.labels)) for name, one in predictions]
    write_predictions(
        folder / "predictions.h5", predictions, PredictionInfo(NAMES, [0], FPS, simulated=data.info.simulated)
    )
    triples = [(name, labels, one) for (name, labels), (_, one) in zip(videos, predictions, strict=True)]
    training = [data.labels(name) for name in data.part(split, "train")]
    info = EvaluationInfo(data.info.name, split, data.info.simulated, "features", frames)
    evaluation = evaluate_videos(triples, training, NAMES, [0], info, FPS)
    evaluation.metrics["surprise"] = {"deep": {"figure": 0.125}, "list": [1.0, None, 3.0]}
    evaluation.metrics["intervals"]["surprise"] = {"deep": {"figure": [0.0625, 0.25]}}
    save_evaluation(evaluation, folder)
    (folder / "config.yaml").write_text(f"dataset: {dataset}\n")
    return folder


def make_report(folder: Path, late: dict[str, int]) -> Path:
    """The page of runs on two videos, whose predictions come so many frames late."""
    dataset = make_dataset(folder / "kitchen.h5")
    runs = [make_run(folder / name, dataset, frames=frames) for name, frames in late.items()]
    write_report(folder / "report.html", page_data(open_runs(runs)))
    return folder / "report.html"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "kitchen.h5")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> list[Path]:
    """Three runs on split 1, the last of which reports no progress, and one on split 2."""
    folder = tmp_path_factory.mktemp("runs")
    made = [make_run(folder / "a" / "seed0", dataset), make_run(folder / "b" / "seed0", dataset, frames=9)]
    return [*made, make_run(folder / "silent", dataset, silent=True), make_run(folder / "c", dataset, split="2")]


class Page(HTMLParser):
    """Elements with their attributes, and the text of the data element."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_data = dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def labels_from_flat(flat: list[int]) -> np.ndarray:
    return np.repeat(flat[1::2], flat[::2])


def unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<u2")


def test_the_page_holds_every_frame_of_every_run(runs: list[Path], dataset: Path) -> None:
    group = page_data(open_runs(runs))["groups"][0]
    for run, path in zip(group["runs"], runs, strict=False):
        files = open_predictions(path / "predictions.h5")
        for video, own in zip(group["videos"], run["videos"], strict=True):
            labels, prediction = labels_from_flat(video["segments"]), files.read(video["name"])
            np.testing.assert_array_equal(labels, Dataset(dataset).labels(video["name"]))
            np.testing.assert_array_equal(labels_from_flat(own["segments"]), prediction.labels)
            if path.name != "silent":
                np.testing.assert_allclose(unpack(own["frames"]["reported"]) / 1000, prediction.reported, atol=0.00051)
            assert own["acc"] == pytest.approx(100 * np.mean(labels == prediction.labels), rel=1e-4)


def test_scores_of_the_page_are_those_of_the_evaluation(runs: list[Path]) -> None:
    for run, path in zip(page_data(open_runs(runs))["groups"][0]["runs"], runs, strict=False):
        metrics = json.loads((path / "metrics.json").read_text())
        assert run["metrics"]["segmentation"] == pytest.approx(metrics["segmentation"], rel=1e-4)
        assert run["metrics"]["surprise"] == metrics["surprise"]
        confusion, lengths = np.array(run["confusion"]), run["lengths"]
        assert 100 * np.trace(confusion) / confusion.sum() == pytest.approx(metrics["segmentation"]["acc"])
        errors = [(error or 0) * frames for error, frames in zip(lengths["error"], lengths["frames"], strict=True)]
        if metrics["progress"]["predicted"]:
            frame_error = metrics["progress"]["predicted"]["frame"]
            assert sum(errors) / sum(lengths["frames"]) == pytest.approx(frame_error, rel=1e-3)


def test_skill_comes_first_and_its_meaning_stands_in_words(runs: list[Path]) -> None:
    for run, path in zip(page_data(open_runs(runs))["groups"][0]["runs"], runs, strict=False):
        own = json.loads((path / "metrics.json").read_text())["progress"]["predicted"]
        assert list(run["ruler"])[:2] == ["skill", "skill of 0.5 in actions"]
        assert run["ruler"]["skill"][0] == (f"{own['skill']:.2f}".replace("0.", ".") if own else "–")
        assert run["verdict"].startswith("Skill " if own else "There is no progress error")


def test_reliability_is_over_frames_of_actions_and_over_those_with_the_right_class(runs: list[Path]) -> None:
    run = page_data(open_runs(runs[:1]))["groups"][0]["runs"][0]
    confusion = np.array(run["confusion"])
    for counted, expected in (("all", confusion[1:].sum()), ("right", np.trace(confusion[1:, 1:]))):
        for which in ("reported", "true"):
            assert sum(run["reliability"][counted][which]["num_frames"]) == expected


def test_a_run_that_reports_no_progress_is_not_shown_as_reporting_none(runs: list[Path]) -> None:
    run = page_data(open_runs([runs[2]]))["groups"][0]["runs"][0]
    assert run["reliability"] is None
    assert set(run["lengths"]["error"]) == {None}
    assert [(video["error"], video["frames"]) for video in run["videos"]] == [(None, {})] * 2


def test_values_are_packed_in_steps_and_unknown_ones_are_marked() -> None:
    packed = unpack(pack(np.array([0.0, 0.1234, 1.0, np.nan, 99.0]), 1000))
    assert packed.tolist() == [0, 123, 1000, NONE, NONE - 1]


def test_another_field_of_every_frame_is_one_line_and_left_out_where_it_is_unknown(runs: list[Path], monkeypatch: Any):
    monkeypatch.setattr(Prediction, "doubt", None, raising=False)
    monkeypatch.setitem(FRAME_VALUES, "doubt", FrameValue(10, 1, "# in doubt"))
    monkeypatch.setitem(FRAME_VALUES, "probability", FrameValue(100, 2, "sure to #"))
    data = page_data(open_runs(runs[:1]))
    assert data["frame_values"]["doubt"] == {"scale": 10, "digits": 1, "text": "# in doubt"}
    assert set(data["groups"][0]["runs"][0]["videos"][0]["frames"]) == {"reported", "probability"}


def test_runs_stand_side_by_side_only_where_their_videos_are_the_same(runs: list[Path], tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", make_dataset(tmp_path / "other.h5", "garage"))
    groups = page_data(open_runs([*runs, other]))["groups"]
    assert [(group["dataset"], group["split"], len(group["runs"])) for group in groups] == [
        ("kitchen", "1", 3), ("kitchen", "2", 1), ("garage", "1", 1),
    ]  # fmt: skip


def test_runs_get_the_shortest_names_that_differ(runs: list[Path]) -> None:
    assert [run.name for run in open_runs([*runs[:2], runs[0]])] == ["a/seed0", "b/seed0"]
    assert [run.name for run in open_runs(runs[2:])] == ["silent", "c"]


def test_names_are_nowhere_markup_and_nothing_is_loaded(runs: list[Path]) -> None:
    text = render(page_data(open_runs(runs)), "/* plotly.js */")
    page = Page(text)
    assert [tag for tag, _ in page.elements if tag in ("img", "i", "b", "iframe")] == []
    assert [tag for tag, _ in page.elements].count("script") == 3
    for tag, attributes in page.elements:
        assert "src" not in attributes
        assert tag != "link" or str(attributes["href"]).startswith("data:")
    assert json.loads(page.data)["groups"][0]["class_names"] == NAMES
    assert "http" not in text.replace(json.dumps(EVIL).replace("<", "\\u003c")[1:-1], "").replace("http-equiv", "")
    assert "default-src 'none'" in text


def test_simulated_data_is_marked_in_the_title_and_only_then(runs: list[Path], tmp_path: Path) -> None:
    simulated = make_run(tmp_path / "run", make_dataset(tmp_path / "k.h5", "<b>play</b>", simulated=True))
    titles = [
        re.findall("<title>(.*)</title>", render(page_data(open_runs(chosen)), ""))[0]
        for chosen in ([simulated], [simulated, runs[0]], runs)
    ]
    assert titles == [
        "SIMULATED: 1 run on &lt;b&gt;play&lt;/b&gt;",
        "partly SIMULATED: 2 runs on &lt;b&gt;play&lt;/b&gt;, kitchen",
        "4 runs on kitchen",
    ]


def test_the_page_is_written_whole_and_of_a_reasonable_size(runs: list[Path], tmp_path: Path) -> None:
    data = page_data(open_runs(runs))
    write_report(tmp_path / "report.html", data)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "plotly.js v" in text
    assert len(text) < 6_000_000
    assert json.loads(Page(text).data) == json.loads(json.dumps(data))


def test_the_verb_prints_the_page_or_json_for_programs(runs: list[Path], tmp_path: Path, capsys: Any) -> None:
    main(["report", *map(str, runs), "--out", str(tmp_path / "r.html"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["report"] == str(tmp_path / "r.html")
    assert [run["name"] for run in printed["runs"]] == ["a/seed0", "b/seed0", "silent", "c"]
    assert printed["runs"][3] | {"path": ""} == {
        "name": "c", "path": "", "dataset": "kitchen", "split": "2", "simulated": False, "num_videos": 1,
    }  # fmt: skip


def test_an_older_page_is_replaced_with_overwrite_only(runs: list[Path], tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "r.html"
    page.write_text("older")
    assert "r.html would be replaced; give another name, or --overwrite" in refusal(capsys, runs[0], "--out", page)
    assert page.read_text() == "older"
    main(["report", str(runs[0]), "--out", str(page), "--overwrite"])
    assert page.read_text() != "older"


def refusal(capsys: Any, *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["report", *map(str, arguments)])
    printed = capsys.readouterr().err
    assert stop.value.code == 1
    assert printed.count("\n") == 1, "one line"
    return str(printed)


def test_what_cannot_be_shown_is_refused_in_one_line(runs: list[Path], dataset: Path, tmp_path: Path, capsys: Any):
    run, page = tmp_path / "run", ("--out", tmp_path / "r.html")
    assert "no run directory" in refusal(capsys, run, *page)
    shutil.copytree(runs[0], run)
    (run / "config.yaml").write_text("dataset: /nowhere/kitchen.h5\n")
    message = refusal(capsys, run, *page)
    assert "no file of its dataset 'kitchen' is found; looked at /nowhere/kitchen.h5; give --dataset FILE.h5" in message
    other = make_dataset(tmp_path / "garage.h5", "garage")
    assert f"looked at {other} (it is garage)" in refusal(capsys, run, "--dataset", other, *page)
    main(["report", str(run), "--dataset", str(dataset), "--out", str(tmp_path / "moved.html")])
    capsys.readouterr()
    (run / "predictions.h5").unlink()
    shutil.copy(runs[1] / "predictions.h5", run / "predictions.h5")
    assert "evaluate it again" in refusal(capsys, run, "--dataset", dataset, *page)
    (run / "predictions.h5").unlink()
    assert "has no predictions.h5" in refusal(capsys, run, *page)
    (run / "metrics.json").write_text("{")
    assert "is not whole JSON" in refusal(capsys, run, *page)
    whole = json.loads((runs[0] / "metrics.json").read_text())
    for changed, message in (
        (json.dumps(whole | {"predictions": 5}), "metrics.json: predictions cannot be 5; evaluate the run again"),
        (json.dumps(whole | {"dataset": ["kitchen"]}), "dataset cannot be ['kitchen']"),
        (json.dumps(whole | {"progress": 5}), "metrics.json is not as 'evaluate' writes it (TypeError"),
        (json.dumps(whole | {"segmentation": {}}), "is not as 'evaluate' writes it (KeyError: 'acc')"),
        (json.dumps(whole | {"margin": math.nan}), "is not whole JSON (NaN is no number)"),
        (json.dumps(whole | {"margin": "\ud800"}), "is not whole JSON ('utf-8' codec can't encode"),
        (json.dumps(list(whole)), "evaluate the run again"),
        ("[" * 100_000, "is not whole JSON (maximum recursion depth exceeded"),
    ):
        (run / "metrics.json").write_text(changed)
        shutil.copy(runs[0] / "predictions.h5", run / "predictions.h5")
        assert message in refusal(capsys, run, "--dataset", dataset, *page)
    (run / "metrics.json").unlink()
    assert "is not finished: go on with --resume" in refusal(capsys, run, *page)
    directory = RunDirectory(run)
    directory.write_log([{"epoch": epoch} for epoch in range(directory.read_config().training.epochs)])
    assert "was not evaluated (no metrics.json)" in refusal(capsys, run, *page)
    assert not (tmp_path / "r.html").exists()


def test_a_page_of_one_video_has_the_scores_of_all(runs: list[Path], tmp_path: Path, capsys: Any) -> None:
    name = "<i>video</i> 1"
    whole, one = (page_data(open_runs(runs[:2]), None, only)["groups"][0] for only in ((), (name,)))
    assert [video["name"] for video in one["videos"]] == [name]
    assert [run["videos"] for run in one["runs"]] == [run["videos"][1:] for run in whole["runs"]]
    assert [run["metrics"] for run in one["runs"]] == [run["metrics"] for run in whole["runs"]]
    message = refusal(capsys, *runs[:1], "--video", "nobody", "--out", tmp_path / "r.html")
    assert "has no test video nobody; --video may name <i>video</i> 0" in message


def test_without_plotly_one_line_names_the_way_out(runs: list[Path], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.delitem(sys.modules, "plotly.offline", raising=False)
    with pytest.raises(InputError, match=r"pip install -e '\.\[report\]' in the folder"):
        write_report(tmp_path / "r.html", page_data(open_runs(runs[:1])))


Js = Callable[[str], Awaitable[Any]]


async def look(page: str, address: str, picture: Path) -> None:
    """Open the page without a network, and check that it draws and hides runs and shows values."""
    async with connect(address, max_size=None) as tab:
        ask = await asking(tab)

        async def js(expression: str) -> Any:
            answer = await ask("Runtime.evaluate", expression=expression, returnByValue=True)
            assert "exceptionDetails" not in answer, answer["exceptionDetails"]
            return answer["result"].get("value")

        async def until(expression: str) -> None:
            deadline = time.monotonic() + 20
            while not await js(expression):
                assert time.monotonic() < deadline, expression
                await asyncio.sleep(0.05)

        await ask("Page.enable")
        await ask("Network.enable")
        await ask(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        catching = "window.failures = []; window.addEventListener('error', (event) => failures.push(event.message))"
        await ask("Page.addScriptToEvaluateOnNewDocument", source=catching)
        await ask("Page.navigate", url=page)
        await until("document.readyState === 'complete'")
        await js("document.querySelector('.plot').scrollIntoView()")
        await until("!!document.querySelector('.plot .main-svg')")
        assert await js("document.querySelectorAll('nav:not(.contents) button').length") == 2 + 3, (
            "groups; reverse, open, close"
        )
        await hiding_a_run(js, until)
        await hovering_a_frame(js, until)
        await finding_videos(js)
        await drawing_lengths(js, until)
        assert "Skill" in await js("document.querySelector('section h2').textContent")
        assert "from the best constant to" in await js("document.querySelector('section').textContent")
        heads = "[...document.querySelectorAll('th')]"
        meaning = await js(f"{heads}.find((one) => one.textContent === 'skill').title")
        assert meaning.startswith("(E_const - E) / (E_const - E_true)")
        await js("[...document.querySelectorAll('h2')].find((one) => one.textContent === 'Classes').scrollIntoView()")
        ticks = "[...document.querySelectorAll('.ytick text')]"
        await until(f"{ticks}.some((one) => one.textContent === 'cut & <b>chop</b>')")
        await js("[...document.querySelectorAll('details')].forEach((one) => { one.open = true; })")
        await until("document.body.innerText.includes('deep › figure')")
        assert "0.125" in await js("document.body.innerText")
        assert await js("[typeof window.EVIL, document.querySelectorAll('img, b, i').length, failures.join()]") == [
            "undefined", 0, "",
        ]  # fmt: skip
        assert await js("performance.getEntriesByType('resource').length") == 0
        shot = await ask("Page.captureScreenshot")
        picture.write_bytes(base64.b64decode(shot["data"]))


async def finding_videos(js: Js) -> None:
    """Videos are put in another order, and found by a part of their names; sections are named and linked."""
    names = "[...document.querySelectorAll('.video > summary')].map((one) => one.firstChild.textContent.trim())"
    chosen = "Object.assign(document.querySelector('#test-videos nav select'), { value: 'length' }).onchange()"
    by_length = sorted(range(2), key=lambda seed: -len(labels_of(seed)))
    await js(chosen)
    assert await js(names) == [f"<i>video</i> {seed}" for seed in by_length]
    await js("Object.assign(document.querySelector('#test-videos input[type=search]'), { value: '> 1' }).oninput()")
    assert await js(names) == ["<i>video</i> 1"]
    assert await js("document.querySelector('#test-videos nav .found').textContent") == "1 of 2 videos"
    await js("Object.assign(document.querySelector('#test-videos input[type=search]'), { value: '' }).oninput()")
    heads = "[...document.querySelectorAll('h2')].filter((one) => one.checkVisibility())"
    links = "[...document.querySelectorAll('.contents button')].filter((one) => one.checkVisibility())"
    texts = ".map((one) => one.textContent)"
    assert await js(heads + texts) == await js(links + texts)
    assert await js("document.querySelectorAll('.judgement').length") == 2, "a sentence for each run but the best"


async def hiding_a_run(js: Js, until: Callable[[str], Awaitable[None]]) -> None:
    tables = "[...document.querySelectorAll('.runs ~ section table')][0].tBodies[0].rows.length"
    assert await js(tables) == 3
    await js("document.querySelector('.runs ~ section table').scrollIntoView()")
    await js("document.querySelector('.runs input').click()")
    assert await js(tables) == 2, "what is seen changes at once"
    await js("document.querySelector('.video').scrollIntoView()")
    await until("!!document.querySelector('.video .main-svg')")
    drawn = "document.querySelector('.video .plot').data.filter((trace) => trace.type === 'scatter').length"
    assert await js(drawn) == 3, "the truth and the two runs that are shown"
    await js("document.querySelector('.runs input').click()")
    await until(f"{drawn} === 4")
    await until(f"{tables} === 3")


async def drawing_lengths(js: Js, until: Callable[[str], Awaitable[None]]) -> None:
    """Of the true lengths, those that occur have a column, and no others."""
    plot = "document.querySelector('#segment-lengths .plot')"
    bins = (await js("DATA.length_bins"))[1:]
    await js("for (const run of DATA.groups[0].runs) run.lengths.segments[0] = 0")
    section = "document.getElementById('segment-lengths')"
    await js(f"{section}.replaceWith(...lengths(DATA.groups[0])); {section}.scrollIntoView()")
    await until(f"!!{plot}.data")
    drawn = await js(f"{plot}.data.map((trace) => trace.x)")
    assert drawn == [bins] * len(drawn)
    assert await js(f"[...{plot}.querySelectorAll('.xtick text')].map((one) => one.textContent)") == bins


async def hovering_a_frame(js: Js, until: Callable[[str], Awaitable[None]]) -> None:
    """The box at frame 50 shows time and frame, and class and progress of the truth and of each run."""
    await js(f"Plotly.Fx.hover(document.querySelector('.video .plot'), {{ xval: 50 / {FPS} }}, ['xy2'])")
    await until("!!document.querySelector('.video .hoverlayer text')")
    text = await js(
        "[...document.querySelectorAll('.video .hoverlayer text')].map((one) => one.textContent).join('\\n')"
    )
    labels = labels_of(0)
    shown = {1: "cut & <b>chop</b>", 3: "serve %{x}", 0: "rest"}
    assert "10.00 s" in text
    assert "(frame 50)" in text
    assert f"{progress_target(labels, [0])[50]:.2f}" in text
    for frames in (3, 9):
        prediction = delayed(labels, frames, len(NAMES))
        label = int(prediction.labels[50])
        assert f"{shown.get(label, EVIL[:10])}" in text
        assert f"{prediction.reported[50]:.2f}" in text


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_the_page_draws_hides_runs_and_shows_values_without_a_network(runs: list[Path], tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", page_data(open_runs(runs)))
    picture = Path(os.environ.get("REPORT_SCREENSHOT", tmp_path / "report.png"))
    with browser(tmp_path / "profile") as address:
        asyncio.run(look((tmp_path / "report.html").as_uri(), address, picture))
    assert picture.stat().st_size > 10_000
