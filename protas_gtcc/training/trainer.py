"""Training of the progress network: windows of the training videos, its loss terms, and validation after each epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from protas_gtcc.annotations.segments import long_action, require_actions
from protas_gtcc.annotations.task_graph import count_task_graph, save_task_graph
from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts, known_tasks
from protas_gtcc.config import DecodingConfig, RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader, feature_statistics
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import ModelFacts, load_checkpoint, save_checkpoint
from protas_gtcc.network.losses import loss_terms
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.network.terms import Terms
from protas_gtcc.procedure.drawn_graph import read_needs
from protas_gtcc.training.batching import Batch, EpochBatches, WindowReader, cut_windows, make_loader
from protas_gtcc.training.calibration import (
    MOST_FRAMES,
    MOST_HOURS,
    assign_members,
    calibrate,
    calibrated_note,
    enough_videos,
    held_out_video,
    why_not_calibrated,
    without_held_out,
)
from protas_gtcc.training.callbacks import Callback
from protas_gtcc.training.kept_labels import KeptLabels
from protas_gtcc.training.loop import TrainingLoop
from protas_gtcc.training.optimisation import EpochMeans, balanced_weights
from protas_gtcc.training.run_directory import Row, RunDirectory
from protas_gtcc.training.validation import choose_validation, validation_scores


def train(
    config: RunConfig, dataset: Dataset, run: RunDirectory, callbacks: Sequence[Callback] = (), resume: bool = False
) -> None:
    """Train a run into its directory; with `resume`, continue from its last finished epoch.

    The directory is made only once data and configuration have been found to fit. Raises `InputError` if they do not,
    if there is a run already or nothing to resume, and when a loss is not finite.
    """
    Trainer.train(config, dataset, run, callbacks, resume)


class Trainer(TrainingLoop[Batch]):
    """One run of the progress network."""

    network: ProgressNetwork

    def __init__(self, config: RunConfig, dataset: Dataset, run: RunDirectory, callbacks: Sequence[Callback] = ()):
        super().__init__(config, dataset, run, callbacks)
        self.term_weights = config.loss.weights
        dataset.part(config.split, "train")  # an unknown split is the first error to raise
        self.feature_set = dataset.choose_feature_set(config.split, config.feature_set)
        self.features = FeatureReader(dataset, self.feature_set, config.split, config.control)
        settings = self.settings
        self.train_videos, self.validation_videos = choose_validation(
            dataset, config.split, settings.validation_share, settings.seed, settings.train_on_validation
        )
        self.members, self.calibration = self._assign_members()
        videos = self.reported("reading labels", self.train_videos)
        self.labels = KeptLabels((video, dataset.labels(video)) for video in videos)
        info, labels = dataset.info, self.labels.values()
        require_actions(labels, info.background)
        self.graph = count_task_graph(labels, info.num_classes, info.background) if config.model.graph else None
        self.facts = self._facts()
        self._build_network()
        self._make_loader()

    def start(self, resume: bool) -> None:
        """Make the run directory with the counted task graph, or go back to the last finished epoch."""
        super().start(resume)
        if self.graph is not None and self.fabric.is_global_zero:
            save_task_graph(self.graph, self.dataset.info.class_names, self.run.task_graph)

    def batches(self, epoch: int) -> Iterable[Batch]:
        """This process's windows of an epoch."""
        self.epoch_batches.epoch = epoch
        return self.loader

    def loss_terms(self, batch: Batch, epoch: int, where: str) -> tuple[Terms, dict[str, float]]:
        """The unweighted loss terms of each video; and how many frames there are, and are labelled right."""
        outputs = self.model(batch.features, batch.mask)
        learnt = without_held_out(outputs, [self.members[video] for video in batch.videos]) if self.members else outputs
        terms = loss_terms(
            learnt, batch.labels, batch.progress, batch.mask, self.config.loss, self.is_action, self.class_weights
        )
        right = (outputs.final_logits.detach().argmax(dim=1) == batch.labels) * batch.weights[:, None]
        return terms, {"right": float(right.sum()), "frames": float(batch.num_frames)}

    def summary(self, means: EpochMeans, seconds: float) -> Row:
        """Percent of frames that the network, dropout and all, labelled right; speed; and validation scores."""
        frames = means.counts["frames"]
        row = {"train_acc": 100 * means.counts["right"] / max(frames, 1)}
        row |= {"seconds": seconds, "frames_per_second": frames / seconds}
        if not self.validation_videos:
            return row
        model = TrainedModel(self.network, self.facts, self.fabric.device)
        return row | validation_scores(model, self.dataset, self.validation_videos, self.features)

    def identity(self) -> dict[str, object]:
        """What must be the same when the run is resumed; of cross-fitting, which network has not seen which video."""
        names = ("class_names", "background", "feature_dim", "fps", "simulated", "training_videos")
        return {name: getattr(self.facts, name) for name in names} | {"held_out_videos": self.members}

    def save_model(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.run.checkpoint, self.network, self.facts)

    def finish(self) -> None:
        """Calibrate the filter on what each network of the ensemble has not seen."""
        if not self.members or not self.fabric.is_global_zero:
            return
        network, facts = load_checkpoint(self.run.checkpoint)
        model, info = TrainedModel(network, facts, self.fabric.device), self.dataset.info
        assert facts.transcripts is not None
        frames = {video: self.dataset.num_frames[video] for video in self.members}
        most = max(MOST_FRAMES, MOST_HOURS * 3600 * info.fps)
        held_out = {
            video: held_out_video(model.outputs(self.features.read(video)), self.members[video], self.labels[video])
            for video in self.reported("calibrating", enough_videos(frames, self.settings.seed, most))
        }
        chosen = [held_out[video] for video in enough_videos(frames, self.settings.seed)]
        decoding = calibrate(self.config.decoding, facts.transcripts, info.background, info.fps, chosen)
        facts = dataclasses.replace(
            facts,
            config=dataclasses.replace(facts.config, decoding=decoding),
            procedure=self._learn_procedure(
                facts.transcripts, decoding, {video: one.probs for video, one in held_out.items()}
            ),
            awaits_calibration=False,
            calibration=calibrated_note(decoding),
        )
        save_checkpoint(self.run.checkpoint, network, facts)

    def _learn_procedure(
        self, transcripts: TranscriptTables, decoding: DecodingConfig, probs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The procedures of the training videos, calibrated on what networks made of those in `probs`."""
        # Here, because numba takes half a second.
        from protas_gtcc.procedure.calibration import learn_procedure, training_videos
        from protas_gtcc.procedure.hidden_steps import warn_of_hidden_steps
        from protas_gtcc.procedure.tables import Recording

        info, videos = self.dataset.info, training_videos(self.dataset, self.train_videos, probs.get)
        recordings = (Recording(one.truth.steps, one.task) for one in videos)
        warn_of_hidden_steps(recordings, transcripts, known_tasks(self._tasks()), info.class_names)
        return learn_procedure(videos, transcripts, decoding, info.background, info.fps, self.needs).arrays()

    def _tasks(self) -> list[str]:
        return [self.dataset.attribute(video, "task") for video in self.train_videos]

    def _assign_members(self) -> tuple[dict[str, int], str]:
        """The network that each training video is held out of; none, and why, if there is no cross-fitting."""
        if not self.settings.cross_fit or self.config.decoding.filter == "none":
            return {}, ""
        people = {video: self.dataset.attribute(video, "subject") for video in self.train_videos}
        reason = why_not_calibrated(self.config, people)
        if reason:
            return {}, f"the filter is not calibrated: {reason}"
        return assign_members(people, self.config.model.stages, self.settings.seed), ""

    def _facts(self) -> ModelFacts:
        info, features = self.dataset.info, self.dataset.feature_set(self.feature_set)
        decoding, tasks = self.config.decoding, self._tasks()
        long_seconds = long_action(self.labels.values(), info.background) / info.fps
        transcripts = count_transcripts(self.labels.values(), info.num_classes, decoding, info.fps, tasks)
        names = known_tasks(tasks)
        self.needs = read_needs(self.config.graphs, transcripts, names, info.class_names)
        return ModelFacts(
            config=dataclasses.replace(self.config, model=self.config.model.at(info.fps, long_seconds)),
            feature_dim=features.dim,
            class_names=info.class_names,
            background=info.background,
            fps=info.fps,
            look_ahead_frames=features.look_ahead_frames,
            extractor=features.extractor,
            joined_sets=self.dataset.joined_sets(self.feature_set),
            dataset=info.name,
            training_videos=[*self.train_videos, *self.validation_videos],
            simulated=info.simulated,
            class_colours=info.class_colours,
            tasks=names,
            transcripts=transcripts,
            procedure=None if self.members else self._learn_procedure(transcripts, decoding, {}),
            awaits_calibration=bool(self.members),
            calibration=self.calibration,
        )

    def _build_network(self) -> None:
        info = self.dataset.info
        torch.manual_seed(self.settings.seed)
        network = ProgressNetwork(self.facts.config.model, self.facts.feature_dim, info.num_classes, self.graph)
        if self.config.model.standardise:
            videos = self.reported("feature statistics", self.train_videos)
            statistics = feature_statistics(self.features.read(video) for video in videos)
            network.set_features(*map(torch.from_numpy, statistics))
        self.set_up(network)
        device = self.fabric.device
        self.is_action = torch.ones(info.num_classes, dtype=torch.bool, device=device)
        self.is_action[info.background] = False
        self.class_weights = None
        if self.config.loss.class_weights == "balanced":
            self.class_weights = balanced_weights(self.labels.values(), info.num_classes).to(device)

    def _make_loader(self) -> None:
        lengths = {video: self.dataset.num_frames[video] for video in self.train_videos}
        windows = cut_windows(lengths, self.settings.window_frames)
        fabric, settings = self.fabric, self.settings
        self.epoch_batches = EpochBatches(
            windows, settings.batch_size, settings.seed, fabric.global_rank, fabric.world_size
        )
        reader = WindowReader(self.dataset, windows, self.features)
        self.loader = make_loader(reader, self.epoch_batches, settings.workers, fabric.device)
        self.num_steps = len(self.epoch_batches)
