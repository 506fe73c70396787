"""Mixtures of many rows at once are those of expectation maximisation in loops, one row after the other."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from protas_gtcc.alignment.mixtures import MIN_VARIANCE, Mixtures, fit_mixtures


def random_weightings(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).mul(3).softmax(dim=2)


def bump(mean: float, variance: float, num_frames: int) -> np.ndarray:
    return np.array([math.exp(-((j - mean) ** 2) / (2 * variance)) for j in range(num_frames)])


def fitted_by_loops(weighting: np.ndarray, num_components: int, iterations: int) -> tuple[np.ndarray, ...]:
    """Weights, means and variances of a mixture of one row."""
    frames = np.arange(len(weighting))
    centre = sum(weighting * frames)
    variance = max(sum(weighting * (frames - centre) ** 2) / num_components**2, MIN_VARIANCE)
    levels = [(k + 0.5) / num_components for k in range(num_components)]
    means = [next(float(j) for j in frames if sum(weighting[: j + 1]) >= level) for level in levels]
    variances, weights = [variance] * num_components, [1 / num_components] * num_components
    for _ in range(iterations):
        shares = np.zeros((num_components, len(frames)))
        for j in frames:
            parts = [
                w * math.exp(-((j - mean) ** 2) / (2 * var)) / math.sqrt(var)
                for w, mean, var in zip(weights, means, variances, strict=True)
            ]
            shares[:, j] = weighting[j] * np.array(parts) / sum(parts)
        weights = [float(row.sum()) for row in shares]
        means = [float(sum(row * frames) / sum(row)) for row in shares]
        variances = [
            max(sum(row * (frames - mean) ** 2) / sum(row), MIN_VARIANCE)
            for row, mean in zip(shares, means, strict=True)
        ]
    return np.array(weights), np.array(means), np.array(variances)


@pytest.mark.parametrize(("num_components", "iterations"), [(1, 1), (3, 0), (3, 5), (6, 2)])
def test_the_fit_is_that_of_loops(num_components, iterations):
    weightings = random_weightings(2, 3, 20)
    mixtures = fit_mixtures(weightings, num_components, iterations)
    for place in np.ndindex(2, 3):
        expected = fitted_by_loops(weightings[place].numpy(), num_components, iterations)
        for result, wanted in zip(mixtures, expected, strict=True):
            np.testing.assert_allclose(result[place], wanted)


def log_likelihood(mixtures: Mixtures, weightings: Tensor) -> Tensor:
    """Of each row, in the mean over frames as they weigh."""
    weights, means, variances = (x[..., None] for x in mixtures)
    frames = torch.arange(weightings.shape[2], dtype=weightings.dtype)
    densities = weights * (-((frames - means) ** 2) / (2 * variances)).exp() / (2 * math.pi * variances).sqrt()
    return (weightings * densities.sum(dim=2).log()).sum(dim=2)


def test_the_likelihood_never_falls():
    weightings = random_weightings(2, 10, 30)
    steps = torch.stack([log_likelihood(fit_mixtures(weightings, 4, count), weightings) for count in range(12)])
    assert (steps.diff(dim=0) >= -1e-12).all()
    assert (steps[-1] > steps[0]).all()


def test_two_well_separated_bumps_are_found():
    weighting = 0.3 * bump(10, 4, 50) / math.sqrt(4) + 0.7 * bump(33, 9, 50) / math.sqrt(9)
    mixtures = fit_mixtures(torch.tensor(weighting / weighting.sum())[None, None], 2, 30)
    assert mixtures.means.flatten().tolist() == pytest.approx([10, 33], abs=0.01)
    assert mixtures.variances.flatten().tolist() == pytest.approx([4, 9], rel=0.01)
    assert mixtures.weights.flatten().tolist() == pytest.approx([0.3, 0.7], abs=0.001)


def test_frames_after_the_end_change_nothing():
    weightings = random_weightings(1, 3, 15)
    padded = torch.nn.functional.pad(weightings, (0, 6))
    for one, other in zip(fit_mixtures(weightings, 4), fit_mixtures(padded, 4), strict=True):
        torch.testing.assert_close(one, other)
    lengths = torch.tensor([15])
    densities = fit_mixtures(padded, 4).densities(21, lengths)
    torch.testing.assert_close(densities[..., :15], fit_mixtures(weightings, 4).densities(15, lengths))
    assert not densities[..., 15:].any()


def test_densities_are_gaussians_of_sum_one_over_the_frames_there_are():
    mixtures = Mixtures(*(torch.tensor(x, dtype=torch.float64)[None, None] for x in ([0.5, 0.5], [1.5, 9.0], [1.0, 4])))
    densities = mixtures.densities(8, torch.tensor([6]))[0, 0].numpy()
    for density, (mean, variance) in zip(densities, ((1.5, 1.0), (9.0, 4.0)), strict=True):
        expected = bump(mean, variance, 6)
        np.testing.assert_allclose(density[:6], expected / expected.sum())


def test_a_single_frame_is_found_by_every_component():
    mixtures = fit_mixtures(torch.eye(12)[[4]][None], 5)
    assert mixtures.means.flatten().tolist() == pytest.approx([4] * 5)
    assert mixtures.variances.flatten().tolist() == [MIN_VARIANCE] * 5


WEIGHTINGS = {
    "one-hot": torch.eye(12)[[0, 5, 11]],
    "uniform": torch.full((2, 12), 1 / 12),
    "of two frames": torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]),
    "of both ends": torch.nn.functional.one_hot(torch.tensor([[0, 4999]]), 5000).float().mean(dim=1),
    "nearly one-hot": (100 * torch.eye(12)).softmax(dim=1),
}


@pytest.mark.parametrize("num_components", [1, 15])
@pytest.mark.parametrize("weightings", WEIGHTINGS.values(), ids=WEIGHTINGS.keys())
def test_mixtures_are_whole_and_finite_on_weightings(weightings, num_components):
    num_frames = weightings.shape[1]
    mixtures = fit_mixtures(weightings[None], num_components)
    torch.testing.assert_close(mixtures.weights.sum(dim=2), torch.ones(1, len(weightings)))
    assert ((mixtures.means >= 0) & (mixtures.means <= num_frames - 1)).all()
    assert (mixtures.variances >= MIN_VARIANCE).all()
    densities = mixtures.densities(num_frames, torch.tensor([num_frames]))
    torch.testing.assert_close(densities.sum(dim=3), torch.ones_like(mixtures.means))
