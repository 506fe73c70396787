"""The backbone that a user names."""

from __future__ import annotations

from pathlib import Path

from protas_gtcc.errors import InputError, listed
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.efficientnet import SIZES, make_efficientnet
from protas_gtcc.video.backbones.model_files import ENDINGS, make_from_file
from protas_gtcc.video.backbones.timm_models import PREFIX, make_timm

DEFAULT = "efficientnet-lite0"


def make_backbone(choice: str = DEFAULT, device: str = "cpu", size: int | None = None, window: int = 1) -> Backbone:
    """The backbone of that name on a device.

    `choice` is `efficientnet-lite0` or `-lite2`, `timm:NAME`, `timm:NAME=FILE` with weights in a file, or an ONNX or
    TorchScript file. `size` of pictures in pixels and `window` in frames are for such a file, where it does not state
    them. Raises `InputError` for a name that is none, and if packages, weights or the model do not fit.
    """
    if Path(choice).suffix in ENDINGS and not choice.startswith(PREFIX):
        return make_from_file(Path(choice), device, size, window)
    if size is not None or window != 1:
        raise InputError(f"--size and --window are for models in files; {choice} has its own: leave them out")
    if choice in SIZES:
        return make_efficientnet(choice, device)
    if choice.startswith(PREFIX):
        return make_timm(choice, device)
    files = f"a file that ends in {listed(ENDINGS)}"
    raise InputError(f"no backbone {choice!r}; name {listed(SIZES)}, {PREFIX}NAME, {PREFIX}NAME=FILE, or {files}")
