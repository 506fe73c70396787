"""The flags of a backbone, for the commands that extract features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.pictures import processors_for_backbone
from protas_gtcc.config import Device, require_range

if TYPE_CHECKING:
    from protas_gtcc.video.backbones.base import Backbone


@dataclass(frozen=True)
class BackboneFlags:
    """Which backbone makes features of pictures, and how it computes."""

    backbone: str = "efficientnet-lite0"
    """efficientnet-lite0 or -lite2, whose weights are packages; timm:MODEL, or timm:MODEL=FILE with its weights in a
    file; or a model of your own, FILE.onnx or FILE.pt (TorchScript), that gives [B, D]. A TorchScript file is a
    program that may write files: take one from people you trust."""
    size: int = 0
    """Height and width of the pictures, for a model of your own that does not state them; 0 takes what it states."""
    window: int = 1
    """Frames that a model of your own sees at once: the last ones, and before a video's start its first one."""
    batch_size: int = 16
    """Frames that the backbone takes at once."""
    threads: int = 0
    """Processor threads of the backbone; 0 leaves one processor to decoding and takes the others."""
    device: Device = "auto"
    """Where the backbone computes; auto takes a GPU if there is one."""

    def __post_init__(self) -> None:
        require_range(self, window=(1, 1000), batch_size=(1, 4096), threads=(0, 1024), size=(0, 4096))

    @contextmanager
    def made(self) -> Iterator[Backbone]:
        """The backbone on its device, with its threads. Raises `InputError` as `make_backbone` does."""
        from protas_gtcc.inference import choose_device
        from protas_gtcc.video.backbones.choice import make_backbone

        with processors_for_backbone(self.threads):
            yield make_backbone(self.backbone, choose_device(self.device), self.size or None, self.window)
