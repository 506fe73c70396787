"""Training an encoder: pairs of videos of the same task, epoch after epoch, resumable at any of them.

Everything random in an epoch follows from (seed, epoch), so a run that was killed and resumed goes on exactly as one
that was not. Test videos are not looked at.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from protas_gtcc import config as configuration
from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.embedder import Embedder, EncoderFacts, save_encoder
from protas_gtcc.alignment.joint import JointHead
from protas_gtcc.alignment.objective import Terms, alignment_terms, total
from protas_gtcc.alignment.pairing import PairBatch, batches_of, by_task, epoch_pairs
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.dataset.statistics import feature_moments
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import VERSIONS
from protas_gtcc.heads.scaled_gradient import split_gradient
from protas_gtcc.training.callbacks import Observer, Row, watching
from protas_gtcc.training.devices import make_fabric
from protas_gtcc.training.optimisation import learning_rate, make_optimizer
from protas_gtcc.training.run_directory import RunDirectory


class AlignmentDirectory(RunDirectory):
    """The run directory of an encoder: the same files, another configuration."""

    def read_alignment(self) -> AlignmentConfig:
        """The run's configuration. Raises `InputError` if there is no alignment run here."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path} is not a run directory: it has no config.yaml")
        text = self.config_file.read_text(encoding="utf-8")
        if "alignment:" not in text.splitlines():
            raise InputError(f"{self.path} is no alignment run (of align.py)")
        return configuration.from_yaml(text, str(self.config_file), AlignmentConfig)

    def read_settings(self) -> dict[str, Any]:
        """Every setting of the run, by its flag's name. Raises `InputError` if there is no alignment run here."""
        return configuration.flat_settings(self.read_alignment())

    def is_trained(self) -> bool:
        """Whether every epoch is done."""
        return self.log.is_file() and len(self.read_log()) >= self.read_alignment().training.epochs

    def is_finished(self) -> bool:
        """The same: scores are made of encoders, whenever they are wanted."""
        return self.is_trained()


def align(
    config: AlignmentConfig,
    dataset: Dataset,
    run: AlignmentDirectory,
    observers: Sequence[Observer] = (),
    resume: bool = False,
) -> Embedder:
    """Train an encoder into a run directory; with `resume`, go on from its last finished epoch.

    Raises `InputError` if data and configuration do not fit, if there is a run already or nothing to resume, and when a
    loss is not finite.
    """
    trainer = AlignmentTrainer(config, dataset, run)
    if resume:
        trainer.restore()
    elif trainer.fabric.is_global_zero:
        run.start(config)
    trainer.fit(observers if trainer.fabric.is_global_zero else [])
    return Embedder(trainer.encoder, trainer.facts)


