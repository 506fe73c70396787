"""Models of the package timm as backbones: with the weights that timm fetches, or with those in a file."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any

import torch

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.tensors import require_whole_archive
from protas_gtcc.video.backbones.base import ModelInput, weights_digest
from protas_gtcc.video.backbones.modules import ModuleBackbone

PREFIX = "timm:"


def make_timm(choice: str, device: str) -> ModuleBackbone:
    """The model `timm:NAME`, or `timm:NAME=FILE` with the weights in a file.

    Raises `InputError` without timm, for a name that it does not know, and for weights that cannot be had or do not
    fit.
    """
    try:
        timm: Any = importlib.import_module("timm")
    except ImportError as error:
        raise InputError(f"the backbone {choice} needs the package {error.name}; pip install timm") from error
    name, _, file = choice.removeprefix(PREFIX).partition("=")
    if not timm.is_model(name):
        close = listed(difflib.get_close_matches(name, timm.list_models()))
        raise InputError(f"timm {timm.__version__} has no model {name!r}; names like it are {close}")
    module = _with_weights_of(Path(file), name, timm) if file else _fetched(name, timm)
    config = timm.data.resolve_model_data_config(module)
    model_input = ModelInput(
        max(config["input_size"][1:]),
        mean=tuple(255 * one for one in config["mean"]),
        deviation=tuple(255 * one for one in config["std"]),
    )
    digest = weights_digest(module.state_dict())
    return ModuleBackbone(f"{PREFIX}{name}", timm.__version__, module, model_input, digest, device)


def _fetched(name: str, timm: Any) -> torch.nn.Module:
    try:
        module: torch.nn.Module = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # of the network, of the hub, of files: each library has its own
        config = timm.get_pretrained_cfg(name, allow_unregistered=True)
        hub = getattr(config, "hf_hub_id", None)
        source = f"model.safetensors of https://huggingface.co/{hub}" if hub else "its weights"
        way_out = f"place {source} on this machine and give --backbone {PREFIX}{name}=FILE"
        raise InputError(f"timm cannot fetch the weights of {name} ({error}); {way_out}") from error
    return module


def _with_weights_of(file: Path, name: str, timm: Any) -> torch.nn.Module:
    module: torch.nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    weights = _read_weights(file)
    try:
        found = module.load_state_dict(weights, strict=False)  # the classifier is left out
    except RuntimeError as error:
        raise InputError(f"{file} does not fit the model {name} ({error}); give the file of that model") from error
    if found.missing_keys:
        what = f"{file} lacks weights of the model {name}: {listed(found.missing_keys)}"
        raise InputError(f"{what}; give the file of that model")
    return module


def _read_weights(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise InputError(f"no file of weights {file}; correct the path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        require_whole_archive(file, compressed=False)
        content = torch.load(file, map_location="cpu", weights_only=True)
        weights = content.get("state_dict", content)
        return {name: values for name, values in weights.items() if isinstance(values, torch.Tensor)}
    except Exception as error:  # of pickle, zip and safetensors
        what = f"{file} is not a file of weights ({type(error).__name__}: {error})"
        raise InputError(f"{what}; give a .safetensors file, or a state dict that torch saved") from error
