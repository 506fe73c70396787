"""What is trained together with the encoder on the true action segments of a batch's videos.

The alignment itself needs no labels. A scalar progress head, and the loss on the cumulative distance, learn from where
actions begin and end. How far a head's gradient may move the encoder is bounded (`protas_gtcc.heads.scaled_gradient`);
the other loss is a term like those of the alignment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.pairing import PairBatch
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.heads.cumulative import cumulative_l2
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms
from protas_gtcc.heads.sampling import draw_segments, sample_frames
from protas_gtcc.network.padding import pad
from protas_gtcc.network.terms import Terms, require_finite, total_loss, weigh

Place = tuple[str, int, int]
"""A segment's video, first frame and end."""


class TrueSegments:
    """The true action segments of the training videos.

    Raises `InputError` for a training video that has no action of at least `shortest` frames.
    """

    def __init__(self, dataset: Dataset, videos: Sequence[str], shortest: int = 1):
        self.places = {video: _places(dataset, video) for video in videos}
        for video, places in self.places.items():
            if not any(end - start >= shortest for _, start, end in places):
                what = f"video {video} has no action of {shortest} frame{'s' * (shortest > 1)} to learn progress from"
                raise InputError(f"{what}; remove it from the training videos, or leave out --head and --cumulative-l2")

    def of(self, batch: PairBatch) -> list[Place]:
        """The segments of a batch's videos."""
        return [place for video in batch.videos for place in self.places[video]]


class JointHead:
    """A head, its loss, and the segments that it learns from."""

    def __init__(self, head: ScalarHead, config: HeadLossConfig, segments: TrueSegments):
        self.head, self.config, self.segments = head, config, segments

    def terms(self, embeddings: Float[Tensor, "V E T"], batch: PairBatch, where: str) -> Terms:
        """`progress`: the head's mean loss over segments, once for each pair of the batch.

        Randomness comes from torch's generator, so that a resumed run draws the same. Raises `InputError`, naming the
        term and the segment, if it is not finite.
        """
        random, every_place = np.random.default_rng(int(torch.randint(2**62, ()))), self.segments.of(batch)
        videos, lengths_of_all = [video for video, _, _ in every_place], [end - start for _, start, end in every_place]
        places = [every_place[index] for index in draw_segments(videos, lengths_of_all, self.config, random)]
        padded, lengths = cut(embeddings, batch, places)
        terms = head_loss_terms(self.head, padded, lengths, sample_frames(lengths, self.config, random), self.config)
        require_finite(terms, _names(places), where)
        mean = total_loss(weigh(terms, self.config.term_weights)).mean()
        return {"progress": mean.expand(len(batch.pairs))}


def cumulative_terms(embeddings: Float[Tensor, "V E T"], batch: PairBatch, segments: TrueSegments, where: str) -> Terms:
    """`cumulative_l2`: its mean over the frames of actions of each video, then over videos, once for each pair.

    Raises `InputError`, naming the segment, if it is not finite.
    """
    places = segments.of(batch)
    losses = cumulative_l2(*cut(embeddings, batch, places))
    require_finite({"cumulative_l2": losses}, _names(places), where)
    frames = Counter[str]()
    for video, start, end in places:
        frames[video] += end - start
    shares = [(end - start) / frames[video] for video, start, end in places]
    mean = (losses * losses.new_tensor(shares)).sum() / len(frames)
    return {"cumulative_l2": mean.expand(len(batch.pairs))}


def cut(
    embeddings: Float[Tensor, "V E T"], batch: PairBatch, places: Sequence[Place]
) -> tuple[Float[Tensor, "B N E"], Int[Tensor, " B"]]:
    """The embeddings of segments, padded, and the number of frames of each."""
    row = {video: number for number, video in enumerate(batch.videos)}
    return pad([embeddings[row[video], :, start:end].T for video, start, end in places])


def _names(places: Sequence[Place]) -> list[str]:
    return [f"the segment at frame {start} of video {video}" for video, start, _ in places]


def _places(dataset: Dataset, video: str) -> list[Place]:
    segments = dataset.segments(video)
    return [(video, int(start), int(end)) for start, end, label in segments if label not in dataset.info.background]
