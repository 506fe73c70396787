"""Runs a recorded program in compiled code: for one frame of each of many streams, or for many frames of one stream.

The loop over streams is inside the loop over instructions, so that a matrix is read once and used for every stream.
"""

from __future__ import annotations

from math import exp, tanh
from typing import no_type_check

import numpy as np

from protas_gtcc.storage.compiled_code import compiled
from protas_gtcc.streaming.program import Op


@compiled(nogil=True)
@no_type_check
def step(instructions, weights, ring_shapes, memories, rings, numbers, streams, frames, place, kept, results, before):
    """Run the program for `frames` `[T, k, D]`, the next T frames of each of the k streams `streams`.

    `memories` `[n, M]`, `rings` `[n, R]` and `numbers` `[n]` (frames so far) are the state of all n streams, updated in
    place. Frames are written to `place` in a stream's memory; `results[t]` `[k, K]` are the memory's places `kept`.
    What the first frames overwrite in the rings is put into `before` `[F, k, W]`, for `undo`. Returns 0, or NaN if a
    value that was put into a ring is not finite.
    """
    unusable = np.float32(0)
    for t in range(len(frames)):
        for k in range(len(streams)):
            memory = memories[streams[k]]
            for i in range(frames.shape[2]):
                memory[place + i] = frames[t, k, i]
        width = 0
        for row in range(len(instructions)):
            op, out, a, b, n, m = instructions[row]
            if op == Op.AFFINE:
                _affine_of_all(memories, weights, streams, out, a, b, n, m)
            elif op == Op.RECORD:
                ring = ring_shapes[b]
                for k in range(len(streams)):
                    memory, own, number = memories[streams[k]], rings[streams[k]], numbers[streams[k]]
                    newest = _newest(ring, number)
                    if t < ring[1]:
                        before[t, k, width : width + n] = own[newest : newest + n]
                    unusable += _record(memory, own, ring, number, newest, out, a, n)
                width += n
            else:
                for stream in streams:
                    memory = memories[stream]
                    _vector(op, memory[out : out + n], memory[a : a + n], memory[b : b + n])
        for k in range(len(streams)):
            memory = memories[streams[k]]
            numbers[streams[k]] += 1
            for i in range(len(kept)):
                results[t, k, i] = memory[kept[i]]
    return unusable


@compiled(nogil=True)
@no_type_check
def undo(instructions, ring_shapes, rings, numbers, streams, num_frames, before):
    """Give rings and numbers the values from before a `step` by so many frames, which has filled `before`."""
    for k in range(len(streams)):
        numbers[streams[k]] -= num_frames
        width = 0
        for row in range(len(instructions)):
            op, _, _, b, n, _ = instructions[row]
            if op == Op.RECORD:
                for t in range(min(num_frames, ring_shapes[b][1])):
                    newest = _newest(ring_shapes[b], numbers[streams[k]] + t)
                    rings[streams[k], newest : newest + n] = before[t, k, width : width + n]
                width += n


@compiled(nogil=True)
@no_type_check
def _newest(ring, number):
    """Where the ring has frame `number`."""
    return ring[0] + number % ring[1] * ring[2]


@compiled(nogil=True)
@no_type_check
def _affine_of_all(memories, weights, streams, out, a, w, n, m):
    # Four streams at a time share the loaded weights. The order of each stream's sums does not change.
    in_fours = len(streams) // 4 * 4
    for k in range(0, in_fours, 4):
        _affine_of_four(memories, streams[k : k + 4], weights, out, a, w, n, m)
    for stream in streams[in_fours:]:
        _affine(memories[stream], weights, out, a, w, n, m)


@compiled(nogil=True, fastmath={"contract"})
@no_type_check
def _affine(memory, weights, out, a, w, n, m):
    y, bias = memory[out : out + n], weights[w + n * m : w + n * m + n]
    for i in range(n):
        y[i] = bias[i]
    in_fours = m // 4 * 4
    # Four columns at a time: each result is loaded and stored once for all four.
    for j in range(0, in_fours, 4):
        x0, x1, x2, x3 = memory[a + j], memory[a + j + 1], memory[a + j + 2], memory[a + j + 3]
        r = w + j * n
        w0, w1 = weights[r : r + n], weights[r + n : r + 2 * n]
        w2, w3 = weights[r + 2 * n : r + 3 * n], weights[r + 3 * n : r + 4 * n]
        for i in range(n):
            y[i] += w0[i] * x0 + w1[i] * x1 + w2[i] * x2 + w3[i] * x3
    for j in range(in_fours, m):
        column, x = weights[w + j * n : w + (j + 1) * n], memory[a + j]
        for i in range(n):
            y[i] += column[i] * x


