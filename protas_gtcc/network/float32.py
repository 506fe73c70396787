"""Full float32 on a GPU."""

from __future__ import annotations

import warnings
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
            settings = _settings()
            _before[:] = [(owner, name, getattr(owner, name)) for owner, name, _ in settings]
            _set(settings)
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                _set(_before)


def _settings() -> list[tuple[Any, str, Any]]:
    """Owner, name and value, in the order in which they are set: the older name sets the newer ones, too."""
    cudnn = torch.backends.cudnn
    older = [(cudnn, "allow_tf32", False)]
    if not hasattr(cudnn, "conv"):  # before PyTorch 2.9
        return older
    newer = [(operation, "fp32_precision", "ieee") for operation in (cudnn.conv, cudnn.rnn)]
    # Where the names disagree, `torch.backends.cudnn.flags` fails, and whoever reads the older one. A program that has
    # set newer ones alone has chosen that.
    try:
        _ = cudnn.allow_tf32
    except RuntimeError:
        return newer
    return older + newer


def _set(settings: list[tuple[Any, str, Any]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of PyTorch advise the newer names, which are set as well
        for owner, name, value in settings:
            setattr(owner, name, value)
