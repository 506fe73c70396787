"""Pictures of a page at several widths, light and dark, and what axe-core, a checker of accessibility, finds on it.

    python benchmarks/page_pictures.py REPORT.html --at '' '#classes' --out pictures
    python benchmarks/page_pictures.py RUN --dataset DATASET --people 12 --out pictures

A page is a report, or the live page of a run: there, people send the frames of test videos. Each page is opened afresh
in Chromium for each width and look. A picture shows the window with a place, a CSS selector, at its top; of closed
parts, the first one at a place is opened. axe-core then checks the whole page, with every part opened. The table
printed is Markdown: rules that passed, and those that are violated or that axe-core leaves to a person, with the number
of elements. `picture_sheet.py` puts pictures on one sheet.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from live_page import send, serving, until_shown
from page_in_browser import Page, chromium

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.storage.atomic import replace_when_whole

IMPACTS = ("critical", "serious", "moderate", "minor")
SHOW = """((place) => {
  const found = document.querySelector(place || 'html');
  const closed = place && (found?.closest('details') ?? found?.querySelector('details'));
  if (closed) closed.open = true;
  found?.scrollIntoView({ block: 'start', behavior: 'instant' });
  return !!found;
})"""
OPEN_ALL = "scrollTo(0, 0); document.querySelectorAll('details').forEach((one) => (one.open = true))"
PLAIN = "document.querySelectorAll('.scroll').forEach((one) => (one.style.background = 'none'))"
"""axe-core judges no text on a gradient: the shade at the edges of tables that scroll sideways is left out."""
CHECK = """axe.run().then((found) => ({
  passes: found.passes.length,
  violations: found.violations.map((one) => [one.impact, one.id, one.nodes.length]),
  unclear: found.incomplete.map((one) => [one.id, one.nodes.length]),
}))"""


@dataclass(frozen=True)
class Arguments:
    """Take pictures of pages, and check their accessibility."""

    pages: Positional[tuple[Path, ...]]
    """Reports, or run directories, whose live page is shown."""
    out: Path = Path("pictures")
    """Folder of the pictures: <page>-<width>-<look>-<number of the place>.png."""
    at: tuple[str, ...] = ("",)
    """CSS selectors of the places to show; '' is the top of the page."""
    widths: tuple[int, ...] = (1280, 400)
    """Widths of the window, in pixels."""
    height: int = 900
    """Height of the window, in pixels."""
    looks: tuple[str, ...] = ("light", "dark")
    """Colour schemes that the browser asks for."""
    settling_seconds: float = 2.0
    """From when a place is there until its picture is taken."""
    dataset: Path | None = None
    """A dataset file with the features that the run takes; for the live page."""
    people: int = 4
    """On the live page."""
    person: str = ""
    """The one that the live page shows in full, such as person1; '' for none."""
    fps: float = 15.0
    """Frames a second of each person."""


@dataclass
class Checked:
    """What axe-core finds on a page of a width and look."""

    page: str
    width: int
    look: str
    passes: int
    """Number of rules."""
    violations: list[tuple[str, str, int]]
    """Impact, rule and number of elements of each violated rule."""
    unclear: list[tuple[str, int]] = field(default_factory=list)
    """Rule and number of elements that axe-core cannot decide, such as text on a picture."""


def main(arguments: Arguments) -> None:
    """Take the pictures, check the page and print the table."""
    for page in arguments.pages:
        if not page.exists():
            raise InputError(f"{page} is not there; give a report or a run directory")
        if page.is_dir() and arguments.dataset is None:
            raise InputError(f"the live page of {page} needs --dataset, whose test videos the people send")
    print(table(asyncio.run(look_at(arguments))))


async def look_at(arguments: Arguments) -> list[Checked]:
    """Write the pictures; what is found on each page, in each width and look."""
    found = []
    for width, look, own in itertools.product(arguments.widths, arguments.looks, arguments.pages):
        async with shown(own, arguments) as address, chromium() as page:
            await page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look}])
            await page.load(address, width, arguments.height)
            if own.is_dir():
                await until_shown(page, arguments.people)
            for number, place in enumerate(arguments.at):
                path = arguments.out / f"{own.stem}-{width}-{look}-{number}.png"
                await take(page, place, path, arguments.settling_seconds)
            found.append(Checked(own.stem, width, look, **await check(page)))
    return found


@asynccontextmanager
async def shown(page: Path, arguments: Arguments) -> AsyncIterator[str]:
    """The address of a page, while people send frames to it."""
    if not page.is_dir():
        yield page.resolve().as_uri()
        return
    assert arguments.dataset is not None
    dataset, config = Dataset(arguments.dataset), load(page).facts.config
    names, feature_set = test_videos(dataset, config.split, config.feature_set)
    each = itertools.islice(itertools.cycle(names), arguments.people)
    videos = [dataset.features(name, feature_set) for name in each]
    with serving(page) as address:
        sending = [asyncio.create_task(send(address, videos, n, arguments.fps)) for n in range(len(videos))]
        yield f"http://{address}/" + (f"#person={arguments.person}" if arguments.person else "")
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)


async def take(page: Page, place: str, path: Path, seconds: float) -> None:
    """Write a picture of the window with a place at its top. Raises `InputError` if the page lacks it."""
    for _ in range(2):  # what comes into view is drawn, which may move it
        if not await page.value(f"{SHOW}({json.dumps(place)})"):
            raise InputError(f"the page has no {place}; give CSS selectors of what it has")
        await asyncio.sleep(seconds / 2)
    with replace_when_whole(path) as temporary:
        temporary.write_bytes(await page.picture())


async def check(page: Page) -> dict[str, Any]:
    """The number of rules that passed, those violated, and those not decided, with every part open."""
    await page.value(OPEN_ALL)
    await asyncio.sleep(1)
    await page.value(PLAIN)
    await page.ask("Runtime.evaluate", expression=(files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    return dict(await page.value(CHECK))


def table(found: list[Checked]) -> str:
    """A row for each combination, as Markdown."""
    head = ["page", "width", "look", "rules passed", *IMPACTS, "rules violated (elements)", "undecided (elements)"]
    rows = []
    for one in found:
        counts = [str(sum(impact == each for impact, _, _ in one.violations)) for each in IMPACTS]
        violated = ", ".join(f"{rule} ({number})" for _, rule, number in one.violations) or "–"
        unclear = ", ".join(f"{rule} ({number})" for rule, number in one.unclear) or "–"
        rows.append([one.page, str(one.width), one.look, str(one.passes), *counts, violated, unclear])
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "page_pictures.py", __doc__)))
