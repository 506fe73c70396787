"""A page in a headless Chromium, over its DevTools protocol: what it takes to load, and to react.

A reaction lasts from the event of a control to the frame that shows its result: the action is dispatched, and the clock
stops after the first painted frame in which a condition holds. At 60 frames a second, nothing is below 17 ms.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from protas_gtcc.errors import InputError

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 60.0
WATCH = """
const painted = (done) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel(); // before timers, which would wait for what the page does next
  port1.onmessage = done;
  port2.postMessage(0);
});
window.addEventListener('load', () => painted(() => (window.usable = performance.now())));
window.reaction = async (act, holds) => {
  const start = performance.now();
  act();
  do await new Promise(painted); while (!holds() && performance.now() - start < 5000);
  return holds() ? performance.now() - start : null;
};
"""
"""`usable`: milliseconds from the start of the navigation to the first painted frame after everything was loaded."""


class Took(NamedTuple):
    """By the clock, and of the page's main thread on a processor, which other work on the machine disturbs less."""

    clock: float
    processor: float


class Page:
    """An open page; commands of the protocol, and expressions of the page."""

    def __init__(self, socket: Any, browser: int):
        self._socket, self._numbers = socket, itertools.count(1)
        self.browser = browser
        """The browser's process."""

    async def ask(self, method: str, **params: Any) -> Any:
        """Give a command, and return its result."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := json.loads(await self._socket.recv())).get("id") != number:
            pass
        return message.get("result", message)

    async def value(self, expression: str) -> Any:
        """The value of an expression, also of a promise. Raises `InputError` if it throws."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            problem = answer["exceptionDetails"].get("exception", {}).get("description", answer["exceptionDetails"])
            raise InputError(f"the page failed at {expression}: {problem}; give a page of this version")
        return answer["result"].get("value")

    async def seconds(self, metric: str = "ThreadTime") -> float:
        """A metric of the protocol so far; by default the processor time of the main thread."""
        metrics = (await self.ask("Performance.getMetrics"))["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == metric))

    async def resize(self, width: int, height: int = 900) -> None:
        """Make the window this large, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.ask("Emulation.setDeviceMetricsOverride", **size)

    async def load(self, page: Path | str, width: int, height: int = 900) -> Took:
        """Open a file or an address in a window of this size, in pixels; seconds until it is usable."""
        await self.ask("Page.enable")
        await self.resize(width, height)
        await self.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        await self.ask("Performance.enable", timeDomain="threadTicks")
        await self.ask("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        while (found := await self.value("window.usable")) is None:
            await asyncio.sleep(0.05)
        return Took(float(found) / 1000, await self.seconds())

    async def picture(self, kind: str = "png", **params: Any) -> bytes:
        """The window as it is, as a picture file of this kind."""
        answer = await self.ask("Page.captureScreenshot", format=kind, **params)
        return base64.b64decode(answer["data"])

    async def reaction(self, act: str, holds: str) -> Took | None:
        """Milliseconds from an action to the painted frame in which a condition holds; None if it never does."""
        before = await self.seconds()
        found = await self.value(f"reaction(() => {{ {act} }}, () => {holds})")
        return None if found is None else Took(float(found), 1000 * (await self.seconds() - before))


@asynccontextmanager
async def chromium(name: str | None = None) -> AsyncIterator[Page]:
    """A fresh browser (this program, or else any Chromium) with an empty page. Raises `InputError` if there is none."""
    from websockets.asyncio.client import connect

    names = NAMES if name is None else (name,)
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise InputError(f"no browser on this machine; expected {' or '.join(names)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += [f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            async with connect(_address(Path(profile)), max_size=None, ping_interval=None) as socket:
                yield Page(socket, process.pid)
        finally:
            process.kill()
            process.wait()


def _address(profile: Path) -> str:
    """Of the first page, once the browser is there."""
    port, deadline = profile / "DevToolsActivePort", time.monotonic() + START_SECONDS
    while True:
        if port.is_file() and port.read_text().strip():
            with urllib.request.urlopen(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json") as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        if time.monotonic() > deadline:
            raise InputError(f"the browser does not start within {START_SECONDS:g} s; give it more memory")
        time.sleep(0.05)
