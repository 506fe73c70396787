"""Online action segmentation and per-class action progress for procedural video.

model = protas_gtcc.load("runs/x")
prediction = model.predict(features)    # [T, D] -> labels [T], probs [C, T], progress [C, T], reported [T]
protas_gtcc.metrics.progress_error(prediction.reported, labels, model.background)
protas_gtcc.show(prediction, labels, model)    # a picture, in a notebook
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load", "metrics", "show"]

if TYPE_CHECKING:
    from protas_gtcc import metrics
    from protas_gtcc.inference import load
    from protas_gtcc.report.shown import show


def __getattr__(name: str) -> Any:
    # On first use only: reading data, labels and scores must not wait for torch to be imported.
    if name == "load":
        from protas_gtcc.inference import load

        return load
    if name == "metrics":
        return importlib.import_module("protas_gtcc.metrics")
    if name == "show":
        from protas_gtcc.report.shown import show

        return show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
