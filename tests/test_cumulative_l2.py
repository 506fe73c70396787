"""The loss on the cumulative distance equals its slow twin, has gradients, and trains an encoder."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory, EncoderConfig
from protas_gtcc.alignment.embedder import Embedder
from protas_gtcc.alignment.joint import TrueSegments, cumulative_terms
from protas_gtcc.alignment.pairing import PairBatch
from protas_gtcc.alignment.training import align
from protas_gtcc.config import TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.cumulative import cumulative_l2
from protas_gtcc.metrics.cumulative_distance import cumulative_distance
from tests.conftest import alignment_config


def slow_loss(segment: np.ndarray) -> float:
    """Frame by frame: how far the share of the path that is done is from the share of the frames."""
    path = 0.0
    distances = [path]
    for before, after in pairwise(segment):
        path += float(np.linalg.norm(after.astype(np.float64) - before))
        distances.append(path)
    errors = [abs((one / path if path else 0) - (t + 1) / len(segment)) for t, one in enumerate(distances)]
    return sum(errors) / len(errors)


def padded_segments(lengths: list[int]) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(len(lengths), max(lengths), 5)


def test_the_loss_equals_its_slow_twin_whatever_the_padding():
    lengths = [9, 1, 2, 5]
    segments = padded_segments(lengths)
    segments[3, 2] = segments[3, 1]  # one step that does not move
    losses = cumulative_l2(segments, torch.tensor(lengths))
    expected = [slow_loss(one[:length].numpy()) for one, length in zip(segments, lengths, strict=True)]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_loss_is_that_of_the_cumulative_distance_which_is_scored():
    segment = padded_segments([7])[0]
    distance = cumulative_distance(segment.numpy())
    error = np.abs(distance / distance[-1] - np.arange(1, 8) / 7).mean()
    assert cumulative_l2(segment[None], torch.tensor([7])).item() == pytest.approx(error, abs=1e-6)


def test_steady_movement_has_the_least_loss():
    steady = torch.arange(5.0)[None, :, None].expand(1, 5, 2)
    hasty = steady.clone()
    hasty[0, 2:] = 4.0
    low, high = (cumulative_l2(one, torch.tensor([5])).item() for one in (steady, hasty))
    assert low == pytest.approx(np.mean(np.arange(1, 6) / 5 - np.arange(5) / 4), abs=1e-6)
    assert high > low


def test_its_gradient_is_that_of_finite_differences_and_always_finite():
    segments = padded_segments([6, 3]).double().requires_grad_()
    lengths = torch.tensor([6, 3])
    # The loss itself is in float32.
    cumulative_l2(segments, lengths).sum().backward()
    step, found = 1e-2, segments.grad
    for place in ((0, 2, 1), (0, 5, 0), (1, 1, 3)):
        moved = [segments.detach().clone() for _ in range(2)]
        moved[0][place] -= step
        moved[1][place] += step
        low, high = (cumulative_l2(one, lengths).sum().item() for one in moved)
        assert found[place].item() == pytest.approx((high - low) / (2 * step), abs=2e-3)
    assert not found[1, 3:].any(), "padding has none"
    still = torch.ones(1, 4, 2, requires_grad=True)
    cumulative_l2(still, torch.tensor([4])).sum().backward()
    assert not still.grad.any()


def test_frames_of_a_video_count_alike_and_so_do_videos(kitchen):
    dataset = Dataset(kitchen)
    videos = dataset.part("1", "train")[:3]
    segments = TrueSegments(dataset, videos)
    lengths = torch.tensor([dataset.num_frames[video] for video in videos])
    torch.manual_seed(0)
    embeddings = torch.randn(3, 4, int(lengths.max()))
    batch = PairBatch(videos, embeddings, torch.ones(2), lengths, torch.tensor([[0, 1], [1, 2]]))
    terms = cumulative_terms(embeddings, batch, segments, "here")
    of_videos = []
    for number, video in enumerate(videos):
        cut = [embeddings[number, :, start:end].T.numpy() for _, start, end in segments.places[video]]
        of_videos.append(sum(len(one) * slow_loss(one) for one in cut) / sum(len(one) for one in cut))
    assert terms["cumulative_l2"].tolist() == pytest.approx([np.mean(of_videos)] * 2, abs=1e-6)


def trained(kitchen, folder, **changes) -> tuple[Embedder, AlignmentDirectory]:
    training = TrainingConfig(epochs=15, batch_size=3, lr=0.01)
    config, run = alignment_config(kitchen, "tcc", training=training, **changes), AlignmentDirectory(folder)
    return align(config, Dataset(kitchen), run), run


def test_an_encoder_learns_to_move_steadily(kitchen, tmp_path):
    steady = EncoderConfig(hidden=8, layers=2, output_dim=4, dropout=0.0)
    _, run = trained(kitchen, tmp_path / "run", cumulative_l2=True, cumulative_weight=100.0, encoder=steady)
    losses = [row["cumulative_l2"] for row in run.read_log()]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), "the log has it times its weight"
    _, alone = trained(kitchen, tmp_path / "alone")
    assert "cumulative_l2" not in alone.read_log()[0]


def test_it_is_trained_beside_a_head_too_and_its_weight_is_the_published_one(kitchen, tmp_path):
    assert AlignmentConfig().cumulative_weight == 0.1
    config = alignment_config(kitchen, "tcc", epochs=1, cumulative_l2=True, head="v2")
    run = AlignmentDirectory(tmp_path / "run")
    align(config, Dataset(kitchen), run)
    assert {"cumulative_l2", "progress"} <= run.read_log()[0].keys()


def test_a_training_video_without_an_action_long_enough_is_named(kitchen):
    with pytest.raises(
        InputError, match=r"video v0 has no action of 99 frames .* leave out --head and --cumulative-l2"
    ):
        TrueSegments(Dataset(kitchen), ["v0"], shortest=99)
