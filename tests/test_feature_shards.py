"""Feature sets that are added to a joined file: shards of features alone, beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset import feature_sets, feature_shards
from protas_gtcc.dataset.changing import changed_dataset
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, FeatureSet
from protas_gtcc.dataset.shard_table import NO_LABELS, ShardTable
from protas_gtcc.errors import InputError
from tests.checked_data import changed_by_hand
from tests.mstcn_folder import exit_code
from tests.test_joined_datasets import NAMES, SPLITS, joined, shards

__all__ = ["joined", "shards"]

TIED = FeatureSet(3, split="1", derived_from="features")


def numbered(joined: Path, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Features of the videos of split 1, each with numbers of its own."""
    frames = Dataset(joined).num_frames
    videos = SPLITS["1"]["train"] + SPLITS["1"]["test"]
    return {video: np.full((frames[video], 3), scale * NAMES.index(video), np.float32) for video in videos}


def own_shards(joined: Path) -> list[Path]:
    return sorted(joined.with_name(f"{joined.name}.features").glob("*"))


def require_values(joined: Path, scale: float = 1.0) -> None:
    dataset = Dataset(joined)
    for video, values in numbered(joined, scale).items():
        np.testing.assert_array_equal(dataset.features(video, "aligned_split1"), values)


def test_a_set_of_a_joined_file_is_in_shards_and_the_file_stays_small(joined, monkeypatch):
    monkeypatch.setattr(feature_shards, "MOST_VIDEOS", 4)
    features = numbered(joined)
    before = joined.stat().st_size
    add_feature_set(joined, "aligned_split1", TIED, features)
    assert len(own_shards(joined)) == 2
    with h5py.File(joined) as file:
        assert [len(file[f"videos/{video}/features"]) for video in NAMES] == [0] * 6
    assert joined.stat().st_size - before < 20_000
    require_values(joined)
    dataset = Dataset(joined)
    assert dataset.feature_sets["aligned_split1"] == TIED
    assert dataset.features(NAMES[0], "features+aligned_split1").shape[1] == 7
    assert not any(finding.level == "error" for finding in check_path(joined))


def test_a_shard_has_no_more_values_than_one_may_have(joined, monkeypatch):
    monkeypatch.setattr(feature_shards, "MOST_VALUES", 100)
    frames = Dataset(joined).num_frames
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    for shard in own_shards(joined):
        with h5py.File(shard) as file:
            held = [video for video in NAMES if f"videos/{video}" in file]
        assert len(held) == 1 or 3 * sum(frames[video] for video in held) <= 100
    require_values(joined)


def test_a_set_that_is_replaced_leaves_no_shard_behind_and_others_stay(joined):
    other = {video: np.ones((frames, 2)) for video, frames in Dataset(joined).num_frames.items()}
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    add_feature_set(joined, "ones", FeatureSet(2), other)
    first = own_shards(joined)
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined, 2.0), replace=True)
    require_values(joined, 2.0)
    np.testing.assert_array_equal(Dataset(joined).features(NAMES[3], "ones"), other[NAMES[3]])
    assert len(own_shards(joined)) == len(first) == 2
    assert own_shards(joined) != first


def test_a_failure_leaves_the_old_set_and_no_new_shard(joined):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    first, content = own_shards(joined), joined.read_bytes()
    broken = numbered(joined, 2.0)
    broken[NAMES[5]] = np.full((3, 3), np.nan, np.float32)
    with pytest.raises(InputError, match=rf"video {NAMES[5]}, aligned_split1: expected"):
        add_feature_set(joined, "aligned_split1", TIED, broken, replace=True)
    assert (own_shards(joined), joined.read_bytes()) == (first, content)


def test_the_files_and_the_folder_can_be_moved_together(joined, tmp_path):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    shutil.move(joined.parent, tmp_path / "elsewhere")
    require_values(tmp_path / "elsewhere" / "all.h5")


def test_what_replaces_a_link_still_finds_all_shards(joined, tmp_path):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    content = joined.read_bytes()
    link = tmp_path / "other" / "link.h5"
    link.parent.mkdir()
    link.symlink_to(joined)
    add_feature_set(link, "more_split1", TIED, numbered(joined, 2.0))
    assert not link.is_symlink()
    assert joined.read_bytes() == content
    require_values(link)
    np.testing.assert_array_equal(
        Dataset(link).features(NAMES[2], "features"), Dataset(joined).features(NAMES[2], "features")
    )
    add_feature_set(link, "aligned_split1", TIED, numbered(joined, 3.0), replace=True)
    require_values(joined)  # its shards are not the link's to remove


