"""Dataset files that are joined: one dataset, whose features stay where they are."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.prepare import joining
from protas_gtcc.prepare.joining import join
from protas_gtcc.training.batching import EpochBatches, WindowReader, cut_windows, make_loader
from tests.checked_data import changed_by_hand
from tests.mstcn_folder import exit_code

NAMES = [f"{'ab'[number // 3]}/video{number}" for number in range(6)]
SPLITS = {
    "1": {"train": [NAMES[0], NAMES[1], NAMES[3]], "test": [NAMES[2], NAMES[4], NAMES[5]]},
    "2": {"train": [NAMES[2]], "test": [NAMES[0]]},
}
INFO = DatasetInfo("kitchen", ["rest", "cut", "mix"], [0], 5.0, SPLITS, source="made up")
SETS = {"features": FeatureSet(4), "only_split2": FeatureSet(2, split="2")}


def make_video(number: int) -> Video:
    rng = np.random.default_rng(number)
    labels = np.repeat([0, 1, 0, 2], [3, 5, 2, 4 + number])
    features = {"features": rng.normal(size=(len(labels), 4)).astype(np.float32)}
    if number in (0, 2):
        features["only_split2"] = rng.normal(size=(len(labels), 2)).astype(np.float16)
    track = Track((Step(1, 3, 8),), (2,), (Mistake(1, 3, 8, "slip"),)) if number == 4 else None
    return Video(NAMES[number], labels, features, "toast", f"person {number % 2}", "home", track)


def write(path: Path, numbers: Iterable[int], info: DatasetInfo = INFO, sets: Any = SETS, **changes: Any) -> Path:
    """A dataset file of these of the videos; splits name these alone."""
    chosen = [make_video(number) for number in numbers]
    names = {video.name for video in chosen}
    kept = {
        split: {part: [one for one in videos if one in names] for part, videos in parts.items()}
        for split, parts in info.splits.items()
    }
    path.parent.mkdir(exist_ok=True)
    with write_dataset(path, replace(info, splits=kept, **changes), sets) as writer:
        for video in chosen:
            features = {name: values for name, values in video.features.items() if name in sets}
            writer.add(replace(video, features=features))
    return path


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "data"
    folder.mkdir()
    return [write(folder / "a.h5", range(3)), write(folder / "parts" / "b.h5", range(3, 6))]


@pytest.fixture
def joined(shards: list[Path]) -> Path:
    join(shards, shards[0].parent / "all.h5")
    return shards[0].parent / "all.h5"


def batches(path: Path, workers: int = 0) -> list[Any]:
    dataset = Dataset(path)
    windows = cut_windows({video: dataset.num_frames[video] for video in NAMES}, 6)
    reader = WindowReader(dataset, windows, FeatureReader(dataset, "features", "1"))
    return list(make_loader(reader, EpochBatches(windows, 3, seed=0), workers, torch.device("cpu")))


def test_a_joined_file_equals_a_file_written_in_one_piece(joined, tmp_path):
    one, whole = Dataset(joined), Dataset(write(tmp_path / "whole.h5", range(6)))
    assert (one.video_names, one.num_frames, one.feature_sets) == (
        whole.video_names,
        whole.num_frames,
        whole.feature_sets,
    )
    assert replace(one.info, name="kitchen") == whole.info
    assert one.info.name == "all"
    for video in NAMES:
        for read in ("labels", "progress", "segments"):
            np.testing.assert_array_equal(getattr(one, read)(video), getattr(whole, read)(video))
        assert one.track(video) == whole.track(video)
        for name in ("task", "subject", "environment"):
            assert one.attribute(video, name) == whole.attribute(video, name)
        for name in SETS:
            assert one.has_features(video, name) == whole.has_features(video, name)
            if whole.has_features(video, name):
                np.testing.assert_array_equal(one.features(video, name, 2, 9), whole.features(video, name, 2, 9))
                assert one.features(video, name).dtype == whole.features(video, name).dtype


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_joined_file_are_bit_equal(joined, tmp_path, workers):
    whole = write(tmp_path / "whole.h5", range(6))
    for one, other in zip(batches(joined, workers), batches(whole), strict=True):
        assert one.videos == other.videos
        for name in ("features", "labels", "progress", "mask", "weights"):
            assert torch.equal(getattr(one, name), getattr(other, name))


def test_no_feature_is_copied_and_no_shard_is_changed(shards, tmp_path):
    before = [shard.read_bytes() for shard in shards]
    out = shards[0].parent / "all.h5"
    join(shards, out)
    with h5py.File(out) as file:
        held = [len(file[f"videos/{video}/features"]) for video in NAMES]
    assert held == [0] * 6
    add_feature_set(out, "doubled", FeatureSet(4), {v: 2 * Dataset(out).features(v, "features") for v in NAMES})
    dataset = Dataset(out)
    for video in NAMES:
        np.testing.assert_array_equal(dataset.features(video, "doubled"), 2 * dataset.features(video, "features"))
    joint = dataset.features(NAMES[4], "features+doubled")
    assert joint.shape[1] == 8
    assert [shard.read_bytes() for shard in shards] == before
    assert not any(finding.level == "error" for finding in check_path(out))


def test_a_set_of_the_shards_cannot_be_replaced_in_the_joined_file(joined):
    features = {video: Dataset(joined).features(video, "features") for video in NAMES}
    with pytest.raises(InputError, match="is in the files that were joined, which stay as they are; give another name"):
        add_feature_set(joined, "features", FeatureSet(4), features, replace=True)


def test_a_folder_with_all_of_the_files_can_be_moved(joined, tmp_path):
    expected = Dataset(joined).features(NAMES[5], "features")
    shutil.move(joined.parent, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "all.h5"
    np.testing.assert_array_equal(Dataset(moved).features(NAMES[5], "features"), expected)
    (tmp_path / "link.h5").symlink_to(moved)
    np.testing.assert_array_equal(Dataset(tmp_path / "link.h5").features(NAMES[5], "features"), expected)


def test_shards_beside_a_linked_folder_are_found(shards, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "deep" / "er")
    join(shards, tmp_path / "short" / "all.h5")
    assert Dataset(tmp_path / "deep" / "er" / "all.h5").features(NAMES[0], "features").shape[1] == 4


def test_a_dataset_that_was_opened_can_be_sent_to_another_process(joined):
    dataset = Dataset(joined)
    expected = dataset.features(NAMES[3], "features")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset)).features(NAMES[3], "features"), expected)


def test_more_shards_than_may_be_open_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("protas_gtcc.dataset.shards.MOST_OPEN", 2)
    join([write(tmp_path / f"{number}.h5", [number]) for number in range(6)], tmp_path / "all.h5")
    dataset = Dataset(tmp_path / "all.h5")
    for number in (0, 1, 2, 3, 0, 5, 4, 1):
        np.testing.assert_array_equal(
            dataset.features(NAMES[number], "features"), make_video(number).features["features"]
        )


def test_a_shard_that_is_missing_is_named_on_opening(joined, shards):
    shards[1].rename(shards[1].with_name("c.h5"))
    with pytest.raises(InputError, match=r"needs its shard .*b\.h5, which is not there; put it back there, or join"):
        Dataset(joined)
    assert "needs its shard" in check_path(joined)[0].what


@pytest.mark.parametrize("change", ["features", "labels", "another", "joined", "cut"])
def test_a_shard_that_was_changed_is_named(joined, shards, tmp_path, change):
    shard = shards[1]
    if change == "features":
        with h5py.File(shard, "r+") as file:
            file[f"videos/{NAMES[4]}/checksums/features"][3] += 1
    elif change == "labels":
        write(shard, range(3, 6))
        with h5py.File(shard, "r+") as file:
            file["labels_checksums"][1] += 1
    elif change == "another":
        write(shard, range(3))
    elif change == "joined":
        join([write(tmp_path / "data" / "c.h5", range(3, 6))], shard, overwrite=True)
    else:
        shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"b\.h5 (was changed since it was joined into|is not a whole HDF5 file)"):
        Dataset(joined).features(NAMES[4], "features")
    errors = [finding for finding in check_path(joined) if finding.level == "error"]
    assert any("b.h5" in finding.what for finding in errors)
    np.testing.assert_array_equal(Dataset(joined).features(NAMES[0], "features"), make_video(0).features["features"])


def test_values_that_were_changed_in_a_shard_are_found(joined, shards):
    with h5py.File(shards[1], "r+") as file:
        file[f"videos/{NAMES[4]}/features/features"][3] += 1
    found = "features differ from what was written, first at frame 3; prepare it again"
    with pytest.raises(InputError, match=rf"{shards[1]} is damaged: video {NAMES[4]}: {found}"):
        Dataset(joined).features(NAMES[4], "features")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ["rest", "cut", "stir"]}, "different classes, class 2 is 'mix' and 'stir'; prepare both"),
        ({"class_names": ["rest", "cut", "mix", "x"]}, "different classes, 3 and 4 of them; prepare both"),
        ({"background": []}, "different background classes, 0 and none; prepare both with the same"),
        ({"fps": 6.0}, "have 5 and 6 frames per second; prepare both with one --resample-to"),
        ({"simulated": True}, "is simulated; join files of one kind"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(shards, change, message):
    write(shards[1], range(3, 6), **change)
    out = shards[0].parent / "all.h5"
    with pytest.raises(InputError, match=message):
        join(shards, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"features": SETS["features"]}, "has no feature set 'only_split2', which another file has; make it"),
        (
            {**SETS, "features": FeatureSet(4, look_ahead_frames=2)},
            "differs in look_ahead_frames; make both",
        ),
    ],
)
def test_feature_sets_that_differ_are_refused(shards, sets, message):
    write(shards[1], range(3, 6), sets=sets)
    with pytest.raises(InputError, match=message):
        join(shards, shards[0].parent / "all.h5")


def test_only_the_chosen_feature_sets_are_joined(shards, capsys):
    write(shards[1], range(3, 6), sets={"features": SETS["features"]})
    out = shards[0].parent / "all.h5"
    assert exit_code("join", *shards, "--out", out, "--feature-set", "features", "--json") == 0
    assert '"videos": 6' in capsys.readouterr().out
    assert list(Dataset(out).feature_sets) == ["features"]
    assert exit_code("join", *shards, "--out", out) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert exit_code("join", *shards, "--out", out, "--overwrite", "--feature-set", "rgb") == 1
    assert "has no feature set 'rgb'" in capsys.readouterr().err


def test_videos_and_files_that_come_twice_are_refused(shards, joined):
    again = write(shards[0].with_name("again.h5"), [0])
    for files, message in (
        ([*shards, again], f"both have the video {NAMES[0]}; leave it out of one"),
        ([*shards, shards[0]], r"a\.h5 is given twice; name each file once"),
        ([joined, again], r"all\.h5 is joined from other files itself; give those files instead"),
    ):
        with pytest.raises(InputError, match=message):
            join(files, shards[0].with_name("other.h5"))
    with pytest.raises(InputError, match="is one of the files to join; give another --out"):
        join(shards, shards[1], overwrite=True)


@pytest.mark.parametrize("name", ["/etc/passwd", "", "."])
def test_shards_by_absolute_paths_are_refused(joined, monkeypatch, shards, name):
    monkeypatch.setattr(joining, "path_from", lambda out, shard: name)
    join(shards, joined, overwrite=True)
    with pytest.raises(InputError, match=r"is damaged: its shard .* is not a path relative to it"):
        Dataset(joined)


def test_a_joined_file_that_names_itself_is_refused(shards, joined, monkeypatch):
    monkeypatch.setattr(joining, "path_from", lambda out, shard: out.name)
    join(shards, joined, overwrite=True)
    with pytest.raises(InputError, match=r"all\.h5 was changed since it was joined into"):
        Dataset(joined).features(NAMES[0], "features")


def test_a_damaged_table_of_shards_is_named(joined):
    damaged = shutil.copyfile(joined, joined.with_name("damaged.h5"))
    with h5py.File(damaged, "r+") as file:
        file["shards/features/features"][0, 0] = 1
    with pytest.raises(InputError, match="its table of shards differs from what was written"):
        Dataset(damaged)
    for name, values, message in (
        ("labels", np.zeros(3, dtype=np.int64), "does not fit its index"),
        ("features/features", np.full((6, 2), 7), "names a shard that is none of 2"),
        ("features/features", np.full((6, 2), 0.5), "should be whole numbers, but are float64"),
    ):
        shutil.copyfile(joined, damaged)
        with changed_by_hand(damaged) as file:
            del file[f"shards/{name}"]
            file[f"shards/{name}"] = values
        with pytest.raises(InputError, match=message):
            Dataset(damaged)


def test_links_in_the_place_of_features_are_still_not_followed(joined, shards):
    with h5py.File(joined, "r+") as file:
        file[f"videos/{NAMES[0]}/features/features"] = h5py.ExternalLink(str(shards[0]), "/labels")
    dataset = Dataset(joined)
    np.testing.assert_array_equal(dataset.features(NAMES[0], "features"), make_video(0).features["features"])
    with pytest.raises(InputError, match="is a link to elsewhere, which is not followed"):
        add_feature_set(joined, "more", FeatureSet(1), {v: np.ones((dataset.num_frames[v], 1)) for v in NAMES})


def test_a_model_trains_and_is_scored_on_a_joined_file(joined, tmp_path, capsys):
    tiny = ["--preset", "reference", "--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1"]
    assert exit_code("run", "--dataset", joined, *tiny, "--out", tmp_path / "run", "--device", "cpu") == 0
    whole = write(tmp_path / "whole" / "all.h5", range(6))
    assert exit_code("run", "--dataset", whole, *tiny, "--out", tmp_path / "other", "--device", "cpu") == 0
    first, second = ((tmp_path / name / "per_class.csv").read_text() for name in ("run", "other"))
    assert first == second
