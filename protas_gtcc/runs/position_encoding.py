"""Why do the outputs of a scalar head sit in the middle? Each published change alone, on simulated actions.

The V3 head gives frame k of the n seen its position k / n, k from 0. At the last frame that is (n - 1) / n: 0.8 after
five frames. These may be the whole of a short action (progress 1) or the beginning of one of 45 (progress .11). V3
differs from V2 in more than this, and V4 from V3. So there is a row for each of these changes alone, made to V2 or V3.

There are two conditions. In one, embeddings show the class; in the other, they show nothing, and a head can only count.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import torch

from protas_gtcc.heads.config import HeadTraining, HeadVersion
from protas_gtcc.heads.training import ActionSegment, pad_segments, train_head
from protas_gtcc.heads.versions import V3_CHANGES, V4_CHANGES, VERSIONS, HeadSwitches
from protas_gtcc.network.layers import ProgressHead
from protas_gtcc.network.terms import require_finite
from protas_gtcc.report.position_encoding import ConditionResult, SegmentProgress
from protas_gtcc.runs.heads import head_reports
from protas_gtcc.simulate.actions import FEATURE_DIM, LENGTHS, Part, simulate_actions

CONDITIONS = {"the class is visible": 1.5, "nothing is visible": 0.0}
"""By condition, how far each class's embeddings are from 0, in standard deviations of a frame's noise."""
VIDEOS_PER_STEP = 2
"""Videos whose samples are in a step. So heads with more samples for each video take no more steps."""
LR = 5e-3
"""Learning rate: with it ten epochs are enough."""
PER_CLASS = "per class, given the class"
TO_V3 = {
    "position": ("position",),
    "learnt start": ("learnt_start",),
    "10 x 5 samples": ("segments_per_video", "frames_per_segment"),
    "thirds": ("strata",),
    "weights 1 / target": ("frame_weights", "weight_cap"),
}
TO_V4 = {
    "no position": ("position",),
    "weights up to 20": ("weight_cap",),
    "boundary terms": ("boundary_weight",),
}
"""What turns V2 into V3, and V3 into V4: the switches of each change."""
LATER = {
    "starts at .12": HeadSwitches(initial_logit=-2.0),
    "prefixes of 1 and 2": HeadSwitches(shortest_prefix=1),
    "squared errors": HeadSwitches(progress_error="squared"),
    "weights not pooled": HeadSwitches(pooled=False),
    "clipped with an encoder": HeadSwitches(head_clip_norm=1e-10),
}
"""Other changes to V3. The last is the norm that is left for the head, with a weight of a million, if the gradient of
encoder and head is clipped together to 1e-5 (`align --clip-together`): what the published V2, V3 and V4 were."""


@dataclass(frozen=True)
class HeadRow:
    """A head, and the row above that it is a change to."""

    name: str
    version: HeadVersion
    base: str | None = None


def head_rows() -> Iterator[HeadRow]:
    """The heads in the order of the table."""
    yield HeadRow("V2", VERSIONS["v2"])
    yield from _changed("v2", {name: _part(V3_CHANGES, switches) for name, switches in TO_V3.items()})
    yield HeadRow("V3", VERSIONS["v3"])
    yield from _changed("v3", {name: _part(V4_CHANGES, switches) for name, switches in TO_V4.items()} | LATER)
    yield HeadRow("V4", VERSIONS["v4"])
    yield from _changed("v4", {"start of 0": HeadSwitches(learnt_start=False)})
    yield HeadRow("gru-dense", VERSIONS["gru-dense"])


@dataclass(frozen=True)
class HeadJob:
    """One head to train and test, in a process of its own; `row` None is the per-class head."""

    condition: str
    num_videos: int
    training: HeadTraining
    row: HeadRow | None

    @property
    def name(self) -> str:
        """The name of its row."""
        return PER_CLASS if self.row is None else self.row.name

    def segments(self, part: Part) -> list[ActionSegment]:
        """Simulated segments; a fifth as many videos are for testing."""
        count = self.num_videos if part == "train" else self.num_videos // 5
        made = simulate_actions(part, count, CONDITIONS[self.condition], self.training.seed)
        return [ActionSegment(*one) for one in made]

    def run(self) -> SegmentProgress:
        """The progress that the head reports for the test segments."""
        train, test = self.segments("train"), self.segments("test")
        if self.row is None:
            return train_per_class(train, self.training)(test)
        per_video = self.row.version.loss.segments_per_video
        batch_size = VIDEOS_PER_STEP * per_video if per_video else self.training.batch_size
        training = dataclasses.replace(self.training, batch_size=batch_size)
        return head_reports(train_head(self.row.version, train, (), training), test)


def compare_positions(
    num_videos: int, epochs: int, seeds: int, processes: int, on_progress: Callable[[int, int], None]
) -> dict[str, list[ConditionResult]]:
    """Train every head in both conditions, for each seed, on `num_videos` videos of ten actions; by condition."""
    trainings = [HeadTraining(epochs, lr=LR, seed=seed) for seed in range(seeds)]
    rows = [*head_rows(), None]
    jobs = [HeadJob(name, num_videos, training, row) for name in CONDITIONS for training in trainings for row in rows]
    reports = _run(jobs, processes, on_progress)
    return {
        name: [
            _result([job for job in jobs if (job.condition, job.training) == (name, one)], reports) for one in trainings
        ]
        for name in CONDITIONS
    }


def _run(
    jobs: Sequence[HeadJob], processes: int, on_progress: Callable[[int, int], None]
) -> dict[HeadJob, SegmentProgress]:
    """Run the jobs in some processes, each of one thread."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _prepare_process)
    on_progress(0, len(jobs))
    try:
        running = {pool.submit(job.run): job for job in jobs}
        reports = {}
        for done in as_completed(running):
            reports[running[done]] = done.result()
            on_progress(len(reports), len(jobs))
        return reports
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is for the process that started this one
    torch.set_num_threads(1)


