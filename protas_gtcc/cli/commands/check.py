"""`protas-gtcc check`: what is wrong with a dataset, or what a model knows and that it does not see the future."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.text import Text

from protas_gtcc.checks.findings import Finding, shown, verdict
from protas_gtcc.cli.shared.console import make_console, progress_bars
from protas_gtcc.cli.shared.parsing import Positional, RateOrTable
from protas_gtcc.errors import InputError, plural
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.storage.checkpoints import is_model

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True)
class Command:
    """List what is wrong with a dataset, errors first, each with a way out; or what a model knows.

    The source is a dataset file, a folder in a layout that 'prepare' reads, or a model. Of a model, its facts, its
    tasks and their steps are listed; with --causal, the layers that see the future. The exit code is 1 if there is an
    error, else 0.
    """

    source: Positional[Path]
    """Dataset file, folder, CSV file of segments, JSON file of EgoProceL, or file of an annotation tool; or a run
    directory or a checkpoint."""
    causal: bool = False
    """Check that the model's outputs at a frame do not change when later frames change."""
    fps: RateOrTable | None = None
    """Frames per second of the features in a folder, or a CSV file with the columns video and fps; needed with
    --resample-to and for EgoProceL's JSON."""
    resample_to: float | None = None
    """Also count the segments of each class that would vanish at this many frames per second."""
    json: bool = False
    """Print the findings as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)

    def run(self) -> None:
        """Check, print, and exit with 1 if there is an error."""
        if not self.causal and is_model(self.source):
            self._show_model()
            return
        findings = self._check()
        if self.json:
            print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
        else:
            console = make_console()
            print(f"{self.source}: {verdict(findings)}")
            for finding in findings:
                line = Text(shown(finding, str(self.source), min(console.width, 80)))
                line.stylize(_STYLES[finding.level], 0, len(finding.level))
                console.print(line, soft_wrap=True)
        if any(finding.level == "error" for finding in findings):
            sys.exit(1)

    def _show_model(self) -> None:
        from protas_gtcc.inference import load

        if self.fps is not None or self.resample_to is not None or self.layout != LayoutOptions():
            what = f"{self.source} is a model, whose facts are listed"
            raise InputError(f"{what}; flags of rates and of layouts are for datasets: leave them out")
        model = load(self.source)
        names: list[str | None] = [*model.tasks] or [None]
        tasks = list(itertools.zip_longest(names, model.task_steps, fillvalue=()))
        if self.json:
            facts = {"model": str(self.source), "class_names": model.class_names, "background": model.background}
            print(json.dumps(facts | {"tasks": [{"name": task, "steps": list(steps)} for task, steps in tasks]}))
            return
        print(f"{self.source}: {model}")
        for task, steps in tasks:
            known = f"{plural(len(steps), 'step')} in their usual order" if steps else "its steps are not known"
            print(f"  {'' if task is None else f'task {task}, '}{known}")
            for label in steps:
                print(f"    {label} {model.class_names[label]}")

    def _check(self) -> list[Finding]:
        if self.causal:
            from protas_gtcc.inference import load
            from protas_gtcc.streaming.causality import check_causality

            return check_causality(load(self.source).network, str(self.source))
        from protas_gtcc.checks.path import check_path

        with progress_bars() as on_progress:
            return check_path(self.source, self.layout, self.fps, self.resample_to, on_progress)
