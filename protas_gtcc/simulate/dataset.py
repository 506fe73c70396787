"""A dataset file of simulated procedures: its videos, people and split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.simulate.appearance import build_world, simulate_features
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.procedures import class_names_of, simulate_labels
from protas_gtcc.simulate.profiles import TaskProfile

FEATURE_SET = "features"
SPLIT = "1"
_TEST_EVERY = 4
"""Every fourth person is in the test part, so no person is in both parts."""


def simulate(path: Path | str, config: SimulationConfig, overwrite: bool = True) -> None:
    """Write a dataset file of simulated procedures, video by video. Raises `InputError` if it cannot be written."""
    feature_set = FeatureSet(dim=config.feature_dim, source="simulated appearance, strictly causal")
    with write_dataset(path, dataset_info(config), {FEATURE_SET: feature_set}, overwrite) as writer:
        for video in simulate_videos(config):
            writer.add(video)


def simulate_videos(config: SimulationConfig) -> Iterator[Video]:
    """Yield the videos one after the other, with features float16 `[T, D]`."""
    world, class_names = build_world(config), class_names_of(config)
    for profile, number in _videos(config):
        labels = simulate_labels(config, profile, number, class_names)
        yield Video(
            name=_video_name(profile, number),
            labels=labels,
            features={FEATURE_SET: simulate_features(config, world, profile, number, labels)},
            task=f"sim-{profile.name}",
            subject=f"sim-person-{number % config.people:02d}",
        )


def dataset_info(config: SimulationConfig) -> DatasetInfo:
    """The facts of the dataset that this config makes."""
    people = {_video_name(profile, number): number % config.people for profile, number in _videos(config)}
    test = [video for video, person in people.items() if is_test_person(person)]
    train = [video for video in people if video not in test]
    return DatasetInfo(
        name="simulated-procedures",
        class_names=class_names_of(config),
        background=[0],
        fps=config.fps,
        splits={SPLIT: {"train": train, "test": test}},
        simulated=True,
        source=f"Simulated procedures, not recordings: protas_gtcc.simulate, shaped like EgoProceL "
        f"(Bansal et al., ECCV 2022), made from {config}",
    )


def is_test_person(person: int) -> bool:
    """Whether the videos of this person are in the test part."""
    return person % _TEST_EVERY == _TEST_EVERY - 1


def _videos(config: SimulationConfig) -> Iterator[tuple[TaskProfile, int]]:
    for profile in config.profiles:
        for number in range(config.num_videos(profile)):
            yield profile, number


def _video_name(profile: TaskProfile, number: int) -> str:
    return f"sim-{profile.name}-{number:03d}"