def test_an_interruption_after_the_joined_file_has_the_new_set_keeps_it(joined, monkeypatch):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))

    @contextmanager
    def interrupted(path: Path) -> Iterator[Any]:
        with changed_dataset(path) as file:
            yield file
        raise KeyboardInterrupt

    monkeypatch.setattr(feature_sets, "changed_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add_feature_set(joined, "aligned_split1", TIED, numbered(joined, 2.0), replace=True)
    require_values(joined, 2.0)
    assert len(own_shards(joined)) == 1


def test_shards_that_a_killed_process_has_left_are_removed_and_nothing_else(joined):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    folder, (shard,) = own_shards(joined)[0].parent, own_shards(joined)
    left = shutil.copyfile(shard, folder / "aligned_split1-0123abcd-0000.h5")
    kept = [shutil.copyfile(shard, folder / name) for name in ("other-0123abcd-0000.h5", "aligned_split1-mine.h5")]
    (folder / "aligned_split1-0123abcd-0001.h5").write_text("mine")
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined, 2.0), replace=True)
    assert not left.exists()
    assert all(path.exists() for path in [*kept, folder / "aligned_split1-0123abcd-0001.h5"])


def test_two_joined_files_of_one_stem_do_not_share_shards(joined):
    other = shutil.copyfile(joined, joined.with_suffix(".hdf5"))
    for scale, path in ((1.0, joined), (2.0, other), (3.0, other)):
        add_feature_set(path, "aligned_split1", TIED, numbered(joined, scale), replace=True)
    require_values(joined)
    require_values(other, 3.0)


def test_no_file_outside_of_the_own_folder_is_removed(joined, shards):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    precious = joined.parent / "precious.h5"
    shutil.copyfile(own_shards(joined)[0], precious)
    with changed_by_hand(joined) as file:
        paths = file["shards/paths"][:]
        del file["shards/paths"]
        file["shards/paths"] = [b"precious.h5" if b".features/" in path else path for path in paths]
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined, 2.0), replace=True)
    assert precious.is_file()


@pytest.mark.parametrize("change", ["gone", "features", "another", "cut"])
def test_a_shard_that_is_not_as_written_is_named_with_the_way_out(joined, shards, change):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    shard = own_shards(joined)[0]
    if change == "gone":
        shard.unlink()
    elif change == "features":
        with h5py.File(shard, "r+") as file:
            file[f"videos/{NAMES[4]}/checksums/aligned_split1"][1] += 1
    elif change == "another":
        shutil.copyfile(shards[0], shard)
    else:
        shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"aligned_split1-.*\.h5.* make the feature set again with --replace"):
        Dataset(joined).features(NAMES[4], "aligned_split1")
    assert any(shard.name in finding.what for finding in check_path(joined) if finding.level == "error")
    assert Dataset(joined).features(NAMES[4], "features").shape[1] == 4


def test_values_that_were_changed_are_found_and_the_shard_is_named(joined):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    (shard,) = own_shards(joined)
    with h5py.File(shard, "r+") as file:
        file[f"videos/{NAMES[0]}/features/aligned_split1"][2] += 1
    found = "aligned_split1 differ from what was written, first at frame 2; make the feature set again with --replace"
    with pytest.raises(InputError, match=rf"^{shard} is damaged: video {NAMES[0]}: {found}$"):
        Dataset(joined).features(NAMES[0], "aligned_split1")


def test_a_set_without_its_shards_can_be_made_again_after_they_are_lost(joined):
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined))
    for shard in own_shards(joined):
        shard.unlink()
    add_feature_set(joined, "aligned_split1", TIED, numbered(joined, 2.0), replace=True)
    require_values(joined, 2.0)


def test_sets_that_are_removed_leave_the_others_where_they_were():
    table = ShardTable(["a.h5", "b.h5"], [7, 8], {"rgb": np.array([[0, 1], [1, 2], [-1, -1]])})
    table.add(["x.h5", "y.h5"], "one", [(0, 3), (1, 4), (1, 5)])
    table.add(["z.h5"], "two", [(-1, -1), (0, 6), (0, 7)])
    table.remove("one")
    assert (table.paths, table.labels) == (["a.h5", "b.h5", "z.h5"], [7, 8, NO_LABELS])
    assert table.features["rgb"].tolist() == [[0, 1], [1, 2], [-1, -1]]
    assert table.features["two"].tolist() == [[-1, -1], [2, 6], [2, 7]]
    assert [table.is_joined(name) for name in ("rgb", "two", "one")] == [True, False, False]
    table.remove("none")
    assert table.paths == ["a.h5", "b.h5", "z.h5"]


def test_align_writes_into_shards_of_a_joined_file_and_a_run_trains_on_them(joined, tmp_path, capsys):
    encoder = ["--encoder", "mlp", "--layers", "1", "--hidden", "4", "--output-dim", "3", "--epochs", "1"]
    align = ["align", "--dataset", joined, "--loss", "tcc", *encoder, "--no-score", "--device", "cpu"]
    assert exit_code(*align, "--out", tmp_path / "aligned") == 0, capsys.readouterr().err
    assert [shard.name.split("-")[:2] for shard in own_shards(joined)] == [["aligned", "tcc_split1"]]
    tiny = ["--preset", "reference", "--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1"]
    run = ["run", "--dataset", joined, "--feature-set", "aligned-tcc", *tiny, "--out", tmp_path / "run"]
    assert exit_code(*run, "--device", "cpu") == 0, capsys.readouterr().err
