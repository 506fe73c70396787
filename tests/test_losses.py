"""Each loss term equals its slow twin, has a gradient, and does not see padding or the rest of the batch."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from protas_gtcc.config import LossConfig, ModelConfig
from protas_gtcc.network.losses import IGNORED_LABEL, cross_entropy, loss_terms, smoothing
from protas_gtcc.network.losses import progress_over_active as over_active
from protas_gtcc.network.losses import progress_over_all as over_all
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.network.terms import total_loss, weigh

IS_ACTION = torch.tensor([False, True, True])
STAGES, CLASSES, FRAMES = 2, 3, 9


@pytest.fixture
def video():
    torch.manual_seed(3)
    labels = torch.tensor([[0, 0, 1, 1, 1, 2, 2, 0, 1]])
    target = torch.tensor([[0, 0, 1 / 3, 2 / 3, 1, 0.5, 1, 0, 1]])
    logits = torch.randn(STAGES, 1, CLASSES, FRAMES) * 3
    progress = torch.randn(STAGES, 1, CLASSES, FRAMES)
    return logits, progress, labels, target


def log_probs(logits):
    return torch.log_softmax(logits, dim=2)[:, 0].numpy()


def test_cross_entropy_is_the_mean_over_frames_summed_over_stages(video):
    logits, _, labels, _ = video
    logp = log_probs(logits)
    expected = sum(-np.mean([logp[s, labels[0, t], t] for t in range(FRAMES)]) for s in range(STAGES))
    assert cross_entropy(logits, labels).item() == pytest.approx(expected, abs=1e-5)


def test_class_weights_weigh_frames_and_divide_by_their_sum(video):
    logits, _, labels, _ = video
    weights = torch.tensor([0.5, 1.0, 3.0])
    logp, frame_weights = log_probs(logits), weights[labels[0]].numpy()
    losses = [[-logp[s, labels[0, t], t] * frame_weights[t] for t in range(FRAMES)] for s in range(STAGES)]
    assert cross_entropy(logits, labels, weights).item() == pytest.approx(
        np.sum(losses) / frame_weights.sum(), rel=1e-5
    )


def test_smoothing_is_the_truncated_squared_change(video):
    logits = video[0]
    logp = log_probs(logits * 2)
    changes = np.minimum(np.diff(logp, axis=-1) ** 2, 16)
    assert (changes == 16).any()
    expected = changes.mean(axis=(1, 2)).sum()
    assert smoothing(logits * 2, torch.ones(1, 1, FRAMES)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [True, False])
def test_progress_over_all_has_target_zero_for_inactive_classes(video, squared):
    _, progress, labels, target = video
    total = 0.0
    for s in range(STAGES):
        for c in range(CLASSES):
            for t in range(FRAMES):
                wanted = target[0, t].item() if labels[0, t] == c else 0.0
                error = abs(progress[s, 0, c, t].item() - wanted)
                total += error**2 if squared else error
    expected = total / (CLASSES * FRAMES)
    result = over_all(progress, labels, target, torch.ones(1, 1, FRAMES), squared)
    assert result.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [True, False])
def test_progress_over_active_counts_only_the_true_class_and_only_actions(video, squared):
    _, progress, labels, target = video
    errors = [
        abs(progress[s, 0, labels[0, t], t].item() - target[0, t].item())
        for s in range(STAGES)
        for t in range(FRAMES)
        if labels[0, t] != 0
    ]
    expected = sum(error**2 if squared else error for error in errors) / 6
    result = over_active(progress, labels, target, IS_ACTION, squared)
    assert result.item() == pytest.approx(expected, rel=1e-5)


def test_a_video_of_one_frame_and_one_without_actions_have_finite_losses():
    logits, progress = torch.randn(2, 1, 3, 1), torch.randn(2, 1, 3, 1)
    labels = torch.zeros(1, 1, dtype=torch.long)
    assert smoothing(logits, torch.ones(1, 1, 1)).item() == 0
    assert over_active(progress, labels, torch.zeros(1, 1), IS_ACTION).item() == 0


def batch_terms(network, features, labels, target, mask, config):
    is_action = torch.tensor([False, True, True])
    return loss_terms(network(features, mask), labels, target, mask, config, is_action)


@pytest.mark.parametrize("over", ["all", "active"])
@pytest.mark.parametrize("causal", [True, False])
def test_a_videos_loss_does_not_depend_on_its_batch(over, causal):
    torch.manual_seed(0)
    network = ProgressNetwork(ModelConfig(stages=2, layers=3, maps=8, causal=causal), 4, 3).eval()
    config = LossConfig(progress_over=over)
    features = torch.randn(2, 4, 30)
    labels = torch.randint(0, 3, (2, 30))
    target = torch.rand(2, 30) * (labels > 0)
    mask = torch.ones(2, 1, 30)
    labels[0, 17:], target[0, 17:], mask[0, :, 17:] = IGNORED_LABEL, 0, 0
    together = batch_terms(network, features, labels, target, mask, config)
    alone = batch_terms(network, features[:1, :, :17], labels[:1, :17], target[:1, :17], mask[:1, :, :17], config)
    for name, term in alone.items():
        torch.testing.assert_close(together[name][:1], term, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "smoothing", "progress", "graph"])
def test_every_term_alone_moves_the_weights(name):
    torch.manual_seed(0)
    network = ProgressNetwork(ModelConfig(stages=2, layers=3, maps=8), 4, 3)
    with torch.no_grad():
        network.graph.set_counted(torch.rand(3, 3), torch.rand(3, 3))
    weights: dict[str, Any] = {
        f"{term}_weight": float(term == name) for term in ("cross_entropy", "smoothing", "progress", "graph")
    }
    config = dataclasses.replace(LossConfig(), **weights)
    labels = torch.randint(0, 3, (1, 20))
    terms = batch_terms(network, torch.randn(1, 4, 20), labels, torch.rand(1, 20), torch.ones(1, 1, 20), config)
    total_loss(weigh(terms, config.weights)).sum().backward()
    gradient = sum(p.grad.abs().sum().item() for p in network.parameters() if p.grad is not None)
    assert math.isfinite(gradient)
    assert gradient > 0
