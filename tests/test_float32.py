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


def test_within_it_the_older_name_of_the_setting_can_be_read_and_changed_for_a_while():
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, *now()
    with full_float32():
        assert not cudnn.allow_tf32
        with cudnn.flags(enabled=False, allow_tf32=False):
            pass
    assert (cudnn.allow_tf32, *now()) == before


def test_settings_of_an_operation_that_a_program_has_made_are_put_back():
    cudnn: Any = torch.backends.cudnn
    before = now()
    try:
        cudnn.conv.fp32_precision = "ieee"
        with full_float32():
            assert now() == ("ieee", "ieee")
        assert now() == ("ieee", before[1])
    finally:
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = before
    assert cudnn.allow_tf32
