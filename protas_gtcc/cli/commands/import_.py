"""`protas-gtcc import`: a checkpoint of ProTAS or MS-TCN -> run directory."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.parsing import File, Folder, Positional
from protas_gtcc.errors import InputError, plural


@dataclass(frozen=True)
class Command:
    """Import a checkpoint of ProTAS or MS-TCN as its authors save it (a torch file of tensors).

    The file holds no class names, no background classes and no frame rate: --dataset adds them.
    """

    checkpoint: Positional[Path]
    """The authors' `epoch-N.model`."""
    out: Folder
    """Run directory to make."""
    overwrite: bool = False
    """Replace an imported run directory; trained runs are never replaced."""
    dataset: File | None = None
    """Dataset file that the model was trained on: it gives class names, background classes and frame rate."""
    split: str = "1"
    """Split that the model was trained on."""
    causal: bool | None = None
    """Whether the model is causal; only needed for a causal MS-TCN, whose file does not hold it."""
    json: bool = False
    """Print what was imported as JSON."""

    def run(self) -> None:
        """Import, and print what was found."""
        from protas_gtcc.dataset.file import Dataset
        from protas_gtcc.network.checkpoint import save_checkpoint
        from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
        from protas_gtcc.training.run_directory import RunDirectory

        dataset = Dataset(self.dataset) if self.dataset else None
        info = dataset.info if dataset else None
        network, facts = read_reference_checkpoint(
            self.checkpoint,
            class_names=info.class_names if info else None,
            background=info.background if info else (),
            fps=info.fps if info else None,
            causal=self.causal,
        )
        path, videos = (str(dataset.path.resolve()), dataset.part(self.split, "train")) if dataset else ("", [])
        config = dataclasses.replace(facts.config, dataset=path, split=self.split)
        name = info.name if info else ""
        facts = dataclasses.replace(facts, config=config, dataset=name, training_videos=videos)
        run = RunDirectory(self.out)
        if self.overwrite and run.config_file.exists():
            if run.log.exists():
                raise InputError(f"{self.out} holds a trained run, which is never replaced; give another --out")
            run.config_file.unlink()
        elif not self.overwrite:
            run.require_new()
        run.start(config)
        save_checkpoint(run.checkpoint, network, facts)
        if self.json:
            print(json.dumps(dataclasses.asdict(facts)))
            return
        model, with_or_without = facts.config.model, {True: "with", False: "without"}
        print(
            f"imported {self.checkpoint} into {self.out}: {plural(model.stages, 'stage')}, "
            f"{plural(model.layers, 'layer')}, {model.maps} maps, {facts.feature_dim} features, "
            f"{plural(len(facts.class_names), 'class')}, "
            f"{'causal' if model.causal else 'acausal'}, {with_or_without[model.progress]} progress, "
            f"{with_or_without[model.graph]} task graph"
        )
        if info is None:
            print("class names, background classes and frame rate are unknown; import again with --dataset FILE.h5")
