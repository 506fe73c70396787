"""`protas-gtcc import`: another code base's checkpoint -> run directory."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.flags import Positional
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class Command:
    """Import a checkpoint of ProTAS or MS-TCN as its authors save it (a torch file of tensors).

    The file holds neither class names nor background nor fps: give the dataset it was trained on to fill them in.
    """

    checkpoint: Positional[Path]
    """The authors' `epoch-N.model`."""
    out: Path
    """Run directory to make."""
    dataset: Path | None = None
    """Prepared dataset it was trained on: gives class names, background and fps."""
    split: str = "1"
    """Split it was trained on."""
    causal: bool | None = None
    """Whether it is causal; only needed for a causal MS-TCN, whose file does not say."""
    json: bool = False
    """Print what was imported as JSON."""

    def run(self) -> None:
        """Import and say what was found."""
        dataset = Dataset(self.dataset) if self.dataset else None
        info = dataset.info if dataset else None
        network, facts = read_reference_checkpoint(
            self.checkpoint,
            class_names=info.class_names if info else None,
            background=info.background if info else (),
            fps=info.fps if info else None,
            causal=self.causal,
        )
        path = str(dataset.path.resolve()) if dataset else ""
        config = dataclasses.replace(facts.config, dataset=path, split=self.split)
        facts = dataclasses.replace(
            facts,
            config=config,
            dataset=info.name if info else "",
            training_videos=dataset.part(self.split, "train") if dataset else [],
        )
        run = RunDirectory(self.out)
        run.start(config)
        save_checkpoint(run.checkpoint, network, facts)
        if self.json:
            print(json.dumps(dataclasses.asdict(facts)))
            return
        model, with_or_without = facts.config.model, {True: "with", False: "without"}
        print(
            f"imported {self.checkpoint} into {self.out}: {model.stages} stages, {model.layers} layers, "
            f"{model.maps} maps, {facts.feature_dim} features, {len(facts.class_names)} classes, "
            f"{'causal' if model.causal else 'acausal'}, {with_or_without[model.progress]} progress, "
            f"{with_or_without[model.graph]} task graph"
        )
        if info is None:
            print("class names, background and fps are not known; --dataset FILE.h5 would give them")
