"""Convolutions are in full float32 within, and as they were before after it, also where threads overlap."""

import threading
from typing import Any

import torch

from protas_gtcc.network.float32 import full_float32


def now() -> tuple[str, str]:
    cudnn: Any = torch.backends.cudnn
    return cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision


def test_it_holds_within_and_ends_with_it_also_nested_and_after_errors():
    before = now()
    try:
        with full_float32():
            with full_float32():
                assert now() == ("ieee", "ieee")
            assert now() == ("ieee", "ieee")
            raise KeyError
    except KeyError:
        assert now() == before


def test_the_last_thread_within_puts_it_back():
    before, entered, may_leave = now(), threading.Event(), threading.Event()

    def other() -> None:
        with full_float32():
            entered.set()
            may_leave.wait(10)

    thread = threading.Thread(target=other)
    with full_float32():
        thread.start()
        assert entered.wait(10)
    assert now() == ("ieee", "ieee"), "the other thread still computes"
    may_leave.set()
    thread.join()
    assert now() == before
