"""An alignment run's loss: embeddings of the videos of some pairs -> unweighted terms, and their weights."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.encoders import ContextNetwork
from protas_gtcc.alignment.gtcc import gtcc_loss, keep_weights, sample_anchors
from protas_gtcc.alignment.lav import lav_terms
from protas_gtcc.alignment.pairing import PairBatch, sample_frames
from protas_gtcc.alignment.tcc import tcc_classification_loss, tcc_loss
from protas_gtcc.alignment.vava import vava_terms
from protas_gtcc.network.terms import Terms


def term_weights(config: AlignmentConfig) -> dict[str, float]:
    """The weight of each term of the loss by name, with those of `protas_gtcc.alignment.joint`.

    `progress`, a head's loss, is weighted where its gradient enters the encoder (`protas_gtcc.heads.scaled_gradient`).
    """
    beside = {"progress": 1.0, "cumulative_l2": config.cumulative_weight}
    return config.alignment.term_weights(config.loss) | beside


def alignment_terms(
    embeddings: Float[Tensor, "V E T"],
    batch: PairBatch,
    config: AlignmentConfig,
    epoch: int,
    context: ContextNetwork | None = None,
) -> Terms:
    """Every term of the loss, unweighted, a value for each pair.

    Losses that go from one video over the other and back are the mean of both directions.

    Args:
        embeddings: of the batch's videos; padding has no effect.
        batch: the videos, and which of them are pairs.
        config: the loss and its settings.
        epoch: counted from 0; with later epochs more frames may be dropped, and found partners count more.
        context: the dropping network; without it GTCC drops nothing.
    """
    frames, counts = sample_frames(batch.lengths, config.alignment.sampled_frames)
    sampled = embeddings.transpose(1, 2).gather(1, frames[..., None].expand(-1, -1, embeddings.shape[1]))
    first, second = batch.pairs.T
    (u, v), (u_lengths, v_lengths) = ((of_videos[first], of_videos[second]) for of_videos in (sampled, counts))
    settings = config.alignment
    if config.loss == "lav":
        return lav_terms(u, v, u_lengths, v_lengths, settings.warp_gamma, settings.margin, settings.near_share)
    if config.loss == "vava":
        return vava_terms(u, v, u_lengths, v_lengths, settings, phi=settings.phi_decay ** (epoch + 1))
    contexts = None if context is None else context(embeddings, batch.mask)
    there = _cycle((u, v, u_lengths, v_lengths), config, epoch, None if contexts is None else contexts[second])
    back = _cycle((v, u, v_lengths, u_lengths), config, epoch, None if contexts is None else contexts[first])
    return {config.loss: 0.5 * (there + back)}


def _cycle(
    videos: tuple[Tensor, Tensor, Tensor, Tensor],
    config: AlignmentConfig,
    epoch: int,
    context: Float[Tensor, "P E"] | None,
) -> Float[Tensor, " P"]:
    """A cycle from u over v, given `(u, v, u_lengths, v_lengths)` and the context of v."""
    settings, temperature = config.alignment, config.alignment.temperature
    assert temperature is not None, "AlignmentConfig has filled it in"
    if config.loss == "tcc-classification":
        return tcc_classification_loss(*videos, temperature=temperature)
    if config.loss == "tcc":
        return tcc_loss(*videos, temperature=temperature, variance_weight=settings.variance_weight)
    u, _, u_lengths, _ = videos
    keep = None
    if context is not None and settings.drop_rate < 1:
        keep = keep_weights(u, context, settings.drop_rate, epoch, u_lengths)
    anchors = sample_anchors(u_lengths, settings.anchors) if settings.anchors else None
    return gtcc_loss(
        *videos,
        anchors=anchors,
        keep=keep,
        temperature=temperature,
        num_components=settings.components,
        window_share=settings.cycle_window,
    )
