"""While the tests run, calls with wrong shapes or types are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.file import Video
from protas_gtcc.network.gru import GRU
from protas_gtcc.network.losses import cross_entropy


def test_arguments_whose_shapes_differ_are_refused() -> None:
    logits, labels = torch.zeros(1, 2, 3, 4), torch.zeros(2, 5, dtype=torch.long)
    with pytest.raises(TypeCheckError, match="cross_entropy"):
        cross_entropy(logits, labels)


def test_methods_are_checked() -> None:
    wrong: Any = "no tensor"
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        GRU(2, 2).forward(wrong)


def test_fields_of_dataclasses_are_checked() -> None:
    wrong: Any = 3
    with pytest.raises(BeartypeCallHintViolation, match="name"):
        Video(wrong, np.zeros(4, dtype=int), {})


def test_types_without_shapes_are_checked() -> None:
    wrong: Any = [0, 1]
    with pytest.raises(BeartypeCallHintViolation, match="labels"):
        segment_array(wrong)
