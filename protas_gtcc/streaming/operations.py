"""How each of torch's operations becomes instructions of a program; see `recording.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from protas_gtcc.streaming.program import Op

if TYPE_CHECKING:
    from protas_gtcc.streaming.recording import Recorder

Record = Callable[["Recorder", int, Sequence[Any], Tensor], None]
"""Writes the instructions of one operation; given are the place of its result, its arguments and its result."""


def _elementwise(op: Op, swap: bool = False) -> Record:
    def write(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
        if any(value not in (1, None) for value in args[2:]):
            raise NotImplementedError(f"{op.name} with a factor cannot be recorded")
        first, second = (recorder.operand(value, result.numel()) for value in args[:2])
        recorder.tape.emit(op, out, *((second, first) if swap else (first, second)), n=result.numel())

    return write


def _unary(op: Op) -> Record:
    def write(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
        recorder.tape.emit(op, out, recorder.where(args[0]), n=result.numel())

    return write


def _clamp(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
    if tuple(args[1:]) != (0, 1):
        raise NotImplementedError("only clamping to [0, 1] can be recorded")
    recorder.tape.emit(Op.CLAMP, out, recorder.where(args[0]), n=result.numel())


def _running_maximum(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
    # The running maximum of a single frame is that frame.
    recorder.tape.emit(Op.COPY, out, recorder.where(args[0]), n=result.numel())


def _affine(matrix: Tensor, live: Tensor, bias: Tensor | None, recorder: Recorder, out: int) -> None:
    rows, columns = matrix.shape
    if live.numel() != columns:
        raise NotImplementedError("a product with more than one frame cannot be recorded")
    weights = recorder.tape.add_weights(matrix, bias)
    recorder.tape.emit(Op.AFFINE, out, recorder.where(live), weights, rows, columns)


def _convolution(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
    live, weight, bias = args[:3]
    _affine(weight.flatten(1), live, bias, recorder, out)


def _product(bias: Tensor | None, left: Tensor, right: Tensor, recorder: Recorder, out: int) -> None:
    if recorder.is_live(left):
        left, right = right.transpose(-1, -2), left
    _affine(left.reshape(left.shape[-2:]), right, None if bias is None else bias.reshape(-1), recorder, out)


def _concatenation(recorder: Recorder, out: int, args: Sequence[Any], result: Tensor) -> None:
    parts = args[0]
    ring = recorder.ring_of(parts[0])
    if ring is not None:
        recorder.tape.emit(Op.RECORD, out, recorder.where(parts[1]), ring, n=parts[1].numel())
        return
    for part in parts:
        recorder.tape.emit(Op.COPY, out, recorder.where(part), n=part.numel())
        out += part.numel()


RECORDED: dict[str, Record] = {
    "convolution": _convolution,
    "addmm": lambda recorder, out, args, result: _product(args[0], args[1], args[2], recorder, out),
    "baddbmm": lambda recorder, out, args, result: _product(args[0], args[1], args[2], recorder, out),
    "mm": lambda recorder, out, args, result: _product(None, args[0], args[1], recorder, out),
    "bmm": lambda recorder, out, args, result: _product(None, args[0], args[1], recorder, out),
    "cat": _concatenation,
    "stack": _concatenation,
    "add": _elementwise(Op.ADD),
    "sub": _elementwise(Op.SUBTRACT),
    "rsub": _elementwise(Op.SUBTRACT, swap=True),
    "mul": _elementwise(Op.MULTIPLY),
    "maximum": _elementwise(Op.MAXIMUM),
    "relu": _unary(Op.RELU),
    "sigmoid": _unary(Op.SIGMOID),
    "tanh": _unary(Op.TANH),
    "_softmax": _unary(Op.SOFTMAX),
    "clone": _unary(Op.COPY),
    "clamp": _clamp,
    "cummax": _running_maximum,
}
"""How each of torch's operations is recorded, by its name without the underscore of its in-place form."""
VIEWS = {
    "_unsafe_view",
    "alias",
    "detach",
    "expand",
    "permute",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unsafe_split",
    "unsqueeze",
    "view",
}
"""Operations that give the same numbers in another shape: they need no instruction."""