def _result(jobs: Sequence[HeadJob], reports: Mapping[HeadJob, SegmentProgress]) -> ConditionResult:
    """The results of one condition and seed."""
    test = jobs[0].segments("test")
    lengths = [len(one.embeddings) for one in test]
    reported = {"the position itself": [np.arange(length) / np.arange(1, length + 1) for length in lengths]}
    reported |= {job.name: reports[job] for job in jobs}
    bases = {job.name: job.row.base for job in jobs if job.row is not None}
    return ConditionResult([one.label for one in test], lengths, reported, bases)


def _changed(base: str, changes: Mapping[str, HeadSwitches]) -> Iterator[HeadRow]:
    for name, switches in changes.items():
        yield HeadRow(f"{base.upper()}, {name}", switches.change(VERSIONS[base]), base.upper())


def _part(changes: HeadSwitches, names: Sequence[str]) -> HeadSwitches:
    return HeadSwitches(**{name: changes.given[name] for name in names})


def train_per_class(
    segments: Sequence[ActionSegment], training: HeadTraining
) -> Callable[[Sequence[ActionSegment]], SegmentProgress]:
    """The network's own progress head, trained on the true class's channel with squared errors of every frame."""
    torch.manual_seed(training.seed)
    widen, head = torch.nn.Conv1d(FEATURE_DIM, 64, 1), ProgressHead(64, len(LENGTHS), causal=True)
    optimizer = torch.optim.Adam([*widen.parameters(), *head.parameters()], lr=training.lr)
    random = np.random.default_rng(training.seed)

    def channel(chosen: Sequence[ActionSegment]) -> tuple[torch.Tensor, torch.Tensor]:
        padded, lengths = pad_segments(chosen)
        progress, _ = head(widen(padded.transpose(1, 2)))
        return progress[torch.arange(len(chosen)), torch.tensor([one.label for one in chosen])], lengths

    def report(chosen: Sequence[ActionSegment]) -> SegmentProgress:
        with torch.no_grad():
            progress, lengths = channel(chosen)
        return [row[:n].clamp(0, 1).numpy() for row, n in zip(progress, lengths.tolist(), strict=True)]

    for epoch in range(training.epochs):
        for numbers in np.array_split(random.permutation(len(segments)), -(-len(segments) // training.batch_size)):
            progress, lengths = channel([segments[number] for number in numbers])
            elapsed = torch.arange(1, progress.shape[1] + 1)
            error = (progress - elapsed / lengths[:, None]) * (elapsed <= lengths[:, None])
            loss = error.square().sum(dim=1) / lengths
            require_finite({"progress": loss}, [f"segment {number}" for number in numbers], f"epoch {epoch + 1}")
            optimizer.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return report
