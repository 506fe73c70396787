"""Does relative position mislead a scalar head? Heads with and without it, trained on simulated actions.

The V3 head gives frame k of the n seen its position k / n. At the last frame that is (n - 1) / n: 0.8 after five
frames. They may be the whole of a short action (progress 1) or the beginning of one of 45 (progress .11). V2 is the
same head with the same loss and without position; the other rows separate position, loss and class.

There are two conditions. In one, embeddings show the class; in the other, they show nothing, and a head can only count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from protas_gtcc.heads.config import HEADS, LOSSES, VERSIONS, HeadTraining, HeadVersion
from protas_gtcc.heads.training import ActionSegment, pad_segments, train_head
from protas_gtcc.network.layers import ProgressHead
from protas_gtcc.network.terms import require_finite
from protas_gtcc.report.position_encoding import ConditionResult, SegmentProgress
from protas_gtcc.runs.heads import head_reports
from protas_gtcc.simulate.actions import FEATURE_DIM, LENGTHS, simulate_actions

COMPARED = {
    "V2: no position": VERSIONS["v2"],
    "V3: position": VERSIONS["v3"],
    "V4: no position, boundaries": VERSIONS["v4"],
    "position, V4's loss": HeadVersion(VERSIONS["v3"].head, VERSIONS["v4"].loss),
    "position, squared error": HeadVersion(VERSIONS["v3"].head, LOSSES["dense"]),
    "no position, squared error": HeadVersion(HEADS["gru"], LOSSES["dense"]),
}
CONDITIONS = {"the class is visible": 1.5, "nothing is visible": 0.0}
"""By condition, how far each class's embeddings are from 0, in standard deviations of a frame's noise."""


def compare_positions(
    num_videos: int, training: HeadTraining, on_progress: Callable[[int, int], None]
) -> dict[str, ConditionResult]:
    """Train every head in both conditions on `num_videos` videos of ten actions; a fifth as many are for testing."""
    results: dict[str, ConditionResult] = {}
    total, done = len(CONDITIONS) * (len(COMPARED) + 1), 0
    for name, strength in CONDITIONS.items():
        train = [ActionSegment(*one) for one in simulate_actions("train", num_videos, strength, training.seed)]
        test = [ActionSegment(*one) for one in simulate_actions("test", num_videos // 5, strength, training.seed)]
        lengths = [len(one.embeddings) for one in test]
        reported = {"the position itself": [np.arange(length) / np.arange(1, length + 1) for length in lengths]}
        for head, version in COMPARED.items():
            on_progress(done, total)
            reported[head] = head_reports(train_head(version, train, (), training), test)
            done += 1
        on_progress(done, total)
        reported["per class, given the class"] = train_per_class(train, training)(test)
        results[name] = ConditionResult([one.label for one in test], lengths, reported)
        done += 1
    on_progress(done, total)
    return results


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
