"""The published GRU heads' weights give the published heads' outputs; what is not such a head is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from protas_gtcc.errors import InputError
from protas_gtcc.heads.published import load_published_head

WIDTH = 128


class Twin(nn.Module):
    """Output of the published GRU head at the last frame of its input."""

    def __init__(self, position: bool):
        super().__init__()
        self.gru = nn.GRU(WIDTH + position, 64, batch_first=True)
        self.fc = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
        if position:
            self.h0 = nn.Parameter(torch.randn(1, 1, 64))

    def forward(self, seen):
        if not hasattr(self, "h0"):
            return self.fc(self.gru(seen[None])[1].flatten())
        position = torch.arange(len(seen))[:, None] / len(seen)
        return self.fc(self.gru(torch.cat([seen, position], dim=1)[None], self.h0)[1].flatten())


def load(path, state, width=WIDTH):
    torch.save(state, path / "epoch-3.pt")
    return load_published_head(path / "epoch-3.pt", width)


@pytest.mark.parametrize("position", [False, True])
@pytest.mark.parametrize("prefix", ["", "progress_head.", "module.progress_head."])
def test_imported_weights_give_the_published_heads_output(tmp_path, position, prefix):
    torch.manual_seed(0)
    twin, segment = Twin(position), torch.randn(12, WIDTH)
    state = {f"{prefix}{name}": tensor for name, tensor in twin.state_dict().items()}
    if prefix:
        state = {"model_state_dict": state | {"encoder.weight": torch.zeros(3)}, "epoch": 3}
    head = load(tmp_path, state)
    assert head.config.position == position
    with torch.no_grad():
        expected = torch.cat([twin(segment[: t + 1]) for t in range(len(segment))])
        torch.testing.assert_close(head.progress(segment), expected, rtol=0, atol=1e-6)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_published_head(tmp_path / "other.pt", WIDTH)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.pt is not a torch checkpoint"):
        load_published_head(tmp_path / "broken.pt", WIDTH)


def gru(width, **more):
    return Twin(position=False).state_dict() | nn.GRU(width, 64).state_dict(prefix="gru.") | more


@pytest.mark.parametrize(
    ("state", "match"),
    [
        (gru(129), "takes 129 numbers a frame, without a learnt initial state"),
        (gru(130, h0=torch.zeros(1, 1, 64)), "takes 130 numbers a frame, with a learnt"),
        (gru(128, h0=torch.zeros(1, 1, 64)), "use the segment's length are not imported"),
        ({"progress_head.alibi_slopes": torch.ones(4)}, "has no GRU progress head"),
        (gru(128, attention=torch.zeros(2)), "is not a published one"),
        ({name: one for name, one in gru(128).items() if name != "fc.2.bias"}, "is not a published one"),
    ],
)
def test_other_inputs_and_other_heads_are_refused(tmp_path, state, match):
    with pytest.raises(InputError, match=match):
        load(tmp_path, state)


def test_embeddings_may_have_another_width(tmp_path):
    assert load(tmp_path, gru(64), width=64).feature_dim == 64
