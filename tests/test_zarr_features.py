"""Features in Zarr arrays, whole or refused; and paths of object storage, which are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.storage.feature_files import load_features, open_array, read_header
from tests.mstcn_folder import exit_code, write_mstcn

FEATURES = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.mark.parametrize("word", ["s3://bucket/kitchen.h5", "--dataset=gs://bucket/kitchen.h5"])
def test_what_is_in_object_storage_is_refused_in_one_line(word, capsys):
    assert exit_code("train" if word.startswith("--") else "check", word) == 1
    error = capsys.readouterr().err
    assert "://bucket/kitchen.h5 is in object storage" in error
    assert error.endswith("copy it to a disk, or mount the bucket\n")


def test_without_the_package_the_way_out_is_named(tmp_path, monkeypatch):
    (tmp_path / "tea.zarr").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(InputError, match=r"tea\.zarr needs the package zarr; pip install -e '\.\[zarr\]'"):
        open_array(tmp_path / "tea.zarr")


@pytest.fixture
def zarr() -> Any:
    return pytest.importorskip("zarr", reason="reading Zarr arrays needs zarr, of the extra [zarr]")


def write(zarr: Any, path: Path, values: np.ndarray = FEATURES, **options: Any) -> Path:
    array = zarr.create_array(str(path), shape=values.shape, chunks=(4, 3), dtype=values.dtype, **options)
    array[...] = values
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(zarr, tmp_path, version):
    path = write(zarr, tmp_path / "tea.zarr", zarr_format=version)
    assert read_header(path) == ((7, 3), np.dtype(np.float32))
    np.testing.assert_array_equal(load_features(path, 3), FEATURES)


def test_a_zip_file_of_one_is_read(zarr, tmp_path):
    write(zarr, tmp_path / "folder.zarr")
    shutil.make_archive(str(tmp_path / "tea"), "zip", tmp_path / "folder.zarr")
    (tmp_path / "tea.zip").rename(tmp_path / "tea.zarr")
    np.testing.assert_array_equal(open_array(tmp_path / "tea.zarr"), FEATURES)


def test_of_a_group_the_array_of_features_is_read(zarr, tmp_path):
    group = zarr.open_group(str(tmp_path / "tea.zarr"), mode="w")
    group.create_array("other", data=np.ones((2, 2)))
    np.testing.assert_array_equal(open_array(tmp_path / "tea.zarr"), np.ones((2, 2)))
    group.create_array("third", data=np.ones((2, 2)))
    with pytest.raises(InputError, match="has the arrays other, third; save one array of features"):
        open_array(tmp_path / "tea.zarr")
    group.create_array("features", data=FEATURES)
    np.testing.assert_array_equal(open_array(tmp_path / "tea.zarr"), FEATURES)


def test_half_a_copy_is_refused(zarr, tmp_path):
    path = write(zarr, tmp_path / "tea.zarr")
    (path / "c" / "1" / "0").unlink()
    with pytest.raises(InputError, match="lacks 1 of 2 chunks, which may be half a copy; copy it again"):
        open_array(path)


def test_an_array_that_claims_more_than_its_files_hold_is_refused(zarr, tmp_path):
    path = tmp_path / "tea.zarr"
    zarr.create_array(str(path), shape=(10**9, 10**3), chunks=(10**4, 10**3), dtype="float32")
    with pytest.raises(InputError, match="more than its files can hold; save it again"):
        read_header(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compressor": {"id": "pickle", "protocol": 5}}, "pickle"),  # zarr refuses it for numbers
        ({"filters": [{"id": "quantize", "digits": 3, "dtype": "<f4"}]}, r"is stored with quantize, .*; save it with"),
    ],
)
def test_codecs_that_are_not_known_to_run_no_code_are_refused(zarr, tmp_path, changes, message):
    path = write(zarr, tmp_path / "tea.zarr", zarr_format=2)
    described = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**described, **changes}))
    with pytest.raises(InputError, match=message):
        open_array(path)


@pytest.mark.parametrize("broken", ["empty", "json", "chunk"])
def test_a_damaged_one_is_named(zarr, tmp_path, broken):
    path = tmp_path / "tea.zarr"
    if broken == "empty":
        path.mkdir()
    else:
        write(zarr, path)
        (path / ("zarr.json" if broken == "json" else "c/0/0")).write_bytes(b"{broken")
    with pytest.raises(InputError, match=r"tea\.zarr is not a whole \.zarr file of numbers"):
        open_array(path)


def test_a_folder_of_them_is_prepared(zarr, tmp_path):
    labels = {"tea": [0, 1, 1, 2, 2, 0, 0], "toast": [1, 1, 0, 0, 2, 2, 2]}
    layout = write_mstcn(tmp_path / "kitchen", ["rest", "cut", "mix"], labels, {"train": ["tea"], "test": ["toast"]})
    (layout / "features").mkdir()
    for number, video in enumerate(labels):
        write(zarr, layout / "features" / f"{video}.zarr", FEATURES + number)
    assert exit_code("prepare", layout, "--out", tmp_path / "k.h5", "--fps", "1", "--background", "rest") == 0
    for number, video in enumerate(labels):
        np.testing.assert_array_equal(Dataset(tmp_path / "k.h5").features(video, "features"), FEATURES + number)
