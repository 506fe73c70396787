"""Loss terms of scalar heads equal their slow twins, and each switch changes what it says; what is sampled."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig, HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms
from protas_gtcc.heads.sampling import draw_segments, drawn_frames, sample_frames
from protas_gtcc.heads.versions import LOSSES
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


def slow_weight(target, config):
    capped = min(1 / target, config.weight_cap)
    return {"equal": 1, "target": capped, "root": math.sqrt(capped)}[config.frame_weights]


def slow_terms(estimate, left, frames, length, config):
    """One segment's terms, frame by frame; `left` are the frames left that the head gives."""
    errors, weights, of_left = [], [], []
    for t in frames:
        target = (t + 1) / length
        error = abs(estimate[t] - target)
        errors.append(error**2 if config.progress_error == "squared" else error)
        weights.append(slow_weight(target, config))
        true = length - 1 - t
        log = config.frames_left_error == "log"
        of_left.append(abs(math.log1p(left[t]) - math.log1p(true)) if log else abs(left[t] - true))
    divisor = sum(weights) if config.frame_weights == "target" else len(errors)
    terms = {"progress": sum(w * e for w, e in zip(weights, errors, strict=True)) / divisor}
    if config.monotonicity_weight:
        falls = [max(0, estimate[a] - estimate[b] + config.margin) for a, b in pairwise(frames)]
        terms["monotonicity"] = sum(falls) / max(len(falls), 1)
    if config.boundary_weight:
        terms["boundary"] = (abs(estimate[0] - 1 / length) + abs(estimate[length - 1] - 1)) / 2
    return terms | {"frames_left": sum(of_left) / len(of_left)}


@pytest.mark.parametrize("boundary_weight", [0.0, 5.0])
@pytest.mark.parametrize("left_error", ["log", "absolute"])
@pytest.mark.parametrize("mode", LOSSES)
def test_every_loss_equals_its_slow_twin(segments, mode, boundary_weight, left_error):
    changes = {"weight_cap": 8.0, "boundary_weight": boundary_weight, "frames_left_error": left_error}
    config, head = dataclasses.replace(LOSSES[mode], **changes), ScalarHead(HeadConfig(hidden=8, frames_left=True), 4)
    sampled = sampled_for(config)
    estimate, left = (give(segments, LENGTHS).detach().double().numpy() for give in (head.forward, head.frames_left))
    terms = head_loss_terms(head, segments, LENGTHS, sampled, config)
    total = total_loss(weigh(terms, config.term_weights))
    for row, length in enumerate(LENGTHS.tolist()):
        frames = sampled.frames[row][sampled.valid[row]].tolist()
        expected = slow_terms(estimate[row], left[row], frames, length, config)
        assert set(expected) == set(terms)
        for name, value in expected.items():
            assert terms[name][row].item() == pytest.approx(value, abs=1e-5), name
        weights = {"progress": 1, "monotonicity": 2, "boundary": boundary_weight, "frames_left": 0.1}
        assert total[row].item() == pytest.approx(sum(weights[name] * expected[name] for name in expected), abs=1e-4)


