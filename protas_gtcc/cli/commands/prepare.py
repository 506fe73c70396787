"""`protas-gtcc prepare`: a folder of labels and features -> one dataset file."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import progress_bars
from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.extracting import BackboneFlags
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.parsing import File, Folder, Positional, RateOrTable
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.storage.atomic import require_absent

if TYPE_CHECKING:
    from protas_gtcc.layouts.base import Layout


@dataclass(frozen=True)
class Command:
    """Turn labels beside features or videos into one HDF5 dataset file.

    It reads the layout of MS-TCN (groundTruth/, mapping.txt, splits/, features*/), its variants in FACT and EgoPER, the
    GTCC authors' JSON file of EgoProceL, the published folders of CaptainCook4D, Cholec80, EgoPER, Assembly101,
    HoloAssist and Breakfast, target_perframe/ of LSTR and MiniROAD, LeRobotDatasets, and segments in seconds: a CSV
    file with the columns video,start_seconds,end_seconds,name, or a folder with one a video. It also reads files of
    annotation tools ('convert' lists them), one file or a folder. Each folder features*/ becomes a feature set. With
    --videos, features that are missing are extracted first; the same command again goes on.
    """

    source: Positional[Path]
    """Folder, CSV file of segments, JSON file of EgoProceL, or file of an annotation tool."""
    out: File
    """Dataset file to write."""
    fps: RateOrTable
    """Frames per second of the features; where videos differ, a CSV file with the columns video and fps."""
    videos: Folder | None = None
    """Folder of the labels' videos. A video 'tea' is the file tea.mp4 there, or in one of its folders."""
    features_out: Folder | None = None
    """Folder for the features of --videos, where whole ones are kept. Default: features-BACKBONE-FPS beside the
    labels."""
    skip_broken: bool = False
    """With --videos: leave out of the dataset the videos that cannot be read, and name them."""
    overwrite: bool = False
    """Replace the file, with every feature set that was added to it; the old file stays until the new one is whole."""
    resample_to: float | None = None
    """Frames per second of the dataset, for features and labels; by default the features' own, if all are alike."""
    json: bool = False
    """Print the summary as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)
    extraction: BackboneFlags = field(default_factory=BackboneFlags)

    def run(self) -> None:
        """Prepare, with a bar on standard error and a summary on standard output."""
        from protas_gtcc.layouts.rates import frame_rates
        from protas_gtcc.layouts.recognition import open_layout
        from protas_gtcc.prepare.writing import prepare

        require_absent([self.out], self.overwrite)
        is_for_videos = self.features_out is not None or self.skip_broken or self.extraction != BackboneFlags()
        if self.videos is None and is_for_videos:
            what = "--features-out, --skip-broken and the flags of a backbone are for videos"
            raise InputError(f"{what}; add --videos FOLDER")
        if self.videos is not None and self.layout.no_features:
            raise InputError("--videos and --no-features contradict each other; give one")
        opened = open_layout(self.source, self.layout) if self.videos is None else self._with_features(self.videos)
        with progress_bars() as on_progress:
            rates = frame_rates(self.fps, opened.video_names)
            given = self.layout, self.resample_to, on_progress, self.overwrite
            summary = prepare(opened, self.out, rates, *given)
        print(json.dumps(dataclasses.asdict(summary), indent=1) if self.json else describe(summary))

    def _with_features(self, videos: Path) -> Layout:
        """The labels with the features of their videos, which are extracted where they are missing."""
        from protas_gtcc.annotations.resampling import require_rate
        from protas_gtcc.layouts.recognition import open_layout

        if isinstance(self.fps, Path):
            raise InputError(f"--fps {self.fps} is a table, and --videos are extracted at one rate; give a number")
        require_rate(self.fps)
        # Features that lie beside the labels may be of another rate: only those that are named are taken as well.
        opened = open_layout(self.source, dataclasses.replace(self.layout, features=self.layout.features or ()))
        from protas_gtcc.prepare.from_videos import default_features_folder, extract_missing

        with (
            interruption_prints(WHOLE_VIDEOS_KEPT),
            self.extraction.made() as backbone,
            progress_bars("frames") as on_progress,
        ):
            out = self.features_out or default_features_folder(opened, backbone, self.fps)
            on_frames = functools.partial(on_progress, "extract")
            given = self.extraction.batch_size, self.skip_broken, on_frames
            extract_missing(opened, videos, out, backbone, self.fps, *given)
        return opened
