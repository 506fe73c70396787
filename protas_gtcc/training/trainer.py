"""Training: one pass after another over the training videos, resumable at any epoch, on one process or several.

Everything random in an epoch follows from (seed, epoch), so a run that was killed and resumed goes on exactly as one
that was not.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from protas_gtcc.annotations.task_graph import TaskGraph, count_task_graph, save_task_graph
from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts
from protas_gtcc.config import RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.dataset.statistics import feature_moments
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import ModelFacts, save_checkpoint
from protas_gtcc.network.losses import loss_terms, total_loss
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.training.batching import Batch, EpochBatches, WindowReader, cut_windows, make_loader
from protas_gtcc.training.callbacks import Observer, Row, watching
from protas_gtcc.training.devices import make_fabric
from protas_gtcc.training.optimisation import (
    EpochMeans,
    balanced_weights,
    learning_rate,
    make_optimizer,
    require_finite,
)
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.validation import choose_validation, validation_scores


def train(
    config: RunConfig,
    dataset: Dataset,
    run: RunDirectory,
    observers: Sequence[Observer] = (),
    resume: bool = False,
) -> None:
    """Train a run into its directory; with `resume`, go on from its last finished epoch.

    The directory is made only once data and configuration have been found to fit. Raises `InputError` if they do not,
    if there is a run already or nothing to resume, and when a loss is not finite.
    """
    trainer = Trainer(config, dataset, run)
    if resume:
        trainer.restore()
    elif trainer.fabric.is_global_zero:
        run.start(config)
    if trainer.fabric.is_global_zero:
        trainer.save_graph()
    trainer.fit(observers if trainer.fabric.is_global_zero else [])


class Trainer:
    """One run: network, optimiser, batches, and how far it is."""

    def __init__(self, config: RunConfig, dataset: Dataset, run: RunDirectory):
        self.config, self.settings, self.dataset, self.run = config, config.training, dataset, run
        torch.set_num_threads(self.settings.threads)
        self.fabric = make_fabric(self.settings)
        dataset.part(config.split, "train")  # an unknown split is the first thing to say
        self.feature_set = dataset.choose_feature_set(config.split, config.feature_set)
        self.features = FeatureReader(dataset, self.feature_set, config.split, config.control)
        self.train_videos, self.validation_videos = choose_validation(dataset, config)
        self.rows: list[Row] = []
        self.best_score = -math.inf
        self.epochs_since_best = 0
        self._build_network()
        self.batches, self.loader = self._make_loader()

    def fit(self, observers: Sequence[Observer] = ()) -> None:
        """Train from the current epoch to the last, or until patience runs out."""
        with watching(observers, len(self.rows), self.settings.epochs, len(self.batches)):
            while len(self.rows) < self.settings.epochs and not self._out_of_patience():
                # Every process goes by the first one's scores: they must all stop at the same epoch.
                row: Row = self.fabric.broadcast(self._epoch(len(self.rows), observers))
                self._keep(row)
                for observer in observers:
                    observer.on_epoch(row)

    def save_graph(self) -> None:
        """Store the counted task graph with the run."""
        if self.graph is not None:
            save_task_graph(self.graph, self.dataset.info.class_names, self.run.task_graph)

    def restore(self) -> None:
        """Go back to the last finished epoch; to the beginning if none was finished."""
        if not self.run.state.is_file():
            # A kill while the first epoch was being kept leaves its log and checkpoint; more epochs had a state.
            if self.run.log.exists() and len(self.run.read_log()) > 1:
                raise InputError(
                    f"{self.run.path} has a finished model but no {self.run.state.name}: nothing to resume"
                )
            return
        facts: Any = self.run.load_state(self.network, self.optimizer, self.facts.metadata())
        self.rows = facts["rows"]
        self.epochs_since_best = facts["epochs_since_best"]
        if facts["best_score"] is not None:
            self.best_score = facts["best_score"]
        self.fabric.strategy.precision.load_state_dict(facts["precision"])

    def _build_network(self) -> None:
        info = self.dataset.info
        features = self.dataset.feature_sets[self.feature_set]
        model = self.config.model.at(info.fps)
        self.facts = ModelFacts(
            config=dataclasses.replace(self.config, model=model),
            feature_dim=features.dim,
            class_names=info.class_names,
            background=info.background,
            fps=info.fps,
            look_ahead_frames=features.look_ahead_frames,
            dataset=info.name,
            training_videos=[*self.train_videos, *self.validation_videos],
            simulated=info.simulated,
            transcripts=self._count_transcripts() if self.config.decoding.filter == "durations" else None,
        )
        self.graph = self._count_graph() if self.config.model.graph else None
        torch.manual_seed(self.settings.seed)
        self.network = ProgressNetwork(model, features.dim, info.num_classes, self.graph)
        if self.config.model.standardise:
            moments = feature_moments(self.features.read(video) for video in self.train_videos)
            self.network.set_features(*(torch.from_numpy(one) for one in moments))
        self.optimizer = make_optimizer(self.network, self.settings)
        self.model, self.fabric_optimizer = self.fabric.setup(self.network, self.optimizer)
        device = self.fabric.device
        self.is_action = torch.ones(info.num_classes, dtype=torch.bool, device=device)
        self.is_action[info.background] = False
        balanced = self.config.loss.class_weights == "balanced"
        self.class_weights = balanced_weights(self.dataset, self.train_videos).to(device) if balanced else None

    def _count_graph(self) -> TaskGraph:
        info = self.dataset.info
        labels = (self.dataset.labels(video) for video in self.train_videos)
        return count_task_graph(labels, info.num_classes, info.background)

    def _count_transcripts(self) -> TranscriptTables:
        labels = (self.dataset.labels(video) for video in self.train_videos)
        return count_transcripts(labels, self.dataset.info.num_classes, self.config.decoding)

    def _make_loader(self) -> tuple[EpochBatches, DataLoader[Any]]:
        lengths = {video: self.dataset.num_frames[video] for video in self.train_videos}
        windows = cut_windows(lengths, self.settings.window_frames)
        fabric, settings = self.fabric, self.settings
        batches = EpochBatches(windows, settings.batch_size, settings.seed, fabric.global_rank, fabric.world_size)
        reader = WindowReader(self.dataset, windows, self.features)
        return batches, make_loader(reader, batches, settings.workers, fabric.device)

    def _epoch(self, epoch: int, observers: Sequence[Observer]) -> Row:
        # Every process draws its own dropout, and the same again after a resume.
        torch.manual_seed((self.settings.seed * 1_000_003 + epoch) * 1_009 + self.fabric.global_rank)
        self.batches.epoch = epoch
        self.model.train()
        started, means = time.perf_counter(), EpochMeans(self.config.loss)
        for step, batch in enumerate(self.loader):
            self._set_rate(epoch * len(self.batches) + step)
            self._step(batch.to(self.fabric.device), means, f"epoch {epoch + 1}, step {step + 1}")
            for observer in observers:
                observer.on_step(epoch, step, means.losses())
        means.gather(self.fabric)
        seconds = time.perf_counter() - started
        row = {"epoch": epoch + 1, "lr": self.optimizer.param_groups[0]["lr"], **means.losses()}
        row |= {
            "train_acc": means.accuracy(),
            "seconds": seconds,
            "frames_per_second": means.frames / seconds,
        }
        return row | self._validate()

    def _step(self, batch: Batch, means: EpochMeans, where: str) -> None:
        outputs = self.model(batch.features, batch.mask)
        terms = loss_terms(
            outputs,
            batch.labels,
            batch.progress,
            batch.mask,
            self.config.loss,
            self.is_action,
            self.class_weights,
        )
        losses = total_loss(terms, self.config.loss)
        require_finite({**terms, "total": losses}, batch, where)
        # The mean over the whole batch: gradients are averaged over processes, whose shares of it may differ.
        share = batch.weights.sum()
        if self.fabric.world_size > 1:
            share = torch.as_tensor(self.fabric.all_reduce(share, reduce_op="mean"))
        self.fabric_optimizer.zero_grad()
        self.fabric.backward((losses * batch.weights).sum() / share)
        if self.settings.clip_norm > 0:
            self.fabric.clip_gradients(self.model, self.fabric_optimizer, max_norm=self.settings.clip_norm)
        self.fabric_optimizer.step()
        means.add(batch, terms, losses, outputs.final_logits)

    def _set_rate(self, step: int) -> None:
        rate = learning_rate(self.settings, step, self.settings.epochs * len(self.batches))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate(self) -> Row:
        if not self.validation_videos:
            return {}
        model = TrainedModel(self.network, self.facts, self.fabric.device)
        return validation_scores(model, self.dataset, self.validation_videos, self.features)

    def _keep(self, row: Row) -> None:
        """Keep an epoch: the log, the checkpoint if it is the best, and last the state that a resume starts from."""
        self.rows.append(row)
        # Without validation videos no epoch is better than another: the last one counts.
        better = not self.validation_videos or row["validation_score"] > self.best_score
        self.epochs_since_best = 0 if better else self.epochs_since_best + 1
        if better and self.validation_videos:
            self.best_score = row["validation_score"]
        if not self.fabric.is_global_zero:
            return
        self.run.write_log(self.rows)
        if better:
            save_checkpoint(self.run.checkpoint, self.network, self.facts)
        facts = {
            "rows": self.rows,
            "model": self.facts.metadata(),
            "best_score": None if math.isinf(self.best_score) else self.best_score,
            "epochs_since_best": self.epochs_since_best,
            "precision": self.fabric.strategy.precision.state_dict(),
        }
        self.run.save_state(self.network, self.optimizer, facts)

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.epochs_since_best
