"""`protas_gtcc.show`: the picture of a prediction in a notebook."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.report.canvas import Canvas
from protas_gtcc.report.colours import HasClasses
from protas_gtcc.report.video_picture import draw_video


@runtime_checkable
class HasFacts(Protocol):
    """A loaded model."""

    @property
    def facts(self) -> HasClasses:
        """Classes and rate."""


class ShownVideo:
    """A picture that notebooks show by themselves."""

    def __init__(self, canvas: Canvas):
        self._canvas = canvas

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self._canvas.image.save(stream, format="png")
        return stream.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the picture, PNG. Raises `InputError` if it cannot be written."""
        self._canvas.save(path)


def show(
    prediction: Prediction,
    truth: np.ndarray | None = None,
    of: HasFacts | HasClasses | None = None,
    title: str = "prediction",
) -> ShownVideo:
    """The picture that `predict` and `evaluate` draw of a video.

    `truth` are the true class ids `[T]`, if known. `of` names the classes, and knows the rate: the model, `info` of a
    `Dataset` or of a file of predictions; without it, classes have their ids, class 0 is an action like others, and a
    frame is a second. Raises `InputError` if lengths or classes do not fit each other.
    """
    facts = of.facts if isinstance(of, HasFacts) else of
    largest = max(int(one.max(initial=0)) for one in (prediction.labels, truth if truth is not None else np.zeros(1)))
    if facts is None:
        info = PredictionInfo([str(label) for label in range(largest + 1)], [], 1.0)
    else:
        fps, simulated = getattr(facts, "fps", None) or 1.0, getattr(facts, "simulated", False)
        info = PredictionInfo(facts.class_names, facts.background, fps, simulated, class_colours=facts.class_colours)
    if truth is not None and len(truth) != len(prediction.labels):
        raise InputError(
            f"the truth has {len(truth)} frames, the prediction {len(prediction.labels)}; give those of it"
        )
    if largest >= len(info.class_names):
        raise InputError(
            f"class {largest} is not one of {len(info.class_names)} classes; give the model's, or leave out `of`"
        )
    return ShownVideo(draw_video(title, truth, prediction, info))
