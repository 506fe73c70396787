"""The steps of the test videos of some runs, as annotated: what was wrong with them, and progress during them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from step_curves import ELAPSED, at_elapsed, at_shares, counted_progress, curve_figures

from protas_gtcc.annotations.mistakes import Track
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.left_out import Rows
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.predictions import Prediction
from protas_gtcc.training.run_directory import RunDirectory

METHODS = ("true class", "reported", "counting")
"""The curves: progress of the true class, reported progress, and the look-up."""


@dataclass(frozen=True, eq=False)
class Steps:
    """S steps: those of every test video, once for each run."""

    rows: Rows
    """The tests: a video in a split, once for each run."""
    row: np.ndarray
    """Number of the test of each step, int `[S]`."""
    classes: np.ndarray
    """Class ids, int `[S]`."""
    tags: list[frozenset[str]]
    """The kinds of mistakes of each step; none of a right one."""
    with_mistakes: np.ndarray
    """Whether anything in the step's video is wrong or missing, bool `[S]`."""
    lengths: np.ndarray
    """In usual lengths, `[S]`."""
    figures: dict[tuple[str, ...], np.ndarray]
    """(method, figure) -> `[S]`, and ("probability",) of the true class."""
    curves: dict[tuple[str, str], np.ndarray]
    """(method, "shares" or "elapsed") -> `[S, number of points]`."""


def collect(paths: Sequence[Path], dataset: Dataset, least_seconds: float) -> Steps:
    """The steps of all runs. Raises `InputError` if there is no run, no track, or the runs are of several kinds."""
    runs = finished_runs(paths)
    least_frames = least_seconds * dataset.info.fps
    tests, people, found = [], [], []
    for run in runs:
        config = run.read_config()
        parts = ("train", "validation") if config.training.train_on_validation else ("train",)
        usual = usual_lengths(dataset, [video for part in parts for video in dataset.part(config.split, part)])
        files = open_predictions(run.predictions, dataset.info.class_names)
        for video in dataset.part(config.split, "test"):
            tests.append((video, config.split))
            people.append(dataset.attribute(video, "subject") or video)
            track = track_of(dataset, video)
            flag = bool(track.mistakes or track.missing)
            of_video = steps_of_video(track, files.read(video), usual, least_frames)
            found += [(len(tests) - 1, flag, *one) for one in of_video]
    if not found:
        raise InputError(f"{dataset.path}: no step of a test video lasts {least_seconds:g} s; lower --least-seconds")
    row, flags, classes, tags, lengths, figures, curves = zip(*found, strict=True)
    return Steps(
        Rows(people, tests),
        np.array(row),
        np.array(classes),
        list(tags),
        np.array(flags),
        np.array(lengths),
        {name: np.array([one[name] for one in figures]) for name in figures[0]},
        {name: np.stack([one[name] for one in curves]) for name in curves[0]},
    )


def finished_runs(paths: Sequence[Path]) -> list[RunDirectory]:
    """The finished runs in some folders. Raises `InputError` if there are none, or they are not of one kind."""
    folders = sorted({config.parent for path in paths for config in path.rglob("config.yaml")})
    runs = [run for run in map(RunDirectory, folders) if run.is_finished()]
    if not runs:
        raise InputError(f"{listed(paths)}: no finished run; train with 'protas-gtcc cross-validate' first")
    configs = [run.read_config() for run in runs]
    kinds = sorted({f"{one.preset} {one.title} with control {one.control}" for one in configs})
    if len(kinds) > 1:
        raise InputError(f"{listed(paths)} have runs of several kinds, {listed(kinds)}; give those of one")
    return runs


def track_of(dataset: Dataset, video: str) -> Track:
    """The steps of a video as annotated; raises `InputError` if the file does not have them."""
    track = dataset.track(video)
    if track is None:
        raise InputError(f"{dataset.path}: video {video} has no annotated mistakes; prepare a dataset that has them")
    return track


def usual_lengths(dataset: Dataset, videos: Sequence[str]) -> dict[int, float]:
    """Mean length in frames of the steps of each class in some videos, as annotated, wrong ones included."""
    lengths: dict[int, list[int]] = {}
    for video in videos:
        for step in track_of(dataset, video).steps:
            lengths.setdefault(step.label, []).append(step.end - step.start)
    return {label: float(np.mean(every)) for label, every in lengths.items()}


StepFigures = tuple[int, frozenset[str], float, dict[tuple[str, ...], float], dict[tuple[str, str], np.ndarray]]
"""What `steps_of_video` finds of a step."""


def steps_of_video(
    track: Track, prediction: Prediction, usual: dict[int, float], least_frames: float
) -> Iterator[StepFigures]:
    """Class, kinds of mistakes, length, figures and curves of each step that is long enough and of a known class."""
    assert prediction.probs is not None
    assert prediction.progress is not None
    for step in track.steps:
        span, num_frames = (step.start, step.end), step.end - step.start
        if num_frames < least_frames or step.label not in usual:
            continue
        at, length = slice(*span), usual[step.label]
        curves = (prediction.progress[step.label, at], prediction.reported[at], counted_progress(num_frames, length))
        figures: dict[tuple[str, ...], float] = {("probability",): float(prediction.probs[step.label, at].mean())}
        points = {}
        for method, curve in zip(METHODS, curves, strict=True):
            figures |= {(method, name): value for name, value in curve_figures(curve, length).items()}
            points[method, "shares"] = at_shares(curve)
            points[method, "elapsed"] = at_elapsed(curve, ELAPSED, length)
        mistakes = [one for one in track.mistakes if (one.label, one.start, one.end) == (step.label, *span)]
        tags = frozenset(one.tag for one in mistakes)
        yield step.label, tags, num_frames / length, figures, points
