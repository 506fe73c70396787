"""The arithmetic of one frame, recorded from the network itself as a list of instructions on vectors.

The network runs once on an example frame. Every operation on a live tensor, which depends on the frame or on the state
before it, becomes an instruction. A tensor that depends on weights alone becomes a constant. So `layers.py` stays the
only description of the model, and `stepper.py` runs the list without torch, whose overhead exceeds the work of such
small operations. An operation that has no instruction and is no known view raises `NotImplementedError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from protas_gtcc.network.layers import DilatedResidualLayer, Stage, StageState
from protas_gtcc.network.model import NetworkState, ProgressNetwork
from protas_gtcc.streaming.operations import RECORDED, VIEWS
from protas_gtcc.streaming.program import Op, Program, Span, pack


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations on live tensors: those whose storage has a place in the memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.instructions: list[tuple[int, ...]] = []
        self.weights: list[np.ndarray] = []
        self.constants: dict[Span, np.ndarray] = {}
        self.spans: list[Span] = []
        self.ring_shapes: list[tuple[int, int]] = []
        self._places: dict[int, Span] = {}
        self._rings: dict[int, int] = {}
        self._kept: list[Tensor] = []
        """Keeps tensors alive, so that no storage's address is used again."""

    def emit(self, op: Op, out: int, a: int, b: int = 0, n: int = 0, m: int = 0) -> None:
        """Add an instruction."""
        self.instructions.append((int(op), out, a, b, n, m))

    def add_weights(self, matrix: Tensor, bias: Tensor | None) -> int:
        """Add the weights of a product, without a bias zeros; returns where they start."""
        start = sum(map(len, self.weights))
        bias = matrix.new_zeros(len(matrix)) if bias is None else bias
        self.weights += [one.detach().float().flatten().numpy() for one in (matrix.t(), bias)]
        return start

    def place(self, tensor: Tensor) -> Span:
        """Give a tensor a place in the memory, which makes it live."""
        span = self._places[_storage(tensor)] = self._reserve(tensor.numel())
        self._kept.append(tensor)
        return span

    def place_taps(self, taps: Tensor, dilation: int) -> None:
        """Let `taps` `[1, F, 2]` hold frames t - 2d and t - d of the tensor that is concatenated to it."""
        self._rings[_storage(taps)] = len(self.ring_shapes)
        self.ring_shapes.append((dilation, taps.shape[1]))
        self._kept.append(taps)

    def where(self, tensor: Tensor) -> int:
        """Where a live tensor starts in the memory."""
        if not self.is_live(tensor):
            raise NotImplementedError(f"a constant tensor {tuple(tensor.shape)} cannot be recorded here")
        if not tensor.is_contiguous():
            raise NotImplementedError(f"a strided view {tuple(tensor.shape)} cannot be recorded")
        return self._places[_storage(tensor)].start + int(tensor.storage_offset())

    def span(self, tensor: Tensor) -> Span:
        """The place of a live tensor that fills its whole storage."""
        span = self._places.get(_storage(tensor))
        if span is None or span.size != tensor.numel():
            raise NotImplementedError("a result that is constant, or a part of another one, cannot be recorded")
        return span

    def is_live(self, value: Any) -> bool:
        """Whether a value depends on the frame or the state."""
        return isinstance(value, Tensor) and _storage(value) in self._places

    def operand(self, value: Any, size: int) -> int:
        """Where an operand of `size` floats starts in the memory; a constant gets a place first."""
        if self.is_live(value):
            if value.numel() != size:
                raise NotImplementedError("broadcasting of live tensors cannot be recorded")
            return self.where(value)
        span = self._reserve(size)
        self.constants[span] = torch.as_tensor(value, dtype=torch.float32).detach().flatten().expand(size).numpy()
        return span.start

    def ring_of(self, value: Any) -> int | None:
        """The ring that taps belong to; None for other values."""
        return self._rings.get(_storage(value)) if isinstance(value, Tensor) else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        flat = [one for arg in args for one in (arg if isinstance(arg, (tuple, list)) else [arg])]
        if not any(self.is_live(one) or self.ring_of(one) is not None for one in (*flat, *options.values())):
            return func(*args, **options)
        self._require_known(func, args, options)
        result = func(*args, **options)
        first = result[0] if isinstance(result, (tuple, list)) else result
        self._kept.append(first)
        if _name(func) in RECORDED:
            out = self._places.get(_storage(first)) or self.place(first)
            RECORDED[_name(func)](self, out.start + first.storage_offset(), args, first.numel())
        return result

    def _require_known(self, func: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        if _name(func) not in RECORDED and _name(func) not in VIEWS:
            raise NotImplementedError(f"{func} cannot be recorded")
        if func.overloadpacket.__name__.endswith("_") and not self.is_live(args[0]):
            raise NotImplementedError(f"{func} changes a constant and cannot be recorded")
        if any(name != "memory_format" and value not in (None, 1) for name, value in options.items()):
            raise NotImplementedError(f"{func} with {', '.join(options)} cannot be recorded")

    def _reserve(self, size: int) -> Span:
        span = Span(self.spans[-1].start + self.spans[-1].size if self.spans else 0, size)
        self.spans.append(span)
        return span


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
        recorder.emit(Op.COPY, span.start, recorder.where(one), n=span.size)
    results = [outputs.final_logits, probs, *([] if progress is None else [progress])]
    return _assemble(recorder, frame_span, spans, [recorder.span(one) for one in results])


def _assemble(recorder: Recorder, frame: Span, carried: list[Span], results: list[Span]) -> Program:
    kept = [*carried, frame, *results, *recorder.constants]
    instructions, places, size = pack(recorder.instructions, recorder.spans, kept)
    memory = np.zeros(size, dtype=np.float32)
    for span, values in recorder.constants.items():
        memory[_range(places[span])] = values
    rings, start = [], 0
    for dilation, width in recorder.ring_shapes:
        frames = 2 * dilation + 1
        rings.append((start, frames, width, dilation))
        start += frames * width
    return Program(
        np.array(instructions, dtype=np.int64),
        np.concatenate(recorder.weights),
        memory,
        np.array(rings, dtype=np.int64).reshape(-1, 4),
        start,
        places[frame].start,
        sum(span.size for span in carried),
        np.concatenate([_range(places[span]) for span in results]),
    )


def _range(span: Span) -> np.ndarray:
    return np.arange(span.start, span.start + span.size)


def _name(func: Any) -> str:
    """An operation's name without the underscore of its in-place form."""
    return str(func.overloadpacket.__name__).removesuffix("_")


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
