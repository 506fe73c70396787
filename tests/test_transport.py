"""Plans have their marginals and minimise their objective; the gradient of VAVA's value is its plan."""

import functools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from protas_gtcc.alignment import vava
from protas_gtcc.alignment.config import AlignmentLossConfig
from protas_gtcc.alignment.lav import contrastive_idm
from protas_gtcc.alignment.pairs import Pairs, squared_distances
from protas_gtcc.alignment.transport import sinkhorn
from protas_gtcc.alignment.vava import vava_terms

SETTINGS = AlignmentLossConfig(moment_weight=0.7, divergence_weight=0.2, virtual_cost=0.4, prior_width=1.0)


@pytest.fixture
def converged(monkeypatch):
    """VAVA whose plans are as exact as float64 gets them."""
    monkeypatch.setattr(vava, "sinkhorn", functools.partial(sinkhorn, iterations=401, tolerance=1e-13))


@pytest.fixture
def videos() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(n, 2, generator=generator, dtype=torch.float64).mul(0.4).cumsum(dim=0) for n in (5, 6))
    return u, v


def random_costs(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def masses(num: int) -> Tensor:
    weights = torch.arange(1, num + 1, dtype=torch.float64)
    return (weights / weights.sum())[None]


def pots_plan(log_kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray, iterations: int = 601) -> np.ndarray:
    """POT's, with the rows scaled first, as ours are: it starts with the columns."""
    oracle = pytest.importorskip("ot")
    options = {"numItermax": iterations, "stopThr": 0, "warn": False}
    return oracle.bregman.sinkhorn_log(columns, rows, -log_kernel.T, 1.0, **options).T


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1.0, 4.0])
@pytest.mark.parametrize("iterations", [1, 21, 101])
def test_plans_are_pots_after_as_many_iterations(spread, iterations):
    log_kernel = -spread * random_costs(1, 8, 6) / 0.1
    plan = sinkhorn(log_kernel, masses(8), masses(6), iterations, tolerance=0.0)
    expected = pots_plan(log_kernel[0].numpy(), masses(8)[0].numpy(), masses(6)[0].numpy(), iterations)
    np.testing.assert_allclose(plan[0], expected, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [10.0, 30.0, 100.0])
def test_a_wide_range_of_costs_is_solved_in_steps_that_are_few_beside_pots(spread):
    log_kernel = -spread * random_costs(1, 8, 6) / 0.1
    plan = sinkhorn(log_kernel, masses(8), masses(6), 101, tolerance=1e-9)
    expected = pots_plan(log_kernel[0].numpy(), masses(8)[0].numpy(), masses(6)[0].numpy(), 20_001)
    np.testing.assert_allclose(plan[0], expected, atol=5e-3)
    assert (plan[0] * log_kernel[0]).sum().item() == pytest.approx((expected * log_kernel[0].numpy()).sum(), rel=0.01)


@pytest.mark.parametrize("spread", [1.0, 1e4, 1e7])
def test_in_float32_columns_get_their_masses_whatever_the_range_of_costs(spread):
    plan = sinkhorn(-spread * random_costs(1, 30, 20).float(), masses(30).float(), masses(20).float())
    assert plan.isfinite().all()
    torch.testing.assert_close(plan.sum(dim=1), masses(20).float(), rtol=1e-6 * spread + 1e-4, atol=1e-6)


def test_a_converged_plan_has_its_marginals():
    plan = sinkhorn(-random_costs(1, 8, 6) / 0.3, masses(8), masses(6), 201, tolerance=1e-9)
    torch.testing.assert_close(plan.sum(dim=2), masses(8))
    torch.testing.assert_close(plan.sum(dim=1), masses(6))
    assert (plan > 0).all()


def test_no_cost_spreads_masses_independently():
    plan = sinkhorn(torch.zeros(1, 4, 3, dtype=torch.float64), masses(4), masses(3))
    torch.testing.assert_close(plan[0], masses(4).T * masses(3))


def test_padding_gets_nothing_and_a_plan_does_not_depend_on_its_batch():
    costs = torch.stack([random_costs(8, 6), 1e4 * random_costs(8, 6)])
    rows, columns = masses(8).repeat(2, 1), masses(6).repeat(2, 1)
    rows[0, 5:] = columns[0, 4:] = 0
    rows, columns = rows / rows.sum(dim=1, keepdim=True), columns / columns.sum(dim=1, keepdim=True)
    together = sinkhorn(-costs / 0.1, rows, columns)
    alone = sinkhorn(-costs[:1, :5, :4] / 0.1, rows[:1, :5], columns[:1, :4])
    torch.testing.assert_close(together[:1, :5, :4], alone)
    torch.testing.assert_close(together[1:], sinkhorn(-costs[1:] / 0.1, rows[1:], columns[1:]))
    assert not together[0, 5:].any()
    assert not together[0, :, 4:].any()


