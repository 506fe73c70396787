"""A scalar progress head that is trained together with the encoder, on the true action segments of a batch's videos.

The embeddings learn to align without labels; the head tells them where actions begin and end. What its gradient may do
to the encoder is bounded (`protas_gtcc.heads.scaled_gradient`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from protas_gtcc.alignment.pairing import PairBatch
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms, require_finite_terms, total_head_loss
from protas_gtcc.heads.sampling import ask_every_frame, ask_stratified, draw_segments

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
                what = f"video {video} has no action, of which a progress head could learn"
                raise InputError(f"{what}: leave it out of the training videos, or --head out")

    def terms(self, embeddings: Float[Tensor, "V E T"], batch: PairBatch, where: str) -> dict[str, Float[Tensor, " P"]]:
        """`progress`: the head's loss, its mean over segments, once for each pair of the batch.

        Randomness comes from torch's generator, so that a resumed run draws the same. Raises `InputError`, naming the
        term and the segment, if it is not finite.
        """
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        places = self._places(batch.videos, random)
        row = {video: number for number, video in enumerate(batch.videos)}
        parts = [embeddings[row[video], :, start:end].T for video, start, end in places]
        lengths = torch.tensor([len(part) for part in parts], device=embeddings.device)
        is_dense = self.config.mode == "dense"
        asked = (
            ask_every_frame(lengths) if is_dense else ask_stratified(lengths, self.config.frames_per_segment, random)
        )
        terms = head_loss_terms(self.head, pad_sequence(parts, batch_first=True), lengths, asked, self.config)
        names = [f"the segment at frame {start} of video {video}" for video, start, _ in places]
        require_finite_terms(terms, names, where)
        mean = total_head_loss(terms, self.config).mean()
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
