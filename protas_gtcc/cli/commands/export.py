"""`protas-gtcc export`: a model as an ONNX graph, to run without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.storage.atomic import require_absent
from protas_gtcc.storage.checkpoints import require_model


@dataclass(frozen=True)
class Command:
    """Write a model as an ONNX graph: stream.onnx, which takes new frames and the state so far.

    Of an acausal model, it is offline.onnx, which takes whole videos. The graph holds the duration filter, if the model
    has one. What is reported of the procedure is not in it; it does not act on the filter there, so the outputs are
    those of a model trained with --order-memory 0.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    out: Folder | None = None
    """Folder for the graph; by default export/ in the run directory, or beside the checkpoint."""
    task: str | None = None
    """Make a graph for videos of this task alone; by default it infers the task, where the model knows several."""
    overwrite: bool = False
    """Replace the graph in the folder, be it stream.onnx or offline.onnx."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Export."""
        require_model(self.model)  # before the seconds that importing torch takes
        from protas_gtcc.cli.shared.console import make_console
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.export import export_onnx, lacks
        from protas_gtcc.inference import load

        folder = self.out or (self.model if self.model.is_dir() else self.model.parent) / "export"
        graphs = [folder / "stream.onnx", folder / "offline.onnx"]
        require_absent(graphs, self.overwrite)
        model = load(self.model)
        require_no_control(model.facts.config, "be exported")
        console = make_console(stderr=True)

        def on_start(path: Path) -> None:
            console.print(f"making {path}: a minute, longer on a busy machine", soft_wrap=True)

        written, lacking = export_onnx(model, folder, on_start, self.task), lacks(model)
        if self.overwrite:  # the folder may have the other graph, of an earlier model
            for other in {*graphs} - {written}:
                other.unlink(missing_ok=True)
        print(json.dumps({"written": str(written), "lacks": lacking}) if self.json else written)
        if "lag_seconds" in lacking:
            console.print("the graph reports each frame at once, without --lag-seconds", soft_wrap=True)
        if "procedure" in lacking:
            what = "the graph lacks the procedure (time left, next step, steps done and alarms)"
            acts = ", and its part in the filter (--order-memory)" if "order_memory" in lacking else ""
            console.print(f"{what}{acts}: use predict, stream or serve for it", soft_wrap=True)