class AlignmentTrainer:
    """One run: encoder, optimiser, pairs, and how far it is."""

    def __init__(self, config: AlignmentConfig, dataset: Dataset, run: AlignmentDirectory):
        self.config, self.settings, self.dataset, self.run = config, config.training, dataset, run
        torch.set_num_threads(self.settings.threads)
        self.fabric = make_fabric(self.settings)
        videos = dataset.part(config.split, "train")
        self.feature_set = dataset.choose_feature_set(config.split, config.feature_set)
        self.features = FeatureReader(dataset, self.feature_set, config.split, "none")
        self.groups = by_task(dataset, videos, config.task)
        self.rows: list[Row] = []
        self.joint: JointHead | None = None
        self._build()

    def fit(self, observers: Sequence[Observer] = ()) -> None:
        """Train from the current epoch to the last."""
        steps = math.ceil(len(epoch_pairs(self.groups, 0, 0)) / self.settings.batch_size)
        with watching(observers, len(self.rows), self.settings.epochs, steps):
            while len(self.rows) < self.settings.epochs:
                row: Row = self.fabric.broadcast(self._epoch(len(self.rows), steps, observers))
                self._keep(row)
                for observer in observers:
                    observer.on_epoch(row)

    def restore(self) -> None:
        """Go back to the last finished epoch; to the beginning if none was finished."""
        if not self.run.state.is_file():
            return
        same = ("tasks", "feature_set", "look_ahead_frames", "training_videos")
        facts: Any = self.run.load_state(self.encoder, self.optimizer, self._comparable(), same)
        self.rows = facts["rows"]
        self.fabric.strategy.precision.load_state_dict(facts["precision"])

    def _build(self) -> None:
        info, features = self.dataset.info, self.dataset.feature_sets[self.feature_set]
        members = [video for videos in self.groups.values() for video in videos]
        self.facts = EncoderFacts(
            config=self.config,
            feature_dim=features.dim,
            feature_set=self.feature_set,
            tasks=list(self.groups),
            dataset=info.name,
            look_ahead_frames=features.look_ahead_frames,
            training_videos=members,
            simulated=info.simulated,
            fps=info.fps,
        )
        torch.manual_seed(self.settings.seed)
        self.encoder = self.facts.build()
        if self.config.encoder.standardise:
            moments = feature_moments(self.features.read(video) for video in members)
            self.encoder.set_features(*(torch.from_numpy(one) for one in moments))
        head = self.encoder.progress_head
        if head is not None and self.config.head is not None:
            self.joint = JointHead(head, VERSIONS[self.config.head].loss, self.dataset)
            self.joint.require_actions(members)
        self.optimizer = make_optimizer(self.encoder, self.settings)
        self.model, self.fabric_optimizer = self.fabric.setup(self.encoder, self.optimizer)

    def _epoch(self, epoch: int, steps: int, observers: Sequence[Observer]) -> Row:
        torch.manual_seed((self.settings.seed * 1_000_003 + epoch) * 1_009 + self.fabric.global_rank)
        self.model.train()
        started, means = time.perf_counter(), _Means()
        pairs = epoch_pairs(self.groups, self.settings.seed, epoch)
        fabric = self.fabric
        batches = batches_of(pairs, self.settings.batch_size, self.features, fabric.global_rank, fabric.world_size)
        for step, batch in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.settings, epoch * steps + step, self.settings.epochs * steps)
            self._step(batch.to(fabric.device), epoch, means, f"epoch {epoch + 1}, step {step + 1}")
            for observer in observers:
                observer.on_step(epoch, step, means.values())
        row = {"epoch": epoch + 1, "lr": self.optimizer.param_groups[0]["lr"], **means.of_all(fabric)}
        return row | {"seconds": time.perf_counter() - started}

    def _step(self, batch: PairBatch, epoch: int, means: _Means, where: str) -> None:
        embeddings = self.model(batch.features, batch.mask)
        is_scaled = self.settings.precision == "16"
        for_alignment, for_progress = embeddings, embeddings
        if self.joint is not None:
            weights = self._weights(of_head=False)
            for_alignment, for_progress = split_gradient(
                embeddings, weights, self.config.progress_lambda, is_scaled=is_scaled
            )
        terms = alignment_terms(for_alignment, batch, self.config, epoch, self.encoder.context)
        _require_finite(terms, batch, where)
        loss = total(terms).mean()
        if self.joint is not None:
            terms |= self.joint.terms(for_progress, batch, where)
            loss = loss + terms["progress"].mean()
        self.fabric_optimizer.zero_grad()
        # DistributedDataParallel takes the mean of the processes' gradients, whose shares of the pairs may be unequal.
        self.fabric.backward(batch.share * self.fabric.world_size * loss)
        self._clip(where)
        self.fabric_optimizer.step()
        means.add(terms, is_counted=batch.share > 0)

    def _clip(self, where: str) -> None:
        """Clip the encoder's gradient, and the head's by itself: the one may be a million times the other."""
        if self.settings.clip_norm == 0:
            return
        self.fabric.strategy.precision.unscale_gradients(self.optimizer)
        for weights in (self._weights(of_head=False), self._weights(of_head=True)):
            norm = torch.nn.utils.clip_grad_norm_(weights, self.settings.clip_norm)
            # In float16 the scaler skips a step that overflows, and goes on with a smaller scale.
            if not norm.isfinite() and self.settings.precision != "16":
                raise InputError(f"a gradient is not finite at {where}; lower --lr, or use --precision 32")

    def _weights(self, of_head: bool) -> list[Tensor]:
        """What is trained: the progress head, or all the rest."""
        named = self.encoder.named_parameters()
        return [weight for name, weight in named if name.startswith("progress_head.") == of_head]

    def _keep(self, row: Row) -> None:
        """Keep an epoch: the log, the checkpoint, and last the state that a resume starts from."""
        self.rows.append(row)
        if not self.fabric.is_global_zero:
            return
        self.run.write_log(self.rows)
        save_encoder(self.run.checkpoint, self.encoder, self.facts)
        precision = self.fabric.strategy.precision.state_dict()
        self.run.save_state(
            self.encoder,
            self.optimizer,
            {"rows": self.rows, "model": self._comparable(), "precision": precision},
        )

    def _comparable(self) -> dict[str, object]:
        """What must not have changed when a run is resumed."""
        facts, info = dataclasses.asdict(self.facts), self.dataset.info
        return facts | {"class_names": info.class_names, "background": info.background}


def _require_finite(terms: Terms, batch: PairBatch, where: str) -> None:
    """Raise `InputError`, naming term, videos and step, if any loss is NaN or infinite."""
    for name, values in terms.items():
        for pair, value in enumerate(values.tolist()):
            if not math.isfinite(value):
                raise InputError(
                    f"loss term {name} is {value} for videos {batch.names(pair)} at {where}; "
                    "lower --lr, give --clip-norm, or use --precision 32"
                )


class _Means:
    """Means of the loss and its terms over the pairs of an epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._pairs = 0

    def add(self, terms: Terms, is_counted: bool = True) -> None:
        """Add a step's pairs; ones that another process has are not counted, but make the same terms known."""
        every_term = {"loss": total(terms), **terms}
        summed = {name: is_counted * values.detach().sum() for name, values in every_term.items()}
        self._sums = {name: self._sums.get(name, 0) + value for name, value in summed.items()}
        self._pairs += is_counted * len(next(iter(terms.values())))

    def values(self) -> dict[str, float]:
        """Mean of the total and of each weighted term."""
        return {name: float(value) / max(self._pairs, 1) for name, value in self._sums.items()}

    def of_all(self, fabric: Fabric) -> dict[str, float]:
        """The same over the pairs of all processes."""
        own = torch.stack([*self._sums.values(), torch.tensor(self._pairs, device=fabric.device)])
        *sums, pairs = torch.as_tensor(fabric.all_reduce(own, reduce_op="sum")).tolist()
        return {name: value / pairs for name, value in zip(self._sums, sums, strict=True)}
