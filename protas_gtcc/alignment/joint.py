"""A scalar progress head that is trained together with the encoder, on the true action segments of a batch's videos.

The alignment itself needs no labels; the head learns from where actions begin and end. How far its gradient may move
the encoder is bounded (`protas_gtcc.heads.scaled_gradient`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from protas_gtcc.alignment.pairing import PairBatch
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms
from protas_gtcc.heads.sampling import draw_segments, sample_frames
from protas_gtcc.network.padding import pad
from protas_gtcc.network.terms import Terms, require_finite, total_loss, weigh

Place = tuple[str, int, int]
"""A segment's video, first frame and end."""


class JointHead:
    """A head, its loss, and where the segments are."""

    def __init__(self, head: ScalarHead, config: HeadLossConfig, dataset: Dataset):
        self.head, self.config, self.dataset = head, config, dataset

    def require_actions(self, videos: Sequence[str]) -> None:
        """Raise `InputError` for a video that has no action."""
        for video in videos:
            if not any(label not in self.dataset.info.background for label in self.dataset.labels(video)):
                what = f"video {video} has no action that a progress head could learn from"
                raise InputError(f"{what}; remove it from the training videos, or train without --head")

    def terms(self, embeddings: Float[Tensor, "V E T"], batch: PairBatch, where: str) -> Terms:
        """`progress`: the head's loss, its mean over segments, once for each pair of the batch.

        Randomness comes from torch's generator, so that a resumed run draws the same. Raises `InputError`, naming the
        term and the segment, if it is not finite.
        """
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        places = self._places(batch.videos, random)
        row = {video: number for number, video in enumerate(batch.videos)}
        parts = [embeddings[row[video], :, start:end].T for video, start, end in places]
        padded, lengths = pad(parts)
        sampled = sample_frames(lengths, self.config, random)
        terms = head_loss_terms(self.head, padded, lengths, sampled, self.config)
        names = [f"the segment at frame {start} of video {video}" for video, start, _ in places]
        require_finite(terms, names, where)
        mean = total_loss(weigh(terms, self.config.weights)).mean()
        return {"progress": mean.expand(len(batch.pairs))}

    def _places(self, videos: list[str], random: np.random.Generator) -> list[Place]:
        places = [
            (video, int(start), int(end))
            for video in videos
            for start, end, label in self.dataset.segments(video)
            if label not in self.dataset.info.background
        ]
        if self.config.mode == "dense":
            return places
        drawn = draw_segments([video for video, _, _ in places], self.config.segments_per_video, random)
        return [places[index] for index in drawn.tolist()]
