"""TorchScript and ONNX files as backbones.

The axes of the input are found: `[B, 3, H, W]` or `[B, H, W, 3]`, and with a window of k frames `[B, 3, k, H, W]` or
`[B, k, H, W, 3]`. Floats get RGB less the mean of ImageNet, over its deviation; uint8 gets RGB from 0 to 255.

A TorchScript file is a program, which begins to run when torch loads it. It cannot run Python, but it can write files.
An ONNX file computes only.
"""

from __future__ import annotations

import mmap
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from protas_gtcc.errors import InputError
from protas_gtcc.storage.tensors import require_whole_archive
from protas_gtcc.video.backbones.base import (
    Axes,
    Backbone,
    ModelInput,
    checked_features,
    files_digest,
    fingerprint,
    first_line,
    tried,
)
from protas_gtcc.video.backbones.modules import ModuleBackbone

ENDINGS = (".onnx", ".pt", ".pth", ".ts")
_COLOURS = 3
_FATAL = 4
"""Of what ONNX Runtime logs. It writes lower ones on standard error, beside the error that it raises."""


def make_from_file(path: Path, device: str, size: int | None, window: int) -> Backbone:
    """The model in a file. `size` of the pictures and `window` are needed where the file does not state them.

    Raises `InputError` if the file is none of a model, or takes or gives something else.
    """
    if not path.is_file():
        raise InputError(f"no file of a model {path}; correct --backbone")
    if path.suffix == ".onnx":
        return OnnxBackbone(path, device, size, window)
    return _torchscript(path, device, size, window)


def _torchscript(path: Path, device: str, size: int | None, window: int) -> ModuleBackbone:
    try:
        require_whole_archive(path, compressed=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch will have other files, users have these
            module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except Exception as error:  # C++'s errors have many classes here
        what = f"{path} is not a TorchScript file ({first_line(error)})"
        raise InputError(f"{what}; save the model with torch.jit.save, or give timm:NAME={path}") from error
    if size is None:
        raise InputError(f"{path} does not state the size of its pictures; give it with --size, such as --size 224")
    digest, refused = files_digest([path]), []
    choices: tuple[Axes, ...] = ("CKHW", "KHWC") if window > 1 else ("CHW", "HWC")
    for axes in choices:
        try:
            return ModuleBackbone(path.name, "", module, ModelInput(size, axes, window), digest, device)
        except InputError:
            raise
        except Exception as error:  # TorchScript's errors on axes that do not fit have no common class
            refused.append(first_line(error))
    expected = " nor ".join(_shape(axes, size, window) for axes in choices)
    raise InputError(f"{path} takes neither {expected} ({refused[0]}); correct --size and --window, or the model")


class OnnxBackbone:
    """A model in an ONNX file, run by ONNX Runtime."""

    look_ahead_frames, version = 0, ""

    def __init__(self, path: Path, device: str, size: int | None, window: int):
        """Raises `InputError` if the file is no model of one input, or if nothing shows how that takes pictures."""
        self._session, inputs = _session(path, device)
        self.name = path.name
        if len(inputs) != 1:
            raise InputError(f"{path} has {len(inputs)} inputs; save a model that takes pictures alone")
        self._input_name, shape, kind = inputs[0]
        self._input, self._one_by_one = _read_input(path, shape, kind, size, window), shape[0] == 1
        self.size, self.window = self._input.size, self._input.window
        self.fingerprint = fingerprint(files_digest([path, *_files_beside(path)]), self._input)
        self.dim = tried(self, self._input, self.name)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features of pictures, as `Backbone` has it."""
        values = np.ascontiguousarray(self._input.tensor(pictures).numpy())
        parts = np.split(values, len(values)) if self._one_by_one else [values]
        try:
            found = [self._session.run(None, {self._input_name: part})[0] for part in parts]
        except Exception as error:  # its errors have no common class
            what = f"{self.name} does not take {list(values.shape)} ({first_line(error)})"
            raise InputError(f"{what}; correct --size and --window, or the model") from error
        checked = [checked_features(one, len(part), self.name) for one, part in zip(found, parts, strict=True)]
        return np.concatenate(checked)


def _files_beside(path: Path) -> list[Path]:
    """The files that an ONNX file names as the places of weights, as those of large models are."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # An entry in protobuf: its key, 8 bytes, and its value with a length below 128, or of two bytes above.
        found = re.findall(rb"\x0a\x08location\x12([\x80-\xff]?[\x00-\x7f])(?=([^\x00]{1,4096}))", content, re.DOTALL)
    names = {value[: sum((one & 127) << 7 * place for place, one in enumerate(size))] for size, value in found}
    files = [path.parent / os.fsdecode(name) for name in sorted(names)]
    return [file for file in files if file.is_file()]  # what is missing has been refused


def _session(path: Path, device: str) -> tuple[Any, list[tuple[str, list[Any], str]]]:
    """What runs the model, and name, shape and type of each input."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{path} needs the package {error.name}; pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = _FATAL
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [*(one for one in wanted if one in onnxruntime.get_available_providers()), "CPUExecutionProvider"]
    try:  # the fallback would print why, and then do the same again
        session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
        inputs = [(one.name, list(one.shape), one.type) for one in session.get_inputs()]
    except Exception as error:
        raise InputError(f"{path} is not an ONNX file that runs ({first_line(error)}); export it again") from error
    if not set(wanted) <= set(session.get_providers()):  # it is not there, or its libraries do not load
        what = f"{path} cannot compute on {device}: this ONNX Runtime has no CUDA that works"
        raise InputError(f"{what}; pip install onnxruntime-gpu in place of onnxruntime, or give --device cpu")
    return session, inputs


def _read_input(path: Path, shape: list[Any], kind: str, size: int | None, window: int) -> ModelInput:
    """How a model takes pictures, by the shape and the type of its input."""
    axes = _axes(shape)
    if axes is None or kind not in ("tensor(float)", "tensor(uint8)"):
        what = f"{path} takes {shape} of {kind}"
        raise InputError(f"{what}; export a model that takes [B, 3, H, W] or [B, k, H, W, 3], float or uint8")
    stated = {name: shape[1 + axes.index(name)] for name in axes if name != "C"}
    sizes = {stated[name] for name in "HW" if isinstance(stated[name], int)} or {size}
    frames = stated.get("K", 1) if isinstance(stated.get("K", 1), int) else window
    if size not in (None, *sizes) or window not in (1, frames) or len(sizes) > 1:
        raise InputError(f"{path} takes {shape}; --size {size} and --window {window} do not fit it: leave them out")
    found = sizes.pop()
    if found is None:
        raise InputError(f"{path} does not state the size of its pictures; give it with --size, such as --size 224")
    plain = {"mean": None} if kind == "tensor(uint8)" else {}
    return ModelInput(found, axes, frames, **plain)  # type: ignore[arg-type]


def _axes(shape: list[Any]) -> Axes | None:
    """The axes of an input by where the 3 colours are; of two places, that which comes first."""
    known: dict[int, tuple[Axes, ...]] = {4: ("CHW", "HWC"), 5: ("CKHW", "KHWC")}
    fitting = (axes for axes in known.get(len(shape), ()) if shape[1 + axes.index("C")] == _COLOURS)
    return next(fitting, None)


def _shape(axes: Axes, size: int, window: int) -> str:
    sizes = {"C": _COLOURS, "K": window, "H": size, "W": size}
    return f"[B, {', '.join(str(sizes[axis]) for axis in axes)}]"
