"""The published GRU heads' weights give the published heads' outputs; what is not such a head is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from protas_gtcc.errors import InputError
from protas_gtcc.heads.published import load_published_head

WIDTH = 128


INPUTS = {
    "V2": (False, False, False),
    "V3": (True, False, True),
    "V4, as its notes have it": (False, False, True),
    "frame count": (False, True, False),
    "position and frame count": (True, True, True),
}
"""Whether a published head's input has the position and the frame count, and whether it has an initial state."""


class Twin(nn.Module):
    """Output of a published GRU head at the last frame of its input."""

    def __init__(self, position: bool, count: bool, start: bool):
        super().__init__()
        self.position, self.count = position, count
        self.gru = nn.GRU(WIDTH + position + count, 64, batch_first=True)
        self.fc = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
        if start:
            self.h0 = nn.Parameter(torch.randn(1, 1, 64))

    def forward(self, seen):
        rows = []
        for number, frame in enumerate(seen):
            added = [number / len(seen)] * self.position + [math.log(1 + len(seen)) / math.log(301)] * self.count
            rows.append(torch.cat([frame, torch.tensor(added)]))
        start = getattr(self, "h0", torch.zeros(1, 1, 64))
        return self.fc(self.gru(torch.stack(rows)[None], start)[1].flatten())


def load(path, state, width=WIDTH):
    torch.save(state, path / "epoch-3.pt")
    return load_published_head(path / "epoch-3.pt", width)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("prefix", ["", "progress_head.", "module.progress_head."])
def test_imported_weights_give_the_published_heads_output(tmp_path, name, prefix):
    torch.manual_seed(0)
    twin, segment = Twin(*INPUTS[name]), torch.randn(12, WIDTH)
    state = {f"{prefix}{name}": tensor for name, tensor in twin.state_dict().items()}
    if prefix:
        state = {"model_state_dict": state | {"encoder.weight": torch.zeros(3)}, "epoch": 3}
    head = load(tmp_path, state)
    config = head.config
    assert (config.position, config.frames_of_prefix, config.learnt_start) == INPUTS[name]
    with torch.no_grad():
        expected = torch.cat([twin(segment[: t + 1]) for t in range(len(segment))])
        assert expected.std() > 1e-3
        torch.testing.assert_close(head.progress(segment), expected, rtol=0, atol=1e-6)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_published_head(tmp_path / "other.pt", WIDTH)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.pt is not a torch checkpoint"):
        load_published_head(tmp_path / "broken.pt", WIDTH)


def gru(width, **more):
    return Twin(False, False, False).state_dict() | nn.GRU(width, 64).state_dict(prefix="gru.") | more


@pytest.mark.parametrize(
    ("state", "match"),
    [
        (gru(130), "takes 130 numbers a frame, without a learnt initial state"),
        (gru(131, h0=torch.zeros(1, 1, 64)), "takes 131 numbers a frame, with a learnt"),
        (gru(64), "published heads of 128-wide embeddings take 128, 129, or with such a state 130: leave it out"),
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
