"""What commands that take videos share: the backbone's flags, and its processor threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.processors import backbone_threads
from protas_gtcc.config import Text, require_range

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel


@dataclass(frozen=True)
class OwnBackboneFlags:
    """The backbone of videos, where the checkpoint alone does not say where it is."""

    backbone: Text | None = None
    """For videos, where the model's backbone is a file of yours: FILE.onnx, FILE.pt or timm:NAME=FILE. By default, the
    one that the checkpoint names."""
    size: int = 0
    """Height and width of the pictures for a file that does not state them, as for 'extract'."""
    window: int = 1
    """Frames that a file that does not state it sees at once, as for 'extract'."""

    def __post_init__(self) -> None:
        require_range(self, window=(1, 1000), size=(0, 4096))

    def give(self, model: TrainedModel, device: str | None = None) -> None:
        """Give the model its backbone, which computes on the model's device or another one.

        Raises `InputError` as `TrainedModel.backbone` does.
        """
        from protas_gtcc.video.backbones.choice import make_backbone
        from protas_gtcc.video.backbones.of_model import require_known

        model.require_one_set()
        require_known(model.facts.extractor)
        choice = self.backbone or (model.facts.extractor.backbone if self.size or self.window > 1 else None)
        where = device or str(model.device)
        model.backbone(make_backbone(choice, where, self.size or None, self.window) if choice else None, where)


@contextmanager
def processors_for_backbone(threads: int = 0) -> Iterator[None]:
    """Let torch use so many threads; with 0, it leaves one processor to decoding and takes the others."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(backbone_threads(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
