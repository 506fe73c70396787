"""A folder of rendered videos, with the annotations that a user would have.

    videos/<video>.mp4
    segments.csv                          video,start_seconds,end_seconds,name,task,subject: actions, no background
    groundTruth/<video>.txt               a label for every 1 / label rate seconds
    mapping.txt                           id name
    splits/{train,test}.split1.bundle     by person
    simulation.json                       the settings, classes whose progress shows, people, every video

`groundTruth/`, `mapping.txt` and `splits/` are the layout of MS-TCN: `prepare` reads the folder once it has features.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from protas_gtcc.errors import InputError, listed
from protas_gtcc.simulate.dataset import is_test_person
from protas_gtcc.simulate.procedures import BACKGROUND
from protas_gtcc.simulate.recipes import INVISIBLE, RECIPES, VISIBLE, class_names
from protas_gtcc.simulate.rendering import render_frames
from protas_gtcc.simulate.rendering_config import RenderingConfig, as_fraction
from protas_gtcc.simulate.video_files import read_comment, write_video
from protas_gtcc.simulate.video_plan import VideoPlan, plan_video
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.video.encoders import find_encoder

APPEARANCE = 1
"""Counted up when the same settings give other pictures."""

Outcome = Literal["rendered", "kept"]


def write_rendered_videos(
    folder: Path, config: RenderingConfig, num_videos: int, overwrite: bool = False
) -> Iterator[tuple[VideoPlan, Outcome]]:
    """Write video by video; yield each when its file is whole, and the annotations have it.

    A whole video of the same settings is kept, also beyond `num_videos`: no video is without annotations. Raises
    `InputError` if there is a video of other settings and `overwrite` is off, or if nothing can be written.
    """
    encoder = find_encoder()
    num_files = len(list((folder / "videos").glob("*.mp4")))
    plans = [plan_video(config, number) for number in range(num_videos + num_files)]
    comments = {plan.name: f"simulated by protas_gtcc {_fingerprint(config, plan, encoder)}" for plan in plans}
    found = {plan.name: read_comment(video_path(folder, plan)) for plan in plans}
    others = [plan.name for plan in plans[:num_videos] if found[plan.name] not in (None, comments[plan.name])]
    if others and not overwrite:
        raise InputError(f"{folder} has videos of other settings: {listed(others)}; give another --out, or --overwrite")
    whole = [plan for plan in plans if found[plan.name] == comments[plan.name]]
    write_annotations(folder, config, whole, whole)
    for plan in whole:
        yield plan, "kept"
    for plan in plans[:num_videos]:
        if found[plan.name] == comments[plan.name]:
            continue
        pictures, comment = render_frames(config, plan), comments[plan.name]
        write_video(video_path(folder, plan), pictures, plan.person.size, plan.rate, comment, encoder)
        whole = sorted([*whole, plan], key=lambda one: one.number)
        write_annotations(folder, config, whole, [plan])
        yield plan, "rendered"


def video_path(folder: Path, plan: VideoPlan) -> Path:
    """The file of a video."""
    return folder / "videos" / f"{plan.name}.mp4"


def write_annotations(
    folder: Path, config: RenderingConfig, plans: Sequence[VideoPlan], new: Sequence[VideoPlan]
) -> None:
    """Write the labels of the `new` videos, and the tables and lists of all."""
    label_rate = as_fraction(config.label_rate)
    for plan in new:
        write_text(folder / "groundTruth" / f"{plan.name}.txt", _lines(plan.labels_at(label_rate)))
    write_text(folder / "mapping.txt", _lines(f"{number} {name}" for number, name in enumerate(class_names())))
    for part, is_test in (("train", False), ("test", True)):
        names = [f"{plan.name}.txt" for plan in plans if is_test_person(plan.person.number) == is_test]
        write_text(folder / "splits" / f"{part}.split1.bundle", _lines(names))
    rows = [row for plan in plans for row in _segment_rows(plan)]
    write_text(folder / "segments.csv", _lines(["video,start_seconds,end_seconds,name,task,subject", *rows]))
    write_text(folder / "simulation.json", json.dumps(_facts(config, plans), indent=1) + "\n")


def _segment_rows(plan: VideoPlan) -> Iterator[str]:
    for start, end, name in plan.segments:
        if name != BACKGROUND:
            times = f"{_seconds(start, plan.rate)},{_seconds(end, plan.rate)}"
            yield f"{plan.name},{times},{name},{plan.task},p{plan.person.number:02d}"


def _seconds(frame: int, rate: Fraction) -> str:
    """When a frame is shown, in whole microseconds before it: so the frame itself is never before its segment."""
    microseconds = int(frame / rate * 1_000_000)
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def _facts(config: RenderingConfig, plans: Sequence[VideoPlan]) -> dict[str, Any]:
    people = {plan.person.number: plan.person for plan in plans}
    return {
        "simulated": True,
        "source": "Simulated procedures, not recordings: rendered by protas_gtcc.simulate",
        "seed": config.procedures.seed,
        "label_rate": config.label_rate,
        "progress_is_visible": dict.fromkeys(VISIBLE, True) | dict.fromkeys(INVISIBLE, False),
        "background": [BACKGROUND],
        "tasks": RECIPES,
        "people": [asdict(people[number]) | {"rate": str(people[number].rate)} for number in sorted(people)],
        "videos": [
            {
                "name": plan.name,
                "task": plan.task,
                "person": plan.person.number,
                "fps": str(plan.rate),
                "size": plan.person.size,
                "frames": plan.num_frames,
                "seconds": round(float(plan.num_frames / plan.rate), 6),
            }
            for plan in plans
        ],
        "settings": _settings(config),
    }


def _settings(config: RenderingConfig) -> dict[str, Any]:
    """What the pictures depend on."""
    settings = asdict(config)
    procedures = settings.pop("procedures")
    used = {name: procedures[name] for name in ("people", "seed")}
    return {"appearance": APPEARANCE, **settings, **used}


def _fingerprint(config: RenderingConfig, plan: VideoPlan, encoder: str) -> str:
    settings = {name: value for name, value in _settings(config).items() if name != "label_rate"}
    text = json.dumps([settings, plan.name, encoder], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lines(lines: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
