"""TCC and GTCC equal their loops, have the gradients of finite differences, and know their limits."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from protas_gtcc.alignment import gtcc
from protas_gtcc.alignment.gtcc import gtcc_loss, keep_weights, sample_anchors
from protas_gtcc.alignment.mixtures import Mixtures, fit_mixtures
from protas_gtcc.alignment.tcc import MIN_VARIANCE, tcc_classification_loss, tcc_loss

SHARP = 100 * torch.eye(9, dtype=torch.float64)
"""Frames so far apart that each is found exactly."""
SAME = torch.ones(9, 3, dtype=torch.float64)
ORDER = torch.tensor([4, 0, 8, 1, 7, 3, 2, 6, 5])


@pytest.fixture
def videos() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(n, 3, generator=generator, dtype=torch.float64).mul(0.3).cumsum(dim=0) for n in (7, 9))
    return u, v


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def neighbours(frame: np.ndarray, video: np.ndarray, temperature: float) -> np.ndarray:
    return softmax(np.array([-sum((frame - other) ** 2) / temperature for other in video]))


def mean_and_variance(weights: np.ndarray, positions: np.ndarray) -> tuple[float, float]:
    mean = sum(w * x for w, x in zip(weights, positions, strict=True))
    return mean, sum(w * (x - mean) ** 2 for w, x in zip(weights, positions, strict=True))


def ways_back(u: Tensor, v: Tensor, temperature: float) -> list[np.ndarray]:
    """beta of each frame of u, by loops."""
    first, second = u.detach().numpy(), v.detach().numpy()
    return [neighbours(neighbours(frame, second, temperature) @ second, first, temperature) for frame in first]


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_tcc_is_its_loop_over_frames(videos: tuple[Tensor, Tensor], temperature):
    losses = []
    for i, beta in enumerate(ways_back(*videos, temperature)):
        mean, variance = mean_and_variance(beta, np.arange(len(beta)))
        variance = max(variance, MIN_VARIANCE)
        losses.append((i - mean) ** 2 / variance + 0.01 * math.log(math.sqrt(variance)))
    result = tcc_loss(*videos, temperature=temperature, variance_weight=0.01)
    assert result.item() == pytest.approx(np.mean(losses))


def test_tcc_classification_is_its_loop_over_frames(videos: tuple[Tensor, Tensor]):
    expected = np.mean([-math.log(beta[i]) for i, beta in enumerate(ways_back(*videos, 0.5))])
    assert tcc_classification_loss(*videos, temperature=0.5).item() == pytest.approx(expected)


def test_frames_far_apart_come_back_to_themselves_in_any_order():
    assert tcc_loss(SHARP, SHARP[ORDER], variance_weight=0.0).item() == 0
    assert tcc_loss(SHARP, SHARP[ORDER]).item() == pytest.approx(0.001 * math.log(math.sqrt(MIN_VARIANCE)))
    assert tcc_classification_loss(SHARP, SHARP[ORDER]).item() == 0


def test_frames_all_alike_come_back_to_the_middle():
    n = len(SAME)
    variance = (n**2 - 1) / 12
    expected = 1 + 0.001 * math.log(math.sqrt(variance))
    assert tcc_loss(SAME, SAME[:4]).item() == pytest.approx(expected)
    assert tcc_classification_loss(SAME, SAME[:4]).item() == pytest.approx(math.log(n))


@pytest.mark.parametrize("loss", [tcc_loss, tcc_classification_loss])
def test_tcc_has_the_gradient_of_finite_differences(videos: tuple[Tensor, Tensor], loss):
    assert gradcheck(lambda u, v: loss(u, v, temperature=0.5), [x.requires_grad_() for x in videos])


def gtcc_of_loops(u: Tensor, v: Tensor, anchors: list[int], keep: Tensor, reach: int) -> float:
    """GTCC of temperature 0.5 and 3 components, of mixtures fitted to weights that loops found."""
    first, second = u.detach().numpy(), v.detach().numpy()
    total = 0.0
    for i in anchors:
        alpha = neighbours(first[i], second, 0.5)
        shares, means, variances = (x[0, 0].numpy() for x in fit_mixtures(torch.tensor(alpha)[None, None], 3, 5))
        window = [k for k in range(len(first)) if abs(k - i) <= reach]
        heights = [
            shares * np.exp(-((j - means) ** 2) / (2 * variances)) / np.sqrt(variances) for j in range(len(second))
        ]
        parts = sum(weight_of_j * height / height.sum() for weight_of_j, height in zip(alpha, heights, strict=True))
        loss = 0.0
        for share, mean, variance in zip(parts, means, variances, strict=True):
            density = softmax(np.array([-((j - mean) ** 2) / (2 * variance) for j in range(len(second))]))
            beta = neighbours(density @ second, first[window], 0.5)
            loss += share * (i - mean_and_variance(beta, np.array(window))[0]) ** 2
        kept = keep[i].item()
        total += kept * loss + (1 - kept) / (1 + loss)
    return total / len(anchors)


@pytest.mark.parametrize(("share", "reach", "anchors"), [(1.0, 7, None), (0.4, 3, [0, 3, 6]), (0.1, 1, [5])])
def test_gtcc_is_its_loop_over_anchors_and_components(videos: tuple[Tensor, Tensor], share, reach, anchors):
    keep = torch.linspace(0.1, 1, 7, dtype=torch.float64)
    given = None if anchors is None else torch.tensor(anchors)
    result = gtcc_loss(*videos, anchors=given, keep=keep, temperature=0.5, num_components=3, window_share=share)
    expected = gtcc_of_loops(*videos, list(range(7)) if anchors is None else anchors, keep, reach)
    assert result.item() == pytest.approx(expected)


def test_a_dropped_frame_that_cycles_to_itself_costs_one_and_no_more():
    u = SHARP.clone().requires_grad_()
    # Narrow components still mix neighbouring frames, and the nearest of the mixed ones is the right one.
    kept = gtcc_loss(u, SHARP)
    dropped = gtcc_loss(u, SHARP, keep=torch.zeros(9, dtype=torch.float64))
    assert kept.item() == pytest.approx(0, abs=1e-6)
    assert dropped.item() == pytest.approx(1)
    dropped.backward()
    assert u.grad.isfinite().all()


def test_the_loss_of_some_anchors_is_the_mean_of_theirs_and_minus_one_is_none(videos: tuple[Tensor, Tensor]):
    u, v = (x.expand(2, -1, -1) for x in videos)
    together = gtcc_loss(u, v, anchors=torch.tensor([[1, 5, 6], [4, -1, -1]]))
    alone = [gtcc_loss(*videos, anchors=torch.tensor([i])).item() for i in (1, 5, 6, 4)]
    assert together.tolist() == pytest.approx([np.mean(alone[:3]), alone[3]])


@pytest.mark.parametrize(("anchors", "message"), [([-1, -1], "no anchor"), ([2, 7], "beyond the end of its video")])
def test_a_pair_without_an_anchor_and_an_anchor_without_a_frame_raise(videos: tuple[Tensor, Tensor], anchors, message):
    with pytest.raises(ValueError, match=message):
        gtcc_loss(*videos, anchors=torch.tensor(anchors))


def test_gtcc_has_the_gradient_of_finite_differences_when_the_mixtures_stay(videos: tuple[Tensor, Tensor], monkeypatch):
    generator = torch.Generator().manual_seed(1)
    weights, means, variances = torch.rand(3, 1, 4, 2, generator=generator, dtype=torch.float64)
    fixed = Mixtures(weights / weights.sum(dim=2, keepdim=True), 3 * means, 0.5 + variances)
    monkeypatch.setattr(gtcc, "fit_mixtures", lambda *_: fixed)
    u, v, keep = videos[0][:4], videos[1][:3], torch.rand(4, generator=generator, dtype=torch.float64)
    assert gradcheck(
        lambda u, v, keep: gtcc_loss(u, v, keep=keep, temperature=0.5, window_share=0.5),
        [x.requires_grad_() for x in (u, v, keep)],
    )


def test_sampled_anchors_are_sorted_distinct_seeded_frames_of_each_video():
    lengths = torch.tensor([50, 20, 7, 2])
    drawn = sample_anchors(lengths, 20, torch.Generator().manual_seed(3))
    again = sample_anchors(lengths, 20, torch.Generator().manual_seed(3))
    other = sample_anchors(lengths, 20, torch.Generator().manual_seed(4))
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)
    for row, length in zip(drawn.tolist(), lengths.tolist(), strict=True):
        frames = row[: min(20, length)]
        assert frames == sorted(set(frames))
        assert set(frames) <= set(range(length))
        assert row[length:] == [-1] * (20 - length)
    assert sample_anchors(torch.tensor([3]), 20).tolist() == [[0, 1, 2]], "no more anchors than frames"


def test_every_frame_is_drawn_as_often():
    generator = torch.Generator().manual_seed(0)
    drawn = sample_anchors(torch.full((3000,), 10), 3, generator)
    counts = torch.bincount(drawn.flatten(), minlength=10)
    assert counts.tolist() == pytest.approx([900] * 10, rel=0.15)


def test_keep_weights_are_standardised_scores_between_a_falling_floor_and_one(videos: tuple[Tensor, Tensor]):
    u, context = videos[0], torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    scores = [sum(frame * context.numpy()) for frame in u.numpy()]
    standard = (scores - np.mean(scores)) / np.std(scores)
    for epoch, lowest in ((0, 0.9), (2, 0.729)):
        expected = [lowest + (1 - lowest) / (1 + math.exp(-score)) for score in standard]
        assert keep_weights(u, context, 0.9, epoch).tolist() == pytest.approx(expected)


def test_keep_weights_do_not_see_padding(videos: tuple[Tensor, Tensor]):
    context = torch.randn(1, 3, dtype=torch.float64)
    padded = keep_weights(videos[0][None], context, 0.9, 3, torch.tensor([5]))
    torch.testing.assert_close(padded[0, :5], keep_weights(videos[0][:5], context[0], 0.9, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_frames_of_equal_score_are_kept_alike_with_a_finite_gradient(dtype):
    u, context = torch.ones(6, 3, dtype=dtype), torch.ones(3, dtype=dtype, requires_grad=True)
    weights = keep_weights(u, context, 0.9, 9)
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx([(1 + 0.9**10) / 2] * 6)
    (weights * torch.arange(6)).sum().backward()
    assert context.grad.isfinite().all()


def test_the_context_has_a_gradient_through_the_frames_it_keeps(videos: tuple[Tensor, Tensor]):
    context = torch.randn(3, dtype=torch.float64, requires_grad=True)
    gtcc_loss(*videos, keep=keep_weights(videos[0], context, 0.9, 9)).backward()
    assert (context.grad.abs() > 0).all()


@pytest.mark.slow
def test_the_weights_of_the_components_train_alpha_to_be_in_one_place():
    # From a cloud, v becomes a video like u: the loss falls from 3.4 to 0.7. With weights that are constants, as in the
    # authors' code, it falls only to 2.6.
    torch.manual_seed(0)
    line = torch.linspace(0, 2, 12)[:, None] * torch.ones(1, 2) + 0.05 * torch.randn(12, 2)
    cloud = (torch.randn(12, 2) * 0.5 + 1).requires_grad_()
    optimizer, losses = torch.optim.Adam([cloud], lr=0.03), []
    for _ in range(150):
        loss = gtcc_loss(line, cloud, num_components=4)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.4 * losses[0]
