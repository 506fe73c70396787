"""The published GRU heads' weights give the published heads' outputs; what is not such a head is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from protas_gtcc.errors import InputError
from protas_gtcc.heads.published import import_published_head, load_published_head

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


@pytest.mark.parametrize("position", [False, True])
@pytest.mark.parametrize("prefix", ["", "progress_head.", "module.progress_head."])
def test_imported_weights_give_the_published_heads_output(position, prefix):
    torch.manual_seed(0)
    twin, segment = Twin(position), torch.randn(12, WIDTH)
    state = {f"{prefix}{name}": tensor for name, tensor in twin.state_dict().items()}
    head = import_published_head(state | ({"encoder.weight": torch.zeros(3)} if prefix else {}))
    assert head.config.position == position
    with torch.no_grad():
        expected = torch.cat([twin(segment[: t + 1]) for t in range(len(segment))])
        torch.testing.assert_close(head.progress(segment), expected, rtol=0, atol=1e-6)


def test_a_checkpoint_file_is_read(tmp_path):
    twin = Twin(position=True)
    state = {f"progress_head.{name}": tensor for name, tensor in twin.state_dict().items()}
    torch.save({"model_state_dict": state, "epoch": 3}, tmp_path / "epoch-3.pt")
    assert load_published_head(tmp_path / "epoch-3.pt").config.position
    with pytest.raises(InputError, match="no checkpoint"):
        load_published_head(tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.pt is not a torch checkpoint"):
        load_published_head(tmp_path / "broken.pt")


def test_other_inputs_and_other_heads_are_refused():
    def gru(width, start=False):
        state = Twin(position=False).state_dict() | nn.GRU(width, 64).state_dict(prefix="gru.")
        return state | ({"h0": torch.zeros(1, 1, 64)} if start else {})

    with pytest.raises(InputError, match="takes 129 numbers a frame, without a learnt initial state"):
        import_published_head(gru(129))
    with pytest.raises(InputError, match="takes 130 numbers a frame, with a learnt"):
        import_published_head(gru(130, start=True))
    with pytest.raises(InputError, match="use the segment's length are not imported"):
        import_published_head(gru(128, start=True))
    with pytest.raises(InputError, match="has no GRU progress head"):
        import_published_head({"progress_head.alibi_slopes": torch.ones(4)})
    lacking = {name: tensor for name, tensor in Twin(False).state_dict().items() if name != "fc.2.bias"}
    with pytest.raises(InputError, match="is not a published one"):
        import_published_head(lacking)
    assert import_published_head(gru(64), embedding_width=64).feature_dim == 64
