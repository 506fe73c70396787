"""What is known of a file of features: `<video>.json` beside `<video>.npy`, as `extract` writes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.configs import from_dict
from protas_gtcc.storage.file_kinds import require_regular
from protas_gtcc.storage.npy import read_npy_header

FORMAT = "protas_gtcc features"
FORMAT_VERSION = 1
_BLOCK_BYTES = 1 << 16
LONGEST = 1 << 20
"""Bytes of such a file; what is longer is none."""


@dataclass(frozen=True)
class FeatureFacts:
    """Where the features of one video come from."""

    extractor: Extractor
    num_frames: int
    dim: int
    video: str
    """Name of the video's file."""
    video_bytes: int
    """Size of that file."""
    backbone_version: str = ""
    """Version of the package that the backbone comes from; "" for a file."""
    look_ahead_frames: int = 0
    """How many frames after t the features of frame t have seen."""
    video_digest: str = ""
    """Of a few blocks of the video's file, by `blocks_digest`; "" in facts from before there was one."""
    notes: list[str] = field(default_factory=list)
    """What was wrong in the video, such as a damaged end."""


def blocks_digest(file: Path) -> str:
    """A hash of the first, the middle and the last 64 KiB of a file: cheap for large files as well."""
    digest, size = hashlib.blake2b(digest_size=8), file.stat().st_size
    with open(file, "rb") as opened:
        for start in (0, (size - _BLOCK_BYTES) // 2, size - _BLOCK_BYTES):
            opened.seek(max(0, start))
            digest.update(opened.read(_BLOCK_BYTES))
    return digest.hexdigest()


def facts_file(features: Path) -> Path:
    """Where the facts of a file of features are."""
    return features.with_name(f"{features.name.removesuffix(features.suffix)}.json")


def are_facts(path: Path) -> bool:
    """Whether a JSON file has such facts, by its first bytes."""
    with open(path, "rb") as file:
        return f'"format": "{FORMAT}"'.encode() in file.read(200)


def write_feature_facts(features: Path, facts: FeatureFacts) -> None:
    """Write the facts beside the file `features`. Raises `InputError` as `write_text` does."""
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(facts)}
    write_text(facts_file(features), json.dumps(content, indent=1))


def require_extractor(features: Path, extractor: Extractor, fps: float | None) -> None:
    """Raise `InputError` if the facts beside the file `features` name another backbone, or another rate than `fps`.

    Without facts, or where the backbone or the rate of a model is not known, the file is taken as it is. Raises it as
    `facts_of_features` does, too.
    """
    facts = facts_of_features(features)
    if facts is None:
        return
    if extractor and not facts.extractor.has_backbone_of(extractor):
        what = f"{features} was made by {facts.extractor}, and the model was trained on features of {extractor}"
        raise InputError(f"{what}; extract with the model's backbone")
    if fps is not None and facts.extractor.fps != fps:
        what = f"{features} was made by {facts.extractor}, and {fps:g} fps were expected"
        raise InputError(f"{what}; give --fps {facts.extractor.fps:g}, or extract at {fps:g}")


def facts_of_features(features: Path) -> FeatureFacts | None:
    """The facts beside the file `features`; None without any.

    Raises `InputError` as `read_feature_facts` does, and if the file has another shape than its facts: another program
    has written it since.
    """
    facts = read_feature_facts(features)
    if facts is not None and features.suffix == ".npy":
        # Of a file that is not whole, whoever reads it says so.
        with suppress(OSError, ValueError, EOFError, SyntaxError):
            shape = list(read_npy_header(features)[0])
            if shape != [facts.num_frames, facts.dim]:
                what = (
                    f"{features} is {shape}, and {facts_file(features).name} is about {[facts.num_frames, facts.dim]}"
                )
                raise InputError(f"{what}; extract the features again, or remove {facts_file(features)}")
    return facts


def read_feature_facts(features: Path) -> FeatureFacts | None:
    """The facts beside the file `features`; None without any.

    Raises `InputError` if they are damaged or of a later version. A JSON file of another program is left alone.
    """
    path = facts_file(features)
    if path == features:
        return None
    try:
        require_regular(path)
        with open(path, encoding="utf-8") as file:
            content = json.loads(file.read(LONGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); extract the features again, or remove it") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        return None
    if content.pop("format_version", None) != FORMAT_VERSION:
        raise InputError(f"{path} is of a later version of this program; upgrade, or extract the features again")
    return from_dict(FeatureFacts, content, str(path))
