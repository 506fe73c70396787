"""Opening a path whose layout is recognised; a split is drawn on request if it comes without lists of videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from protas_gtcc.dataset.held_out import draw_held_out, people_are_known
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.annotated import is_annotated, open_annotated, open_tables
from protas_gtcc.layouts.assembly101 import LABELS, is_assembly101, open_assembly101
from protas_gtcc.layouts.base import Layout, find_subject
from protas_gtcc.layouts.breakfast import is_breakfast, open_breakfast
from protas_gtcc.layouts.captaincook4d import is_captaincook4d, open_captaincook4d
from protas_gtcc.layouts.captaincook4d_files import STEPS_FILE
from protas_gtcc.layouts.cholec80 import PHASES_FOLDER, is_cholec80, open_cholec80
from protas_gtcc.layouts.egoper import ANNOTATIONS as EGOPER
from protas_gtcc.layouts.egoper import is_egoper, open_egoper
from protas_gtcc.layouts.egoprocel import is_egoprocel, open_egoprocel
from protas_gtcc.layouts.holoassist import is_holoassist, open_holoassist
from protas_gtcc.layouts.lerobot import is_lerobot, open_lerobot
from protas_gtcc.layouts.lerobot_files import INFO
from protas_gtcc.layouts.mstcn import is_mstcn, open_mstcn
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.seconds import is_seconds
from protas_gtcc.layouts.segment_tables import NEEDED
from protas_gtcc.layouts.target_perframe import TARGETS, is_target_perframe, open_target_perframe
from protas_gtcc.storage.file_kinds import TEXT, VIDEO_ENDINGS, require_kind
from protas_gtcc.storage.plain_names import require_plain_name, require_video_names
from protas_gtcc.storage.text_files import read_json

_READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path, LayoutOptions], Layout]], ...] = (
    (is_mstcn, open_mstcn),
    (is_captaincook4d, open_captaincook4d),
    (is_cholec80, open_cholec80),
    (is_assembly101, open_assembly101),
    (is_egoper, open_egoper),
    (is_holoassist, open_holoassist),
    (is_lerobot, open_lerobot),
    (is_target_perframe, open_target_perframe),
    (is_breakfast, open_breakfast),
    (is_egoprocel, open_egoprocel),
    (is_annotated, open_annotated),
    (is_seconds, open_tables),
)
_DRAWN_SPLIT = "1"
SIMULATION_FACTS = "simulation.json"
"""Written by `simulate --videos` beside its annotations."""


def open_layout(path: Path | str, options: LayoutOptions | None = None) -> Layout:
    """Open a folder or file whose layout is recognised; with `options.test_share`, also draw its split.

    Raises `InputError` if the path is missing or has no known layout, and for what is wrong in its mapping, its lists
    of videos and its annotations.
    """
    path, options = Path(path), options or LayoutOptions()
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; correct the path")
    open_it = _reader_of(path)
    if open_it is None:
        if path.is_file():
            require_kind(path, "a folder or a JSON of annotations", (TEXT,))
        elif any(file.suffix.lower() in VIDEO_ENDINGS for file in path.rglob("*")):
            way_out = f"write segments.csv, video,{','.join(NEEDED)}, then 'prepare segments.csv --videos {path}'"
            raise InputError(f"{path} has videos, but no labels; {way_out}")
        raise InputError(
            f"{path} has no known layout; arrange it as groundTruth/ with mapping.txt (MS-TCN, FACT, EgoPER), or give "
            "a JSON of tasks with handles, hdl_actions, hdl_start_times, hdl_end_times (GTCC's EgoProceL), a folder "
            f"with {STEPS_FILE} (CaptainCook4D), {PHASES_FOLDER}/ (Cholec80), {EGOPER} (EgoPER), {LABELS}/ "
            f"(Assembly101), data-annotation-*.json (HoloAssist), segmentation_coarse/ (Breakfast), {TARGETS}/ (LSTR) "
            f"or {INFO} (LeRobotDataset), or a CSV of segments, video,{','.join(NEEDED)}, or files of an annotation "
            "tool ('protas-gtcc convert --help' lists them)"
        )
    layout = open_it(path, options)
    if options.level is not None and not layout.levels:
        raise InputError(f"{path} has one annotation of actions; leave out --level")
    require_video_names(layout.video_names)
    for split in layout.splits:
        require_plain_name(split, "split")
    if options.speeds:
        folders = layout.feature_folders.items()
        layout.feature_folders = {name: dataclasses.replace(folder, speeds=True) for name, folder in folders}
    layout.simulated = _is_simulated(path if path.is_dir() else path.parent)
    _separate_validation(layout)
    if options.test_share is not None:
        _draw_split(layout, options, options.test_share)
    return layout


def has_annotation_files(path: Path) -> bool:
    """Whether a path is of annotation tools, or tables of segments, and in no other layout."""
    return _reader_of(path) in (open_annotated, open_tables)


def _reader_of(path: Path) -> Callable[[Path, LayoutOptions], Layout] | None:
    """What opens a path, None if its layout is unknown."""
    return next((open_it for is_layout, open_it in _READERS if is_layout(path)), None)


def _is_simulated(folder: Path) -> bool:
    """Whether `simulate` has rendered the videos of a folder, by the facts that it writes beside them.

    Raises `InputError` for facts that do not say it: simulated videos would pass as recordings.
    """
    facts = folder / SIMULATION_FACTS
    if not facts.is_file():
        return False
    content = read_json(facts)
    simulated = content.get("simulated") if isinstance(content, dict) else None
    if not isinstance(simulated, bool):
        what = 'has no "simulated" that is true or false, so that it is damaged or of another program'
        raise InputError(f"{facts} {what}; copy it again, or rename it")
    return simulated


def _separate_validation(layout: Layout) -> None:
    """Take validation videos out of the training part: some datasets list them in both.

    Where no training video would be left, nothing is taken out, and what reads the split names the videos.
    """
    separate = {}
    for split, parts in layout.splits.items():
        validation = set(parts.get("validation", []))
        train = [video for video in parts.get("train", []) if video not in validation]
        taken = len(parts.get("train", [])) - len(train)
        separate[split] = {**parts, "train": train} if train and taken else parts
        if train and taken:
            what = (
                f"{plural(taken, 'validation video')} taken out of its {plural(taken + len(train), 'training video')}"
            )
            layout.notices.append(f"split {split}: {what} ('train --train-on-validation' trains on both)")
    layout.splits = separate


def _draw_split(layout: Layout, options: LayoutOptions, share: float) -> None:
    """Whole people are drawn if they are known, else single videos."""
    if not 0 < share < 1:
        raise InputError(f"--test-share is {share:g}; give a share between 0 and 1, such as 0.2")
    if layout.splits:
        raise InputError(f"{layout.path} has lists of the splits {listed(layout.splits)}; leave out --test-share")
    tied = [folder.path for folder in layout.feature_folders.values() if folder.split is not None]
    if tied:
        raise InputError(
            f"{tied[0]} was made for one split, whose lists of videos are missing, and a drawn split is another one; "
            "add the lists, or choose other features with --features"
        )
    people = {video: find_subject(layout, options, video) for video in layout.video_names}
    drawn = set(draw_held_out(people, share, options.seed))
    if not drawn:
        raise InputError(f"{layout.path} has 1 video, too few for a training and a test part; add videos")
    train = [video for video in layout.video_names if video not in drawn]
    test = [video for video in layout.video_names if video in drawn]
    layout.splits = {_DRAWN_SPLIT: {"train": train, "test": test}}
    by_person = people_are_known(people)
    whose = "no person is in both" if by_person else "a person may be in both; name people with --subject-pattern"
    counts = f"{len(train)} training and {plural(len(test), 'test video')}"
    layout.notices.append(f"split {_DRAWN_SPLIT} was drawn with seed {options.seed}: {counts}, {whose}")
