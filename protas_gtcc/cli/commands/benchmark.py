"""`protas-gtcc benchmark`: how fast a model is on this machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.parsing import Positional
from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.report.screen import new_table
from protas_gtcc.storage.checkpoints import require_model

if TYPE_CHECKING:
    from protas_gtcc.runs.timing import Timing


@dataclass(frozen=True)
class Command:
    """Time a model frame by frame on random frames: streams, prefixes computed again, whole videos.

    The engine 'compiled' computes streams on the CPU, 'torch' on a GPU. The column 'faster' compares medians at the
    same history: the prefix computed again at every frame, and the stream.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    histories: tuple[int, ...] = (100, 1000, 10000)
    """Numbers of frames that the stream has seen before the timed ones."""
    streams: tuple[int, ...] = (1, 8, 64)
    """Numbers of simultaneous streams."""
    samples: int = 1000
    """Timed steps per row of the table."""
    threads: int = 1
    """Processor threads of the network and of many streams."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    json: bool = False
    """Print the figures as JSON."""

    def run(self) -> None:
        """Time, and print."""
        require_model(self.model)  # before the seconds that importing torch takes
        import torch

        from protas_gtcc.inference import choose_device, load
        from protas_gtcc.runs.timing import benchmark, state_bytes
        from protas_gtcc.storage.versions import software_versions

        if min((*self.histories, *self.streams, self.samples, self.threads), default=0) < 1:
            raise InputError("--histories, --streams, --samples and --threads must be at least 1")
        torch.set_num_threads(self.threads)
        model = load(self.model, choose_device(self.device))
        facts: dict[str, Any] = {
            "model": str(self.model),
            "device": str(model.device),
            "threads": self.threads,
            "cpu": platform.processor() or platform.machine(),
            "feature_dim": model.facts.feature_dim,
            "classes": len(model.class_names),
            "look_ahead_frames": model.facts.look_ahead_frames,
            "state_bytes": state_bytes(model),
            "versions": software_versions(("torch", "numpy", "numba")),
        }
        timings = benchmark(model, self.histories, self.streams, self.samples, self.threads)
        if self.json:
            print(json.dumps({**facts, "timings": [asdict(one) for one in timings]}, indent=1))
            return
        make_console().print(timing_table(timings))
        facts["versions"] = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
        for name, value in facts.items():
            print(f"{name.replace('_', ' ')}: {value}")


def timing_table(timings: Sequence[Timing]) -> Table:
    """One row per timing, at 80 columns; streams are compared with the prefix at the same history."""
    prefixes = {one.history: one.p50_ms for one in timings if one.what == "prefix run again"}
    heads = ("what", "history", "p50", "p95", "p99", "frames/s", "faster")
    table = new_table("Time of a step, milliseconds", heads, names=("what",))
    for one in timings:
        is_stream = one.what == "stream"
        ratio = f"{prefixes[one.history] / one.p50_ms:,.0f} x" if is_stream else ""
        times = map(_milliseconds, (one.p50_ms, one.p95_ms, one.p99_ms))
        name = f"stream, {one.engine}" if is_stream else one.what
        table.add_row(name, f"{one.history:,}", *times, f"{one.frames_per_second:,.0f}", ratio)
    return table


def _milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"
