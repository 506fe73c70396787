"""Small recordings of a procedure and reports about them, for tests of scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from protas_gtcc.metrics.procedure import score_procedures
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import REASONS, Event, Procedure

Video = tuple[Procedure, ProcedureTruth]
NAN = float("nan")
NUM_CLASSES = 7


def truth_of(steps: list[tuple[int, int, int]], num_frames: int, **changes: Any) -> ProcedureTruth:
    """The truth of steps (start, end, class), in which nothing is wrong unless `changes` have it."""
    rows = np.array(steps, dtype=np.int64).reshape(-1, 3)
    plain = ProcedureTruth("video", "", 0, num_frames, rows, range(1, NUM_CLASSES), (), {}, (), False)
    return dataclasses.replace(plain, **changes)


def report_of(num_frames: int, **changes: Any) -> Procedure:
    """A report of nothing, unless `changes` have it."""
    times, interval = np.zeros(num_frames, dtype=np.float32), np.full((2, num_frames), np.nan, dtype=np.float32)
    probs = np.zeros((NUM_CLASSES, num_frames), dtype=np.float32)
    return dataclasses.replace(Procedure(times, interval, times, probs, times, interval, probs), **changes)


def done(label: int, frame: int) -> Event:
    return Event("done", label, frame, frame, 0.9)


def alarm(reason: Any, label: int, frame: int) -> Event:
    return Event(reason, label, frame, frame, 0.9)


def random_truth(seed: int, name: str = "video", person: str = "") -> ProcedureTruth:
    """Up to six steps that may overlap, come again, or end with the recording; some are missing, late or wrong."""
    random = np.random.default_rng(seed)
    num_frames = int(random.integers(1, 400))
    starts = np.sort(random.integers(0, num_frames, random.integers(0, 7)))
    ends = np.minimum(starts + random.integers(0, 90, len(starts)), num_frames)
    steps = np.stack([starts, ends, random.integers(1, NUM_CLASSES, len(starts))], axis=1)
    absent = sorted(set(range(1, NUM_CLASSES)) - set(steps[:, 2].tolist()))
    wrong: dict[Any, set[int]] = {reason: {int(label) for label in random.integers(1, 7, 2)} for reason in REASONS}
    wrong["missing"] -= {*absent, *steps[starts == 0, 2].tolist()}  # nothing waits for what comes first
    tags = [(int(label), str(random.choice(["Order", "Technique"]))) for label in random.integers(1, 7, 3)]
    return ProcedureTruth(
        *(name, person, 0, num_frames, steps, range(1, NUM_CLASSES)),
        *(absent[:2], wrong, tags if seed % 3 else [], bool(seed % 3)),
    )


def random_report(seed: int, num_frames: int) -> Procedure:
    random = np.random.default_rng(seed)
    left, upcoming = random.uniform(0, 400, (2, num_frames)).astype(np.float32)
    probs = random.dirichlet(np.full(NUM_CLASSES, 0.3), num_frames).T.astype(np.float32)
    kinds = random.permutation([(kind, label) for kind in ("done", *REASONS) for label in range(1, NUM_CLASSES)])
    frames = np.sort(random.integers(0, num_frames, random.integers(0, 15)))
    events = [
        Event(kind, int(label), int(frame), int(frame), 0.5)
        for (kind, label), frame in zip(kinds, frames, strict=False)
    ]
    around = np.array([[0.6], [1.4]], dtype=np.float32)
    return Procedure(left, left * around, left, probs, upcoming, upcoming * around, probs, tuple(events))


def scores_of(*videos: Video, fps: float = 1.0) -> dict[str, Any]:
    return score_procedures(videos, fps)


def random_videos(seed: int, number: int = 3) -> list[Video]:
    truths = [random_truth(seed + one, f"video{one}", f"person{one // 2}") for one in range(number)]
    return [(random_report(seed + one, truth.num_frames), truth) for one, truth in enumerate(truths)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if len(values) else NAN


def assert_equals(found: float | None, expected: float) -> None:
    assert (NAN if found is None else found) == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)