@compiled(nogil=True, fastmath={"contract"})
@no_type_check
def _affine_of_four(memories, four, weights, out, a, w, n, m):
    memory0, memory1 = memories[four[0]], memories[four[1]]
    memory2, memory3 = memories[four[2]], memories[four[3]]
    bias = weights[w + n * m : w + n * m + n]
    y0, y1, y2, y3 = memory0[out : out + n], memory1[out : out + n], memory2[out : out + n], memory3[out : out + n]
    for i in range(n):
        y0[i] = bias[i]
        y1[i] = bias[i]
        y2[i] = bias[i]
        y3[i] = bias[i]
    in_fours = m // 4 * 4
    for j in range(0, in_fours, 4):
        x = memory0[a + j : a + j + 4]
        a0, a1, a2, a3 = x[0], x[1], x[2], x[3]
        x = memory1[a + j : a + j + 4]
        b0, b1, b2, b3 = x[0], x[1], x[2], x[3]
        x = memory2[a + j : a + j + 4]
        c0, c1, c2, c3 = x[0], x[1], x[2], x[3]
        x = memory3[a + j : a + j + 4]
        d0, d1, d2, d3 = x[0], x[1], x[2], x[3]
        r = w + j * n
        w0, w1 = weights[r : r + n], weights[r + n : r + 2 * n]
        w2, w3 = weights[r + 2 * n : r + 3 * n], weights[r + 3 * n : r + 4 * n]
        for i in range(n):
            y0[i] += w0[i] * a0 + w1[i] * a1 + w2[i] * a2 + w3[i] * a3
            y1[i] += w0[i] * b0 + w1[i] * b1 + w2[i] * b2 + w3[i] * b3
            y2[i] += w0[i] * c0 + w1[i] * c1 + w2[i] * c2 + w3[i] * c3
            y3[i] += w0[i] * d0 + w1[i] * d1 + w2[i] * d2 + w3[i] * d3
    for j in range(in_fours, m):
        column = weights[w + j * n : w + (j + 1) * n]
        for i in range(n):
            y0[i] += column[i] * memory0[a + j]
            y1[i] += column[i] * memory1[a + j]
            y2[i] += column[i] * memory2[a + j]
            y3[i] += column[i] * memory3[a + j]


@compiled(nogil=True, fastmath={"reassoc"})
@no_type_check
def _record(memory, rings, ring, number, newest, out, a, n):
    unusable = np.float32(0)
    for i in range(n):
        rings[newest + i] = memory[a + i]
        unusable += memory[a + i] * np.float32(0)
    # Copies of the first frame stand before it.
    near, far = _newest(ring, max(number - ring[3], 0)), _newest(ring, max(number - 2 * ring[3], 0))
    for i in range(n):
        memory[out + 3 * i] = rings[far + i]
        memory[out + 3 * i + 1] = rings[near + i]
        memory[out + 3 * i + 2] = memory[a + i]
    return unusable


@compiled(nogil=True, error_model="numpy")
@no_type_check
def _vector(op, out, a, b):
    zero, one = np.float32(0), np.float32(1)
    if op == Op.COPY:
        for i in range(len(out)):
            out[i] = a[i]
    elif op == Op.ADD:
        for i in range(len(out)):
            out[i] = a[i] + b[i]
    elif op == Op.SUBTRACT:
        for i in range(len(out)):
            out[i] = a[i] - b[i]
    elif op == Op.MULTIPLY:
        for i in range(len(out)):
            out[i] = a[i] * b[i]
    elif op == Op.MAXIMUM:
        for i in range(len(out)):
            out[i] = max(a[i], b[i])
    elif op == Op.RELU:
        for i in range(len(out)):
            out[i] = max(a[i], zero)
    elif op == Op.SIGMOID:
        for i in range(len(out)):
            out[i] = np.float32(1 / (1 + exp(-a[i])))
    elif op == Op.TANH:
        for i in range(len(out)):
            out[i] = np.float32(tanh(a[i]))
    elif op == Op.CLAMP:
        for i in range(len(out)):
            out[i] = min(max(a[i], zero), one)
    else:
        _softmax(out, a)


@compiled(nogil=True, error_model="numpy")
@no_type_check
def _softmax(out, a):
    highest, total = a[0], np.float32(0)
    for i in range(len(a)):
        highest = max(highest, a[i])
    for i in range(len(out)):
        out[i] = np.float32(exp(a[i] - highest))
        total += out[i]
    for i in range(len(out)):
        out[i] /= total
