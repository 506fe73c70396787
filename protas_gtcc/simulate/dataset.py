"""A dataset file of simulated procedures: its videos, people and split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.mistakes import Step, Track
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.simulate.appearance import build_world, simulate_features
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.operations import simulate_tools
from protas_gtcc.simulate.procedures import BACKGROUND, class_names_of, simulate_labels, steps_of
from protas_gtcc.simulate.profiles import TOOLS, OperationProfile, Profile

FEATURE_SET, TOOL_SET = "features", "tools"
SPLIT = "1"
_TEST_EVERY, _TEST_EVERY_OF_OPERATIONS = 4, 2
"""Every fourth person is in the test part, so no person is in both parts. Of Cholec80, half of the videos are."""


def simulate(path: Path | str, config: SimulationConfig, overwrite: bool = True) -> None:
    """Write a dataset file of simulated procedures, video by video. Raises `InputError` if it cannot be written."""
    with write_dataset(path, dataset_info(config), _feature_sets(config), overwrite) as writer:
        for video in simulate_videos(config):
            writer.add(video)


def simulate_videos(config: SimulationConfig) -> Iterator[Video]:
    """Yield the videos one after the other, with features float16 `[T, D]`; if all are operations, also with tools."""
    world, class_names = build_world(config), class_names_of(config)
    for profile, number in _videos(config):
        labels = simulate_labels(config, profile, number, class_names)
        classes = [class_names.index(name) for name in steps_of(config, profile)]
        features = {FEATURE_SET: simulate_features(config, world, profile, number, labels)}
        if config.only_operations and isinstance(profile, OperationProfile):
            phases = np.searchsorted(world.classes_of_task[profile.name], labels)
            features[TOOL_SET] = simulate_tools(config, profile, number, phases)
        yield Video(
            name=_video_name(profile, number),
            labels=labels,
            features=features,
            task=f"sim-{profile.name}",
            subject=f"sim-person-{number % config.people:02d}",
            track=_track(labels, classes) if config.annotate_missing else None,
        )


def _track(labels: np.ndarray, classes: Sequence[int]) -> Track:
    """The steps in labels `[T]`, and those of the task that are not there."""
    segments = segment_array(labels).tolist()
    steps = tuple(Step(label, start, end) for start, end, label in segments if label in classes)
    return Track(steps, missing=tuple(label for label in classes if label not in labels))


def dataset_info(config: SimulationConfig) -> DatasetInfo:
    """The facts of the dataset that this config makes."""
    people = {_video_name(profile, number): number % config.people for profile, number in _videos(config)}
    every = _TEST_EVERY_OF_OPERATIONS if config.only_operations else _TEST_EVERY
    test = [video for video, person in people.items() if is_test_person(person, every)]
    train = [video for video in people if video not in test]
    class_names = class_names_of(config)
    return DatasetInfo(
        name="simulated-operations" if config.only_operations else "simulated-procedures",
        class_names=class_names,
        background=[class_names.index(BACKGROUND)] if BACKGROUND in class_names else [],
        fps=config.fps,
        splits={SPLIT: {"train": train, "test": test}},
        simulated=True,
        source=f"Simulated procedures, not recordings: protas_gtcc.simulate, shaped like {_models(config)}, made from "
        f"{config}",
    )


def is_test_person(person: int, every: int = _TEST_EVERY) -> bool:
    """Whether the videos of this person are in the test part."""
    return person % every == every - 1


def _feature_sets(config: SimulationConfig) -> dict[str, FeatureSet]:
    sets = {FEATURE_SET: FeatureSet(dim=config.feature_dim, source="simulated appearance, strictly causal")}
    if config.only_operations:
        sets[TOOL_SET] = FeatureSet(
            dim=len(TOOLS), source="simulated presence of tools, neither annotated nor detected"
        )
    return sets


def _models(config: SimulationConfig) -> str:
    """What the datasets are shaped like."""
    kinds = {isinstance(profile, OperationProfile) for profile in config.profiles}
    names = {False: "EgoProceL (Bansal et al., ECCV 2022)", True: "Cholec80 (Twinanda et al., IEEE TMI 2017)"}
    return " and ".join(names[kind] for kind in sorted(kinds))


def _videos(config: SimulationConfig) -> Iterator[tuple[Profile, int]]:
    for profile in config.profiles:
        for number in range(config.num_videos(profile)):
            yield profile, number


def _video_name(profile: Profile, number: int) -> str:
    return f"sim-{profile.name}-{number:03d}"
