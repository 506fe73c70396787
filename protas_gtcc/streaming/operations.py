"""How each of torch's operations becomes instructions of a program; see `recording.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from protas_gtcc.streaming.program import Op

if TYPE_CHECKING:
    from protas_gtcc.streaming.recording import Recorder

Record = Callable[["Recorder", int, Sequence[Any], int], None]
"""Writes the instructions of one operation; given are the place of its result, its arguments and the result's size."""


def _elementwise(op: Op, swap: bool = False) -> Record:
    def write(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
        if any(value not in (1, None) for value in args[2:]):
            raise NotImplementedError(f"{op.name} with a factor cannot be recorded")
        first, second = (recorder.operand(value, size) for value in args[:2])
        recorder.emit(op, out, *((second, first) if swap else (first, second)), n=size)

    return write


def _unary(op: Op) -> Record:
    def write(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
        recorder.emit(op, out, recorder.where(args[0]), n=size)

    return write


def _clamp(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
    if tuple(args[1:]) != (0, 1):
        raise NotImplementedError("only clamping to [0, 1] can be recorded")
    recorder.emit(Op.CLAMP, out, recorder.where(args[0]), n=size)


def _affine(recorder: Recorder, out: int, matrix: Tensor, live: Tensor, bias: Tensor | None) -> None:
    rows, columns = matrix.shape
    if live.numel() != columns:
        raise NotImplementedError("a product with more than one frame cannot be recorded")
    recorder.emit(Op.AFFINE, out, recorder.where(live), recorder.add_weights(matrix, bias), rows, columns)


def _convolution(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
    live, weight, bias = args[:3]
    _affine(recorder, out, weight.flatten(1), live, bias)


def _product(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
    *bias, left, right = args
    if recorder.is_live(left):
        left, right = right.transpose(-1, -2), left
    _affine(recorder, out, left.reshape(left.shape[-2:]), right, bias[0] if bias else None)


def _concatenation(recorder: Recorder, out: int, args: Sequence[Any], size: int) -> None:
    parts = args[0]
    ring = recorder.ring_of(parts[0])
    if ring is not None:
        recorder.emit(Op.RECORD, out, recorder.where(parts[1]), ring, n=parts[1].numel())
        return
    for part in parts:
        recorder.emit(Op.COPY, out, recorder.where(part), n=part.numel())
        out += part.numel()


RECORDED: dict[str, Record] = {
    "convolution": _convolution,
    "addmm": _product,
    "baddbmm": _product,
    "mm": _product,
    "bmm": _product,
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
    "cummax": _unary(Op.COPY),  # the running maximum of a single frame is that frame
}
"""How each of torch's operations is recorded, by its name without the underscore of its in-place form."""
_VIEW_NAMES = """
    _unsafe_view alias detach expand permute select slice split split_with_sizes squeeze t transpose unbind unsafe_split
    unsqueeze view
"""
VIEWS = frozenset(_VIEW_NAMES.split())
"""Operations that copy or address numbers without arithmetic: they need no instruction."""
