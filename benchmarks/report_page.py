"""How large a report is, how long it takes to load, and how fast it reacts, in a real browser.

    python benchmarks/report_page.py --sizes 10 100 1000 --repeats 5

Two runs on made-up videos: 120 classes, 20 segments a video, predictions some frames late, with intervals. The report
of them is opened in Chromium, afresh in each round. Loading ends at the first painted frame after everything is there.
A reaction lasts from the event of a control to the painted frame with its result; the mouse or key that causes the
event is left out. Each is given by the clock, and as processor time of the page's main thread: what it takes where
nothing else runs, but for waiting for the next frame.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from page_in_browser import Page, Took, chromium
from side_by_side import describe_machine, versions

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos, save_evaluation
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from protas_gtcc.storage.atomic import write_text

FPS, SEGMENTS, TRAINING = 5.0, 20, 40
LATE = {"prompt": 3, "late": 9}
"""By run, the frames by which its predictions are late."""
LINKS = "[...document.querySelectorAll('.contents button')]"
LISTED = "document.querySelectorAll('#test-videos .video')"
VIDEO_TOOLS = "document.querySelector('#test-videos nav')"
CLASSES = "document.getElementById('classes')"
ACTIONS: dict[str, tuple[str, str, str]] = {
    "search videos": (
        f"{VIDEO_TOOLS}.scrollIntoView()",
        f"window.before = {VIDEO_TOOLS}.innerText; const i = {VIDEO_TOOLS}.querySelector('input'); "
        "i.value = i.value ? i.value.slice(0, -1) : 'video 7'; i.dispatchEvent(new Event('input'))",
        f"{VIDEO_TOOLS}.innerText !== before",
    ),
    "change order": (
        f"const i = {VIDEO_TOOLS}.querySelector('input'); i.value = ''; i.dispatchEvent(new Event('input'))",
        f"window.before = [...{LISTED}].map((one) => one.textContent).join(); "
        f"const s = {VIDEO_TOOLS}.querySelector('select'); "
        "s.value = s.value === 'name' ? 'error' : 'name'; s.dispatchEvent(new Event('change'))",
        f"[...{LISTED}].map((one) => one.textContent).join() !== before",
    ),
    "open a video": (
        f"{LISTED}[3].scrollIntoView({{block: 'center'}}); {LISTED}[3].open = false",
        f"{LISTED}[3].open = true",
        f"!!{LISTED}[3].querySelector('.main-svg')",
    ),
    "sort classes": (
        f"{CLASSES}.scrollIntoView()",
        f"window.before = {CLASSES}.querySelector('.ytick text')?.textContent; "
        f"const s = {CLASSES}.querySelector('select'); "
        "s.value = s.value === 'name' ? 'frames' : 'name'; s.dispatchEvent(new Event('change'))",
        f"{CLASSES}.querySelector('.ytick text').textContent !== before",
    ),
    "search classes": (
        f"{CLASSES}.scrollIntoView()",
        f"window.before = {CLASSES}.querySelectorAll('.ytick').length; const i = {CLASSES}.querySelector('input'); "
        "i.value = i.value ? '' : '7'; i.dispatchEvent(new Event('input'))",
        f"{CLASSES}.querySelectorAll('.ytick').length !== before",
    ),
    "change run, at the scores": (
        "document.getElementById('scores').scrollIntoView()",
        "window.before = document.querySelectorAll('#scores tbody tr').length; "
        "document.querySelector('.runs input').click()",
        "document.querySelectorAll('#scores tbody tr').length !== before",
    ),
    "change run, at a video": (
        # In this order it stays in the list, whichever run is shown.
        f"const s = {VIDEO_TOOLS}.querySelector('select'); s.value = 'informative'; "
        "s.dispatchEvent(new Event('change')); "
        f"window.video ??= {LISTED}[9]; video.open = true; video.scrollIntoView({{block: 'center'}})",
        "window.before = video.querySelectorAll('.ytick').length; document.querySelector('.runs input').click()",
        "video.querySelectorAll('.ytick').length !== before",
    ),
    "go to the confusion matrix": (
        "scrollTo(0, 0)",
        f"{LINKS}.find((one) => one.textContent === 'Confusion matrix').click()",
        "document.querySelector('#confusion-matrix canvas').width > 300",
    ),
    "go to the videos": (
        "scrollTo(0, 0)",
        f"{LINKS}.find((one) => one.textContent === 'Test videos').click()",
        f"{VIDEO_TOOLS}.getBoundingClientRect().top < innerHeight",
    ),
}
"""What comes before the clock starts, what is done, and what holds when its result is there."""


@dataclass(frozen=True)
class Arguments:
    """Measure the report of several numbers of videos in a browser."""

    sizes: tuple[int, ...] = (10, 100, 1000)
    """Numbers of test videos."""
    classes: int = 120
    """Number of classes."""
    frames: int = 500
    """Frames of a video."""
    repeats: int = 5
    """Rounds, each with a fresh browser."""
    width: int = 1280
    """Of the window, in pixels."""
    folder: Path | None = None
    """Folder of the reports, which stay, and are used again if they are there; by default a temporary one."""
    seed: int = 0
    """Seed of the videos."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    if min(*arguments.sizes, arguments.repeats, arguments.frames - SEGMENTS, arguments.classes - 1) < 1:
        raise InputError(f"--sizes and --repeats must be at least 1, --frames above {SEGMENTS}, --classes above 1")
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        for size in arguments.sizes:
            folder = (arguments.folder or Path(name)) / f"videos{size}"
            page, seconds = folder / "report.html", 0.0
            if not page.is_file():
                runs = make_runs(folder, size, arguments)
                start = perf_counter()
                write_report(page, page_data(open_runs(runs)))
                seconds = perf_counter() - start
            rounds = [asyncio.run(measure(page, arguments.width)) for _ in range(arguments.repeats)]
            figures[size] = {"megabytes": page.stat().st_size / 1e6, "made_seconds": seconds, "rounds": rounds}
            show(size, figures[size])
    if arguments.json is not None:
        written = {"machine": describe_machine(), "versions": versions(), "sizes": figures}
        write_text(arguments.json, json.dumps(written, indent=1) + "\n")


