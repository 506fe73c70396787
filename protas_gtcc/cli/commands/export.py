"""`protas-gtcc export`: a model as ONNX graphs, to run without torch."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from protas_gtcc.dataset.reader import require_no_control
from protas_gtcc.inference import load


@dataclass(frozen=True)
class Command:
    """Write a model as ONNX: stream.onnx takes frames and state and gives the next state, offline.onnx whole videos."""

    model: tyro.conf.Positional[Path]
    """A run directory, a checkpoint, or a reference checkpoint."""
    out: Path | None = None
    """Folder for the graphs; by default export/ in the run directory, or beside the checkpoint."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Export."""
        from protas_gtcc.export import export_onnx

        folder = self.out or (self.model if self.model.is_dir() else self.model.parent) / "export"
        model = load(self.model)
        require_no_control(model.facts.config, "be exported")
        written = [str(path) for path in export_onnx(model, folder)]
        if model.facts.transcripts is not None:
            text = "note: the graphs hold the network alone; the duration filter after it is not in ONNX"
            print(f"{text}, so labels and progress are those of --filter none", file=sys.stderr)
        left_out = [] if model.facts.transcripts is None else ["duration filter"]
        print(json.dumps({"written": written, "left_out": left_out}) if self.json else "\n".join(written))
