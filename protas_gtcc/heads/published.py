"""The weights of the published GRU heads, read from the checkpoints of the models that they are part of.

The width of the input shows what the head was given. As wide as the embeddings: these alone (V2 and V4, which differ
only in their losses). One wider, with a learnt initial state: the position, too (V3). Later heads, which are given the
number of the segment's frames, are refused: ours are given the number of frames so far, and the same weights would
report something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.network.reference_checkpoints import load_tensors_alone

EMBEDDING_WIDTH = 128
"""Of the published encoders."""
HEAD_PREFIX = "progress_head."
RENAMED = {"gru.": "body.gru.", "fc.": "readout."}


def load_published_head(path: Path, embedding_width: int = EMBEDDING_WIDTH) -> ScalarHead:
    """Read the head in a checkpoint file, in evaluation mode. Raises `InputError` if there is none that fits."""
    content = load_tensors_alone(path)
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise InputError(f"{path} holds {type(content).__name__}; expected the state of a model")
    try:
        return import_published_head(state, embedding_width)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def import_published_head(state: Mapping[str, Tensor], embedding_width: int = EMBEDDING_WIDTH) -> ScalarHead:
    """The head in a model's state, or a head's own state, in evaluation mode.

    Raises `InputError` for another architecture, an input of another width, or tensors that do not fit.
    """
    own = _own_tensors(state)
    missing = [name for name in ("gru.weight_ih_l0", "gru.weight_hh_l0", "fc.0.weight") if name not in own]
    if missing:
        raise InputError(f"it has no GRU progress head: no tensor {missing[0]}; other heads are not imported")
    position = _has_position(own["gru.weight_ih_l0"].shape[1], "h0" in own, embedding_width)
    hidden, readout = own["gru.weight_hh_l0"].shape[1], own["fc.0.weight"].shape[0]
    config = HeadConfig(position=position, hidden=hidden, readout=readout, standardise=False)
    head = ScalarHead(config, embedding_width)
    renamed = {_our_name(name): tensor for name, tensor in own.items() if name != "h0"}
    if position:
        renamed["body.start"] = own["h0"].flatten()
    # The published heads do not standardise.
    buffers = dict(head.named_buffers())
    try:
        head.load_state_dict({**buffers, **renamed})
    except RuntimeError as error:
        raise InputError(f"its progress head is not a published one ({' '.join(str(error).split())})") from error
    return head.eval()


def _own_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The head's tensors by their names within it, whether a (parallel) model's or its own state is given."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    of_model = {
        name.removeprefix(HEAD_PREFIX): tensor for name, tensor in plain.items() if name.startswith(HEAD_PREFIX)
    }
    return of_model or plain


def _has_position(width: int, learnt_start: bool, embedding_width: int) -> bool:
    if width == embedding_width and not learnt_start:
        return False
    if width == embedding_width + 1 and learnt_start:
        return True
    known = f"{embedding_width} (V2, V4), and {embedding_width + 1} with a learnt initial state (V3)"
    known = f"for embeddings of {embedding_width} known are {known}"
    found = f"{width} numbers a frame, {'with' if learnt_start else 'without'} a learnt initial state"
    raise InputError(f"its head takes {found}; {known}; heads that use the segment's length are not imported")


def _our_name(name: str) -> str:
    for theirs, ours in RENAMED.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