async def measure(page: Path, width: int) -> dict[str, Took | None]:
    """One round: seconds to load, then milliseconds of each action, twice, of which the longer counts."""
    async with chromium() as tab:
        found: dict[str, Took | None] = {"load, s": await tab.load(page, width)}
        for name, (before, act, holds) in ACTIONS.items():
            found[name] = await timed(tab, before, act, holds)
        return found


async def timed(tab: Page, before: str, act: str, holds: str) -> Took | None:
    """Milliseconds of an action, the longer of two; None where the page has no such control."""
    found = []
    for _ in range(2):
        await tab.value(f"(() => {{ {before} }})()")
        await asyncio.sleep(0.7)
        try:
            found.append(await tab.reaction(act, holds))
        except InputError:  # an earlier version's page
            return None
    known = [one for one in found if one is not None]
    return Took(max(one.clock for one in known), max(one.processor for one in known)) if known else None


def show(size: int, figures: dict[str, Any]) -> None:
    """Median and range of each figure over the rounds."""
    print(f"{size} videos: {figures['megabytes']:.1f} MB, made in {figures['made_seconds']:.1f} s", flush=True)
    for name in figures["rounds"][0]:
        found = [one[name] for one in figures["rounds"] if one[name] is not None]
        clock, processor = ([getattr(one, by) for one in found] for by in Took._fields)
        digits = 2 if name == "load, s" else 0
        print(
            f"  {name:<28}{spread(clock, digits)}, of processor {spread(processor, digits)}"
            if found
            else f"  {name:<28}–"
        )


def spread(values: list[float], digits: int) -> str:
    """Median and range."""
    texts = [f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return f"{texts[0]:>7} ({texts[1]} to {texts[2]})"


def make_runs(folder: Path, size: int, arguments: Arguments) -> list[Path]:
    """Make up a dataset and evaluate two runs on it."""
    rng = np.random.default_rng(arguments.seed)
    names = ["background", *(f"put the thing {number} on the table" for number in range(1, arguments.classes))]
    test, training = (
        [f"{kind} {n}" for n in range(count)] for kind, count in (("video", size), ("training", TRAINING))
    )
    labels = {name: make_labels(rng, arguments.classes, arguments.frames) for name in (*training, *test)}
    path = folder / "made-up.h5"
    info = DatasetInfo("made-up", names, [0], FPS, {"1": {"train": training, "test": test}}, True)
    print(f"making {size} videos", file=sys.stderr)
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for name, own in labels.items():
            writer.add(Video(name, own, {"features": np.zeros((len(own), 1), dtype=np.float32)}))
    runs = []
    for run, late in LATE.items():
        found = [(name, predicted(labels[name], late + n % 7)) for n, name in enumerate(test)]
        write_predictions(folder / run / "predictions.h5", found, PredictionInfo(names, [0], FPS, True))
        triples = [(name, labels[name], one) for name, one in found]
        about = EvaluationInfo("made-up", "1", True, "features", 0)
        evaluation = evaluate_videos(triples, [labels[name] for name in training], names, [0], about, FPS)
        save_evaluation(evaluation, folder / run)
        write_text(folder / run / "config.yaml", f"dataset: {path.resolve()}\n")
        runs.append(folder / run)
    return runs


def make_labels(rng: np.random.Generator, classes: int, frames: int) -> np.ndarray:
    """Class ids `[T]` of `SEGMENTS` segments."""
    ends = np.sort(rng.choice(np.arange(1, frames), SEGMENTS - 1, replace=False))
    return np.repeat(rng.integers(0, classes, SEGMENTS), np.diff([0, *ends, frames]))


def predicted(labels: np.ndarray, late: int) -> Prediction:
    """The labels some frames late, their true progress, an interval around it, and a remaining time."""
    estimate = np.roll(labels, late)
    reported = progress_target(estimate, [0]).astype(np.float32)
    interval = np.stack([0.7 * reported, np.minimum(1.2 * reported, 1)]).astype(np.float32)
    remaining = (20 * (1 - reported)).astype(np.float32)
    return Prediction(estimate, None, None, reported, interval, remaining, np.stack([remaining / 2, remaining * 2]))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "report_page.py", __doc__)))
