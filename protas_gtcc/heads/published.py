"""The weights of the published GRU heads, read from the checkpoints of the models that they are part of.

What a head adds to the embeddings shows in the width of its input, D for embeddings of D numbers, and in whether it
has a learnt initial state:

    D        without or with one   nothing (V2, V4)
    D + 1    with one              the position k / n, k from 0 (V3)
    D + 1    without               the logarithm of n, the number of frames so far (later heads)
    D + 2    with one              position, then number of frames (later heads)

Outputs are those of the published evaluation of actions: at frame n of an action, the head reads its first n frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.storage.tensors import load_tensors_alone

HEAD_PREFIX = "progress_head."
NEEDED = ("gru.weight_ih_l0", "gru.weight_hh_l0", "fc.0.weight")


def load_published_head(path: Path, embedding_width: int) -> ScalarHead:
    """Read the head in a checkpoint of a model, or of a head alone; in evaluation mode.

    Raises `InputError` for another architecture, an input of another width, or tensors that do not fit.
    """
    content = load_tensors_alone(path)
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise InputError(f"{path} holds {type(content).__name__}; give a checkpoint that holds the state of a model")
    if not all(isinstance(name, str) and isinstance(one, Tensor) for name, one in state.items()):
        raise InputError(f"{path} holds more than tensors by name; give a checkpoint that holds the state of a model")
    own = _own_tensors(state)
    missing = [name for name in NEEDED if name not in own]
    if missing:
        what = f"{path} has no GRU progress head: no tensor {missing[0]}"
        raise InputError(f"{what}; other heads are not imported: leave it out")
    try:
        head = ScalarHead(_config(path, own, embedding_width), embedding_width)
        head.load_state_dict(dict(head.named_buffers()) | _renamed(own))  # published heads do not standardise
    except (RuntimeError, IndexError) as error:
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


def _config(path: Path, own: Mapping[str, Tensor], embedding_width: int) -> HeadConfig:
    """The head that has these tensors. Raises `InputError` if no published one has this input."""
    width, learnt_start = own["gru.weight_ih_l0"].shape[1], "h0" in own
    added = width - embedding_width
    if added not in (0, 1, 2) or (added == 2 and not learnt_start):
        found = f"{width} numbers a frame, {'with' if learnt_start else 'without'} a learnt initial state"
        first, second, third = (embedding_width + more for more in range(3))
        known = f"published heads of {first}-wide embeddings take {first}, {second}, or with such a state {third}"
        raise InputError(f"{path}: its head takes {found}; {known}: leave it out, or give another --feature-set")
    return HeadConfig(
        position=added > 0 and learnt_start,
        learnt_start=learnt_start,
        frames_of_prefix=added > learnt_start,
        hidden=own["gru.weight_hh_l0"].shape[1],
        readout=own["fc.0.weight"].shape[0],
        standardise=False,
    )


def _renamed(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the names that they have here."""
    renamed = {}
    for name, tensor in own.items():
        if name == "h0":
            renamed["body.start"] = tensor.flatten()
        else:
            renamed[f"body.{name}" if name.startswith("gru.") else name.replace("fc.", "readout.")] = tensor
    return renamed
