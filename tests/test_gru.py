"""Our GRU is torch's GRU: same parameters, same outputs, same gradients."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from protas_gtcc.network.gru import GRU


def twins(input_size: int, hidden_size: int, **options: bool) -> tuple[GRU, nn.GRU]:
    torch.manual_seed(0)
    ours = GRU(input_size, hidden_size, **options)
    theirs = nn.GRU(input_size, hidden_size, batch_first=True, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_outputs_and_every_gradient_equal_torchs():
    ours, theirs = twins(5, 7)
    x, start = torch.randn(3, 5, 40, requires_grad=True), torch.randn(3, 7, requires_grad=True)
    y, same_start = (one.detach().clone().requires_grad_() for one in (x, start))
    weights = torch.randn(3, 7, 40)
    first, second = ours(x, hidden=start), theirs(y.transpose(1, 2), same_start[None])[0].transpose(1, 2)
    (first * weights).sum().backward()
    (second * weights).sum().backward()
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(start.grad, same_start.grad, rtol=1e-4, atol=1e-6)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_without_gradients_the_result_is_the_same():
    ours, _ = twins(4, 6)
    x = torch.randn(2, 4, 30)
    trained = ours(x)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), trained, rtol=0, atol=1e-6)


def test_the_backward_direction_starts_at_each_videos_own_end():
    ours, theirs = twins(4, 6, bidirectional=True)
    x = torch.randn(2, 4, 20)
    out = ours(x, torch.tensor([20, 12]))
    alone = theirs(x[1:, :, :12].transpose(1, 2))[0].transpose(1, 2)
    torch.testing.assert_close(out[1:, :, :12], alone, rtol=0, atol=1e-6)


def test_both_directions_have_torchs_outputs_and_gradients_for_videos_of_several_lengths():
    ours, theirs = twins(4, 6, bidirectional=True)
    lengths = torch.tensor([9, 20, 1])
    x = torch.randn(3, 4, 20, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(3, 12, 20) * (torch.arange(20) < lengths[:, None])[:, None]
    packed = pack_padded_sequence(y.transpose(1, 2), lengths, batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0].transpose(1, 2)
    found = ours(x, lengths)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(found * (weights != 0), expected * (weights != 0), rtol=0, atol=1e-6)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-6)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_under_mixed_precision_the_recurrence_stays_in_float32():
    ours, _ = twins(4, 6)
    x = torch.randn(1, 4, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(x.bfloat16()).dtype == torch.float32
