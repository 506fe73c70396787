"""`protas-gtcc check`: list what is wrong with a dataset, or show that a model does not see the future."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.layout_command import LayoutCommand
from protas_gtcc.cli.shared.parsing import Positional

if TYPE_CHECKING:
    from protas_gtcc.checks.findings import Finding

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, kw_only=True)
class Command(LayoutCommand):
    """List what is wrong with a dataset, errors first, each with a way out.

    The source is a dataset file, or a folder in a layout that 'prepare' reads. With --causal it is a model, and the
    layers that see the future are listed. The exit code is 1 if there is an error, else 0.
    """

    source: Positional[Path]
    """Dataset file, folder, or JSON file of EgoProceL; with --causal, a run directory or a checkpoint."""
    causal: bool = False
    """Check that the model's outputs at a frame do not change when later frames change."""
    fps: float | None = None
    """Frames per second of the features in a folder; needed with --resample-to and for EgoProceL's JSON."""
    resample_to: float | None = None
    """Also count the segments of each class that would vanish at this many frames per second."""

    def run(self) -> None:
        """Check, print, and exit with 1 if there is an error."""
        findings = self._check_model() if self.causal else self._check_data()
        if self.json:
            print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
        else:
            print_findings(findings, str(self.source))
        if any(finding.level == "error" for finding in findings):
            sys.exit(1)

    def _check_model(self) -> list[Finding]:
        from protas_gtcc.inference import load
        from protas_gtcc.streaming.causality import check_causality

        return check_causality(load(self.source).network, str(self.source))

    def _check_data(self) -> list[Finding]:
        from protas_gtcc.checks.path import check_path
        from protas_gtcc.cli.shared.console import progress_bars

        with progress_bars() as on_progress:
            return check_path(self.source, self.layout, self.fps, self.resample_to, on_progress)


def print_findings(findings: list[Finding], source: str) -> None:
    """Print the verdict, then the findings, errors first, at most 80 columns wide."""
    from rich.text import Text

    from protas_gtcc.checks.findings import shown, verdict
    from protas_gtcc.cli.shared.console import make_console

    console = make_console()
    print(f"{source}: {verdict(findings)}")
    for finding in findings:
        # Text, not markup: messages contain [T, D].
        line = Text(shown(finding, source, min(console.width, 80)))
        line.stylize(_STYLES[finding.level], 0, len(finding.level))
        console.print(line, soft_wrap=True)
