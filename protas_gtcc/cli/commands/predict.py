"""`protas-gtcc predict`: features of new videos -> labels, probabilities, progress."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from protas_gtcc.cli.shared.flags import Positional
from protas_gtcc.config import Device
from protas_gtcc.dataset.reader import require_no_control
from protas_gtcc.errors import InputError, listed
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.prediction_files import open_predictions, write_csv, write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.npy import Axes, load_features
from protas_gtcc.training.devices import choose_device


@dataclass(frozen=True)
class Command:
    """Predict videos without labels: one .npy file of features each, [T, D] or [D, T].

    Writes labels, probabilities and progress of every frame to one HDF5 file and one CSV file a video.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a reference checkpoint."""
    features: Annotated[Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FEATURES.npy …")]
    """Feature files, one or more."""
    out: Path = Path("predictions")
    """Folder for predictions.h5 and the CSV files; one that has predictions of other videos is refused."""
    overwrite: bool = False
    """Replace a predictions.h5 of other videos."""
    fps: float | None = None
    """Frames a second of the features; by default those the model was trained at."""
    feature_axes: Axes = "auto"
    """Axes of the feature arrays: [D, T], [T, D], or auto: the axis of the model's feature size is D."""
    device: Device = "auto"
    """Device to predict on."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Predict and write."""
        if not self.features:
            raise InputError("no feature files were given; name one or more .npy files after the run")
        self._require_distinct_names()
        model = load(self.model, choose_device(self.device))
        require_no_control(model.facts.config, "predict")
        fps = model.facts.fps if self.fps is None else self.fps
        if fps is None:
            raise InputError("the model does not know its frames per second; give --fps")
        if not 0 < fps < math.inf:
            raise InputError(f"--fps is {fps:g}; frames per second must be positive")
        info = PredictionInfo(model.class_names, model.background, fps, model.facts.simulated)
        written = self.out / "predictions.h5"
        others = self._other_videos(written)
        write_predictions(written, self._predictions(model), info)
        # Only when every file was fine: a refused one leaves nothing.
        for video in (files := open_predictions(written)).video_names:
            write_csv(self.out, video, files.read(video), info)
        for video in others:
            (self.out / f"{video}.csv").unlink(missing_ok=True)
        if self.json:
            print(json.dumps({"predictions": str(written), "videos": [path.stem for path in self.features]}))
        else:
            print(f"predicted {len(self.features)} videos: {written}, and one CSV file each beside it")

    def _predictions(self, model: TrainedModel) -> Iterator[tuple[str, Prediction]]:
        for path in self.features:
            features = load_features(path, model.facts.feature_dim, self.feature_axes)
            try:
                prediction = model.predict(features)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            yield path.stem, prediction

    def _require_distinct_names(self) -> None:
        stems = [path.stem for path in self.features]
        for path in self.features:
            if stems.count(path.stem) > 1:
                raise InputError(f"two feature files are named {path.name}; their results would share a name")

    def _other_videos(self, written: Path) -> list[str]:
        """Videos whose predictions in the folder would be lost; refused unless the user said so."""
        stems = {path.stem for path in self.features}
        if not written.exists():
            others = sorted(stem for stem in stems if (self.out / f"{stem}.csv").exists())
            held = f"{self.out} has CSV files of {listed(others)} that this would replace"
            refused, others = bool(others), []
        else:
            try:
                others = sorted(set(open_predictions(written).video_names) - stems)
            except InputError as error:
                others, held, refused = [], f"{written} is there and cannot be read ({error})", True
            else:
                held, refused = f"{written} has predictions of other videos, {listed(others)}", bool(others)
        if refused and not self.overwrite:
            raise InputError(f"{held}; give another --out, or --overwrite")
        return others
