"""Annotating a video, compared with decoding it and with decoding and encoding it.

    taskset -c 0 python benchmarks/annotate_speed.py --threads 1

A video is rendered, unless one is given: a picture that drifts, with noise, in H.264. Predictions of 15 frames a second
are made up: two rows and the truth. The rate is seconds of video a second, so that 1 is real time. The memory of the
process is read when a twelfth of the video is done, and at the end.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from extract_speed import RenderedVideo, decode, render, resident_megabytes
from side_by_side import Measurement, Program, describe_machine, measure, report, timed, versions

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.live.overlay.overlay import Overlay
from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.video.opening import seconds_of_packets
from protas_gtcc.video.rewriting import rewrite

ENCODE, ANNOTATE = "decode and encode", "annotate"
NO_PANEL = np.full((2, 1, 3), 255, np.uint8)
FPS, NUM_CLASSES, SEGMENT_FRAMES = 15, 12, 60


@dataclass(frozen=True)
class Arguments(RenderedVideo):
    """Measure annotating."""

    threads: int = 1
    """Processor threads of the decoder, and of the encoder; 0 is as many as there are processors."""
    repeats: int = 3
    """Rounds, after one to warm up."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = arguments.video or render(folder / "rendered.mp4", arguments)
        seconds = seconds_of_packets(video)
        rows, memory = made_up_rows(seconds), dict[str, float]()
        programs = [
            Program("decode", timed(functools.partial(decode, video)), seconds),
            Program(ENCODE, timed(functools.partial(encode, video, folder, arguments.threads)), seconds),
            Program(ANNOTATE, timed(lambda: annotate(video, folder, rows, arguments.threads, memory)), seconds, ENCODE),
        ]
        machine = describe_machine(arguments.threads)
        results = measure(programs, arguments.repeats)
    notes = [
        f"{seconds:.0f} s of video; the rate is seconds of video a second",
        f"resident memory: {memory['twelfth']:.0f} MB at a twelfth of the video, {memory['end']:.0f} MB at the end",
    ]
    shown: dict[str, Any] = {name: str(value) for name, value in vars(arguments).items() if name != "json"}
    report(Measurement("annotate_speed", "s of video", shown, results, notes, machine, versions()), arguments.json)


def encode(video: Path, folder: Path, threads: int) -> None:
    """Write the video with two white lines in place of a panel."""

    def make_draw(width: int, height: int) -> Any:
        lines = NO_PANEL.repeat(width, axis=1)
        return lambda seconds: lines

    rewrite(video, folder / "encoded.mp4", make_draw, threads=threads)


def annotate(video: Path, folder: Path, rows: list[Row], threads: int, memory: dict[str, float]) -> None:
    """Annotate as the command does; note the memory on the way."""

    def note(done: float, total: float) -> None:
        if done * 12 >= total and "twelfth" not in memory:
            memory["twelfth"] = resident_megabytes()

    def make_draw(width: int, height: int) -> Any:
        return Overlay(rows, width, height).draw

    rewrite(video, folder / "annotated.mp4", make_draw, on_seconds=note, threads=threads)
    memory["end"] = resident_megabytes()


def made_up_rows(seconds: float) -> list[Row]:
    """The truth and two predictions of a video, with everything that a filter gives."""
    num_frames = max(1, int(Fraction(seconds) * FPS))
    labels = np.arange(num_frames) // SEGMENT_FRAMES % NUM_CLASSES
    info = PredictionInfo([f"action {label}" for label in range(NUM_CLASSES)], [0], float(FPS))
    return [Row.of_truth(labels, info), *(Row.of(f"run {delay}", late(labels, delay), info) for delay in (3, 8))]


def late(labels: np.ndarray, delay: int) -> Prediction:
    """The truth some frames late."""
    labels = np.roll(labels, delay)
    progress = progress_target(labels, [0])
    interval = np.stack([np.maximum(progress - 0.1, 0), np.minimum(progress + 0.1, 1)])
    probs = np.full((NUM_CLASSES, len(labels)), 0.2 / (NUM_CLASSES - 1), np.float32)
    probs[labels, np.arange(len(labels))] = 0.8
    left = (1 - progress) * SEGMENT_FRAMES / FPS
    return Prediction(labels, probs, None, progress, interval, left, np.stack([left / 2, 2 * left]))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "annotate_speed.py", __doc__)))
