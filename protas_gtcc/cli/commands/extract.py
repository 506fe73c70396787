"""`protas-gtcc extract`: videos -> features, one file a video."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import make_console, print_left_out, print_skipped, progress_bars, warn, wrong_usage
from protas_gtcc.cli.shared.extracting import BackboneFlags
from protas_gtcc.cli.shared.interruption import WHOLE_VIDEOS_KEPT, interruption_prints
from protas_gtcc.cli.shared.parsing import Folder, Positional, Repeated
from protas_gtcc.cli.shared.video_jobs import do_videos, shares_of
from protas_gtcc.cli.shared.work_lists import WorkFlags
from protas_gtcc.config import Text
from protas_gtcc.errors import plural
from protas_gtcc.predictions import Extractor
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.video.extraction import Extracted


@dataclass(frozen=True)
class Command:
    """Make features of videos: VIDEO.npy, float16 [T, D], and VIDEO.json with where they come from.

    Frame i is the picture that is shown i / fps seconds after the video's first picture. Its shorter side is scaled to
    the size that the backbone takes, and its centre is cut out. The same command again makes what is missing; several
    processes may work on one folder. 'prepare' makes a dataset of the features and labels.
    """

    videos: Positional[tuple[Path, ...]]
    """Videos, and folders of them. In a folder, VIDEO is the path in it, without the file's ending."""
    out: Folder
    """Folder for the features."""
    fps: float
    """Frames per second of the features; it may be a fraction, as 30000/1001."""
    skip_broken: bool = False
    """Go on with the other videos where one cannot be read, and list it at the end."""
    overwrite: bool = False
    """Replace files of features that this command has not made."""
    only: Repeated[tuple[Text, ...]] = ()
    """Extract only this video, by its name. Repeat the flag for each."""
    json: bool = False
    """Print what was done as JSON."""
    extraction: BackboneFlags = field(default_factory=BackboneFlags)
    work: WorkFlags = field(default_factory=WorkFlags)

    def run(self) -> None:
        """Extract, with a bar on standard error and a summary on standard output."""
        from protas_gtcc.annotations.resampling import require_rate
        from protas_gtcc.video.naming import find_videos, only_named

        if not self.videos:
            wrong_usage("extract", "name videos, or folders of them")
        require_rate(self.fps)
        videos, others = find_videos(self.videos, self.out, self.only)  # before torch is imported, which takes seconds
        videos = only_named(videos, self.only)
        if self.work:
            self._divide(videos)
            print_left_out(others)
            return
        from protas_gtcc.video.extraction import Extraction, extractor_of

        with (
            interruption_prints(WHOLE_VIDEOS_KEPT),
            self.extraction.made() as backbone,
            progress_bars("frames") as on_progress,
        ):
            extraction = Extraction(videos, self.out, backbone, self.fps, self.extraction.batch_size)
            on_frames = functools.partial(on_progress, "extract")
            result = extraction.run(self.skip_broken, self.overwrite, on_frames)
        print_left_out(others)
        extractor = extractor_of(backbone, self.fps)
        if self.json:
            print(json.dumps({"out": str(self.out), "extractor": dataclasses.asdict(extractor)} | _plain(result)))
        else:
            print(f"{self.out}: {_describe(result)}, D = {backbone.dim}, of {extractor}")

    def _divide(self, videos: list[VideoFile]) -> None:
        """Do the same in jobs. The manifest says what was done."""
        from protas_gtcc.video.extraction import extractor_of

        with self.extraction.made() as backbone:
            is_whole = _IsWhole(self.out, extractor_of(backbone, self.fps))
        with interruption_prints(WHOLE_VIDEOS_KEPT):
            do_videos("extract", self, "videos", videos, shares_of(is_whole), self.work, make_console(stderr=True))
        there = [video.name for video in videos if is_whole(video)]
        if self.json:
            print(json.dumps({"out": str(self.out), "videos": there}))
        else:
            print(
                f"{self.out}: the features of {len(there)} of {plural(len(videos), 'video')}, of {is_whole.extractor}"
            )


@dataclass(frozen=True)
class _IsWhole:
    """Whether a video's features are in the folder."""

    out: Path
    extractor: Extractor

    def __call__(self, video: VideoFile) -> bool:
        from protas_gtcc.video.extraction import is_extracted

        return is_extracted(video, self.out / f"{video.name}.npy", self.extractor)


def _plain(result: Extracted) -> dict[str, object]:
    written = {name: {"num_frames": one.num_frames, "notes": one.notes} for name, one in result.written.items()}
    return {"written": written, "kept": result.kept, "of_others": result.of_others, "broken": result.broken}


def _describe(result: Extracted) -> str:
    """What was done, in one line; broken videos and notes are printed."""
    console = make_console(stderr=True)
    for name, facts in result.written.items():
        for note in facts.notes:
            warn(console)(f"{name}: {note}")
    print_skipped(result.broken)
    num_frames = sum(one.num_frames for one in result.written.values())
    parts = [f"{plural(len(result.written), 'video')} written, {plural(num_frames, 'frame')}"]
    parts += [f"{len(result.kept)} kept as before"] * bool(result.kept)
    parts += [f"{len(result.of_others)} left to another process"] * bool(result.of_others)
    parts += [f"{len(result.broken)} skipped"] * bool(result.broken)
    return ", ".join(parts)
