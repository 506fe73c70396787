"""Everything that the report page shows, as values for JSON.

    simulated, version, length_bins, run_colours, meanings, frame_values, has_videos, groups
      group     runs with the same test videos: dataset, split, fps, class_names, looks, runs, videos, judgement,
              left_out: test videos that the page does not have
        video   name, num_frames, segments; file: its address, and start_seconds, see `PlayedFile`; None without one;
                procedure: what truly happened, see `procedure_data.py`; None where no run reports procedures
        run     name, path, metrics (all of metrics.json), ruler, verdict, procedure, best, confusion, reliability,
                lengths, videos
          ruler   label of each figure that comes first: [figure, interval], as they are written; `procedure` has those
                  of procedures, None where they are not scored
          video   segments, acc, error, surely_wrong, frames: {name: values of every frame}; procedure, None if it
                  has none

A run that reports no progress has neither reliability nor errors nor `reported`.

Segments are a flat list: length, class id, length, class id … Values of every frame are base64 of little-endian
uint16, NONE where there is no value: 2.7 characters a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import protas_gtcc
from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.breakdowns import PARTS, by_tenths, correct_by_length
from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import confusion_counts
from protas_gtcc.predictions import Prediction
from protas_gtcc.report.colours import RUN_COLOURS, RUN_COLOURS_ON_DARK, class_looks
from protas_gtcc.report.figures import Form, bounds_at, figure, interval, value_at
from protas_gtcc.report.judgement import judgement
from protas_gtcc.report.packing import flat_segments, pack
from protas_gtcc.report.procedure_data import KnownVideos, procedure_values, truth_values
from protas_gtcc.report.procedure_scores import FIGURES
from protas_gtcc.report.ruler import RULER, ruler_of, verdict
from protas_gtcc.report.runs import EvaluatedRun, reading_metrics, true_labels

if TYPE_CHECKING:
    from protas_gtcc.report.video_files import PlayedFile


@dataclass(frozen=True)
class FrameValue:
    """How a field of `Prediction`, `[T]`, at least 0, is stored, and written in hover texts."""

    scale: int
    """Steps a unit; the largest value is 65534 / scale."""
    digits: int
    text: str
    """`#` stands for the value."""


FRAME_VALUES = {
    "reported": FrameValue(1000, 2, "#"),
    "progress_low": FrameValue(250, 2, "from #"),
    "progress_high": FrameValue(250, 2, "to #"),
    "remaining_seconds": FrameValue(10, 1, "# s left"),
}
"""The page's values of every frame beside the class; a field that is None is left out."""
SURE = 0.8
"""Probability from which a run is sure of a frame's class."""
ACCURACY_TOLERANCE = 1e-4
"""Percent; scores and predictions of one evaluation agree to rounding."""


def page_data(
    runs: Sequence[EvaluatedRun], files: Mapping[str, PlayedFile] | None = None, only: Collection[str] = ()
) -> dict[str, Any]:
    """The page's data of these runs, by dataset and split.

    `files` are those of the videos, where the page is to play them. With `only`, the page has no other videos than
    these; scores stay those of all. Raises `InputError` if a run contradicts itself, or has not one of these videos.
    """
    by_videos: dict[bytes, list[EvaluatedRun]] = {}
    for run in runs:
        by_videos.setdefault(_fingerprint(run), []).append(run)
    return {
        "version": protas_gtcc.__version__,
        "simulated": any(run.simulated for run in runs),
        "length_bins": PARTS["length_frames"],
        "run_colours": {"light": RUN_COLOURS, "dark": RUN_COLOURS_ON_DARK},
        "meanings": _meanings(),
        "frame_values": {name: asdict(value) for name, value in FRAME_VALUES.items()},
        "has_videos": files is not None,
        "groups": [_only(_group(together, files or {}), only) for together in by_videos.values()],
    }


def _meanings() -> dict[str, str]:
    """What the figures at the heads of tables mean, by the text of the head."""
    paths = {label: path for label, (path, _) in {**RULER, **FIGURES}.items()}
    paths |= {f"error, {name.replace('_', ' ')}": f"progress.predicted.{name}" for name in AVERAGES}
    found = {label: definition_of(path.split(".")) for label, path in paths.items()}
    return {label: f"{definition[1]} ({definition[0]})" for label, definition in found.items() if definition}


