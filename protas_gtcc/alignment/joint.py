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
    """A head, its loss, and the true segments of the training videos.

    Raises `InputError` for a training video that has no action.
    """

    def __init__(self, head: ScalarHead, config: HeadLossConfig, dataset: Dataset, videos: Sequence[str]):
        self.head, self.config = head, config
        self.places = {video: _places(dataset, video) for video in videos}
        for video, places in self.places.items():
            if not places:
                what = f"video {video} has no action that a progress head could learn from"
                raise InputError(f"{what}; remove it from the training videos, or train without --head")

    def terms(self, embeddings: Float[Tensor, "V E T"], batch: PairBatch, where: str) -> Terms:
        """`progress`: the head's mean loss over segments, once for each pair of the batch.

        Randomness comes from torch's generator, so that a resumed run draws the same. Raises `InputError`, naming the
        term and the segment, if it is not finite.
        """
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        every_place = [place for video in batch.videos for place in self.places[video]]
        drawn = draw_segments([video for video, _, _ in every_place], self.config, random)
        places = [every_place[index] for index in drawn]
        row = {video: number for number, video in enumerate(batch.videos)}
        padded, lengths = pad([embeddings[row[video], :, start:end].T for video, start, end in places])
        terms = head_loss_terms(self.head, padded, lengths, sample_frames(lengths, self.config, random), self.config)
        names = [f"the segment at frame {start} of video {video}" for video, start, _ in places]
        require_finite(terms, names, where)
        mean = total_loss(weigh(terms, self.config.weights)).mean()
        return {"progress": mean.expand(len(batch.pairs))}


def _places(dataset: Dataset, video: str) -> list[Place]:
    segments = dataset.segments(video)
    return [(video, int(start), int(end)) for start, end, label in segments if label not in dataset.info.background]