@pytest.mark.parametrize("frame_weights", ["equal", "target", "root"])
def test_a_pooled_loss_divides_by_the_weights_of_the_whole_batch(head, segments, frame_weights):
    config = HeadLossConfig("absolute", frame_weights, pooled=True, frames_per_segment=5)
    sampled, estimate = sampled_for(config), head(segments, LENGTHS).detach().double().numpy()
    errors, weights = 0.0, 0.0
    for row, length in enumerate(LENGTHS.tolist()):
        for t in sampled.frames[row][sampled.valid[row]].tolist():
            weight = slow_weight((t + 1) / length, config)
            errors += weight * abs(estimate[row][t] - (t + 1) / length)
            weights += weight if frame_weights == "target" else 1
    found = head_loss_terms(head, segments, LENGTHS, sampled, config)["progress"].mean().item()
    assert found == pytest.approx(errors / weights, abs=1e-5)


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
    config = LOSSES["monotone"]
    lengths = torch.tensor([5])

    class FixedHead(ScalarHead):
        estimate = torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]])

        def outputs_at(self, segments, frames):
            return self.estimate.gather(1, frames).logit()[..., None]

    fixed = FixedHead(HeadConfig(), 2)
    sampled = sample_frames(lengths, HeadLossConfig(), np.random.default_rng(0))
    assert head_loss_terms(fixed, torch.zeros(1, 5, 2), lengths, sampled, config)["monotonicity"].item() < 1e-6
    fixed.estimate = fixed.estimate.flip(1)
    fall = head_loss_terms(fixed, torch.zeros(1, 5, 2), lengths, sampled, config)["monotonicity"].item()
    assert fall == pytest.approx(0.21)


def test_frames_are_drawn_from_every_third_and_by_the_seed():
    for length in (6, 7, 8, 30, 31, 300):
        drawn = drawn_frames(length, 5, np.random.default_rng(length))
        assert len(set(drawn.tolist())) == 5
        assert drawn.tolist() == sorted(drawn.tolist())
        assert set(np.ceil(3 * (drawn + 1) / length).astype(int)) == {1, 2, 3}
        assert drawn.tolist() == drawn_frames(length, 5, np.random.default_rng(length)).tolist()
    assert drawn_frames(4, 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]
    assert drawn_frames(1, 5, np.random.default_rng(0)).tolist() == [0]
    assert len(drawn_frames(9, 2, np.random.default_rng(0))) == 2


def test_thirds_of_many_frames_are_drawn_alike():
    random = np.random.default_rng(0)
    drawn = np.concatenate([drawn_frames(90, 15, random) for _ in range(200)])
    share = np.bincount(drawn // 30, minlength=3) / len(drawn)
    assert share == pytest.approx([1 / 3] * 3, abs=0.01)


def test_without_strata_and_with_a_shortest_prefix_frames_are_drawn_uniformly_from_the_third_on():
    random = np.random.default_rng(0)
    drawn = np.concatenate([drawn_frames(20, 3, random, strata=False, shortest_prefix=3) for _ in range(3000)])
    share = np.bincount(drawn, minlength=20) / len(drawn)
    assert share == pytest.approx([0, 0, *[1 / 18] * 18], abs=0.01)
    assert drawn_frames(4, 3, random, shortest_prefix=3).tolist() == [2, 3]
    assert drawn_frames(2, 3, random, shortest_prefix=3).tolist() == [1], "for a segment that is not drawn"
    for _ in range(20):
        assert drawn_frames(12, 5, random, shortest_prefix=3).min() >= 2


def test_every_video_gives_as_many_segments():
    videos, lengths = ["a"] * 50 + ["b"] * 2 + ["c"], [9] * 53
    config = HeadLossConfig(segments_per_video=10)
    numbers = draw_segments(videos, lengths, config, np.random.default_rng(3))
    assert [videos[number] for number in numbers] == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert len(set(numbers[:10])) > 5
    assert numbers == draw_segments(videos, lengths, config, np.random.default_rng(3))
    assert draw_segments(videos, lengths, HeadLossConfig(), np.random.default_rng(3)) == list(range(53))


@pytest.mark.parametrize("per_video", [0, 4])
def test_segments_below_the_shortest_prefix_are_not_drawn(per_video):
    config = HeadLossConfig(segments_per_video=per_video, shortest_prefix=3)
    numbers = draw_segments(["a", "a", "b", "c"], [3, 2, 1, 8], config, np.random.default_rng(0))
    assert set(numbers) == {0, 3}
    with pytest.raises(InputError, match="no training segment has 3 frames; lower --shortest-prefix"):
        draw_segments(["a"], [2], config, np.random.default_rng(0))
