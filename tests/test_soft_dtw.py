"""Soft-DTW is the soft minimum over all monotone alignments, in both of its forms; LAV adds a contrast."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from protas_gtcc.alignment.anti_diagonals import expected_alignment, soft_minimum
from protas_gtcc.alignment.lav import contrastive_idm, lav_terms
from protas_gtcc.alignment.pairs import squared_distances
from protas_gtcc.alignment.soft_dtw import soft_dtw


def random_costs(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def alignments(n: int, m: int) -> Iterator[list[tuple[int, int]]]:
    """Every path from (0, 0) to (n - 1, m - 1) by steps right, down and across."""
    if n < 1 or m < 1:
        return
    if n == m == 1:
        yield [(0, 0)]
    for before in ((n - 1, m - 1), (n - 1, m), (n, m - 1)):
        for path in alignments(*before):
            yield [*path, (n - 1, m - 1)]


def hard_dtw(costs: np.ndarray) -> float:
    n, m = costs.shape
    sums = np.full((n + 1, m + 1), np.inf)
    sums[0, 0] = 0
    for i in range(n):
        for j in range(m):
            sums[i + 1, j + 1] = costs[i, j] + min(sums[i, j], sums[i, j + 1], sums[i + 1, j])
    return float(sums[n, m])


def value_and_gradient(costs: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    costs = costs.clone().requires_grad_()
    values = soft_dtw(costs, *arguments)
    values.sum().backward()
    return values.detach(), costs.grad


@pytest.mark.parametrize("gamma", [0.05, 1.0, 10.0])
def test_value_and_gradient_are_those_of_every_alignment_enumerated(gamma):
    costs = random_costs(3, 4)
    paths = list(alignments(3, 4))
    assert len(paths) == 25
    scores = np.array([-sum(costs[cell].item() for cell in path) / gamma for path in paths])
    probs = np.exp(scores) / np.exp(scores).sum()
    expected = np.zeros((3, 4))
    for path, prob in zip(paths, probs, strict=True):
        for cell in path:
            expected[cell] += prob
    value, gradient = value_and_gradient(costs[None], gamma)
    assert value.item() == pytest.approx(-gamma * math.log(np.exp(scores).sum()))
    np.testing.assert_allclose(gradient[0], expected)


@pytest.mark.parametrize("gamma", [0.01, 0.1, 1.0])
def test_value_and_gradient_equal_those_of_tslearn(gamma):
    from tslearn.metrics import SoftDTW

    costs = random_costs(14, 11)
    # With torch as its backend nothing has to be compiled.
    theirs = SoftDTW(costs, gamma, be="pytorch", compute_with_backend=True)
    value, gradient = value_and_gradient(costs[None], gamma)
    assert value.item() == pytest.approx(theirs.compute().item())
    np.testing.assert_allclose(gradient[0], theirs.grad(), atol=1e-12)


def test_a_small_gamma_leaves_the_best_alignment_alone():
    costs = random_costs(10, 12)
    best = hard_dtw(costs.numpy())
    assert soft_dtw(costs[None], 1e-5).item() == pytest.approx(best, abs=1e-6)
    values = [soft_dtw(costs[None], gamma).item() for gamma in (1e-5, 0.01, 0.1, 1.0)]
    assert values == sorted(values, reverse=True)
    gradient = value_and_gradient(costs[None], 1e-5)[1]
    torch.testing.assert_close(gradient, gradient.round())


def test_costs_of_nothing_count_the_alignments():
    assert soft_dtw(torch.zeros(1, 3, 4), 0.5).item() == pytest.approx(-0.5 * math.log(25))


def test_a_video_of_one_frame_is_aligned_with_every_frame():
    value, gradient = value_and_gradient(random_costs(1, 1, 9))
    assert value.item() == pytest.approx(random_costs(1, 1, 9).sum().item())
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


LENGTHS = (torch.tensor([6, 3, 1]), torch.tensor([4, 5, 2]))


def test_the_gradient_is_that_of_finite_differences():
    costs = random_costs(3, 6, 5).requires_grad_()
    assert gradcheck(lambda costs: soft_dtw(costs, 0.3, LENGTHS), [costs])


def test_a_second_derivative_is_refused():
    costs = random_costs(1, 3, 4).requires_grad_()
    gradient = torch.autograd.grad((soft_dtw(costs) ** 2).sum(), costs, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("gamma", [0.01, 1.0])
def test_anti_diagonals_equal_the_compiled_loop_for_all_lengths(gamma, dtype):
    rows, columns = lengths = tuple(torch.cartesian_prod(torch.arange(1, 10), torch.arange(1, 8)).T)
    costs = 5 * random_costs(len(rows), 9, 7).to(dtype)
    value, gradient = value_and_gradient(costs, gamma, lengths)
    sums = soft_minimum(costs, gamma, *lengths)
    torch.testing.assert_close(sums[torch.arange(len(costs)), rows, columns].to(dtype), value)
    torch.testing.assert_close(expected_alignment(costs, sums, gamma, *lengths).to(dtype), gradient)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single_and_the_gradient_comes_back_in_half(dtype):
    costs = random_costs(2, 6, 5).to(dtype)
    value, gradient = value_and_gradient(costs, 0.5)
    wide_value, wide_gradient = value_and_gradient(costs.float(), 0.5)
    assert gradient.dtype == dtype
    torch.testing.assert_close(value, wide_value)
    torch.testing.assert_close(gradient, wide_gradient.to(dtype))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (([4], [40]), r"lengths \[40\] are not those of 1 videos of 1 to 5 frames"),
        (([0], [5]), r"lengths \[0\] are not"),
    ],
)
def test_lengths_that_do_not_fit_the_costs_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        soft_dtw(random_costs(1, 4, 5), 0.1, (torch.tensor(lengths[0]), torch.tensor(lengths[1])))


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan])
def test_a_gamma_that_is_not_above_zero_raises(gamma):
    with pytest.raises(ValueError, match="must be above 0"):
        soft_dtw(random_costs(1, 3, 3), gamma)


def test_costs_of_any_size_give_a_whole_alignment():
    for scale in (1e-6, 1.0, 1e6):
        value, gradient = value_and_gradient((scale * random_costs(1, 40, 30)).float(), 0.1)
        assert value.isfinite()
        assert ((gradient >= 0) & (gradient <= 1 + 1e-5)).all()
        assert [gradient[0, 0, 0].item(), gradient[0, -1, -1].item()] == pytest.approx([1, 1], abs=1e-5)
        assert 40 - 1e-3 <= gradient.sum().item() <= 69


def test_the_contrast_is_its_loop_over_pairs_of_frames():
    x = random_costs(2, 7, 3)
    expected = []
    for video, length, reach in zip(x.numpy(), (7, 4), (2, 1), strict=True):
        total = of_weights = 0.0
        for i in range(length):
            for j in range(length):
                distance, is_near = sum((video[i] - video[j]) ** 2), abs(i - j) <= reach
                weight = 1 if is_near else (i - j) ** 2 + 1
                total += weight * (distance if is_near else max(0, 0.4 - distance))
                of_weights += weight
        expected.append(total / of_weights)
    assert contrastive_idm(x, torch.tensor([7, 4]), 0.4, near_share=0.3).tolist() == pytest.approx(expected)


def test_the_contrast_of_frames_all_near_or_all_far_is_a_mean():
    x, length = random_costs(1, 6, 3), torch.tensor([6])
    distances = squared_distances(x, x)
    assert contrastive_idm(x, length, 0.4, near_share=1.0).item() == pytest.approx(distances.mean().item())
    same = torch.ones(1, 6, 3, dtype=torch.float64)
    of_diagonal = 6 / sum((i - j) ** 2 + 1 for i in range(6) for j in range(6))
    assert contrastive_idm(same, length, 0.4, near_share=0.0).item() == pytest.approx(0.4 * (1 - of_diagonal))


def test_the_contrast_has_the_gradient_of_finite_differences():
    x = random_costs(1, 6, 2).requires_grad_()
    assert gradcheck(lambda x: contrastive_idm(x, torch.tensor([5]), 0.5, 0.2), [x])


def test_the_terms_of_lav_are_soft_dtw_of_a_frame_of_the_longer_video_and_the_contrast_of_both_videos():
    u, v = random_costs(2, 7, 3), random_costs(2, 9, 3, seed=1)
    lengths = torch.tensor([7, 5]), torch.tensor([4, 9])
    terms = lav_terms(u, v, *lengths, gamma=0.3, margin=0.5, near_share=0.3)
    contrast = contrastive_idm(u, lengths[0], 0.5, 0.3) + contrastive_idm(v, lengths[1], 0.5, 0.3)
    torch.testing.assert_close(terms["contrast"], contrast)
    summed = soft_dtw(squared_distances(u, v), 0.3, lengths)
    torch.testing.assert_close(terms["soft_dtw"], summed / torch.tensor([7, 9]))


@pytest.mark.parametrize("name", ["soft_dtw", "contrast"])
def test_every_term_of_lav_moves_both_videos(name):
    u, v = random_costs(20, 3).requires_grad_(), random_costs(18, 3, seed=1).requires_grad_()
    lav_terms(u, v)[name].backward()
    assert (u.grad.abs().sum(dim=1) > 0).all()
    assert (v.grad.abs().sum(dim=1) > 0).all()
