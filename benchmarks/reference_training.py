"""The training loops of ProTAS and MS-TCN, run from a checkout of each, fed from memory and timed from outside."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from reference_code import load_module
from side_by_side import Time, now

from protas_gtcc.annotations.segments import progress_by_class
from protas_gtcc.annotations.task_graph import count_task_graph
from protas_gtcc.config import REFERENCE
from protas_gtcc.dataset.file import Dataset


class MemoryFeed:
    """A batch generator with the methods their loops call; it returns tensors and times the loop around it."""

    def __init__(self, videos: Sequence[tuple[torch.Tensor, ...]], device: str):
        self.list_of_examples = videos
        self.device = device
        self._next = 0
        self._started = self.spent = Time(0, 0)

    def has_next(self) -> bool:
        """Whether the epoch goes on; the first call starts the clock."""
        if self._next == 0:
            self._started = now(self.device)
        return self._next < len(self.list_of_examples)

    def next_batch(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """The next video."""
        assert batch_size == 1
        self._next += 1
        return self.list_of_examples[self._next - 1]

    def reset(self) -> None:
        """The epoch is over."""
        self.spent = now(self.device).since(self._started)
        self._next = 0


def protas_loop(checkout: Path, dataset: Dataset, device: str, scratch: Path) -> Callable[[], Time]:
    """One epoch of ProTAS's own training loop; causal, learnable graph, the settings of its README."""
    module = load_module(checkout, "model")
    info, names = dataset.info, dataset.video_names
    graph = count_task_graph((dataset.labels(name) for name in names), info.num_classes, info.background)
    pickled = scratch / "graph.pkl"
    pickled.write_bytes(pickle.dumps({"matrix_pre": graph.pre, "matrix_suc": graph.suc}))
    logger = logging.getLogger("reference")
    logger.addHandler(logging.NullHandler())
    model, dim = REFERENCE.model, dataset.feature_sets["features"].dim
    torch.manual_seed(0)
    trainer = module.Trainer(
        model.stages, model.layers, model.maps, dim, info.num_classes, True, logger, init_graph_path=str(pickled)
    )
    return _epoch_of(trainer, MemoryFeed([tensors(dataset, name) for name in names], device), scratch)


def mstcn_loop(checkout: Path, dataset: Dataset, device: str, scratch: Path) -> Callable[[], Time]:
    """One epoch of MS-TCN's own training loop."""
    module = load_module(checkout, "model")
    model, dim = REFERENCE.model, dataset.feature_sets["features"].dim
    torch.manual_seed(0)
    trainer = module.Trainer(model.stages, model.layers, model.maps, dim, dataset.info.num_classes)
    videos = [tensors(dataset, name) for name in dataset.video_names]
    without_progress = [(features, labels, mask) for features, labels, _, mask in videos]
    return _epoch_of(trainer, MemoryFeed(without_progress, device), scratch)


def _epoch_of(trainer: Any, feed: MemoryFeed, scratch: Path) -> Callable[[], Time]:
    def run() -> Time:
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train(str(scratch), feed, 1, 1, REFERENCE.training.lr, torch.device(feed.device))
        return feed.spent

    return run


def tensors(dataset: Dataset, name: str, feature_set: str = "features") -> tuple[torch.Tensor, ...]:
    """A video as their batch generators give it: features, labels, progress of every class, mask."""
    labels, classes = dataset.labels(name), dataset.info.num_classes
    progress = progress_by_class(labels, dataset.progress(name), classes)
    features = torch.from_numpy(dataset.features(name, feature_set)).float().t().contiguous()
    mask = torch.ones(1, classes, len(labels))
    return features[None], torch.from_numpy(labels)[None], torch.from_numpy(progress)[None], mask
