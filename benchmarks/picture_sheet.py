"""Several pictures on one sheet, a JPEG file.

    python benchmarks/picture_sheet.py SHEET.jpg A.png B.png C.png D.png --columns 2 --width 1280

Rows are filled one after the other. Chromium scales the pictures, all by the same factor.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from page_in_browser import chromium

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole

FITTED = """((width) => {
  document.body.style.zoom = 1;
  const sheet = document.querySelector('main');
  document.body.style.zoom = width / sheet.getBoundingClientRect().width;
  return Math.ceil(sheet.getBoundingClientRect().height);
})"""


@dataclass(frozen=True)
class Arguments:
    """Put pictures on one sheet."""

    sheet: Positional[Path]
    """The JPEG file to write."""
    pictures: Positional[tuple[Path, ...]]
    """Picture files, row by row."""
    columns: int = 2
    """Pictures in a row."""
    width: int = 1280
    """Of the sheet, in pixels."""
    quality: int = 75
    """Of the JPEG file, 1 to 100."""


def main(arguments: Arguments) -> None:
    """Make the sheet."""
    for picture in arguments.pictures:
        if not picture.is_file():
            raise InputError(f"{picture} is no file; give pictures that Chromium can show")
    made = asyncio.run(draw(arguments))
    with replace_when_whole(arguments.sheet) as temporary:
        temporary.write_bytes(made)


async def draw(arguments: Arguments) -> bytes:
    """The JPEG file."""
    images = "".join(f"<img src='{one.resolve().as_uri()}'>" for one in arguments.pictures)
    grid = f"display: inline-grid; gap: 16px; grid-template-columns: repeat({arguments.columns}, auto)"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sheet.html"
        body = "margin: 0; background: #888; overflow: hidden"
        page.write_text(f"<!doctype html><body style='{body}'><main style='{grid}'>{images}")
        async with chromium() as tab:
            await tab.load(page, 10000)
            await tab.resize(arguments.width, int(await tab.value(f"{FITTED}({arguments.width})")))
            return await tab.picture("jpeg", quality=arguments.quality)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "picture_sheet.py", __doc__)))
