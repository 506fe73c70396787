"""A trained model: from features `[T, D]` to labels, probabilities and progress."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from protas_gtcc.config import Device, EngineName
from protas_gtcc.dataset.header import is_dataset_file
from protas_gtcc.decoding.decoder import DurationDecoder, likeliest_class, network_result, require_finite
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.network.checkpoint import ModelFacts, load_checkpoint
from protas_gtcc.network.model import Outputs, ProgressNetwork
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.predictions import Prediction
from protas_gtcc.storage.checkpoints import find_checkpoint
from protas_gtcc.storage.file_kinds import SAFETENSORS, kind_of
from protas_gtcc.storage.npy import UNUSABLE, first_unusable

if TYPE_CHECKING:
    from protas_gtcc.streaming.streams import Stream, Streams


def choose_device(wanted: Device) -> str:
    """`auto` -> the first available of cuda, mps, cpu. Raises `InputError` for a device that is not available."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in available.items() if there)
    if not available[wanted]:
        raise InputError(f"--device {wanted}: this machine has none; use --device cpu or --device auto")
    return wanted


class TrainedModel:
    """A network in evaluation mode with the facts of its training; `print` shows them."""

    def __init__(self, network: ProgressNetwork, facts: ModelFacts, device: str | torch.device = "cpu"):
        self.network = network.eval().to(device)
        self.facts = facts
        self.device = torch.device(device)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, background included, by id."""
        return self.facts.class_names

    @property
    def background(self) -> list[int]:
        """Ids of the background classes."""
        return self.facts.background

    def outputs(self, features: np.ndarray) -> Outputs:
        """The network's whole output for one video, features `[T, D]`; every field with B = 1.

        Raises `InputError` if the features are empty, of another size than the model's, or not finite.
        """
        batch = torch.from_numpy(self._checked(features)).to(self.device)
        with torch.inference_mode():
            return self.network(batch.t().unsqueeze(0))

    def predict(self, features: np.ndarray) -> Prediction:
        """Labels, probabilities and progress of one video, features `[T, D]`.

        Without a progress head, `progress` is None and 0 is reported, or with a filter the progress of the filter
        alone. Raises `InputError` as `outputs` does.
        """
        return to_prediction(self.outputs(features), self.background, self._fresh_decoder())

    def stream(self, engine: EngineName = "auto") -> Stream:
        """A stream that takes a video frame by frame; its results equal `predict` on the whole video.

        `compiled` runs on the CPU whatever the model's device, `torch` on that device. `auto` is `compiled` for a model
        on the CPU whose network can be compiled, else `torch`. Raises `InputError` for an acausal model.
        """
        return self.streams(1, engine).stream(0)

    def streams(self, count: int, engine: EngineName = "auto", threads: int = 1) -> Streams:
        """`count` streams, each of which starts, pauses and ends on its own; engines and errors as in `stream`."""
        # Here, so that `predict` does not wait for these imports.
        from protas_gtcc.streaming.engines import make_engine
        from protas_gtcc.streaming.streams import Streams

        if count < 1:
            raise InputError(f"{count} streams were requested; request at least 1")
        decoder = self._fresh_decoder(count)
        return Streams(make_engine(self.network, count, engine, threads), self.network, self.background, decoder)

    def __repr__(self) -> str:
        facts, model = self.facts, self.facts.config.model
        parameters = sum(one.numel() for one in self.network.parameters())
        fps = "unknown fps" if facts.fps is None else f"{facts.fps:g} fps"
        progress = "with progress" if model.progress else "without progress"
        background = listed(facts.class_names[label] for label in facts.background)
        lines = {
            "classes": f"{len(facts.class_names)}: {listed(facts.class_names)} (background: {background})",
            "features": f"{facts.feature_dim} dimensions, {fps}, {facts.look_ahead_frames} look-ahead frames"
            + (f", of {facts.extractor}" if facts.extractor else ""),
            "preset": facts.config.preset,
            "network": f"{plural(model.stages, 'stage')} of {plural(model.layers, 'layer')} in {model.arrangement}, "
            f"{progress}, {'causal' if model.causal else 'acausal'}",
            "decoding": "likeliest class" if facts.transcripts is None else f"duration filter; {_calibration(facts)}",
            "parameters": f"{parameters:,}",
            "dataset": (facts.dataset or "unknown") + (" (simulated)" if facts.simulated else ""),
            "split": f"{facts.config.split}, {plural(len(facts.training_videos), 'training video')}",
            "device": str(self.device),
        }
        return "\n".join(["TrainedModel", *(f"  {name}: {value}" for name, value in lines.items())])

    @cached_property
    def _decoder(self) -> DurationDecoder | None:
        return make_decoder(self.facts)

    def _fresh_decoder(self, num_streams: int = 1) -> DurationDecoder | None:
        return None if self._decoder is None else self._decoder.fresh(num_streams)

    def _checked(self, features: np.ndarray) -> np.ndarray:
        """The features as float32, in which they must be finite."""
        expected = self.facts.feature_dim
        if features.ndim != 2 or features.shape[1] != expected:
            is_turned = expected in features.shape[:1]
            way_out = "it looks like [D, T]: transpose it" if is_turned else "extract features with its backbone"
            raise InputError(f"features are {features.shape}; the model takes [T, {expected}]; {way_out}")
        if len(features) == 0:
            raise InputError("features have no frames; leave the video out")
        with np.errstate(over="ignore"):  # it becomes infinity, which is refused
            features = np.ascontiguousarray(features, dtype=np.float32)
        unusable = first_unusable(features)
        if unusable is not None:
            raise InputError(f"features have {UNUSABLE} at frame {unusable}; extract them again")
        return features


def load(path: Path | str, device: str | torch.device = "cpu") -> TrainedModel:
    """Load a run directory, a checkpoint file, or a checkpoint of ProTAS or MS-TCN.

    Raises `InputError` if there is none at `path` or it is not whole.
    """
    path = find_checkpoint(path)
    if is_dataset_file(path):
        raise InputError(f"{path} is a dataset file, not a model; name a run directory or a checkpoint")
    if path.suffix != ".safetensors" and kind_of(path) != SAFETENSORS:
        return TrainedModel(*read_reference_checkpoint(path), device)
    model = TrainedModel(*load_checkpoint(path), device)
    if model.facts.awaits_calibration:
        logging.getLogger(__name__).warning("%s: %s", path, _calibration(model.facts))
    return model


def _calibration(facts: ModelFacts) -> str:
    if facts.awaits_calibration:
        return "the run is not finished, so its filter is not calibrated (run --resume finishes it)"
    return facts.calibration or "not to be calibrated"


def make_decoder(facts: ModelFacts) -> DurationDecoder | None:
    """The filter after a model's network, for a stream before its first frame; None without a filter."""
    if facts.transcripts is None:
        return None
    assert facts.fps is not None  # the transcripts were counted at that rate
    return DurationDecoder(facts.transcripts, facts.config.decoding, facts.background, facts.fps)


def to_prediction(outputs: Outputs, background: list[int], decoder: DurationDecoder | None = None) -> Prediction:
    """The prediction for the first video of a batch; `decoder` is before its first frame."""
    result = network_result(outputs)
    require_finite(*result)
    if decoder is None:
        return likeliest_class(result, ~np.isin(np.arange(result.probs.shape[1]), background))
    return decoder.decode(np.zeros(len(result.probs), dtype=np.int64), result.probs, result.progress)
