"""Labels beside a folder of videos: which video is whose, and features of those that have none.

The features are written into a folder beside the labels, as `extract` writes them, and whole files are kept. So the
same call goes on where the last one ended.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.layouts.options import own_name
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.extraction import Extraction, OnFrames
from protas_gtcc.video.naming import VideoFile, files_of, find_videos


def find_labelled_videos(layout: Layout, folder: Path, out: Path) -> list[VideoFile]:
    """The files of the layout's videos, under the names that the labels have.

    A video `tea` is the file `tea.mp4` in the folder, or else the only `tea.mp4` in its folders. Nothing in `out`
    counts. Files without labels are named in the layout's notices. Raises `InputError` if a video has neither a file
    nor features in `out`, unless it is in no list of videos.
    """
    files, others = find_videos([folder], out)
    found = files_of(layout.video_names, files)
    _require_all(layout, found, folder, FeatureFolder(out))
    used = {file.name for file in found.values()}
    left = [file.name for file in files if file.name not in used]
    if left:
        layout.notices.append(f"{plural(len(left), 'video')} without labels, not extracted: {listed(left)}")
    labels = layout.path if layout.path.is_dir() else layout.path.parent
    if others and labels.resolve() != folder.resolve():
        names = listed(file.name for file in others)
        layout.notices.append(f"{plural(len(others), 'file')} in {folder} left out, no videos by their names: {names}")
    return [VideoFile(file.path, video) for video, file in found.items()]


def default_features_folder(layout: Layout, backbone: Backbone, fps: float) -> Path:
    """The folder beside the labels for features of a backbone: `features-efficientnet-lite0-5fps`."""
    beside = layout.path if layout.path.is_dir() else layout.path.parent
    return beside / f"features-{re.sub(r'[^a-zA-Z0-9.+]+', '-', backbone.name)}-{fps:g}fps"


def extract_missing(
    layout: Layout,
    folder: Path,
    out: Path,
    backbone: Backbone,
    fps: float,
    batch_size: int,
    skip_broken: bool,
    on_frames: OnFrames,
) -> None:
    """Extract what is missing in `out`, and make that a feature set of the layout, with the name of the folder.

    With `skip_broken`, videos that cannot be read are taken out of the layout and named in its notices. Raises
    `InputError` as `find_labelled_videos`, `Extraction.run` and `Layout.leave_out` do, and if another process writes a
    video.
    """
    name = own_name(out)
    if name in layout.feature_folders:
        raise InputError(f"{out} would be the second folder of features called {name!r}; give another --features-out")
    videos = find_labelled_videos(layout, folder, out)
    result = Extraction(videos, out, backbone, fps, batch_size).run(skip_broken, on_frames=on_frames)
    if result.of_others:
        what = f"{out}: another process is extracting {listed(result.of_others)}"
        raise InputError(f"{what}; give the same command again when it is done")
    done = f"{plural(len(result.written), 'video')} extracted into {out}, {len(result.kept)} kept as before"
    layout.notices.append(done)
    layout.notices += [f"{video}: {note}" for video, facts in result.written.items() for note in facts.notes]
    layout.leave_out(result.broken)
    layout.feature_folders[name] = FeatureFolder(out)


def _require_all(layout: Layout, found: Collection[str], folder: Path, features: FeatureFolder) -> None:
    used = {video for parts in layout.splits.values() for videos in parts.values() for video in videos}
    needed = used or set(layout.video_names)
    absent = [video for video in layout.video_names if video not in found and not features.has(video)]
    missing = [video for video in absent if video in needed]
    if missing:
        what = f"{folder} has no video of {plural(len(missing), 'name')} in {layout.path}: {listed(missing)}"
        raise InputError(f"{what}; add the videos, rename them, or take them out of the labels")
