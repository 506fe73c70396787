"""Five files of features that `predict` takes for many, and what it makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.cli.commands import predict
from protas_gtcc.cli.shared import predicted_shards
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction
from tests.mstcn_folder import exit_code
from tests.tiny_models import make_model, video


def measured_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five files of features, and a model of them, in the current folder; two videos make a shard, and are many."""
    monkeypatch.chdir(tmp_path)
    model = make_model()
    save_checkpoint(Path("model.safetensors"), model.network, model.facts)
    for number, name in enumerate("abcde"):
        np.save(f"{name}.npy", video(30 + number))
    monkeypatch.setattr(predicted_shards, "VIDEOS_A_SHARD", 2)
    monkeypatch.setattr(predict, "VIDEOS_A_SHARD", 2)
    return [f"{name}.npy" for name in "abcde"]


def predict_files(files: list[str], *more: object) -> int:
    words = ("--device", "cpu", "--no-pictures", "--out", "out")
    return exit_code("predict", "model.safetensors", *files, *words, *more)


def shards() -> dict[Path, list[str]]:
    """The videos of each shard."""
    return {path: open_predictions(path).video_names for path in Path("out/parts").rglob("*.h5")}


def interrupted(predictions: Callable[..., Iterator[Any]], after: int) -> Callable[..., Iterator[Any]]:
    """The predictions of so many videos, then an interruption."""

    def some(*arguments: Any, **named: Any) -> Iterator[tuple[str, Prediction]]:
        yield from itertools.islice(predictions(*arguments, **named), after)
        raise KeyboardInterrupt

    return some
