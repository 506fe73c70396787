"""Torch checkpoints and tensors of unknown origin: no code is run, and nothing claims more than its file holds."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.file_kinds import PICKLE, TEXT, TORCH, require_kind

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "features"
"""The tensor that is read from a dict of several."""


def load_tensors_alone(path: Path) -> Any:
    """The content of a torch checkpoint of tensors and plain values; `InputError` for anything else."""
    import torch

    if not path.is_file():
        raise InputError(f"no checkpoint {path}; correct the path")
    require_kind(path, TORCH, (TORCH, PICKLE), {TEXT: "name another file"})
    try:
        require_whole_archive(path, compressed=False)
        # weights_only: a foreign pickle must not run code here.
        content = torch.load(path, map_location="cpu", weights_only=True)
        _require_dense(content)
        return content
    except Exception as error:  # pickle, zip and torch have errors of many kinds
        # torch's own message advises to load without this guard, which could run code from the file.
        what = f"{path} is not a torch checkpoint of plain tensors, or not a complete one"
        raise InputError(f"{what}; copy it again, or save its state_dict alone") from error


def require_whole_archive(path: Path, compressed: bool) -> None:
    """Raise `ValueError` if a part of a torch archive is damaged, or if one is compressed that should not be.

    Torch itself ignores the checksums, of which an archive may have none. Old files are no archives. Also raises errors
    of `zipfile`.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if not compressed and sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("it is compressed")
        for member in members:
            with archive.open(member) if member.CRC else nullcontext() as part:
                while part and part.read(1 << 20):  # at the end, it compares
                    pass


def read_tensor(path: Path) -> np.ndarray:
    """The tensor in a file of one, of a dict with one, or the one called `features`; bfloat16 as float32.

    Raises `InputError` as `load_tensors_alone` does, and if it is not clear which tensor to read.
    """
    import torch

    content = load_tensors_alone(path)
    if isinstance(content, Mapping):
        tensors = {str(name): one for name, one in content.items() if isinstance(one, torch.Tensor)}
        if len(tensors) != 1 and _KEY not in tensors:
            what = f"{path} has the tensors {listed(tensors)}" if tensors else f"{path} has no tensor"
            raise InputError(f"{what}; save one tensor, or call it {_KEY!r}")
        content = tensors[_KEY] if _KEY in tensors else next(iter(tensors.values()))
    if not isinstance(content, torch.Tensor):
        raise InputError(f"{path} holds {type(content).__name__}, not a tensor; save the features of one video, [T, D]")
    return _as_array(content)


def tensor_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of `read_tensor`. Raises `InputError` as that does."""
    array = read_tensor(path)
    return array.shape, array.dtype


def _as_array(tensor: Tensor) -> np.ndarray:
    import torch

    array: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
    return array


def _require_dense(content: Any) -> None:
    """Raise `ValueError` for a tensor whose values are not all there: a view can claim any size."""
    import torch

    if isinstance(content, torch.Tensor):
        if content.layout != torch.strided or content.nbytes > content.untyped_storage().nbytes():
            raise ValueError("a tensor is a view or sparse")
    elif isinstance(content, Mapping):
        for value in content.values():
            _require_dense(value)
