"""The GRU's recurrence over frames in compiled code, forward and backward, for training on the CPU.

Axes: T frames, B videos, H hidden units; gates are in torch's order (reset, update, new), all arrays float32.
"""

from __future__ import annotations

from math import exp, tanh
from typing import no_type_check

import numpy as np

from protas_gtcc.storage.compiled_code import compiled


@compiled(nogil=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def run_forward(inputs, weight, bias, hidden, gates, new, recurrent):
    """Fill `hidden[1:]` `[T, B, H]`, `gates` (reset, update) `[T, B, 2 H]`, and `new` and `recurrent` `[T, B, H]`.

    `inputs` `[T, B, 3 H]` include the input's bias; `weight` is transposed, `[H, 3 H]`; `hidden[0]` is the start.
    """
    width, one = new.shape[2], np.float32(1)
    sums = np.empty(3 * width, np.float32)
    for t in range(inputs.shape[0]):
        for b in range(inputs.shape[1]):
            given, before, after = inputs[t, b], hidden[t, b], hidden[t + 1, b]
            sums[:] = bias
            _add_product(before, weight, sums)
            for i in range(2 * width):
                gates[t, b, i] = one / (one + exp(-(given[i] + sums[i])))
            for i in range(width):
                recurrent[t, b, i] = sums[2 * width + i]
                n = np.float32(tanh(given[2 * width + i] + gates[t, b, i] * sums[2 * width + i]))
                new[t, b, i] = n
                after[i] = n + gates[t, b, width + i] * (before[i] - n)


@compiled(nogil=True, fastmath={"contract"})
@no_type_check
def run_backward(grad_output, slopes, update, weight, total, grad_gates):
    """Fill the gradients of the hidden states, `total` `[T, B, H]`, and of `W h + b`, `grad_gates` `[T, B, 3 H]`.

    `slopes` `[T, B, 3 H]` are the derivatives of a hidden state by the gates, `update` `[T, B, H]` is the update gate,
    `weight` is `[3 H, H]`.
    """
    num_frames, batch, width = grad_output.shape
    later = np.zeros((batch, width), np.float32)
    for t in range(num_frames - 1, -1, -1):
        for b in range(batch):
            dh, dgates = total[t, b], grad_gates[t, b]
            for i in range(width):
                dh[i] = grad_output[t, b, i] + later[b, i]
                later[b, i] = dh[i] * update[t, b, i]
            for gate in range(3):
                for i in range(width):
                    dgates[gate * width + i] = dh[i] * slopes[t, b, gate * width + i]
            _add_product(dgates, weight, later[b])


@compiled(nogil=True, fastmath={"contract"})
@no_type_check
def _add_product(x, matrix, y):
    """y += x matrix, `[n]`, `[n, m]`, `[m]`; four rows at a time, so that y is read and written less often."""
    in_fours = len(x) // 4 * 4
    for k in range(0, in_fours, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        row0, row1, row2, row3 = matrix[k], matrix[k + 1], matrix[k + 2], matrix[k + 3]
        for i in range(len(y)):
            y[i] += x0 * row0[i] + x1 * row1[i] + x2 * row2[i] + x3 * row3[i]
    for k in range(in_fours, len(x)):
        for i in range(len(y)):
            y[i] += x[k] * matrix[k, i]
