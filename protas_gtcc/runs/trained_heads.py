"""Progress heads that were trained together with an encoder, for the table of heads that are trained alone.

A head reads the embeddings of its own encoder. Whole videos are embedded and the true action segments cut out of them,
as in joint training (`protas_gtcc.alignment.joint`). So the head is given the start of each action, and embeddings of a
causal encoder have seen frames before it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory
from protas_gtcc.alignment.embedder import Embedder, load_encoder
from protas_gtcc.config import flat_settings
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed
from protas_gtcc.heads.training import ActionSegment, cut_segments
from protas_gtcc.metrics.pooled_runs import PooledRows
from protas_gtcc.report.head_table import TableRow
from protas_gtcc.runs import heads as scoring
from protas_gtcc.runs.cross_validation import Kind, by_title, kind_with, settings_of_kind
from protas_gtcc.runs.evaluate_run import test_videos


def read_joint_runs(paths: Sequence[Path], dataset: Dataset, split: str) -> dict[str, list[Embedder]]:
    """Trained encoders with heads, by the name of their row, `v4 with gtcc`; those of a row differ in seed alone.

    Rows of the same head and loss have the settings in their names that differ. Raises `InputError` if a run has no
    head, is not finished, does not fit split and dataset, or is there twice.
    """
    kinds: list[Kind] = []
    for path in paths:
        embedder = _read(path, dataset, split)
        config = embedder.facts.config
        settings = settings_of_kind(config, embedder.facts.feature_set)
        members = kind_with(settings, f"{config.head} with {config.loss}", kinds).members
        if config.training.seed in members:
            raise InputError(f"{path} repeats seed {config.training.seed} of the same settings; leave it out")
        members[config.training.seed] = embedder
    return by_title(kinds, lambda kind: flat_settings(AlignmentConfig(loss=kind.settings["loss"])))


def joint_row(title: str, embedders: Sequence[Embedder], dataset: Dataset) -> TableRow:
    """The errors of these encoders' heads on the split's test videos, pooled over the encoders."""
    scored, left_seconds = list[PooledRows](), list[float]()
    for one in embedders:
        config, head = one.facts.config, one.encoder.progress_head
        assert head is not None
        segments, reports = _test_segments(one, dataset), functools.partial(scoring.head_reports, head)
        scored.append(scoring.score_reports(dataset, config.split, config.training.seed, segments, reports))
        left_seconds += scoring.left_seconds(head, segments, dataset.info.fps)
    return scoring.reported_row(title, scoring.START, scored, left_seconds)


def _test_segments(embedder: Embedder, dataset: Dataset) -> list[ActionSegment]:
    config = embedder.facts.config
    features, segments = FeatureReader(dataset, embedder.facts.feature_set, config.split), list[ActionSegment]()
    for video in dataset.part(config.split, "test"):
        segments += cut_segments(dataset, video, embedder.embed(features.read(video)))
    return segments


def _read(path: Path, dataset: Dataset, split: str) -> Embedder:
    embedder, run = load_encoder(path), AlignmentDirectory(path)
    config = run.read_alignment()
    if config.head is None:
        raise InputError(f"{path} has no progress head: it was trained without --head; leave it out")
    if config.split != split:
        raise InputError(f"{path} is of split {config.split}; give runs of split {split} alone")
    if not run.is_trained():
        raise InputError(f"{path} is not finished: continue with --resume, or leave it out")
    try:
        _require_fitting(embedder, dataset)
    except InputError as error:
        raise InputError(f"{path} does not fit: {error}") from error
    return embedder


def _require_fitting(embedder: Embedder, dataset: Dataset) -> None:
    """Raise `InputError` unless an encoder was trained on this dataset's split, on features that are still there."""
    facts, split = embedder.facts, embedder.facts.config.split
    if facts.dataset != dataset.info.name:
        what = f"it was trained on dataset {facts.dataset}, and {dataset.path} is {dataset.info.name}"
        raise InputError(f"{what}; leave it out, or give its own --dataset")
    others = sorted(set(facts.training_videos) - set(dataset.part(split, "train")))
    if others:
        what = f"it was trained on {listed(others)}, no training videos of split {split} in {dataset.path}"
        raise InputError(f"{what}; leave it out, or train it again")
    tested, _ = test_videos(dataset, split, facts.feature_set)
    dim = dataset.feature_set(facts.feature_set).dim
    if dim != facts.feature_dim:
        what = f"it embeds {facts.feature_set} of {facts.feature_dim} numbers a frame; here they have {dim}"
        raise InputError(f"{what}: leave it out, or train it again")
    task = facts.config.task
    if task is not None and any(dataset.attribute(video, "task") != task for video in tested):
        what = f"it was trained on task {task} alone, and the table is of test videos of all tasks"
        raise InputError(f"{what}; leave it out")