def _only(group: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The group with just the videos of these names, if any are given."""
    known = [video["name"] for video in group["videos"]]
    unknown = sorted(set(names) - set(known))
    if unknown:
        where = f"{group['dataset']}, split {group['split']}"
        raise InputError(f"{where} has no test video {listed(unknown)}; --video may name {listed(known)}")
    kept = [number for number, name in enumerate(known) if name in names or not names]
    for holder in (group, *group["runs"]):
        holder["videos"] = [holder["videos"][number] for number in kept]
    return group | {"left_out": len(known) - len(kept)}


def _fingerprint(run: EvaluatedRun) -> bytes:
    """Equal for runs that can be compared video by video: same names, classes, rate and true labels."""
    info = run.dataset.info
    head = repr((info.name, run.metrics["split"], info.class_names, info.background, info.fps, run.videos))
    return head.encode() + b"".join(labels.tobytes() for labels in true_labels(run))


def _group(runs: list[EvaluatedRun], files: Mapping[str, PlayedFile]) -> dict[str, Any]:
    info, truth = runs[0].dataset.info, true_labels(runs[0])
    known = KnownVideos(runs[0].dataset, runs[0].metrics["split"])
    shown = [_run(run, truth, known) for run in runs]
    with_procedure = {number for run in shown for number, video in enumerate(run["videos"]) if video["procedure"]}
    return {
        "dataset": info.name,
        "split": runs[0].metrics["split"],
        "simulated": any(run.simulated for run in runs),
        "dataset_file": str(runs[0].dataset.path),
        "fps": info.fps,
        "class_names": info.class_names,
        "background": info.background,
        "looks": [astuple(look) for look in class_looks(info)],
        "videos": [
            {
                "name": name,
                "num_frames": len(labels),
                "segments": flat_segments(labels),
                "file": file.address if (file := files.get(name)) else None,
                "start_seconds": file.start_seconds if file else None,
                "procedure": truth_values(known.of(name), len(labels)) if number in with_procedure else None,
            }
            for number, (name, labels) in enumerate(zip(runs[0].videos, truth, strict=True))
        ],
        "runs": shown,
        "judgement": judgement(runs),
    }


def _run(run: EvaluatedRun, truth: list[np.ndarray], known: KnownVideos) -> dict[str, Any]:
    info = run.dataset.info
    background, num_classes, fps = info.background, info.num_classes, info.fps
    with reading_metrics(run):
        reports = run.metrics["progress"]["predicted"] is not None
    counts, correct, videos, frames = [], [], [], []
    for video, labels in zip(run.videos, truth, strict=True):
        prediction = _read(run, video, labels)
        counts.append(confusion_counts(prediction.labels, labels, num_classes))
        scored = ScoredVideo(labels, prediction.labels, prediction.reported[None], background)
        correct.append(correct_by_length(scored))
        target = progress_target(labels, background)
        values = np.stack([labels, prediction.labels, target, prediction.reported])
        frames.append(values[:, scored.frames])
        errors = np.abs(prediction.reported - target)[scored.frames]
        procedure = prediction.procedure and procedure_values(prediction.procedure, known.of(video), fps)
        videos.append(_video(prediction, labels, errors if reports else None) | {"procedure": procedure})
    confusion = np.sum(counts, axis=0)
    with reading_metrics(run):
        _require_same_evaluation(run, confusion)
        scores = _scores(run.metrics, np.sum(correct, axis=0))
    return {
        "name": run.name,
        "path": str(run.path),
        "simulated": run.simulated,
        **scores,
        "confusion": confusion.tolist(),
        "reliability": _reliability(np.concatenate(frames, axis=1)) if reports else None,
        "videos": videos,
    }


def _scores(metrics: dict[str, Any], correct: np.ndarray) -> dict[str, Any]:
    """What comes from metrics.json; `correct` are the correct frames by length of the true segment."""
    return {
        "metrics": _rounded(metrics),
        "ruler": {label: _written(metrics, *entry) for label, entry in ruler_of(metrics).items()},
        "verdict": verdict(metrics),
        "procedure": metrics.get("procedure") and {label: _written(metrics, *one) for label, one in FIGURES.items()},
        "best": {average: metrics["best_lookups"]["predicted_segments"][average] or "" for average in AVERAGES},
        "lengths": _lengths(metrics, correct),
    }


def _written(metrics: dict[str, Any], path: str, form: Form) -> list[str]:
    return [figure(value_at(metrics, path), form), interval(bounds_at(metrics, path), form)]


def _read(run: EvaluatedRun, video: str, labels: np.ndarray) -> Prediction:
    prediction = run.predictions.read(video)
    where = f"{run.predictions.path}, video {video}"
    if len(prediction.labels) != len(labels):
        found = f"{len(prediction.labels)} frames, {run.dataset.path} has {len(labels)}"
        raise InputError(f"{where}: {found}; evaluate the run again, or give its --dataset FILE.h5")
    if len(labels) and prediction.labels.max() >= run.dataset.info.num_classes:
        what = f"class {prediction.labels.max()} is unknown in {run.dataset.path}"
        raise InputError(f"{where}: {what}; give the run's --dataset FILE.h5")
    return prediction


def _require_same_evaluation(run: EvaluatedRun, confusion: np.ndarray) -> None:
    accuracy, recorded = 100 * np.trace(confusion) / confusion.sum(), run.metrics["segmentation"]["acc"]
    if abs(accuracy - recorded) > ACCURACY_TOLERANCE:
        raise InputError(
            f"{run.path}: metrics.json has acc {recorded:.2f}, predictions have {accuracy:.2f} on {run.dataset.path}; "
            "evaluate it again, or give its --dataset FILE.h5"
        )


def _video(prediction: Prediction, labels: np.ndarray, errors: np.ndarray | None) -> dict[str, Any]:
    """`errors` are those of reported progress in frames of actions; None for a run that reports none."""
    fields = [name for name in FRAME_VALUES if errors is not None or name != "reported"]
    values = {name: getattr(prediction, name) for name in fields}
    return {
        "segments": flat_segments(prediction.labels),
        "surely_wrong": _surely_wrong(prediction, labels),
        "acc": _rounded(100 * float(np.mean(prediction.labels == labels))),
        "error": _rounded(float(errors.mean())) if errors is not None and len(errors) else None,
        "frames": {name: pack(one, FRAME_VALUES[name].scale) for name, one in values.items() if one is not None},
    }


def _surely_wrong(prediction: Prediction, labels: np.ndarray) -> float | None:
    """Share of frames that are wrong with a probability of at least `SURE`; None where there are no probabilities."""
    if prediction.probs is None:
        return None
    return _rounded(float(np.mean((prediction.probability >= SURE) & (prediction.labels != labels))))


def _lengths(metrics: dict[str, Any], correct: np.ndarray) -> dict[str, Any]:
    """By length of the true segment: segments, frames, accuracy in percent, progress error."""
    parts = metrics["breakdowns"]["length_frames"].values()
    frames = [part["frames"] for part in parts]
    pairs = zip(correct.tolist(), frames, strict=True)
    return {
        "segments": [part["segments"] for part in parts],
        "frames": frames,
        "acc": [_rounded(100 * right / count) if count else None for right, count in pairs],
        "error": [_rounded(part["predicted"] and part["predicted"]["error"]) for part in parts],
    }


def _reliability(frames: np.ndarray) -> dict[str, Any]:
    """Both directions, over all frames of actions, and over those whose class is predicted correctly.

    `frames` `[4, N]` are true class, predicted class, target and reported progress of the frames of actions.
    """
    labels, estimate, target, reported = frames
    correct = estimate == labels
    return {
        name: {
            "reported": _rounded(by_tenths(reported[counted], target[counted])),
            "true": _rounded(by_tenths(target[counted], reported[counted])),
        }
        for name, counted in (("all", np.ones_like(correct)), ("right", correct))
    }


def _rounded(value: Any) -> Any:
    """The same, nested as it is, with five digits of every number; None for NaN."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_rounded(one) for one in (value if isinstance(value, list) else value.tolist())]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.5g}")
    return value
