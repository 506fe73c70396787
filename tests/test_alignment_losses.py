"""Every alignment loss: finite on any input, blind to padding and to the batch, moved by nothing but distances."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from protas_gtcc.alignment.gtcc import gtcc_loss, sample_anchors
from protas_gtcc.alignment.lav import lav_loss, lav_terms
from protas_gtcc.alignment.pairs import Pairs, mean_over_frames, squared_distances
from protas_gtcc.alignment.tcc import tcc_classification_loss, tcc_loss
from protas_gtcc.alignment.vava import vava_loss, vava_terms

Loss = Callable[..., Tensor]

LOSSES = {
    "tcc": tcc_loss,
    "tcc_classification": tcc_classification_loss,
    "gtcc": gtcc_loss,
    "lav": lav_loss,
    "vava": vava_loss,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def walk(*shape: int, seed: int = 0, step: float = 0.4) -> Tensor:
    """Videos `[..., T, D]` that move little from frame to frame, as embeddings do."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).mul(step).cumsum(dim=-2)


def gradients(loss: Loss, u: Tensor, v: Tensor, *lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, and its gradient by both videos."""
    u, v = u.clone().requires_grad_(), v.clone().requires_grad_()
    value = loss(u, v, *lengths)
    by_u, by_v = torch.autograd.grad(value.sum(), (u, v))
    return value.detach(), by_u, by_v


@every_loss
def test_padded_pairs_give_what_each_gives_alone(loss):
    u_lengths, v_lengths = torch.tensor([9, 4, 2, 7]), torch.tensor([5, 8, 6, 2])
    u, v = walk(4, 9, 3, seed=1), walk(4, 8, 3, seed=2)
    together = gradients(loss, u, v, u_lengths, v_lengths)
    for p, (n, m) in enumerate(zip(u_lengths, v_lengths, strict=True)):
        value, by_u, by_v = gradients(loss, u[p, :n], v[p, :m])
        torch.testing.assert_close(together[0][p], value)
        torch.testing.assert_close(together[1][p, :n], by_u)
        torch.testing.assert_close(together[2][p, :m], by_v)
        assert not together[1][p, n:].any()
        assert not together[2][p, m:].any()


@every_loss
@pytest.mark.parametrize("junk", [1e6, float("inf"), float("nan")])
def test_what_lies_in_the_padding_does_not_matter(loss, junk):
    u, v = walk(2, 9, 3, seed=1).float(), walk(2, 8, 3, seed=2).float()
    lengths = torch.tensor([9, 4]), torch.tensor([5, 8])
    clean = gradients(loss, u, v, *lengths)
    u[1, 4:], v[0, 5:] = junk, junk
    for one, other in zip(gradients(loss, u, v, *lengths), clean, strict=True):
        torch.testing.assert_close(one, other)


@every_loss
def test_arguments_may_be_named(loss):
    u, v = walk(9, 3, seed=1), walk(7, 3, seed=2)
    torch.testing.assert_close(loss(u=u, v=v), loss(u, v))


@every_loss
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_embeddings_that_are_not_finite_give_a_value_that_is_not_and_come_to_an_end(loss, bad):
    u, v = walk(9, 3, seed=1).float(), walk(7, 3, seed=2).float()
    u[4, 1] = bad
    assert not loss(u, v).isfinite()


@every_loss
def test_autocast_does_not_reach_into_a_loss(loss):
    u, v = walk(9, 3, seed=1).float(), walk(7, 3, seed=2).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(u, v)
    torch.testing.assert_close(found, loss(u, v), rtol=0, atol=0)


@every_loss
def test_rotating_and_moving_both_videos_changes_nothing(loss):
    u, v = walk(9, 3, seed=5), walk(7, 3, seed=6)
    rotation = torch.linalg.qr(walk(3, 3, seed=7)).Q
    torch.testing.assert_close(loss(u @ rotation + 5, v @ rotation + 5), loss(u, v))


HARD = {
    "identical": (walk(12, 16), walk(12, 16)),
    "orthogonal": (torch.eye(8, 16), torch.eye(16)[8:]),
    "far apart": (1e3 * walk(12, 16), 1e3 * walk(9, 16, seed=1)),
    "far from the origin": (1e3 + walk(12, 16), 1e3 + walk(9, 16, seed=1)),
    "constant": (torch.ones(12, 16), torch.ones(9, 16)),
    "constant, each its own": (torch.ones(12, 16), -torch.ones(9, 16)),
    "zero": (torch.zeros(12, 16), torch.zeros(9, 16)),
    "two frames": (walk(2, 16), walk(2, 16, seed=1)),
    "two frames and many": (walk(2, 16), walk(30, 16, seed=1)),
    "many frames and two": (walk(30, 16), walk(2, 16, seed=1)),
}


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("videos", HARD.values(), ids=HARD.keys())
def test_value_and_gradient_are_finite_on(loss, videos, dtype):
    u, v = (video.to(dtype) for video in videos)
    value, by_u, by_v = gradients(loss, u, v)
    assert value.dtype == torch.float32
    assert by_u.dtype == by_v.dtype == dtype
    assert value.isfinite()
    assert by_u.isfinite().all()
    assert by_v.isfinite().all()


def noise(num_frames: int, seed: int) -> Tensor:
    """Frames `[T, 64]` that have nothing in common."""
    return torch.randn(num_frames, 64, generator=torch.Generator().manual_seed(seed))


def noisy_path(num_frames: int, seed: int) -> Tensor:
    """The same path for any number of frames, with noise."""
    times, waves = torch.linspace(0, 6, num_frames)[:, None], torch.arange(64)
    return (times * waves / 8 + waves).sin() + 0.3 * noise(num_frames, seed)


@pytest.mark.parametrize(
    ("terms", "contrast", "alignment"),
    [(lav_terms, "contrast", "soft_dtw"), (vava_terms, "intra_contrast", "transport")],
    ids=["lav", "vava"],
)
@pytest.mark.parametrize("video", [noise, noisy_path])
def test_a_contrast_keeps_its_share_of_the_gradient_from_20_to_200_frames_and_at_unequal_lengths(
    terms, contrast, alignment, video
):
    shares = {}
    for lengths in ((20, 20), (40, 40), (100, 100), (200, 200), (20, 200)):
        u, v = (torch.nn.functional.normalize(video(n, seed), dim=1) for seed, n in enumerate(lengths))
        of_contrast, of_alignment = (
            torch.cat(gradients(lambda u, v, name=name: terms(u, v)[name], u, v)[1:]).norm()
            for name in (contrast, alignment)
        )
        shares[lengths] = (of_contrast / of_alignment).item()
    assert max(shares.values()) < 2 * min(shares.values()), shares


def gtcc_of_sampled_anchors(u: Tensor, v: Tensor) -> Tensor:
    """GTCC as it is trained: of all 5,000 frames x 15 components x 5,000 ways back, it would take gigabytes."""
    return gtcc_loss(u, v, anchors=sample_anchors(torch.tensor([len(u)]), 16)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frames", "dtype"), [((5000, 60), torch.bfloat16), ((60, 5000), torch.float32)], ids=["5000x60", "60x5000"]
)
@pytest.mark.parametrize("name", LOSSES)
def test_a_video_of_5000_frames_and_a_short_one_are_finite(name, frames, dtype):
    u, v = (torch.nn.functional.normalize(walk(n, 4, seed=n), dim=1).to(dtype) for n in frames)
    loss: Any = gtcc_of_sampled_anchors if name == "gtcc" else LOSSES[name]
    value, by_u, by_v = gradients(loss, u, v)
    assert value.isfinite()
    assert by_u.isfinite().all()
    assert by_v.isfinite().all()


@every_loss
def test_bfloat16_videos_give_what_their_float32_copies_do(loss):
    u, v = walk(9, 4).bfloat16(), walk(7, 4, seed=1).bfloat16()
    torch.testing.assert_close(loss(u, v), loss(u.float(), v.float()), rtol=0, atol=0)


@pytest.mark.parametrize("lengths", [(1, 5), (5, 1), (9, 5)])
def test_no_pair_and_lengths_of_one_frame_or_beyond_the_tensor_are_refused(lengths):
    with pytest.raises(ValueError, match="there is no pair"):
        Pairs.of(torch.zeros(0, 4, 3), torch.zeros(0, 5, 3))
    with pytest.raises(ValueError, match="expected videos of 2 to 8 frames; got lengths"):
        Pairs.of(torch.zeros(1, 8, 3), torch.zeros(1, 8, 3), *(torch.tensor([length]) for length in lengths))


def test_squared_distances_are_those_of_loops_and_keep_their_digits_far_from_the_origin():
    x, y = walk(5, 3).float(), walk(4, 3, seed=1).float()
    expected = torch.stack([torch.stack([((a - b) ** 2).sum() for b in y]) for a in x])
    torch.testing.assert_close(squared_distances(x[None], y[None])[0], expected)
    moved = squared_distances((x.double() + 1000).float()[None], (y.double() + 1000).float()[None])[0]
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-3)
    far = 100 * walk(1, 40, 8).float()
    assert (squared_distances(far, far) >= 0).all()


def test_a_mean_over_frames_leaves_out_what_is_masked():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    values = torch.tensor([[0.0, 2.0, 9.0], [-5.0, 9.0, 9.0]])
    torch.testing.assert_close(mean_over_frames(values, mask), torch.tensor([1.0, -5.0]))


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        (tcc_loss, {"temperature": 0.0}),
        (tcc_classification_loss, {"temperature": -1.0}),
        (gtcc_loss, {"temperature": 0.0}),
        (gtcc_loss, {"num_components": 0}),
        (gtcc_loss, {"iterations": 0}),
        (lav_terms, {"gamma": 0.0}),
    ],
)
def test_a_setting_out_of_its_range_is_refused(loss, settings):
    with pytest.raises(ValueError, match="must be"):
        loss(walk(5, 3), walk(6, 3), **settings)
