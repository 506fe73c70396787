"""axe-core, a checker of accessibility, finds nothing serious on the report, with procedures and a player, in any look
and width."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from protas_gtcc.cli.main import main
from tests.test_page import BROWSER, asking, browser
from tests.test_report_page import make_run
from tests.test_report_procedure import make_kitchen, make_procedure_run
from tests.test_report_videos import write_film

SCROLL = "document.querySelector('{}.plot')?.scrollIntoView()"
PLAIN = "<style>* { background-image: none !important }</style>"
"""Before a gradient, such as the shade at a table's edge, axe does not judge contrasts."""
PREPARE = f"""
document.head.insertAdjacentHTML("beforeend", "{PLAIN}")
for (const table of document.querySelectorAll("table")) [...table.rows].slice(30).forEach((row) => row.remove())
"""
"""The rows of a long table are alike, and axe's time grows with them."""
CHECK = """
axe.run().then((found) => {
  const contrasts = (all) => all.filter((one) => one.id === "color-contrast").flatMap((one) => one.nodes).length
  const violations = found.violations.map((one) => [one.impact, one.id, one.help])
  return JSON.stringify([violations, contrasts(found.passes), contrasts(found.incomplete)])
})
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    dataset = make_kitchen(folder / "kitchen.h5")
    runs = [make_procedure_run(folder / "a", dataset), make_run(folder / "b", dataset, frames=9)]
    write_film(folder / "films" / "a.mp4")
    main(["report", *map(str, runs), "--videos", str(folder / "films"), "--out", str(folder / "report.html")])
    return folder / "report.html"


async def findings(page: Path, address: str, width: int, look: str) -> tuple[list[Any], int, int]:
    """What axe finds: impact, rule and meaning of each; numbers of texts with enough contrast, and with unknown."""
    async with connect(address, max_size=None) as tab:
        ask = await asking(tab)
        size = {"width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": width < 500}
        await ask("Emulation.setDeviceMetricsOverride", **size)
        await ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look}])
        await ask("Page.navigate", url=page.as_uri())
        for place in ("", ".procedure "):
            seen = f"document.querySelectorAll('details').forEach((one) => one.open = true), {SCROLL.format(place)}, "
            drawn = f"{seen}!!document.querySelector('{place}.plot .main-svg')"
            while not (await ask("Runtime.evaluate", expression=drawn))["result"].get("value"):
                await asyncio.sleep(0.1)
        assert (await ask("Runtime.evaluate", expression="!!document.querySelector('video')"))["result"]["value"]
        await ask("Runtime.evaluate", expression=PREPARE)
        await ask("Runtime.evaluate", expression=(files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = await ask("Runtime.evaluate", expression=CHECK, awaitPromise=True, returnByValue=True)
        return tuple(json.loads(found["result"]["value"]))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: accessibility is not checked")
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_serious_on_the_report(report, tmp_path, width, look):
    with browser(tmp_path / "profile") as address:
        found, known, unknown = asyncio.run(asyncio.wait_for(findings(report, address, width, look), 120))
    assert [one for one in found if one[0] in ("serious", "critical")] == []
    assert known > 4 * unknown
