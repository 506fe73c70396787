"""Held-out splits: no test video of a split decides how it is set, and no person is on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.description import DatasetInfo, FeatureSet
from protas_gtcc.dataset.file import Dataset, Video
from protas_gtcc.dataset.writer import write_dataset
from tests.mstcn_folder import exit_code


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Four people of two videos each; split k tests person k; a free feature set and one tied to each split."""
    videos = {f"p{person}v{number}": str(person) for person in range(4) for number in range(2)}
    splits = {
        str(k): {
            "train": [video for video, person in videos.items() if person != str(k)],
            "test": [video for video, person in videos.items() if person == str(k)],
        }
        for k in range(3)
    }
    sets = {"free": FeatureSet(2), **{f"features_split{k}": FeatureSet(2, split=str(k)) for k in range(3)}}
    with write_dataset(tmp_path / "kitchen.h5", DatasetInfo("kitchen", ["rest", "cut"], [0], 5.0, splits), sets) as out:
        for number, (video, person) in enumerate(videos.items()):
            features = {name: np.full((6, 2), 10 * place + number, dtype=np.float32) for place, name in enumerate(sets)}
            out.add(Video(video, np.array([0, 0, 1, 1, 1, 0]), features, subject=person))
    return tmp_path / "kitchen.h5"


def test_folds_part_the_training_people_of_a_split(recordings, tmp_path, capsys):
    words = ["--split", "0", "--folds", 3, "--feature-set", "free", "--out", tmp_path / "held.h5"]
    assert exit_code("hold-out", recordings, *words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / 'held.h5'}: 6 videos, 36 frames at 5 fps, 2 classes, ")
    assert "  free: D = 2, looks 0 frames ahead\n  split 0-0: 4 train, 2 test\n" in printed
    dataset, held = Dataset(recordings), Dataset(tmp_path / "held.h5")
    tested = []
    for split in ("0-0", "0-1", "0-2"):
        train, test = held.part(split, "train"), held.part(split, "test")
        assert not {video[:2] for video in train} & {video[:2] for video in test}, "a person is on one side"
        assert not set(dataset.part("0", "test")) & {*train, *test}
        tested += test
    assert sorted(tested) == sorted(dataset.part("0", "train"))
    np.testing.assert_array_equal(held.features("p1v0", "free"), dataset.features("p1v0", "free"))
    np.testing.assert_array_equal(held.labels("p1v0"), dataset.labels("p1v0"))


def test_features_that_are_tied_to_a_split_are_tested_on_videos_that_they_have_not_seen(recordings, tmp_path):
    assert exit_code("hold-out", recordings, "--across", "0", "1", "2", "--out", tmp_path / "held.h5") == 0
    dataset, held = Dataset(recordings), Dataset(tmp_path / "held.h5")
    assert len(held.info.splits) == 6
    for name in held.info.splits:
        one, other = name.split("-")
        assert held.part(name, "test") == dataset.part(other, "test")
        used = {*held.part(name, "train"), *held.part(name, "test")}
        assert not set(dataset.part(one, "test")) & used, "what is set for a split has not seen its test videos"
        assert not set(held.part(name, "train")) & set(held.part(name, "test"))
        for video in used:
            features = held.features(video, held.choose_feature_set(name))
            np.testing.assert_array_equal(features, dataset.features(video, f"features_split{other}"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "0", "--folds", 9, "--feature-set", "free"], "--folds is 9; split 0 trains on 3 people"),
        (["--split", "0", "--folds", 2], "videos; in place of --split give --across 0 1 2, or add --feature-set free"),
        (["--split", "0", "--across", "0", "1"], "give either --split"),
        (["--across", "0"], "with two or more"),
        ([], "give either --split"),
        (["--across", "0", "7"], "7"),
    ],
)
def test_what_cannot_be_held_out_is_refused_in_one_line(recordings, tmp_path, capsys, arguments, message):
    assert exit_code("hold-out", recordings, *arguments, "--out", tmp_path / "held.h5") == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "held.h5").exists()


def test_a_file_that_is_there_is_left_alone(recordings, capsys):
    before = recordings.read_bytes()
    words = ["--split", "0", "--folds", 3, "--feature-set", "free", "--out", recordings]
    assert exit_code("hold-out", recordings, *words) == 1
    assert "would be replaced; give another name, or --overwrite" in capsys.readouterr().err
    assert recordings.read_bytes() == before
