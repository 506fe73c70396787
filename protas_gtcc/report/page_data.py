"""Everything that the report page shows, as values for JSON.

    simulated, version, length_bins, run_colours, meanings, frame_values, has_videos, groups
      group     runs with the same test videos: dataset, split, fps, class_names, looks, runs, videos, judgement,
              left_out: test videos that the page does not have
        video   name, num_frames, segments; file: its address, and start_seconds, see `PlayedFile`; None without one;
                procedure: what truly happened, see `procedure_data.py`; None where no run reports procedures
        run     name, path, metrics (all of metrics.json), ruler, verdict, procedure, calibration, budgets, best,
                confusion, found, class_intervals, reliability, lengths, videos
          ruler   label of each figure that comes first: [figure, interval], as they are written; `procedure` has those
                  of procedures, None where they are not scored
          found   of each class id, how its true segments are found: `ClassSegments`; None for a class without one
          calibration, budgets   of procedures, see `procedure_calibration.py` and `alarm_budgets.py`; None without
          video   segments, acc, error, skill, surely_wrong, frames: {name: values of every frame}; procedure, None if
                  it has none

A run that reports no progress has neither reliability nor errors nor `reported`.

Segments are a flat list: length, class id, length, class id … Values of every frame are base64 of little-endian
uint16, NONE where there is no value: 2.7 characters a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import protas_gtcc
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.breakdowns import PARTS
from protas_gtcc.report.colours import RUN_COLOURS, RUN_COLOURS_ON_DARK, class_looks
from protas_gtcc.report.judgement import judgement
from protas_gtcc.report.packing import flat_segments
from protas_gtcc.report.page_meanings import meanings
from protas_gtcc.report.procedure_data import KnownVideos, truth_values
from protas_gtcc.report.run_data import FRAME_VALUES, run_data
from protas_gtcc.report.runs import EvaluatedRun, training_lookups, true_labels

if TYPE_CHECKING:
    from protas_gtcc.report.video_files import PlayedFile


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
        "meanings": meanings(),
        "frame_values": {name: asdict(value) for name, value in FRAME_VALUES.items()},
        "has_videos": files is not None,
        "groups": [_only(_group(together, files or {}), only) for together in by_videos.values()],
    }


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
    lookups = training_lookups(runs)
    shown = [run_data(run, truth, known, own) for run, own in zip(runs, lookups, strict=True)]
    with_procedure = {number for run in shown for number, video in enumerate(run["videos"]) if video["procedure"]}
    return {
        "dataset": info.name,
        "split": runs[0].metrics["split"],
        "simulated": any(run.simulated for run in runs),
        "dataset_file": _within_here(runs[0].dataset.path),
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
        "judgement": judgement(runs, lookups),
    }


def _within_here(path: Path) -> str:
    """A path in the current folder without that folder, which means nothing on another machine."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
