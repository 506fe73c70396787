"""Full float32 on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch

_LOCK = Lock()
_before: list[tuple[Any, str, Any]] = []
_inside = 0


@contextmanager
def full_float32() -> Iterator[None]:
    """Within it, a GPU convolves in float32.

    PyTorch's default there is TF32, with 10 bits: too coarse for streams that equal the whole video to 1e-5, and for
    results that do not depend on where they were computed. The setting is the process's, so of several threads within,
    the first changes it and the last puts it back.
    """
    global _inside
    with _LOCK:
        _inside += 1
        if _inside == 1:
            _before[:] = [(owner, name, getattr(owner, name)) for owner, name, _ in _settings()]
            for owner, name, value in _settings():
                setattr(owner, name, value)
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                for owner, name, value in _before:
                    setattr(owner, name, value)


def _settings() -> list[tuple[Any, str, Any]]:
    cudnn = torch.backends.cudnn
    if hasattr(cudnn, "conv"):  # from PyTorch 2.9 on, where the older name may not be mixed with it
        return [(operation, "fp32_precision", "ieee") for operation in (cudnn.conv, cudnn.rnn)]
    return [(cudnn, "allow_tf32", False)]
