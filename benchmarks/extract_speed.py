"""Extracting features from a video, compared with decoding alone and with the backbone alone.

    python benchmarks/extract_speed.py

Decoding and the backbone overlap, so extracting should take as long as the slower of the two. A video is rendered,
unless one is given: a picture that drifts, with noise, in H.264. Decoding without scaling is what the codec takes at
least. Where the program ffmpeg is installed, both are compared with it: its decoder alone (`-f null`), and the same
frames scaled and cropped. The memory of the process is read when a twelfth of the frames is done, and at the end: of a
video of two hours, that is the tenth minute.
"""

from __future__ import annotations

import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from side_by_side import Measurement, Program, Result, describe_machine, measure, report, timed, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import Device
from protas_gtcc.inference import choose_device
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.extraction import Extraction
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.naming import VideoFile

CODEC, DECODE, BACKBONE, EXTRACT = "decode, no scaling", "decode alone", "backbone alone", "extract"
FFMPEG, FFMPEG_SCALED = "ffmpeg, no scaling", "ffmpeg, scaled"
NOISE_PICTURES = 8


@dataclass(frozen=True)
class RenderedVideo:
    """The video that is measured on."""

    video: Path | None = None
    """A video to take in place of a rendered one."""
    seconds: float = 20.0
    """Length of the rendered video."""
    width: int = 1280
    """Its width, 16 to a height of 9."""
    source_fps: int = 30
    """Its pictures per second."""


@dataclass(frozen=True)
class Arguments(RenderedVideo):
    """Measure the extraction of features."""

    fps: float = 15.0
    """Frames per second of the features."""
    backbone: str = "efficientnet-lite0"
    """As in 'extract'."""
    size: int = 0
    """As in 'extract'."""
    batch_size: int = 16
    """As in 'extract'."""
    threads: int = 1
    """Processor threads of the backbone."""
    device: Device = "cpu"
    """Where the backbone computes."""
    repeats: int = 3
    """Rounds, after one to warm up."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(arguments.threads)
    backbone = make_backbone(arguments.backbone, choose_device(arguments.device), arguments.size or None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = arguments.video or render(folder / "rendered.mp4", arguments)
        frames = VideoFrames(video, arguments.fps, backbone.size, arguments.batch_size)
        batches = [len(batch) for batch in frames]
        memory: dict[str, float] = {}
        has_ffmpeg = shutil.which("ffmpeg") is not None
        programs = [
            *(ffmpeg_programs(video, arguments.fps, backbone.size, sum(batches)) if has_ffmpeg else ()),
            Program(CODEC, timed(functools.partial(decode, video)), sum(batches), FFMPEG if has_ffmpeg else None),
            Program(DECODE, timed(lambda: sum(map(len, frames))), sum(batches), FFMPEG_SCALED if has_ffmpeg else None),
            Program(BACKBONE, timed(functools.partial(compute, backbone, batches)), sum(batches)),
            Program(
                EXTRACT, timed(lambda: extract(video, folder, backbone, arguments, memory)), sum(batches), BACKBONE
            ),
        ]
        machine = describe_machine(arguments.threads)
        results = measure(programs, arguments.repeats)
    notes = [
        f"{sum(batches)} frames at {arguments.fps:g} fps, {sum(batches) / arguments.fps:.0f} s of video, "
        f"{backbone.name} on {arguments.device}, batches of {arguments.batch_size}",
        f"extract takes {times_the_slower(results):.2f} times as long as the slower of decoding and backbone (median)",
        f"extract takes {sum(batches) / arguments.fps / slowest(results):.1f} s of video a second (median)",
        f"resident memory: {memory['twelfth']:.0f} MB at a twelfth of the frames, {memory['end']:.0f} MB at the end",
    ]
    shown: dict[str, Any] = {name: str(value) for name, value in vars(arguments).items() if name != "json"}
    report(Measurement("extract_speed", "frames", shown, results, notes, machine, versions()), arguments.json)


def times_the_slower(results: list[Result]) -> float:
    """Seconds of extracting over those of the slower part, by round; the median."""
    by_name = {one.name: one.seconds for one in results}
    rounds = zip(by_name[EXTRACT], by_name[DECODE], by_name[BACKBONE], strict=True)
    return statistics.median(whole / max(parts) for whole, *parts in rounds)


def slowest(results: list[Result]) -> float:
    """Median seconds of extracting."""
    return statistics.median(next(one.seconds for one in results if one.name == EXTRACT))


def decode(video: Path) -> None:
    """Decode every picture, and do nothing with it."""
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass


def ffmpeg_programs(video: Path, fps: float, size: int, amount: int) -> list[Program]:
    """The program ffmpeg: decoding alone, and the frames that a backbone takes."""
    command = ["ffmpeg", "-v", "error", "-noautorotate", "-i", str(video)]
    scaled = f"fps={fps},scale={size}:{size}:force_original_aspect_ratio=increase:flags=bicubic,crop={size}:{size}"
    options = {FFMPEG: [], FFMPEG_SCALED: ["-vf", f"{scaled},format=rgb24"]}
    return [
        Program(
            name, timed(functools.partial(subprocess.run, [*command, *more, "-f", "null", "-"], check=True)), amount
        )
        for name, more in options.items()
    ]


def compute(backbone: Backbone, batches: list[int]) -> None:
    """Features of batches of these sizes, of pictures that are there."""
    pictures = np.random.default_rng(0).integers(0, 256, (max(batches), backbone.size, backbone.size, 3), np.uint8)
    for size in batches:
        backbone(pictures[:size])


def extract(video: Path, folder: Path, backbone: Backbone, arguments: Arguments, memory: dict[str, float]) -> None:
    """Extract the video as the command does; note the memory on the way."""
    for file in (folder / "out").glob("*"):
        file.unlink()

    def note(done: int, total: int) -> None:
        if done * 12 >= total and "twelfth" not in memory:
            memory["twelfth"] = resident_megabytes()

    source = VideoFile(video, "video")
    Extraction([source], folder / "out", backbone, arguments.fps, arguments.batch_size).run(on_frames=note)
    memory["end"] = resident_megabytes()


def resident_megabytes() -> float:
    """Memory of this process, where the system shows it."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.exists() else float("nan")


def render(path: Path, arguments: RenderedVideo) -> Path:
    """Render the video."""
    height = arguments.width * 9 // 16 // 2 * 2
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=arguments.source_fps, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = arguments.width, height, "yuv420p"
        for picture in drifting(arguments.width, height, round(arguments.seconds * arguments.source_fps)):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def drifting(width: int, height: int, count: int) -> Iterator[np.ndarray]:
    """Pictures of a coarse pattern that drifts by a pixel each, with a little noise, uint8 `[height, width]`."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (height // 40 + 2, width // 40 + 2), np.uint8)
    pattern = coarse.repeat(40, axis=0).repeat(40, axis=1)[:height, :width]
    noise = [rng.integers(0, 12, (height, width), np.uint8) for _ in range(NOISE_PICTURES)]
    for number in range(count):
        yield np.roll(pattern, number, axis=1) + noise[number % NOISE_PICTURES]


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "extract_speed.py", __doc__)))
