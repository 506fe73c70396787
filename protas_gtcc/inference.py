"""A trained model: from features `[T, D]` to labels, probabilities and progress."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from protas_gtcc.config import EngineName
from protas_gtcc.dataset.header import is_dataset_file
from protas_gtcc.decoding import DurationDecoder
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import ModelFacts, load_checkpoint
from protas_gtcc.network.model import Outputs, ProgressNetwork
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.predictions import Prediction, reported_progress
from protas_gtcc.streaming import Stream, Streams
from protas_gtcc.streaming.engines import CompiledEngine, TorchEngine


class TrainedModel:
    """A network in evaluation mode with the facts it was trained under."""

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
        """Everything the network says of one video, features `[T, D]`; every field with B = 1.

        Raises `InputError` if the features are empty, of another size than the model's, or not finite.
        """
        self._check(features)
        batch = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)).to(self.device)
        with torch.inference_mode():
            return self.network(batch.t().unsqueeze(0))

    def predict(self, features: np.ndarray) -> Prediction:
        """Labels, probabilities and progress of one video, features `[T, D]`.

        A model without progress gives `progress` None and reports 0, unless it has a filter, which then counts alone.
        Raises as `outputs` does.
        """
        return to_prediction(self.outputs(features), self.background, self._decoder())

    def stream(self, engine: EngineName = "auto") -> Stream:
        """Follow one person frame by frame, exactly as `predict` would the whole video.

        `compiled` runs on the CPU whatever the model's device, `torch` on that device; `auto` is `compiled` for a model
        on the CPU. Raises `InputError` for an acausal model.
        """
        return Stream(self.streams(1, engine))

    def streams(self, count: int, engine: EngineName = "auto", threads: int = 1) -> Streams:
        """Follow so many people at once, each of whom starts, pauses and ends on their own; as `stream` otherwise."""
        if count < 1:
            raise InputError(f"{count} streams cannot be followed; ask for at least 1")
        if engine == "auto":
            engine = "compiled" if self.device.type == "cpu" else "torch"
        if engine == "torch":
            return Streams(TorchEngine(self.network, count), self.network, self.background, self._decoder(count))
        network = self.network if self.device.type == "cpu" else copy.deepcopy(self.network).cpu()
        return Streams(CompiledEngine(network, count, threads), network, self.background, self._decoder(count))

    def _decoder(self, num_streams: int = 1) -> DurationDecoder | None:
        return make_decoder(self.facts, num_streams)

    def _check(self, features: np.ndarray) -> None:
        expected = self.facts.feature_dim
        if features.ndim != 2 or features.shape[1] != expected:
            hint = "; it looks like [D, T]: transpose it" if expected in features.shape[:1] else ""
            raise InputError(f"features are {features.shape}; the model takes [T, {expected}]{hint}")
        if len(features) == 0:
            raise InputError("features have no frames")
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise InputError(f"features have NaN or infinity at frame {int(np.argmin(finite))}; mend them")


def load(path: Path | str, device: str | torch.device = "cpu") -> TrainedModel:
    """Load a run directory, a checkpoint file, or a reference checkpoint of ProTAS or MS-TCN.

    Raises `InputError` if there is none at `path` or it is not whole.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint.safetensors"
    if is_dataset_file(path):
        raise InputError(f"{path} is a dataset file, not a model; name a run directory or a checkpoint")
    if path.suffix == ".safetensors" or not path.exists():
        return TrainedModel(*load_checkpoint(path), device)
    return TrainedModel(*read_reference_checkpoint(path), device)


def make_decoder(facts: ModelFacts, num_streams: int = 1) -> DurationDecoder | None:
    """The filter after a model's network, before the first frame of so many streams; None if it has none."""
    if facts.transcripts is None:
        return None
    return DurationDecoder(facts.transcripts, facts.config.decoding, facts.background, facts.fps, num_streams)


def to_prediction(outputs: Outputs, background: list[int], decoder: DurationDecoder | None = None) -> Prediction:
    """The prediction of the first video of a batch; `decoder` has seen no frame yet."""
    logits = outputs.final_logits[0].float()
    labels = logits.argmax(dim=0).cpu().numpy()
    probs = torch.softmax(logits, dim=0).cpu().numpy()
    progress = None if outputs.final_progress is None else outputs.final_progress[0].float().clamp(0, 1).cpu().numpy()
    if decoder is not None:
        streams = np.zeros(len(labels), dtype=np.int64)
        return decoder.decode(streams, probs.T, None if progress is None else progress.T)
    if progress is None:
        return Prediction(labels, probs, None, np.zeros(len(labels), dtype=np.float32))
    return Prediction(labels, probs, progress, reported_progress(progress, labels, background))
