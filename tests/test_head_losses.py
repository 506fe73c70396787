"""Loss terms of scalar heads equal their slow twins; what is sampled is spread; the encoder gets its bounded share."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.config import EncoderConfig
from protas_gtcc.alignment.encoders import Encoder
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import LOSSES, HeadConfig, HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms
from protas_gtcc.heads.sampling import draw_segments, sample_frames, stratified_frames
from protas_gtcc.heads.scaled_gradient import split_gradient
from protas_gtcc.network.terms import total_loss, weigh

LENGTHS = torch.tensor([40, 3, 1])


@pytest.fixture
def head():
    torch.manual_seed(1)
    return ScalarHead(HeadConfig(hidden=8), 4)


@pytest.fixture
def segments():
    torch.manual_seed(2)
    return torch.randn(3, 40, 4)


def sampled_for(config):
    return sample_frames(LENGTHS, config, np.random.default_rng(0))


def slow_terms(estimate, frames, length, config):
    """One segment's terms, frame by frame."""
    errors, weights = [], []
    for t in frames:
        target = (t + 1) / length
        errors.append(abs(estimate[t] - target))
        weights.append(min(1 / target, config.weight_cap))
    terms = {}
    if config.mode == "dense":
        terms["progress"] = sum(error**2 for error in errors) / len(errors)
    elif config.mode == "weighted":
        terms["progress"] = sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
    elif config.mode == "root":
        terms["progress"] = sum(math.sqrt(w) * e for w, e in zip(weights, errors, strict=True)) / len(errors)
    else:
        terms["progress"] = sum(errors) / len(errors)
        falls = [max(0, estimate[a] - estimate[b] + config.margin) for a, b in pairwise(frames)]
        terms["monotonicity"] = sum(falls) / max(len(falls), 1)
    if config.boundary_weight:
        terms["boundary"] = (abs(estimate[0] - 1 / length) + abs(estimate[length - 1] - 1)) / 2
    return terms


@pytest.mark.parametrize("boundary_weight", [0.0, 5.0])
@pytest.mark.parametrize("mode", LOSSES)
def test_every_loss_equals_its_slow_twin(head, segments, mode, boundary_weight):
    config = dataclasses.replace(LOSSES[mode], weight_cap=8.0, boundary_weight=boundary_weight)
    sampled, estimate = sampled_for(config), head(segments, LENGTHS).detach().double().numpy()
    terms = head_loss_terms(head, segments, LENGTHS, sampled, config)
    total = total_loss(weigh(terms, config.weights))
    for row, length in enumerate(LENGTHS.tolist()):
        expected = slow_terms(estimate[row], sampled.frames[row][sampled.valid[row]].tolist(), length, config)
        assert set(expected) == set(terms)
        for name, value in expected.items():
            assert terms[name][row].item() == pytest.approx(value, abs=1e-5), name
        weights = {"progress": 1, "monotonicity": 2, "boundary": boundary_weight}
        assert total[row].item() == pytest.approx(sum(weights[name] * expected[name] for name in expected), abs=1e-4)


@pytest.mark.parametrize("mode", LOSSES)
def test_a_segments_loss_does_not_depend_on_its_batch(head, segments, mode):
    config = dataclasses.replace(LOSSES[mode], boundary_weight=1.0)
    sampled = sampled_for(config)
    together = head_loss_terms(head, segments, LENGTHS, sampled, config)
    alone = head_loss_terms(
        head, segments[1:2, :3], LENGTHS[1:2], type(sampled)(*(one[1:2] for one in sampled)), config
    )
    for name, term in alone.items():
        torch.testing.assert_close(together[name][1:2], term, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "term"), [*((mode, "progress") for mode in LOSSES), ("monotone", "monotonicity"), ("dense", "boundary")]
)
def test_every_term_has_a_gradient(head, segments, mode, term):
    config = dataclasses.replace(LOSSES[mode], boundary_weight=1.0, margin=0.1)
    head_loss_terms(head, segments, LENGTHS, sampled_for(config), config)[term].sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert sum(parameter.grad.abs().sum().item() for parameter in head.parameters()) > 0


def test_a_rising_curve_is_not_punished_and_a_falling_one_is():
    config = HeadLossConfig("monotone")
    lengths = torch.tensor([5])

    class FixedHead(ScalarHead):
        estimate = torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]])

        def at_frames(self, segments, frames):
            return self.estimate.gather(1, frames)

    fixed = FixedHead(HeadConfig(), 2)
    sampled = sample_frames(lengths, HeadLossConfig("dense"), np.random.default_rng(0))
    assert head_loss_terms(fixed, torch.zeros(1, 5, 2), lengths, sampled, config)["monotonicity"].item() == 0
    fixed.estimate = fixed.estimate.flip(1)
    fall = head_loss_terms(fixed, torch.zeros(1, 5, 2), lengths, sampled, config)["monotonicity"].item()
    assert fall == pytest.approx(0.21)


def test_frames_are_drawn_from_every_third_and_by_the_seed():
    for length in (6, 7, 8, 30, 31, 300):
        drawn = stratified_frames(length, 5, np.random.default_rng(length))
        assert len(set(drawn.tolist())) == 5
        assert drawn.tolist() == sorted(drawn.tolist())
        assert set(np.ceil(3 * (drawn + 1) / length).astype(int)) == {1, 2, 3}
        assert drawn.tolist() == stratified_frames(length, 5, np.random.default_rng(length)).tolist()
    assert stratified_frames(4, 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]
    assert stratified_frames(1, 5, np.random.default_rng(0)).tolist() == [0]
    assert len(stratified_frames(9, 2, np.random.default_rng(0))) == 2


def test_thirds_of_many_frames_are_drawn_alike():
    random = np.random.default_rng(0)
    drawn = np.concatenate([stratified_frames(90, 15, random) for _ in range(200)])
    share = np.bincount(drawn // 30, minlength=3) / len(drawn)
    assert share == pytest.approx([1 / 3] * 3, abs=0.01)


def test_every_video_gives_as_many_segments():
    videos = ["a"] * 50 + ["b"] * 2 + ["c"]
    config = HeadLossConfig("weighted", segments_per_video=10)
    numbers = draw_segments(videos, config, np.random.default_rng(3))
    assert [videos[number] for number in numbers] == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert len(set(numbers[:10])) > 5
    assert numbers == draw_segments(videos, config, np.random.default_rng(3))
    assert draw_segments(videos, HeadLossConfig("dense"), np.random.default_rng(3)) == list(range(53))


def joint_gradients(weight, progress_scale=1.0):
    """Gradients of an encoder and of a head, together and of the alignment alone, from losses that pull apart.

    The progress loss has the same target at every frame, so its gradients add up in the weights.
    """
    torch.manual_seed(0)
    config = EncoderConfig(hidden=8, layers=2, output_dim=4, dropout=0.0)
    encoder, head = Encoder(config, 6), torch.nn.Linear(4, 1)
    embeddings, weights = encoder(torch.randn(2, 6, 30)).transpose(1, 2), list(encoder.parameters())
    for_alignment, for_progress = split_gradient(embeddings, weights, weight)
    target = torch.randn(2, 30, 4)
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


def test_the_head_learns_as_if_it_were_alone():
    plain = joint_gradients(0.0)[2]
    for weight in (1.0, 1e6):
        torch.testing.assert_close(joint_gradients(weight)[2], plain)
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
