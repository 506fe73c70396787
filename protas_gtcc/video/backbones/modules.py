"""Any torch module as a backbone."""

from __future__ import annotations

import numpy as np
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.video.backbones.base import ModelInput, checked_features, fingerprint, first_line, tried


class ModuleBackbone:
    """A module in evaluation mode that takes pictures and gives features `[B, D]`."""

    look_ahead_frames = 0

    def __init__(
        self,
        name: str,
        version: str,
        module: torch.nn.Module,
        model_input: ModelInput,
        weights: str,
        device: str | torch.device = "cpu",
    ):
        """`weights` is a digest of them. Raises `InputError` as `tried` does, and what the module raises."""
        self.name, self.version, self.size, self.window = name, version, model_input.size, model_input.window
        self.fingerprint = fingerprint(weights, model_input)
        self._module, self._input, self._device = module.eval().to(device), model_input, device
        self.dim = tried(self._features, model_input, name)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features of pictures, as `Backbone` has it. Raises `InputError` where the module fails."""
        try:
            return self._features(pictures)
        except (RuntimeError, torch.jit.Error) as error:  # so torch calls what goes wrong in a module
            what = f"{self.name} fails on pictures {list(pictures.shape)} ({first_line(error)})"
            raise InputError(f"{what}; correct the model, or take fewer pictures at once (--batch-size)") from error

    def _features(self, pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            values = self._module(self._input.tensor(pictures, self._device))
        return checked_features(values, len(pictures), self.name)
