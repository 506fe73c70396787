"""Offline models of others on a dataset file: MS-TCN and ASFormer, trained by their own code.

    python benchmarks/offline_models.py --dataset gtea.h5 --out offline/gtea --mstcn FOLDER --asformer FOLDER
    python benchmarks/offline_scores.py --dataset gtea.h5 --predictions offline/gtea/ms-tcn offline/gtea/asformer

Theirs are network, losses, optimiser and loop: `Trainer.train` of a checkout of each repository, imported by path and
unchanged (`reference_code.py`), fed from memory. The settings are those of their `main.py`, and the model is that of
the last epoch. Features are taken at the rate of the file. A split leaves OUT/MODEL/split<k>-seed<n>/predictions.h5,
which `protas-gtcc evaluate` reads too. The models report no progress: it is 0, and its scores mean nothing. A split
that is finished is skipped, so an interrupted call is simply repeated.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference_code import load_module
from reference_training import MemoryFeed, tensors
from side_by_side import Time, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.storage.atomic import write_text

EPOCHS = {"ms-tcn": 50, "asformer": 120}
"""As published."""
LR = 5e-4
"""Of both, with batches of one video."""


@dataclass(frozen=True)
class Arguments:
    """Train MS-TCN and ASFormer by their own code and predict the test videos."""

    dataset: Path
    """Prepared dataset file."""
    out: Path
    """Folder for the predictions."""
    mstcn: Path | None = None
    """Checkout of github yabufarha/ms-tcn."""
    asformer: Path | None = None
    """Checkout of github ChinaYi/ASFormer."""
    splits: tuple[str, ...] = ()
    """Splits to train and predict; by default all."""
    feature_set: str | None = None
    """Feature set; by default the one tied to the split, else `features`."""
    channel_mask: float = 0.3
    """Share of feature channels that ASFormer hides in training; published with 0.5 for GTEA, 0.3 for 50 Salads."""
    epochs: int | None = None
    """Epochs, to try the script; by default as published."""
    seed: int = 0
    """Of weights, dropout and the order of videos."""
    threads: int = 1
    """Threads of torch."""


class ShuffledFeed(MemoryFeed):
    """Videos in a new order each epoch, as in both batch generators. Keeps the time of each epoch."""

    def __init__(self, videos: Sequence[tuple[torch.Tensor, ...]], scratch: Path):
        super().__init__(videos, "cpu")
        self.epochs: list[Time] = []
        self._scratch = scratch
        self._shuffle()

    def next_batch(self, batch_size: int, if_warp: bool = False) -> tuple[torch.Tensor, ...]:
        """The next video; ASFormer asks for none that is warped in time."""
        assert not if_warp
        return super().next_batch(batch_size)

    def reset(self) -> None:
        """The epoch is over: MS-TCN's files of the epoch before are removed."""
        super().reset()
        self.epochs.append(self.spent)
        self._shuffle()
        for old in self._scratch.glob("epoch-*"):
            old.unlink()

    def _shuffle(self) -> None:
        self.list_of_examples = random.sample(self.list_of_examples, len(self.list_of_examples))


