"""`protas-gtcc simulate`: simulated procedures -> one dataset file, or a folder of rendered videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.parsing import File, Folder, Positional
from protas_gtcc.errors import InputError, plural
from protas_gtcc.simulate.config import SMALL, SimulationConfig
from protas_gtcc.simulate.rendering_config import RenderingFlags
from protas_gtcc.storage.atomic import require_absent

_SHARED = ("people", "seed")
"""Settings of procedures that rendered videos have too."""


@dataclass(frozen=True)
class Command:
    """Write simulated procedures: the truth is known, and nothing was recorded. There are two forms.

    'simulate FILE.h5' writes a dataset file of features. By default it has EgoProceL's size: 325 videos, about 215,000
    frames at 1 fps; split 1 is by person.

    'simulate FILE.h5 --only cholecystectomy' writes 80 operations of Cholec80's shape, about 195,000 frames: seven
    phases without background between them, surgeons of different pace, and a second feature set, the tools that are
    seen. Half of the surgeons are in the test part.

    'simulate --videos N --out FOLDER' renders N video files of hands at work on a table, seen from above, with
    annotations beside them: segments in seconds, and labels and splits in the layout of MS-TCN. In some classes
    progress can be seen, in others it cannot; simulation.json lists them. The same command goes on where it stopped.
    """

    dataset: Positional[File | None] = None
    """Dataset file to write, of features."""
    videos: int | None = None
    """Number of video files to render, in place of a dataset file; needs --out."""
    out: Folder | None = None
    """Folder for rendered videos and their annotations."""
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    rendering: RenderingFlags = field(default_factory=RenderingFlags)
    small: bool = False
    """As few videos as a run of a few minutes can learn from, in place of --share-of-videos and --fewest-videos."""
    overwrite: bool = False
    """Replace the file, or rendered videos of other settings, if they exist."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Simulate."""
        if (self.videos is None) == (self.dataset is None):
            raise InputError("give a dataset file to write, or --videos N --out FOLDER to render videos")
        if self.videos is None:
            self._write_features()
        else:
            self._write_videos(self.videos)

    def _write_features(self) -> None:
        from protas_gtcc.prepare.writing import Summary, counted
        from protas_gtcc.simulate.dataset import simulate

        assert self.dataset is not None
        if self.out is not None:
            raise InputError(f"--out {self.out} is for rendered videos: give --videos N, or leave it out")
        _require_unset(self.rendering, (), "is about rendered videos: give --videos N --out FOLDER, or leave it out")
        require_absent([self.dataset], self.overwrite)
        config = self.simulation
        if self.small:
            config = replace(config, share_of_videos=SMALL.share_of_videos, fewest_videos=SMALL.fewest_videos)
        simulate(self.dataset, config, self.overwrite)
        written = {"dataset": str(self.dataset), "seed": config.seed}
        summary = Summary(str(self.dataset), notices=[f"simulated procedures, not recordings; seed {config.seed}"])
        print(json.dumps(written) if self.json else describe(counted(summary)))

    def _write_videos(self, num_videos: int) -> None:
        from protas_gtcc.simulate.rendered_folder import video_path, write_rendered_videos
        from protas_gtcc.simulate.rendering_config import RenderingConfig

        if self.out is None:
            raise InputError("--videos needs --out FOLDER, where to write them")
        if not 1 <= num_videos <= 10**6:
            raise InputError(f"--videos is {num_videos}; it must be from 1 to 1000000")
        about_features = "is about features in a dataset file, which rendered videos do not have: leave it out"
        _require_unset(self.simulation, _SHARED, about_features)
        if self.small:
            raise InputError(f"--small {about_features}")
        config = RenderingConfig(**vars(self.rendering), procedures=self.simulation)
        written: dict[str, list[str]] = {"rendered": [], "kept": []}
        with interruption_prints(WHOLE_VIDEOS_KEPT):
            for plan, outcome in write_rendered_videos(self.out, config, num_videos, self.overwrite):
                written[outcome].append(str(video_path(self.out, plan)))
                if not self.json:
                    width, height = plan.person.size
                    facts = f"{plural(plan.num_frames, 'frame')}, {width}x{height}, {float(plan.rate):.5g} fps"
                    print(f"{written[outcome][-1]}: {facts}{', kept' if outcome == 'kept' else ''}", flush=True)
        num_whole = len(written["rendered"]) + len(written["kept"])
        if self.json:
            print(json.dumps({"folder": str(self.out), "seed": config.procedures.seed, **written}))
        else:
            counts = f"{len(written['rendered'])} rendered, {len(written['kept'])} kept"
            print(f"{self.out}: {plural(num_whole, 'video')}, {counts}, labels at {config.label_rate:g} fps")
            print(f"  note: simulated procedures, not recordings; seed {config.procedures.seed}")
            if num_whole < 4:
                print("  note: nobody among them is in the test part of split 1; that takes 4 videos")


def _require_unset(settings: Any, allowed: Sequence[str], why: str) -> None:
    """Raise `InputError`, naming the flag, for a setting that this form of the command does not use."""
    changed = [
        one.name
        for one in fields(settings)
        if one.name not in allowed and getattr(settings, one.name) != getattr(type(settings)(), one.name)
    ]
    if changed:
        raise InputError(f"--{changed[0].replace('_', '-')} {why}")
