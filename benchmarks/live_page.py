"""The live page of many people: what does it cost the browser, and how much does the server send to it?

    python benchmarks/live_page.py RUN DATASET [--people 50] [--fps 15] [--seconds 20]

The server is a separate process. Every person is a client that sends the frames of a test video again and again, one a
message, at the rate of a camera. So videos of few frames a second go faster than they did, and more changes. Chromium,
without a window, opens the page through a relay on this machine, which counts the bytes. Measured are an empty page,
that of all people, and that of one person in full beside all. The main figure is the processor time of all processes of
the browser (user and system, from /proc), as a share of one core. Beside it is how long the page's own thread was busy
(TaskDuration of the DevTools protocol), which is elapsed time: on a busy machine it has waiting in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from page_in_browser import Page, chromium
from websockets.asyncio.client import connect

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.runs.evaluate_run import test_videos


@dataclass(frozen=True)
class Arguments:
    """Measure the live page in Chromium."""

    model: Positional[Path]
    """A run directory or a checkpoint."""
    dataset: Positional[Path]
    """A dataset file with the features that it takes."""
    people: int = 50
    """Clients at once."""
    fps: float = 15.0
    """Frames a second of each client."""
    seconds: float = 20.0
    """Length of one measurement."""
    rounds: int = 3
    """Measurements of each page; the median and the range are printed."""
    settling_seconds: float = 5.0
    """After a page has shown all people, before anything is counted."""
    browser: str = "chromium"
    """The browser's program."""


@dataclass
class Cost:
    """What one measurement counted, a second."""

    browser: float
    """Processor time of the browser's processes, in seconds."""
    page: float
    """For which the page's own thread was busy."""
    bytes: float
    """From the server to the page."""


def main(arguments: Arguments) -> None:
    """Serve, send, look and report."""
    dataset, config = Dataset(arguments.dataset), load(arguments.model).facts.config
    names, feature_set = test_videos(dataset, config.split, config.feature_set)
    if shutil.which(arguments.browser) is None or not Path("/proc/self/stat").exists():
        raise InputError(f"this needs Linux and the program {arguments.browser!r}; name a Chromium with --browser")
    each = itertools.islice(itertools.cycle(names), arguments.people)
    videos = [dataset.features(name, feature_set) for name in each]
    with serving(arguments.model) as address:
        costs = asyncio.run(measure(address, videos, arguments))
    print(f"{arguments.people} people, {arguments.fps:g} frames a second each, {arguments.seconds:g} s a measurement:")
    for view, found in costs.items():
        browser, page, sent = (
            spread([getattr(one, name) for one in found], *unit)
            for name, unit in (("browser", (100, "%")), ("page", (100, "%")), ("bytes", (1e-3, "kB/s")))
        )
        print(f"{view}: browser {browser} of a core; the page's thread is busy for {page} of the time; {sent}")


def spread(values: list[float], scale: float, unit: str) -> str:
    """Median and range."""
    low, middle, high = (scale * float(one) for one in np.percentile(values, [0, 50, 100]))
    return f"{middle:.1f} {unit} ({low:.1f} to {high:.1f})"


@contextlib.contextmanager
def serving(model: Path) -> Iterator[str]:
    """A server in a process of its own; its address without a scheme."""
    command = [sys.executable, "-m", "protas_gtcc", "serve", str(model), "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != "PROTAS_GTCC_TOKEN"}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip().removeprefix("http://").rstrip("/")
        finally:
            server.terminate()


async def measure(address: str, videos: list[np.ndarray], arguments: Arguments) -> dict[str, list[Cost]]:
    """The costs of each page, in turns."""
    sending = [asyncio.create_task(send(address, videos, number, arguments.fps)) for number in range(len(videos))]
    costs: dict[str, list[Cost]] = {}
    async with counting(address) as (relay, counted), chromium(arguments.browser) as page:
        views = {"empty": "about:blank", "all people": f"http://{relay}/"}
        views["one in full beside all"] = f"http://{relay}/#person=person1"
        await page.resize(1280)
        await page.ask("Performance.enable")
        for _, (view, shown) in itertools.product(range(arguments.rounds), views.items()):
            await page.ask("Page.navigate", url="about:blank")
            await page.ask("Page.navigate", url=shown)
            if view != "empty":
                await until_shown(page, arguments.people)
            await asyncio.sleep(arguments.settling_seconds)
            before = process_seconds(page.browser), await page.seconds("TaskDuration"), counted[0], time.monotonic()
            await asyncio.sleep(arguments.seconds)
            after = process_seconds(page.browser), await page.seconds("TaskDuration"), counted[0], time.monotonic()
            browser, own, sent, seconds = (end - start for start, end in zip(before, after, strict=True))
            costs.setdefault(view, []).append(Cost(browser / seconds, own / seconds, sent / seconds))
            for task in sending:
                assert not task.done(), task.exception()
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)
    return costs


async def send(address: str, videos: list[np.ndarray], own: int, fps: float) -> None:
    """One client: the frames of its own video at its rate, from somewhere in it on, and their answers."""
    async with connect(f"ws://{address}/stream?name=person{own + 1}") as client:
        started, frames = time.monotonic() + own / len(videos) / fps, videos[own].astype("<f4")
        for number in itertools.count():
            await asyncio.sleep(max(0.0, started + number / fps - time.monotonic()))
            await client.send(frames[(number + own * len(frames) // len(videos)) % len(frames)].tobytes())
            await client.recv()


async def until_shown(page: Page, people: int) -> None:
    """Wait until the page has a row for each person, and is connected."""
    code = "[document.querySelectorAll('#rows li').length, document.getElementById('status')?.textContent]"
    deadline, shown = time.monotonic() + 30, None
    while shown != [people, "connected"]:
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.1)
        shown = await page.value(code)


def process_seconds(root: int) -> float:
    """User and system time of a process and of all its descendants so far."""
    parents, ticks = {}, {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is no process
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)], ticks[int(folder.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(one, 0) for one in family) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def counting(address: str) -> AsyncIterator[tuple[str, list[int]]]:
    """The address of a relay to the server, and the number of bytes that it has given to pages."""
    host, port = address.split(":")
    counted = [0]

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_counted: bool) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(1 << 16):
                counted[0] += len(data) if is_counted else 0
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, outer, False), pass_on(inner, writer, True))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", counted


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "live_page.py", __doc__)))
