"""Checkpoints: safetensors files that are enough alone to predict.

The tensors are the network's weights. The metadata holds configuration, class names, background, fps and feature size.
A checkpoint is written to a temporary name and renamed, so it is always whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from protas_gtcc.annotations.palette import are_colours
from protas_gtcc.annotations.transcripts import TranscriptTables, check_tables
from protas_gtcc.config import RunConfig
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.predictions import Extractor, JoinedSet
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.checkpoints import find_checkpoint
from protas_gtcc.storage.configs import from_dict
from protas_gtcc.storage.file_kinds import SAFETENSORS, TEXT, require_kind

FORMAT = "protas_gtcc checkpoint"
FORMAT_VERSION = 1
TRANSCRIPTS, PROCEDURE = "transcripts.", "procedure."
"""Prefixes of the names of the filter's tables, and of what is known of procedures, among the tensors."""


@dataclass(frozen=True)
class ModelFacts:
    """Everything beside the weights that predicting needs."""

    config: RunConfig
    feature_dim: int
    class_names: list[str]
    background: list[int]
    fps: float | None
    """Frames a second of the features; None if not known (an imported checkpoint)."""
    look_ahead_frames: int = 0
    """How many frames after t the features of frame t depend on."""
    extractor: Extractor = field(default_factory=Extractor)
    """What made the features of the pictures, where it is known; not of joined sets, which have their own."""
    joined_sets: list[JoinedSet] = field(default_factory=list)
    """The feature sets that were joined, in order; none if there was one."""
    dataset: str = ""
    """Name of the dataset it was trained on."""
    training_videos: list[str] = field(default_factory=list)
    """Videos it was trained or validated on: none of them can test it."""
    simulated: bool = False
    class_colours: list[str] = field(default_factory=list)
    """Those of the dataset; none in files of earlier versions."""
    tasks: list[str] = field(default_factory=list)
    """Names of the tasks of the training videos, in the order of the filter's; none if a video's task is not known."""
    transcripts: TranscriptTables | None = None
    """Tables of the duration filter, by which procedures are followed too; None without both."""
    procedure: dict[str, np.ndarray] | None = None
    """A `ProcedureModel` as arrays by name; None if procedures are not followed."""
    awaits_calibration: bool = False
    """The filter is to be calibrated after the last epoch, and was not yet."""
    calibration: str = ""
    """How the filter was calibrated, or why it was not, as a note for who reads scores; "" if that was not wanted."""

    @property
    def filtered(self) -> bool:
        """Whether labels and progress come from the duration filter, and not from the network alone."""
        return self.transcripts is not None and self.config.decoding.filter == "durations"

    @property
    def joining(self) -> str:
        """The way out for features of another size: what is joined, in which order; "" for a model of one set."""
        if not self.joined_sets:
            return ""
        return f"join {listed(self.joined_sets, len(self.joined_sets))} along D, in this order"

    def build(self) -> ProgressNetwork:
        """An untrained network of this shape."""
        return ProgressNetwork(self.config.model, self.feature_dim, len(self.class_names))


