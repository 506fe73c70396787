"""A scalar head's progress at a frame is the same in a prefix and in the whole segment, in any batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.heads.bodies import alibi
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.head import PREFIXES_AT_ONCE, ScalarHead
from protas_gtcc.heads.versions import HEADS
from protas_gtcc.metrics.cumulative_distance import cumulative_distance, fit_cumulative_distance

CONFIGS = {
    **HEADS,
    "position": HeadConfig(position=True),
    "learnt start": HeadConfig(learnt_start=True),
    "frames of the prefix": HeadConfig(frames_of_prefix=True),
    "position, frames and convolution": HeadConfig(
        position=True, learnt_start=True, frames_seen=True, frames_of_prefix=True, first_conv=2
    ),
    "frames left": HeadConfig(frames_left=True),
}
every_head = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def make_head(config: HeadConfig, feature_dim: int = 5) -> ScalarHead:
    torch.manual_seed(0)
    small = dataclasses.replace(config, hidden=8, readout=6, conv_layers=3)
    head = ScalarHead(small, feature_dim).eval()
    head.set_features(torch.randn(feature_dim), torch.rand(feature_dim) + 0.5)
    with torch.no_grad():  # small weights, or a start of 0, would hide differences
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return head


@every_head
def test_the_future_never_changes_the_past_in_any_prefix(config):
    head, segment = make_head(config), torch.randn(30, 5)
    dense = head.progress(segment)
    assert dense.shape == (30,)
    assert dense.std() > 1e-3
    for num_frames in range(1, 31):  # one frame included
        prefix = head.progress(segment[:num_frames])
        torch.testing.assert_close(prefix[-1], dense[num_frames - 1], rtol=0, atol=1e-5)


@every_head
def test_padding_and_other_segments_change_nothing(config):
    head, lengths = make_head(config), torch.tensor([7, 20, 1])
    segments = torch.randn(3, 20, 5)
    together = head(segments, lengths)
    for segment, length, progress in zip(segments, lengths.tolist(), together, strict=True):
        torch.testing.assert_close(progress[:length], head.progress(segment[:length]), rtol=0, atol=1e-6)
        assert not progress[length:].any()


@every_head
def test_single_frames_are_as_in_the_whole_segment(config):
    head, segments = make_head(config), torch.randn(2, 15, 5)
    frames = torch.randint(0, 15, (2, PREFIXES_AT_ONCE))  # more than a head with position runs at once
    torch.testing.assert_close(head.at_frames(segments, frames), head(segments).gather(1, frames), rtol=0, atol=1e-6)


@every_head
def test_every_parameter_learns(config):
    head = make_head(config).train()
    head.outputs_at(torch.randn(2, 12, 5), torch.arange(12).expand(2, -1)).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_head_that_counts_depends_on_when_a_frame_comes():
    still = torch.ones(10, 5)
    assert make_head(HEADS["mlp"]).progress(still).std() < 1e-6, "a mean of equal frames knows no time"
    assert make_head(HEADS["mlp-frames"]).progress(still).std() > 1e-3


@pytest.mark.parametrize(("logit", "output"), [(-2.0, 0.12), (0.0, 0.5)])
def test_an_untrained_head_begins_where_its_bias_says(logit, output):
    torch.manual_seed(0)
    progress = ScalarHead(HeadConfig(initial_logit=logit), 5).progress(torch.randn(10, 5))
    assert progress.mean().item() == pytest.approx(output, abs=0.06)


@pytest.mark.parametrize("position", [False, True])
def test_frames_left_are_a_second_output_that_is_causal_and_leaves_the_progress_alone(position):
    head, segments = make_head(HeadConfig(position=position, frames_left=True)), torch.randn(2, 9, 5)
    left, progress = head.frames_left(segments), head(segments)
    assert (left > 0).all()
    torch.testing.assert_close(head.frames_left(segments[:, :4]), left[:, :4], rtol=0, atol=1e-5)
    lengths = torch.tensor([9, 3])
    torch.testing.assert_close(head.frames_left(segments, lengths)[1, :3], left[1, :3], rtol=0, atol=1e-6)
    assert not head.frames_left(segments, lengths)[1, 3:].any()
    with torch.no_grad():
        head.get_parameter("readout.2.bias")[1] += 3
    assert (head.frames_left(segments) > left).all()
    torch.testing.assert_close(head(segments), progress, rtol=0, atol=0)
    with pytest.raises(InputError, match="does not give the frames left; train it with --frames-left"):
        make_head(HeadConfig()).frames_left(segments)


def test_position_and_the_learnt_start_can_each_be_had_without_the_other():
    assert make_head(HeadConfig(position=True)).body.start is None
    started = make_head(HeadConfig(learnt_start=True))
    start = started.get_parameter("body.start")
    assert start.shape == (8,)
    segment = torch.randn(4, 5)
    before = started.progress(segment)
    with torch.no_grad():
        start.add_(1)
    assert (started.progress(segment) - before).abs().max() > 1e-3


def test_attention_loses_weight_with_time_and_sees_no_future():
    bias = alibi(3, 2)
    expected = [[0, -np.inf, -np.inf], [-1, 0, -np.inf], [-2, -1, 0]]
    torch.testing.assert_close(bias[0], torch.tensor(expected) * 2**-4, rtol=0, atol=0)
    torch.testing.assert_close(bias[1], torch.tensor(expected) * 2**-8, rtol=0, atol=0)


def test_an_impossible_head_is_refused():
    for part in ("position", "learnt_start", "frames_of_prefix"):
        with pytest.raises(InputError, match=f"a conv head has no {part}; use a gru"):
            HeadConfig("conv", **{part: True})
    with pytest.raises(InputError, match="cannot be divided among 4 attention heads"):
        HeadConfig("transformer", hidden=6)
    with pytest.raises(InputError, match="embeddings are 4 wide; the head was made for 5"):
        make_head(HEADS["gru"]).progress(torch.randn(3, 4))


def test_cumulative_distance_by_hand():
    square = np.array([[0, 0], [3, 4], [3, 4], [3, 0]], dtype=np.float32)
    assert cumulative_distance(square).tolist() == [0, 5, 5, 9]
    assert cumulative_distance(square[:1]).tolist() == [0]
    longer = np.array([[0.0], [11.0]])
    fitted = fit_cumulative_distance([(square, 1), (longer, 1), (np.array([[0.0], [2.0]]), 2), (square[:1], 2)])
    assert fitted.mean_distance == {1: 10, 2: 2}, "one frame is no path, and does not pull the mean down"
    assert fitted.report(square, 1).tolist() == [0, 0.5, 0.5, 0.9]
    assert fitted.report(square, 2).tolist() == [0, 1, 1, 1], "at most 1"
    assert fitted.report(longer, 3)[1] == 1.0, "a class without training segments has the mean of all"
    assert fitted.mean_of_all == pytest.approx((9 + 11 + 2) / 3)


def test_cumulative_distance_of_embeddings_that_never_move_is_refused():
    with pytest.raises(InputError, match="no training segment has embeddings that move"):
        fit_cumulative_distance([(np.ones((4, 2)), 0), (np.ones((1, 2)), 1)])
