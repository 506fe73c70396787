"""The backbone that a model's features were made with, made again from what its checkpoint says."""

from __future__ import annotations

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Extractor
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.backbones.model_files import ENDINGS


def backbone_of(extractor: Extractor, given: Backbone | str | None = None, device: str = "cpu") -> Backbone:
    """The backbone of that name, or the `given` one, if it has the weights and the scaling of the model's features.

    Raises `InputError` if that is not known, if it is in a file that was not given, if it has other weights or scaling,
    and as `make_backbone` does.
    """
    require_known(extractor)
    if given is None and extractor.backbone.endswith(ENDINGS) and "timm:" not in extractor.backbone:
        what = f"the model was trained on features of {extractor}, a file of yours"
        raise InputError(f"{what}; give it with --backbone FILE, with --size and --window if 'extract' was given them")
    choice = extractor.backbone if given is None else given
    backbone = make_backbone(choice, device) if isinstance(choice, str) else choice
    if not extractor.has_backbone_of(Extractor(backbone.name, backbone.fingerprint)):
        what = f"the model was trained on features of {extractor}"
        found = f"{backbone.name} ({backbone.fingerprint}) has other weights or scaling"
        raise InputError(f"{what}, and {found}; give the model's own with --backbone")
    return backbone


def require_known(extractor: Extractor) -> None:
    """Raise `InputError` unless it is known what made a model's features: only then, it can take videos."""
    if not extractor:
        what = "the model's features did not come from 'extract', so that it cannot take a video itself"
        way_out = "make features as those of its training and give their files, or train on features of 'extract'"
        raise InputError(f"{what}; {way_out}")