def save_tensors(path: Path, file_format: str, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able facts in one step; after a failure the file at `path` is as it was.

    Raises `InputError` for a tensor that is not finite, and as `replace_when_whole` does.
    """
    require_finite_tensors(tensors, f"{path} was not written", "train again with a lower --lr")
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": file_format, "format_version": FORMAT_VERSION, **facts}
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    with replace_when_whole(path) as temporary:
        try:
            save_file(held, temporary, texts | {"digest": _digest(held, texts)})
            temporary.chmod(0o644)  # safetensors makes files that only their owner can read
        except SafetensorError as error:
            raise OSError(f"{error}") from error


def load_tensors(
    path: Path, expected_format: str, way_out: str = "train again, or copy it again"
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file of `save_tensors`. `InputError` if it is missing, incomplete, not finite, or of another format."""
    path = find_checkpoint(path)
    try:
        with safe_open(path, "pt") as file:
            texts = file.metadata() or {}
            digest = texts.pop("digest", None)  # files of earlier versions have none
            metadata = {name: json.loads(text) for name, text in texts.items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except Exception as error:  # of the format, of JSON and of its depth
        require_kind(path, SAFETENSORS, (SAFETENSORS,), {TEXT: way_out})
        raise InputError(f"{path} is not a whole safetensors file ({error}); {way_out}") from error
    if metadata.get("format") != expected_format or type(metadata.get("format_version")) is not int:
        raise InputError(f"{path} is not a {expected_format}; name another file")
    if metadata["format_version"] > FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {metadata['format_version']}, this program reads up to {FORMAT_VERSION}; "
            "upgrade the program"
        )
    if digest is not None and digest != _digest(tensors, texts):
        raise InputError(f"{path} is damaged: its content has another digest than when it was written; {way_out}")
    require_finite_tensors(tensors, str(path), way_out)
    return tensors, metadata


def _digest(tensors: Mapping[str, torch.Tensor], texts: Mapping[str, str]) -> str:
    """A hash of everything that a file holds."""
    digest = hashlib.blake2b(json.dumps(sorted(texts.items())).encode(), digest_size=16)
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.dtype} {list(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def require_finite_tensors(tensors: Mapping[str, torch.Tensor], where: str, way_out: str) -> None:
    """Raise `InputError` for NaN or infinity, naming the first tensor that has it."""
    for name, values in tensors.items():
        if not bool(torch.isfinite(values).all()):
            raise InputError(f"{where}: {name} has NaN or infinity; {way_out}")


def save_checkpoint(path: Path, network: ProgressNetwork, facts: ModelFacts) -> None:
    """Write a network's weights and facts."""
    plain = dataclasses.asdict(dataclasses.replace(facts, transcripts=None, procedure=None))
    tables = {} if facts.transcripts is None else dataclasses.asdict(facts.transcripts)
    kept = {f"{TRANSCRIPTS}{name}": torch.from_numpy(values) for name, values in tables.items()}
    kept |= {f"{PROCEDURE}{name}": torch.from_numpy(values) for name, values in (facts.procedure or {}).items()}
    save_tensors(path, FORMAT, {**network.state_dict(), **kept}, plain)


def require_shapes(build: Callable[[], torch.nn.Module], tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise `RuntimeError` unless the tensors are those of the network that `build` makes, without making it.

    So a small file cannot ask for a network that fills the memory.
    """
    with torch.device("meta"):  # shapes alone
        expected = {name: list(values.shape) for name, values in build().state_dict().items()}
    found = {name: list(values.shape) for name, values in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise RuntimeError(f"{name} is {found.get(name, 'missing')}, expected {expected.get(name, 'none')}")


def _require_sound(facts: ModelFacts, where: str) -> None:
    num_classes, fps = len(facts.class_names), facts.fps
    wrong = {
        "feature_dim": not 1 <= facts.feature_dim <= 10**6,
        "class_names": not num_classes or len(set(facts.class_names)) < num_classes,
        "background": not all(0 <= label < num_classes for label in facts.background),
        "class_colours": not are_colours(facts.class_colours, num_classes),
        "fps": fps is not None and not 0 < fps < math.inf,
        "tasks": len(set(facts.tasks)) < len(facts.tasks) or "" in facts.tasks,
        "look_ahead_frames": facts.look_ahead_frames < 0,
        "joined_sets": bool(facts.joined_sets) and sum(one.dim for one in facts.joined_sets) != facts.feature_dim,
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise InputError(f"{where}: {name} cannot be {getattr(facts, name)!r}; train again, or copy it again")


def _taken(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, Any]:
    """The arrays whose names begin so, without that; they are taken out of the tensors."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name).numpy() for name in names}


def load_checkpoint(path: Path) -> tuple[ProgressNetwork, ModelFacts]:
    """Read a network, in evaluation mode on the CPU, and its facts."""
    tensors, metadata = load_tensors(path, FORMAT)
    values = {one.name: metadata[one.name] for one in dataclasses.fields(ModelFacts) if one.name in metadata}
    facts = from_dict(ModelFacts, {**values, "transcripts": None, "procedure": None}, str(path))
    _require_sound(facts, str(path))
    tables, procedure = _taken(tensors, TRANSCRIPTS), _taken(tensors, PROCEDURE)
    try:
        transcripts = TranscriptTables(**tables) if tables else None
        facts = dataclasses.replace(facts, transcripts=transcripts, procedure=procedure or None)
        require_shapes(facts.build, tensors)
        network = facts.build()
        network.load_state_dict(tensors)
        filtered = facts.config.decoding.filter == "durations"
        needed = filtered or bool(procedure)
        if needed != (facts.transcripts is not None) or (needed and not facts.fps):
            raise InputError(f"{path}: its configuration and its filter's tables do not fit each other; train again")
        if facts.transcripts is not None:
            check_tables(facts.transcripts, len(facts.class_names), str(path))
            if facts.transcripts.num_tasks != max(len(facts.tasks), 1):
                what = f"{plural(facts.transcripts.num_tasks, 'task')}, and the names of {len(facts.tasks)}"
                raise InputError(f"{path}: its filter has {what}; train again")
    except (RuntimeError, TypeError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path}: weights do not fit its configuration ({what}); train again") from error
    return network.eval(), facts