def prior_and_closeness(
    n: int, m: int, phi: float, best_rows: list[int], best_columns: list[int]
) -> tuple[np.ndarray, ...]:
    """P and the closeness that the moment sums, of `[N + 1, M + 1]` cells, by loops over equations 4 to 9."""
    n, m = n + 1, m + 1
    prior, closeness = np.zeros((n, m)), np.zeros((n, m))
    frame = math.sqrt(1 / n**2 + 1 / m**2)
    for i, j in np.ndindex(n, m):
        off = abs(i / n - j / m) / frame
        across, along = abs(i - best_rows[j]) / n, abs(j - best_columns[i]) / m
        off_best = (across + along) / (2 * frame)
        gauss = [math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in (off, off_best)]
        near = [1 / ((i / n - j / m) ** 2 + 1), 1 / ((across**2 + along**2) / 2 + 1)]
        prior[i, j] = phi * gauss[0] + (1 - phi) * gauss[1]
        closeness[i, j] = phi * near[0] + (1 - phi) * near[1]
    return prior, closeness


def costs_of(u: Tensor, v: Tensor) -> np.ndarray:
    costs = np.full((len(u) + 1, len(v) + 1), SETTINGS.virtual_cost)
    costs[1:, 1:] = squared_distances(u[None], v[None])[0].detach()
    return costs


def best_plan(costs: np.ndarray, prior: np.ndarray, closeness: np.ndarray) -> np.ndarray:
    n, m = costs.shape
    log_kernel = np.log(prior) + (SETTINGS.moment_weight * closeness - costs) / SETTINGS.divergence_weight
    return pots_plan(log_kernel, np.full(n, 1 / n), np.full(m, 1 / m))


def objective(plan: np.ndarray, costs: np.ndarray, prior: np.ndarray, closeness: np.ndarray) -> float:
    divergence = (plan * np.log(plan / prior)).sum()
    return (plan * (costs - SETTINGS.moment_weight * closeness)).sum() + SETTINGS.divergence_weight * divergence


def plan_of(u: Tensor, v: Tensor, settings: AlignmentLossConfig, phi: float = 1.0) -> Tensor:
    pairs = Pairs.of(u, v)
    return vava.transport(pairs, squared_distances(pairs.u, pairs.v), settings, phi)[0][0]


@pytest.mark.parametrize("phi", [1.0, 0.6, 0.0])
def test_plan_and_value_are_those_of_the_documented_objective(videos: tuple[Tensor, Tensor], converged, phi):
    costs = costs_of(*videos)
    first = best_plan(costs, *prior_and_closeness(5, 6, 1.0, [0] * 7, [0] * 6))
    parts = prior_and_closeness(5, 6, phi, first.argmax(axis=0), first.argmax(axis=1))
    expected = best_plan(costs, *parts)
    np.testing.assert_allclose(plan_of(*videos, SETTINGS, phi), expected, atol=1e-9)
    value = vava_terms(*videos, settings=SETTINGS, phi=phi)["transport"].item()
    assert value == pytest.approx(objective(expected, costs, *parts))


def test_no_other_plan_of_the_same_marginals_is_better(videos: tuple[Tensor, Tensor], converged):
    costs, parts = costs_of(*videos), prior_and_closeness(5, 6, 1.0, [0] * 7, [0] * 6)
    plan = plan_of(*videos, SETTINGS).numpy()
    best = objective(plan, costs, *parts)
    random = np.random.default_rng(0)
    for _ in range(300):
        direction = random.normal(size=plan.shape)
        direction -= direction.mean(axis=0)
        direction -= direction.mean(axis=1, keepdims=True)
        step = random.uniform(0.01, 0.9) / np.max(np.abs(direction) / plan)
        assert objective(plan + step * direction, costs, *parts) > best


@pytest.mark.slow
def test_the_values_gradient_is_that_of_finite_differences(videos: tuple[Tensor, Tensor], converged):
    u, v = (x.requires_grad_() for x in videos)
    assert gradcheck(lambda u, v: vava_terms(u, v, settings=SETTINGS, phi=1.0)["transport"], [u, v], atol=1e-6)


