"""A trained encoder with everything that is needed to embed a video, and its checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.encoders import Encoder
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, require_shapes, save_tensors
from protas_gtcc.network.float32 import full_float32
from protas_gtcc.storage.checkpoints import find_checkpoint
from protas_gtcc.storage.configs import from_dict

FORMAT = "protas_gtcc encoder"


@dataclass(frozen=True)
class EncoderFacts:
    """Everything beside the weights that embedding needs."""

    config: AlignmentConfig
    feature_dim: int
    feature_set: str
    tasks: list[str]
    """Tasks that it was trained on; [""] if the dataset has none."""
    dataset: str = ""
    look_ahead_frames: int = 0
    """How many frames after t the features of frame t depend on; the encoder adds none."""
    training_videos: list[str] = field(default_factory=list)
    simulated: bool = False
    fps: float | None = None

    def build(self) -> Encoder:
        """An untrained encoder of this shape."""
        head = None if self.config.head_version is None else self.config.head_version.head
        drops = self.config.loss == "gtcc" and self.config.alignment.drop_rate < 1
        return Encoder(self.config.encoder, self.feature_dim, len(self.tasks), drops, head)


@dataclass(frozen=True)
class Embedder:
    """Embeds videos with an encoder in evaluation mode, on its device."""

    encoder: Encoder
    facts: EncoderFacts

    @torch.no_grad()
    def embed(self, features: np.ndarray) -> np.ndarray:
        """Features `[T, D]` -> embeddings `[T, E]`, float32. Raises `InputError` for another D."""
        if features.ndim != 2 or features.shape[1] != self.facts.feature_dim:
            raise InputError(f"expected features [T, {self.facts.feature_dim}], found {list(features.shape)}")
        x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)).T[None]
        with full_float32():
            embedded = self.encoder(x.to(next(self.encoder.parameters()).device))[0].T
        return embedded.float().cpu().numpy()


def save_encoder(path: Path, encoder: Encoder, facts: EncoderFacts) -> None:
    """Write weights and facts."""
    save_tensors(path, FORMAT, encoder.state_dict(), dataclasses.asdict(facts))


def load_encoder(path: Path) -> Embedder:
    """Read a checkpoint file, or that of a run directory. Raises `InputError` if it holds no encoder."""
    file = find_checkpoint(path)
    tensors, metadata = load_tensors(file, FORMAT)
    values = {one.name: metadata[one.name] for one in dataclasses.fields(EncoderFacts) if one.name in metadata}
    facts = from_dict(EncoderFacts, values, str(file))
    if not (1 <= facts.feature_dim <= 10**6 and facts.tasks):
        what = f"features of {facts.feature_dim} numbers, {len(facts.tasks)} tasks"
        raise InputError(f"{file}: {what}; expected at least one of each: train again")
    try:
        require_shapes(facts.build, tensors)
        encoder = facts.build()
        encoder.load_state_dict(tensors)
    except (RuntimeError, TypeError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{file}: weights do not fit its configuration ({what}); train again") from error
    return Embedder(encoder.eval(), facts)
