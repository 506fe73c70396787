"""The arithmetic of one frame, recorded from the network itself as a list of instructions on vectors.

The network runs once on an example frame. Every operation on a live tensor, which depends on the frame or on the state
before it, becomes an instruction; a tensor that depends on weights alone becomes a constant. So `layers.py` stays the
only description of the model, and `stepper.py` runs the list without torch, whose overhead exceeds the work of such
small operations. An operation that has no instruction and is no known view raises `NotImplementedError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from protas_gtcc.network.layers import DilatedResidualLayer, Stage, StageState
from protas_gtcc.network.model import NetworkState, ProgressNetwork
from protas_gtcc.streaming.operations import RECORDED, VIEWS
from protas_gtcc.streaming.program import Op, Program, Span, pack


@dataclass
class _Tape:
    """The program so far."""

    instructions: list[tuple[int, ...]] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    num_weights: int = 0
    constants: list[tuple[Span, np.ndarray]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    size: int = 0

    def reserve(self, size: int) -> Span:
        span = Span(self.size, size)
        self.size += size
        self.spans.append(span)
        return span

    def emit(self, op: Op, out: int, a: int, b: int = 0, n: int = 0, m: int = 0) -> None:
        self.instructions.append((int(op), out, a, b, n, m))

    def add_weights(self, matrix: Tensor, bias: Tensor | None) -> int:
        rows = matrix.detach().float().numpy()
        added = np.zeros(len(rows)) if bias is None else bias.detach().float().numpy()
        start = self.num_weights
        for values in (rows.T, added):
            self.weights.append(np.ascontiguousarray(values, dtype=np.float32).ravel())
            self.num_weights += values.size
        return start

    def add_constant(self, values: Tensor, size: int) -> Span:
        span = self.reserve(size)
        flat = values.detach().float().flatten() if values.numel() == size else values.detach().float().expand(size)
        self.constants.append((span, flat.numpy()))
        return span


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations on live tensors: those whose storage has a place in the memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = _Tape()
        self._spans: dict[int, Span] = {}
        self._rings: dict[int, int] = {}
        self.ring_shapes: list[tuple[int, int]] = []
        self._kept: list[Tensor] = []
        """Keeps tensors alive, so that no storage's address is used again."""

    def place(self, tensor: Tensor) -> Span:
        """Give a tensor a place in the memory, which makes it live."""
        span = self.tape.reserve(tensor.numel())
        self._spans[_storage(tensor)] = span
        self._kept.append(tensor)
        return span

    def place_taps(self, taps: Tensor, dilation: int) -> None:
        """Let `taps` `[1, F, 2]` hold frames t - 2d and t - d of the tensor that is concatenated to it."""
        self._rings[_storage(taps)] = len(self.ring_shapes)
        self.ring_shapes.append((dilation, taps.shape[1]))
        self._kept.append(taps)

    def where(self, tensor: Tensor) -> int:
        """Where a live tensor starts in the memory; apart from axes of length 1 it must be dense."""
        if not self.is_live(tensor):
            raise NotImplementedError(f"a constant tensor {tuple(tensor.shape)} cannot be recorded here")
        axes = [(size, stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
        expected = 1
        for size, stride in reversed(axes):
            if stride != expected:
                raise NotImplementedError(f"a strided view {tuple(tensor.shape)} cannot be recorded")
            expected *= size
        return self._spans[_storage(tensor)].start + int(tensor.storage_offset())

    def span(self, tensor: Tensor) -> Span:
        """The place of a live tensor that fills its whole storage."""
        span = self._spans.get(_storage(tensor))
        if span is None or span.size != tensor.numel():
            raise NotImplementedError("a result that is constant, or a part of another one, cannot be recorded")
        return span

    def is_live(self, value: Any) -> bool:
        """Whether a value depends on the frame or the state."""
        return isinstance(value, Tensor) and _storage(value) in self._spans

    def operand(self, value: Any, size: int) -> int:
        """Where an operand of `size` floats starts in the memory; a constant gets a place first."""
        if self.is_live(value):
            if value.numel() != size:
                raise NotImplementedError("broadcasting of live tensors cannot be recorded")
            return self.where(value)
        return self.tape.add_constant(torch.as_tensor(value, dtype=torch.float32), size).start

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        flat = [one for arg in args for one in (arg if isinstance(arg, (tuple, list)) else [arg])]
        if not any(self.is_live(one) or self._is_taps(one) for one in (*flat, *options.values())):
            return func(*args, **options)
        self._require_known(func, args, options)
        result = func(*args, **options)
        first = result[0] if isinstance(result, (tuple, list)) else result
        self._kept.append(first)
        instruction = RECORDED.get(_name(func))
        if instruction is not None:
            out = self._spans.get(_storage(first)) or self.place(first)
            instruction(self, out.start + first.storage_offset(), args, first)
        return result

    def _require_known(self, func: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        if _name(func) not in RECORDED and _name(func) not in VIEWS:
            raise NotImplementedError(f"{func} cannot be recorded")
        if func.overloadpacket.__name__.endswith("_") and not self.is_live(args[0]):
            raise NotImplementedError(f"{func} changes a constant and cannot be recorded")
        if any(name != "memory_format" and value not in (None, 1) for name, value in options.items()):
            raise NotImplementedError(f"{func} with {', '.join(options)} cannot be recorded")

    def _is_taps(self, value: Any) -> bool:
        return isinstance(value, Tensor) and _storage(value) in self._rings

    def ring_of(self, value: Any) -> int | None:
        """The ring that taps belong to."""
        return self._rings.get(_storage(value)) if isinstance(value, Tensor) else None


def record(network: ProgressNetwork) -> Program:
    """Record one frame of a causal network (on the CPU, in evaluation mode), batch 1.

    Raises `InputError` if the network is acausal, `NotImplementedError` for an operation that has no instruction.
    """
    state, recorder = network.start(), Recorder()
    frame = torch.zeros(1, network.feature_dim, 1)
    carried = [stage.hidden for stage in state.stages] + [state.done]
    spans = [recorder.place(one) for one in carried if one is not None]
    frame_span = recorder.place(frame)
    stages = []
    for stage, before in zip(network.stages, state.stages, strict=True):
        taps = [one.new_zeros(*one.shape[:2], 2) for one in before.past]
        for layer, one in zip(cast(Stage, stage).layers, taps, strict=True):
            recorder.place_taps(one, cast(DilatedResidualLayer, layer).past_frames // 2)
        stages.append(StageState(taps, before.hidden))
    with torch.no_grad(), recorder:
        outputs = network(frame, state=NetworkState(None, stages, state.done))
        probs = torch.softmax(outputs.final_logits, dim=1)
        progress = None if outputs.final_progress is None else outputs.final_progress.clamp(0, 1)
    after = outputs.state
    next_carried = [one for one in [*(stage.hidden for stage in after.stages), after.done] if one is not None]
    # At the end: the frame's other instructions need the state before it.
    for span, one in zip(spans, next_carried, strict=True):
        recorder.tape.emit(Op.COPY, span.start, recorder.where(one), n=span.size)
    results = [outputs.final_logits, probs, *([] if progress is None else [progress])]
    return _assemble(recorder, frame_span, spans, [recorder.span(one) for one in results])


def _assemble(recorder: Recorder, frame: Span, carried: list[Span], results: list[Span]) -> Program:
    tape = recorder.tape
    kept = [*carried, frame, *results, *(span for span, _ in tape.constants)]
    instructions, places, size = pack(tape.instructions, tape.spans, kept)
    memory = np.zeros(size, dtype=np.float32)
    for span, values in tape.constants:
        memory[places[span].slice] = values
    rings, start = [], 0
    for dilation, width in recorder.ring_shapes:
        frames = 2 * dilation + 1
        rings.append((start, frames, width, dilation))
        start += frames * width
    return Program(
        np.array(instructions, dtype=np.int64),
        np.concatenate(tape.weights),
        memory,
        np.array(rings, dtype=np.int64).reshape(-1, 4),
        start,
        places[frame],
        Span(0, sum(span.size for span in carried)),
        places[results[0]],
        places[results[1]],
        places[results[2]] if len(results) == 3 else None,
    )


def _name(func: Any) -> str:
    """An operation's name without the underscore of its in-place form."""
    return str(func.overloadpacket.__name__).removesuffix("_")


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