def test_the_values_gradient_holds_for_found_partners_that_stay(videos: tuple[Tensor, Tensor], converged, monkeypatch):
    u, v = (x[:4].requires_grad_() for x in videos)
    found = vava._off_partners(Pairs.of(u.detach(), v.detach()), plan_of(u.detach(), v.detach(), SETTINGS, 0.5)[None])
    monkeypatch.setattr(vava, "_off_partners", lambda *_: found)
    assert gradcheck(lambda u, v: vava_terms(u, v, settings=SETTINGS, phi=0.5)["transport"], [u, v], atol=1e-6)


def test_a_frame_that_matches_nothing_goes_to_the_virtual_one(converged):
    v = torch.linspace(0, 3, 7)[:, None] * torch.tensor([1.0, 0.0])
    u = torch.cat([v[:3], torch.tensor([[1.0, 3.0]]), v[3:]])
    settings = AlignmentLossConfig(prior_width=1.0)
    for plan in (plan_of(u, v, settings, 0.9), plan_of(v, u, settings, 0.9).T):
        shares = plan[1:, 0] * 9
        assert shares[3] > 0.9
        assert shares.argmax() == 3
        assert (shares[[0, 1, 2, 4, 5, 6, 7]] < 0.3).all()


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0, 1.6])
def test_at_its_defaults_the_plan_has_its_marginals_for_near_and_far_embeddings(scale):
    torch.manual_seed(0)
    u, v = (scale * (torch.randn(n, 16).cumsum(dim=0) / n**0.5 + 0.3 * torch.randn(n, 16)) for n in (200, 180))
    plan = plan_of(u, v, AlignmentLossConfig(), 0.9)
    assert (plan.sum(dim=1) - 1 / 201).abs().sum() < 0.05
    assert (plan.sum(dim=0) - 1 / 181).abs().sum() < 1e-4


def test_virtual_frames_take_the_mass_of_as_many_frames_as_set(converged):
    torch.manual_seed(0)
    shared, odd = torch.linspace(0, 3, 10)[:, None] * torch.tensor([1.0, 0, 0]), 5 * torch.eye(3)[[1, 2] * 5]
    dropped = []
    for virtual_frames in (1.0, 10.0):
        settings = AlignmentLossConfig(prior_width=5.0, virtual_frames=virtual_frames)
        shares = plan_of(torch.cat([shared, odd]), shared, settings, 0.9)[1:, 0] * (20 + virtual_frames)
        dropped.append(shares[10:].mean().item())
        assert shares[:10].mean() < 0.1
    assert dropped[0] < 0.2, "one frame is all that uniform masses can drop"
    assert dropped[1] > 0.6


def test_the_contrast_between_videos_pulls_partners_together_and_pushes_the_least_partner_away(
    videos: tuple[Tensor, Tensor],
):
    u, v = videos
    distances, plan = squared_distances(u[None], v[None])[0], plan_of(u, v, SETTINGS)[1:, 1:].numpy()
    expected = []
    for costs, shares in ((distances, plan), (distances.T, plan.T)):
        near = [costs[i, row.argmax()].item() for i, row in enumerate(shares)]
        away = [max(0.0, 2 - costs[i, row.argmin()].item()) for i, row in enumerate(shares)]
        expected.append(np.mean(near) + np.mean(away))
    for first, second in ((u, v), (v, u)):
        result = vava_terms(first, second, settings=SETTINGS, phi=1.0)["inter_contrast"].item()
        assert result == pytest.approx(np.mean(expected))


def test_the_contrast_within_videos_is_that_of_lav(videos: tuple[Tensor, Tensor]):
    terms = vava_terms(*videos, settings=AlignmentLossConfig(margin=0.9, near_share=0.4))
    intra = sum(contrastive_idm(x[None], torch.tensor([len(x)]), 0.9, 0.4)[0] for x in videos)
    torch.testing.assert_close(terms["intra_contrast"], intra)


@pytest.mark.parametrize("name", ["transport", "intra_contrast", "inter_contrast"])
def test_every_term_of_vava_moves_both_videos(videos: tuple[Tensor, Tensor], name):
    u, v = (x.requires_grad_() for x in videos)
    vava_terms(u, v)[name].backward()
    assert u.grad.abs().sum() > 1e-6
    assert v.grad.abs().sum() > 1e-6
