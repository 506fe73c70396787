"""Encoders see no future, whatever they are made of; padding changes nothing; a context is of a whole video."""

from __future__ import annotations

import pytest
import torch

from protas_gtcc.alignment.config import EncoderConfig
from protas_gtcc.alignment.encoders import Encoder

CONFIGS = {
    "mlp": EncoderConfig(encoder="mlp", hidden=8, layers=2, output_dim=5),
    "temporal": EncoderConfig(hidden=8, layers=3, output_dim=5),
    "heads": EncoderConfig(hidden=8, layers=2, output_dim=5, multi_head=True),
    "normalized": EncoderConfig(hidden=8, layers=2, output_dim=5, multi_head=True, normalize=True),
}


def make_encoder(name: str, drops: bool = False) -> Encoder:
    torch.manual_seed(0)
    return Encoder(CONFIGS[name], feature_dim=6, num_tasks=3, drops=drops).eval()


@pytest.mark.parametrize("name", CONFIGS)
def test_neither_the_future_nor_padding_changes_an_embedding(name):
    encoder, video = make_encoder(name), torch.randn(1, 6, 20)
    whole = encoder(video)
    torch.testing.assert_close(encoder(video[..., :9]), whole[..., :9])
    padded = torch.cat([video, torch.full((1, 6, 7), 9.0)], dim=2)
    mask = torch.cat([torch.ones(1, 1, 20), torch.zeros(1, 1, 7)], dim=2)
    embedded = encoder(padded, mask)
    torch.testing.assert_close(embedded[..., :20], whole)
    assert not embedded[..., 20:].any()


def test_only_the_temporal_encoder_remembers():
    video = torch.randn(1, 6, 20)
    changed = video.clone()
    changed[..., 3] += 1
    for name, remembers in (("mlp", False), ("temporal", True)):
        encoder = make_encoder(name)
        assert torch.equal(encoder(video)[..., 4:], encoder(changed)[..., 4:]) != remembers


def test_a_normalized_embedding_has_length_one_at_every_frame():
    embedded = make_encoder("normalized")(torch.randn(2, 6, 11))
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(2, 11))


def test_attention_weighs_the_heads_of_the_same_frame():
    heads = make_encoder("heads").heads
    assert heads is not None
    x = torch.randn(1, 5, 7)
    of_tasks = torch.stack([head(x) for head in heads.heads], dim=1)
    frames = []
    for t in range(7):
        weights = heads.attention(of_tasks[..., t].reshape(1, 15, 1)).softmax(dim=1)
        frames.append((of_tasks[..., t] * weights).sum(dim=1))
    torch.testing.assert_close(heads(x), torch.stack(frames, dim=2))


def test_a_context_vector_is_of_the_whole_video_and_not_of_its_padding():
    context = make_encoder("temporal", drops=True).context
    assert context is not None
    x, mask = torch.randn(1, 5, 12), torch.ones(1, 1, 12)
    assert context(x, mask).shape == (1, 5)
    padded = torch.cat([x, torch.randn(1, 5, 4)], dim=2)
    torch.testing.assert_close(context(padded, torch.nn.functional.pad(mask, (0, 4))), context(x, mask))


def test_features_are_standardised_and_one_that_never_varies_is_only_centred():
    encoder = make_encoder("mlp")
    raw = torch.randn(1, 6, 50) * 3 + 7
    mean, deviation = raw[0].mean(dim=1), raw[0].std(dim=1)
    plain = encoder((raw - mean[:, None]) / deviation[:, None])
    encoder.set_features(mean, deviation)
    torch.testing.assert_close(encoder(raw), plain)
    encoder.set_features(mean, torch.where(torch.arange(6) == 2, 0.0, deviation))
    assert encoder.feature_scale[2] == 1
