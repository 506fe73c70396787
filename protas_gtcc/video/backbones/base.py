"""What a backbone is, the input that a model takes, and fingerprints of weights and scaling."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.video.pictures import SCALING

Axes = Literal["CHW", "HWC", "CKHW", "KHWC"]
"""Axes of a model's input after the batch: K frames of a window, height, width, 3 colours."""
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)
"""Of red, green and blue, from 0 to 255, over ImageNet: most image models are trained on pictures less these."""
OWN_PICTURE = 0.01
"""How much features may differ by the other pictures of a batch, as a share of the largest: sums in another order."""
MOST_FEATURES = 1 << 20


@runtime_checkable
class Backbone(Protocol):
    """Pictures -> features.

    It sees the picture of a frame, or with a `window` above 1 that picture and those before it, and never a later one.
    """

    name: str
    version: str
    """Of the package that it comes from; "" for a file."""
    fingerprint: str
    """A short hash of its weights and of how pictures are scaled for it: features with the same one belong together."""
    size: int
    """Height and width of its pictures, in pixels."""
    window: int
    """Frames that it sees at once."""
    look_ahead_frames: int
    """How many frames after t the features of frame t have seen."""
    dim: int
    """Number of features, D."""

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features, float32 `[B, D]`, of uint8 `[B, H, W, 3]` in RGB, or `[B, window, H, W, 3]`, oldest first."""


@dataclass(frozen=True)
class ModelInput:
    """How a model takes pictures."""

    size: int
    axes: Axes = "CHW"
    window: int = 1
    mean: tuple[float, ...] | None = IMAGENET_MEAN
    """Subtracted from red, green and blue, from 0 to 255; None for a model that takes uint8 as it is."""
    deviation: tuple[float, ...] = IMAGENET_DEVIATION

    def tensor(self, pictures: np.ndarray, device: str | torch.device = "cpu") -> torch.Tensor:
        """Pictures uint8 `[B, H, W, 3]` or `[B, K, H, W, 3]` as the model takes them."""
        values = torch.from_numpy(pictures).to(device)
        if self.mean is not None:
            mean, deviation = (torch.tensor(one, device=device) for one in (self.mean, self.deviation))
            values = (values.float() - mean) / deviation
        given = "KHWC" if "K" in self.axes else "HWC"
        return values.permute(0, *(1 + given.index(axis) for axis in self.axes))

    def noise(self, count: int) -> np.ndarray:
        """Pictures of noise, or windows of them, to try a model with."""
        window = (self.window,) if "K" in self.axes else ()
        return np.random.default_rng(0).integers(0, 256, (count, *window, self.size, self.size, 3), np.uint8)


def fingerprint(weights: str, model_input: ModelInput) -> str:
    """12 digits for the digest of weights, and for how pictures are scaled and given to the model."""
    text = json.dumps([weights, SCALING, dataclasses.asdict(model_input)], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """A hash of a module's weights by name."""
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(weights.items()):
        held = values.detach().cpu().contiguous()
        digest.update(f"{name} {held.dtype} {list(held.shape)}".encode())
        digest.update(held.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def files_digest(paths: list[Path]) -> str:
    """A hash of the bytes of files."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def tried(model: Callable[[np.ndarray], np.ndarray], model_input: ModelInput, name: str) -> int:
    """The number of features D of a model, which is tried with noise.

    Raises `InputError` unless features depend on nothing but their own picture: they are the same alone, beside another
    picture, and again. A model that was saved in training mode breaks this.
    """
    pictures = model_input.noise(2)
    together, alone = model(pictures), model(pictures[1:])
    if alone.shape[1] > MOST_FEATURES:
        what = f"{name} gives {alone.shape[1]} features, expected at most {MOST_FEATURES}"
        raise InputError(f"{what}; save a model that pools its output to one row a picture")
    with np.errstate(invalid="ignore"):  # what is not finite is refused with its video
        same = (
            together.shape[1] == alone.shape[1]
            and not (np.abs(together[1] - alone[0]) > OWN_PICTURE * np.abs(alone).max()).any()
        )
    if not same:
        what = f"{name} gives a picture other features alone than beside another one, or the second time"
        raise InputError(f"{what}; save it in evaluation mode (model.eval()), without chance and memory")
    return int(alone.shape[1])


def first_line(error: Exception) -> str:
    """The last line with text: TorchScript writes the way to an error before the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def checked_features(values: object, num_pictures: int, name: str) -> np.ndarray:
    """What a model gave as float32 `[B, D]`. Raises `InputError` unless it is one row of numbers a picture."""
    if isinstance(values, torch.Tensor):
        values = (values if values.is_complex() else values.float()).cpu().numpy()
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise InputError(f"{name} gives {kind}, not one array of numbers; save a model that gives features [B, D]")
    array = values
    if array.ndim != 2 or len(array) != num_pictures or not array.size:
        what = f"{name} gives {list(array.shape)} for {num_pictures} pictures, expected [{num_pictures}, D]"
        raise InputError(f"{what}; save a model that pools its output to one row a picture")
    return array.astype(np.float32, copy=False)
