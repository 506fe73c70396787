"""The weights of the published GRU heads, read from the checkpoints of the models that they are part of.

The width of the input shows the head's version. V2 and V4 take the embeddings alone; they differ only in their losses.
V3 takes one number more, the position, and has a learnt initial state. Later heads take the number of the segment's
frames and are refused: ours take the number of frames so far, so the same weights would report something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.network.reference_checkpoints import load_tensors_alone

HEAD_PREFIX = "progress_head."


def load_published_head(path: Path, embedding_width: int) -> ScalarHead:
    """Read the head in a checkpoint of a model, or of a head alone; in evaluation mode.

    Raises `InputError` for another architecture, an input of another width, or tensors that do not fit.
    """
    content = load_tensors_alone(path)
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise InputError(f"{path} holds {type(content).__name__}; give a checkpoint that holds the state of a model")
    own = _own_tensors(state)
    missing = [name for name in ("gru.weight_ih_l0", "gru.weight_hh_l0", "fc.0.weight") if name not in own]
    if missing:
        what = f"{path} has no GRU progress head: no tensor {missing[0]}"
        raise InputError(f"{what}; other heads are not imported: leave it out")
    position = "h0" in own
    _require_published(path, own["gru.weight_ih_l0"].shape[1], position, embedding_width)
    hidden, readout = own["gru.weight_hh_l0"].shape[1], own["fc.0.weight"].shape[0]
    head = ScalarHead(HeadConfig(position=position, hidden=hidden, readout=readout, standardise=False), embedding_width)
    tensors = dict(head.named_buffers())  # the published heads do not standardise
    if position:
        tensors["body.start"] = own.pop("h0").flatten()
    for name, tensor in own.items():
        tensors[f"body.{name}" if name.startswith("gru.") else name.replace("fc.", "readout.")] = tensor
    try:
        head.load_state_dict(tensors)
    except RuntimeError as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path}: its progress head is not a published one ({what}); leave it out") from error
    return head.eval()


def _own_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The head's tensors by their names within it, from the state of a (parallel) model or of the head."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    of_model = {
        name.removeprefix(HEAD_PREFIX): tensor for name, tensor in plain.items() if name.startswith(HEAD_PREFIX)
    }
    return of_model or plain


def _require_published(path: Path, width: int, learnt_start: bool, embedding_width: int) -> None:
    if width == embedding_width + learnt_start:
        return
    found = f"{width} numbers a frame, {'with' if learnt_start else 'without'} a learnt initial state"
    widths = f"{embedding_width} (V2, V4), or {embedding_width + 1} with a learnt initial state (V3)"
    known = f"published heads of {embedding_width}-wide embeddings take {widths}"
    raise InputError(
        f"{path}: its head takes {found}; {known}; heads that use the segment's length are not imported: leave it out, "
        "or give another --feature-set"
    )