@dataclass(frozen=True)
class Job:
    """One model on one split."""

    model: str
    checkout: Path
    split: str
    feature_set: str
    arguments: Arguments

    @property
    def epochs(self) -> int:
        """As published, or as given."""
        return self.arguments.epochs or EPOCHS[self.model]

    @property
    def folder(self) -> Path:
        """Where its predictions go."""
        return self.arguments.out / self.model / f"split{self.split}-seed{self.arguments.seed}"

    def settings(self, dataset: Dataset) -> dict[str, Any]:
        """What its results depend on."""
        masked = {"channel_mask": self.arguments.channel_mask} if self.model == "asformer" else {}
        own = {"model": self.model, "split": self.split, "feature_set": self.feature_set, **masked}
        return {"dataset": dataset.info.name, **own, "epochs": self.epochs, "seed": self.arguments.seed}

    def is_finished(self, dataset: Dataset) -> bool:
        """Whether its predictions are there. Raises `InputError` if they were made with other settings."""
        if not (self.folder / "predictions.h5").is_file():
            return False
        made_with, wanted = json.loads((self.folder / "training.json").read_text())["settings"], self.settings(dataset)
        if made_with != wanted:
            raise InputError(f"{self.folder} was made with {made_with}, wanted is {wanted}; give another --out")
        return True

    def trainer(self, dim: int, classes: int) -> tuple[Any, Callable[[str, MemoryFeed], None]]:
        """Their trainer, and a function that trains it, given a scratch folder and a feed."""
        module = load_module(self.checkout, "model")
        if self.model == "ms-tcn":
            trainer, where = module.Trainer(4, 10, 64, dim, classes), torch.device("cpu")
            return trainer, lambda scratch, feed: trainer.train(scratch, feed, self.epochs, 1, LR, where)
        vars(module)["device"] = torch.device("cpu")  # else a GPU, where there is one
        trainer = module.Trainer(10, 2, 2, 64, dim, classes, self.arguments.channel_mask)
        # Without test videos it neither looks at them while training nor saves anything.
        return trainer, lambda scratch, feed: trainer.train(scratch, feed, self.epochs, 1, LR)

    def run(self, dataset: Dataset) -> list[Time]:
        """Train, and write the predictions last. Returns the time of each epoch."""
        random.seed(self.arguments.seed)
        torch.manual_seed(self.arguments.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "training.log"
        with (
            tempfile.TemporaryDirectory() as scratch,
            log.open("w", encoding="utf-8", buffering=1) as out,
            contextlib.redirect_stdout(out),
        ):
            trainer, train = self.trainer(dataset.feature_set(self.feature_set).dim, dataset.info.num_classes)
            feed = ShuffledFeed(self._training_videos(dataset), Path(scratch))
            train(scratch, feed)
        facts = {"settings": self.settings(dataset), "threads": self.arguments.threads, "versions": versions()}
        seconds = {"seconds": [one.clock for one in feed.epochs], "cpu_seconds": [one.cpu for one in feed.epochs]}
        write_text(self.folder / "training.json", json.dumps({**facts, **seconds}, indent=1) + "\n")
        videos = self._predictions(trainer.model, dataset)
        write_predictions(self.folder / "predictions.h5", videos, self._info(dataset))
        return feed.epochs

    def _training_videos(self, dataset: Dataset) -> list[tuple[Any, ...]]:
        """As their batch generators give them; ASFormer's gives the name too."""
        found: list[tuple[Any, ...]] = []
        for name in dataset.part(self.split, "train"):
            features, labels, _, mask = tensors(dataset, name, self.feature_set)
            found.append((features, labels, mask) if self.model == "ms-tcn" else (features, labels, mask, name))
        return found

    def _predictions(self, model: torch.nn.Module, dataset: Dataset) -> Iterator[tuple[str, Prediction]]:
        model.eval()
        for name in dataset.part(self.split, "test"):
            features, labels, _, _ = tensors(dataset, name, self.feature_set)
            with torch.no_grad():
                logits = model(features, torch.ones_like(features))[-1, 0]
            nothing = np.zeros(labels.shape[1], dtype=np.float32)
            yield name, Prediction(logits.argmax(dim=0).numpy(), logits.softmax(dim=0).numpy(), None, nothing)

    def _info(self, dataset: Dataset) -> PredictionInfo:
        info, extractor = dataset.info, dataset.feature_set(self.feature_set).extractor
        return PredictionInfo(info.class_names, info.background, info.fps, info.simulated, extractor)


def jobs(arguments: Arguments, dataset: Dataset) -> list[Job]:
    """What to train, in order. Raises `InputError` for a split without training or test videos, and if there is no
    checkout."""
    checkouts = {"ms-tcn": arguments.mstcn, "asformer": arguments.asformer}
    given = {model: folder for model, folder in checkouts.items() if folder is not None}
    if not given:
        raise InputError("there is no code to run; give --mstcn FOLDER, --asformer FOLDER or both")
    wanted = arguments.splits or list(dataset.info.splits)
    splits = {split: test_videos(dataset, split, arguments.feature_set)[1] for split in wanted}
    empty = [split for split in splits if not dataset.part(split, "train")]
    if empty:
        raise InputError(f"{dataset.path}: splits {listed(empty)} have no training videos; choose others with --splits")
    return [Job(model, given[model], split, name, arguments) for model in given for split, name in splits.items()]


def main(arguments: Arguments) -> None:
    """Train what is not finished."""
    if arguments.threads < 1 or (arguments.epochs is not None and arguments.epochs < 1):
        raise InputError("--threads and --epochs must be at least 1")
    torch.set_num_threads(arguments.threads)
    dataset = Dataset(arguments.dataset)
    for job in jobs(arguments, dataset):
        title = f"{dataset.info.name}, {job.model}, split {job.split}, {job.feature_set}"
        if job.is_finished(dataset):
            print(f"{title}: finished before, skipped", flush=True)
            continue
        print(f"{title}: {job.epochs} epochs, log in {job.folder}", flush=True)
        times = job.run(dataset)
        clock, cpu = (np.median([one[kind] for one in times]) for kind in (0, 1))
        print(f"{title}: {clock:.2f} s an epoch, {cpu:.2f} s of CPU (medians)", flush=True)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "offline_models.py", __doc__)))
