"""Predicting videos and files of features one after the other, for `predict` in one process and in its jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.cli.shared.trained_on import note_training_videos
from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError, noted, plural

if TYPE_CHECKING:
    from protas_gtcc.cli.shared.input_features import FeaturesOnTheWay
    from protas_gtcc.cli.shared.inputs import Input
    from protas_gtcc.inference import TrainedModel
    from protas_gtcc.predictions import Prediction, PredictionInfo


@dataclass(frozen=True)
class Predictor:
    """A model, and how features reach it."""

    model: TrainedModel
    info: PredictionInfo
    task: str | None
    """Task of the videos; None if the model infers it."""
    backbone: OwnBackboneFlags
    fps: float | None
    """Frames per second of files of features; None for the model's."""
    axes: Axes

    def predictions(
        self,
        inputs: Sequence[Input],
        broken: dict[str, str],
        skip: bool,
        may_end: Callable[[set[str]], bool] = lambda done: False,
    ) -> Iterator[tuple[str, Prediction]]:
        """Predict one input after the other; broken ones are noted in `broken` and left out with `skip`.

        Without it, the first broken one ends the predictions if `may_end` of the predicted videos, and else raises
        `InputError`. So does each input being broken.
        """
        from protas_gtcc.cli.shared.input_features import FeaturesOnTheWay

        note_training_videos(self.model, [one.name for one in inputs])
        if any(one.is_video for one in inputs):
            with processors_for_backbone():  # ONNX Runtime counts its threads when a model is opened
                self.backbone.give(self.model)
        done: set[str] = set()
        with FeaturesOnTheWay(self.model, inputs, self.fps, self.axes, broken, skip) as features:
            for one in inputs:
                if one.name in broken:
                    continue
                with noted(broken, one.name, skip or may_end(done)):
                    prediction = self._predict(one, features)
                    done.add(one.name)
                    yield one.name, prediction
                if broken and not skip:
                    return
        if inputs and not done:
            raise InputError(f"none of {plural(len(inputs), 'file')} can be predicted: {next(iter(broken.values()))}")

    def _predict(self, one: Input, features: FeaturesOnTheWay) -> Prediction:
        """The prediction of an input. Raises `InputError`, which names the file."""
        values = features.of(one)
        try:
            return self.model.predict(values, task=self.task)
        except InputError as error:
            raise InputError(f"{one.path}: {error}") from error
