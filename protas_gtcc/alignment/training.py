"""Training an encoder on pairs of videos of the same task. Test videos are not read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory
from protas_gtcc.alignment.embedder import Embedder, EncoderFacts, save_encoder
from protas_gtcc.alignment.encoders import Encoder
from protas_gtcc.alignment.joint import JointHead, TrueSegments, cumulative_terms
from protas_gtcc.alignment.objective import alignment_terms, term_weights
from protas_gtcc.alignment.pairing import PairBatch, batches_of, by_task, epoch_pairs
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader, feature_statistics
from protas_gtcc.heads.scaled_gradient import split_gradient
from protas_gtcc.network.terms import Terms
from protas_gtcc.training.callbacks import Callback
from protas_gtcc.training.loop import TrainingLoop


def align(
    config: AlignmentConfig,
    dataset: Dataset,
    run: AlignmentDirectory,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> Embedder:
    """Train an encoder into a run directory; with `resume`, continue from its last finished epoch.

    Raises `InputError` if data and configuration do not fit, if there is a run already or nothing to resume, and when a
    loss is not finite.
    """
    trainer = AlignmentTrainer.train(config, dataset, run, callbacks, resume)
    return Embedder(trainer.network.eval(), trainer.facts)


class AlignmentTrainer(TrainingLoop[PairBatch]):
    """One run of an encoder."""

    network: Encoder

    def __init__(
        self, config: AlignmentConfig, dataset: Dataset, run: AlignmentDirectory, callbacks: Sequence[Callback] = ()
    ):
        super().__init__(config, dataset, run, callbacks)
        self.term_weights = term_weights(config)
        self.feature_set = dataset.choose_feature_set(config.split, config.feature_set)
        self.features = FeatureReader(dataset, self.feature_set, config.split, "none")
        self.groups = by_task(dataset, dataset.part(config.split, "train"), config.task)
        self.num_steps = math.ceil(len(epoch_pairs(self.groups, 0, 0)) / self.settings.batch_size)
        self.facts = self._facts()
        self.segments: TrueSegments | None = None
        self.joint: JointHead | None = None
        self._build_encoder()

    def batches(self, epoch: int) -> Iterable[PairBatch]:
        """This process's pairs of an epoch."""
        pairs = epoch_pairs(self.groups, self.settings.seed, epoch)
        rank, processes = self.fabric.global_rank, self.fabric.world_size
        return batches_of(pairs, self.settings.batch_size, self.features, rank, processes)

    def loss_terms(self, batch: PairBatch, epoch: int, where: str) -> tuple[Terms, dict[str, float]]:
        """The unweighted loss terms of each pair."""
        for_alignment = for_progress = self.model(batch.features, batch.mask)
        if self.joint is not None:
            for_alignment, for_progress = split_gradient(
                for_alignment,
                self._weights(of_head=False),
                self.config.progress_lambda,
                self.config.progress_share,
                is_scaled=self.settings.precision == "16",
            )
        terms = alignment_terms(for_alignment, batch, self.config, epoch, self.network.context)
        if self.config.cumulative_l2 and self.segments is not None:
            terms |= cumulative_terms(for_alignment, batch, self.segments, where)
        if self.joint is not None:
            terms |= self.joint.terms(for_progress, batch, where)
        return terms, {}

    def clip_norms(self) -> list[tuple[list[Tensor], float]]:
        """The encoder's weights, and the head's: the gradient of the one may be a million times that of the other."""
        version = self.config.head_version
        if version is None or self.config.clip_together:
            return super().clip_norms()
        of_head = self.settings.clip_norm if version.head_clip_norm is None else version.head_clip_norm
        return [(self._weights(of_head=False), self.settings.clip_norm), (self._weights(of_head=True), of_head)]

    def identity(self) -> dict[str, object]:
        """Classes, features and training videos: what must be the same when the run is resumed."""
        info = self.dataset.info
        names = ("feature_dim", "fps", "simulated", "tasks", "feature_set", "look_ahead_frames", "training_videos")
        classes = {"class_names": info.class_names, "background": info.background}
        return classes | {name: getattr(self.facts, name) for name in names}

    def save_model(self) -> None:
        """Write the checkpoint."""
        save_encoder(self.run.checkpoint, self.network, self.facts)

    def _facts(self) -> EncoderFacts:
        info, features = self.dataset.info, self.dataset.feature_set(self.feature_set)
        return EncoderFacts(
            config=self.config,
            feature_dim=features.dim,
            feature_set=self.feature_set,
            tasks=list(self.groups),
            dataset=info.name,
            look_ahead_frames=features.look_ahead_frames,
            training_videos=[video for videos in self.groups.values() for video in videos],
            simulated=info.simulated,
            fps=info.fps,
        )

    def _build_encoder(self) -> None:
        videos = self.facts.training_videos
        torch.manual_seed(self.settings.seed)
        encoder = self.facts.build()
        if self.config.encoder.standardise:
            reported = self.reported("feature statistics", videos)
            statistics = feature_statistics(self.features.read(video) for video in reported)
            encoder.set_features(*map(torch.from_numpy, statistics))
        version = self.config.head_version
        if version is not None or self.config.cumulative_l2:
            shortest = 1 if version is None else version.loss.shortest_prefix
            self.segments = TrueSegments(self.dataset, videos, shortest)
            if version is not None and encoder.progress_head is not None:
                self.joint = JointHead(encoder.progress_head, version.loss, self.segments)
        self.set_up(encoder)

    def _weights(self, of_head: bool) -> list[Tensor]:
        """The weights of the progress head, or all others."""
        named = self.network.named_parameters()
        return [weight for name, weight in named if name.startswith("progress_head.") == of_head]
