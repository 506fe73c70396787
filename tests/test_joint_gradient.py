"""How far a head's loss moves the encoder that it is trained with; the head learns as if it were alone."""

from __future__ import annotations

import math

import pytest
import torch

from protas_gtcc.alignment.config import EncoderConfig
from protas_gtcc.alignment.encoders import Encoder
from protas_gtcc.errors import InputError
from protas_gtcc.heads.scaled_gradient import split_gradient


def joint_networks():
    """An encoder, a head, and what the alignment pulls the embeddings to."""
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(hidden=8, layers=2, output_dim=4, dropout=0.0), 6)
    return encoder, torch.nn.Linear(4, 1), torch.randn(2, 30, 4)


def joint_gradients(weight, progress_scale=1.0, share=1.0):
    """Gradients of an encoder and of a head, together and of the alignment alone, from losses that pull apart.

    The progress loss has the same target at every frame, so its gradients add up in the weights.
    """
    encoder, head, target = joint_networks()
    embeddings, weights = encoder(torch.ones(2, 6, 30)).transpose(1, 2), list(encoder.parameters())
    for_alignment, for_progress = split_gradient(embeddings, weights, weight, share)
    alignment = (for_alignment - target).square().mean()
    alone = torch.autograd.grad((embeddings - target).square().mean(), weights, retain_graph=True)
    (alignment + progress_scale * (head(for_progress) - 5).square().mean()).backward()
    together = torch.cat([one.grad.flatten() for one in weights])
    return together, torch.cat([one.flatten() for one in alone]), head.weight.grad


def test_below_the_bound_the_encoder_gets_the_weighted_sum():
    together, alignment, _ = joint_gradients(0.001)
    twice = joint_gradients(0.002)[0]
    torch.testing.assert_close(twice - alignment, 2 * (together - alignment), rtol=1e-3, atol=1e-7)
    assert (together - alignment).norm() > 0


@pytest.mark.parametrize("progress_scale", [1.0, 1e-18, 1e18])
def test_a_weight_of_a_million_moves_the_encoder_no_further_than_the_alignment_does(progress_scale):
    together, alignment, _ = joint_gradients(1e6, progress_scale)
    pushed = (together - alignment).norm().item()
    if progress_scale >= 1:
        assert pushed == pytest.approx(alignment.norm().item(), rel=1e-3)
    else:
        assert pushed <= alignment.norm().item()


@pytest.mark.parametrize("share", [0.0, 0.25, 3.0])
def test_the_share_bounds_how_far_the_progress_moves_the_encoder(share):
    together, alignment, _ = joint_gradients(1e6, share=share)
    assert (together - alignment).norm().item() == pytest.approx(share * alignment.norm().item(), rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("weight", [0.5, 1e6])
def test_an_infinite_share_is_the_published_training(weight):
    """Published: alignment + weight x progress, then the head's gradient is divided by the weight."""
    encoder, head, target = joint_networks()
    embeddings = encoder(torch.ones(2, 6, 30)).transpose(1, 2)
    ((embeddings - target).square().mean() + weight * (head(embeddings) - 5).square().mean()).backward()
    expected = torch.cat([one.grad.flatten() for one in encoder.parameters()])
    together, _, of_head = joint_gradients(weight, share=math.inf)
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(of_head, head.weight.grad / weight, rtol=1e-4, atol=1e-6)


def test_the_head_learns_as_if_it_were_alone():
    plain = joint_gradients(0.0)[2]
    for weight, share in ((1.0, 1.0), (1e6, 1.0), (1e6, math.inf)):
        torch.testing.assert_close(joint_gradients(weight, share=share)[2], plain)
    assert plain.abs().sum() > 0


def test_without_a_gradient_of_the_alignment_the_encoder_gets_none():
    weights = torch.randn(3, 4, requires_grad=True)
    _, for_progress = split_gradient(2 * weights, [weights], 10.0)
    for_progress.square().sum().backward()
    assert not weights.grad.any()


def test_a_gradient_that_is_not_finite_is_refused_unless_a_scaler_sees_it():
    weights = torch.ones(2, 2, requires_grad=True)
    for_alignment, for_progress = split_gradient(2 * weights, [weights], 1.0)
    with pytest.raises(InputError, match="gradient of the progress loss is not finite"):
        (for_alignment.sum() + (for_progress * torch.inf).sum()).backward()
    for_alignment, for_progress = split_gradient(2 * weights, [weights], 1.0, is_scaled=True)
    (for_alignment.sum() + (for_progress * torch.inf).sum()).backward()
    assert not weights.grad.isfinite().any(), "the scaler sees it and skips the step"
