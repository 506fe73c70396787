"""Foreign files: HDF5 that leads elsewhere, claims too much or never ends, and names that lead out of a folder."""

from __future__ import annotations

import dataclasses
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage import facts
from tests.checked_data import changed_by_hand, put_array
from tests.mstcn_folder import exit_code
from tests.tiny_models import DIM, make_model

INFO = PredictionInfo(["rest", "cut", "mix", "serve"], [0], 5.0)


@pytest.fixture
def prediction_file(tmp_path: Path) -> Path:
    return write_prediction_file(tmp_path / "predictions.h5", ["a", "b"])


def write_prediction_file(path: Path, names: list[str]) -> Path:
    probs = np.full((4, 6), 0.25, dtype=np.float32)
    one = Prediction(np.array([0, 1, 1, 2, 3, 3]), probs, probs, np.linspace(0, 1, 6, dtype=np.float32))
    write_predictions(path, [(name, one) for name in names], INFO)
    return path


def changed(path: Path, change: Callable[[Any], object]) -> Path:
    """A copy of an HDF5 file with a change; each copy has a name of its own."""
    copy = path.with_name(f"changed-{len(list(path.parent.iterdir()))}.h5")
    shutil.copyfile(path, copy)
    with changed_by_hand(copy) as file:
        change(file)
    return copy


def set_attribute(file: Any, name: str, value: object) -> None:
    file.attrs[name] = value


def rename(file: Any, old: str, new: str) -> None:
    """Rename a video as no writer of ours would."""
    names = [new if name == old else name for name in file["video_names"].asstr()[:].tolist()]
    put_array(file, "video_names", names)


def read_dataset(path: Path) -> None:
    dataset = Dataset(path)
    for video in dataset.video_names:
        dataset.labels(video), dataset.progress(video), dataset.segments(video)
        dataset.features(video, "features"), dataset.attribute(video, "task"), dataset.track(video)


def read_predictions(path: Path) -> None:
    files = open_predictions(path)
    for video in files.video_names:
        files.read(video), files.read_labels(video)


# Names


@pytest.mark.parametrize("name", ["../../x", "/x", "a/../../x", "", ".."])
def test_readers_refuse_the_names_that_writers_refuse(tiny_dataset, tmp_path, prediction_file, name):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    dataset = changed(tmp_path / "tiny.h5", lambda file: rename(file, "video9", name))
    predictions = changed(prediction_file, lambda file: rename(file, "a", name))
    for read, path in ((Dataset, dataset), (open_predictions, predictions)):
        with pytest.raises(InputError, match="cannot be the name of a video"):
            read(path)
    with pytest.raises(InputError, match="cannot be the name of a video"):
        write_prediction_file(tmp_path / "new.h5", [name])


@pytest.mark.parametrize("what", ["split", "feature set"])
def test_names_of_splits_and_feature_sets_are_plain_words(tiny_dataset, tmp_path, what):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    group = {"split": "splits", "feature set": "feature_sets"}[what]

    def move(file: Any) -> None:
        one = next(iter(file[group]))
        file.copy(file[group][one], file[group], "..")

    with pytest.raises(InputError, match=f"'..' cannot be the name of a {what}"):
        Dataset(changed(tmp_path / "tiny.h5", move))


def test_predict_deletes_nothing_outside_its_folder(tmp_path, prediction_file, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "victim.csv").write_text("mine")
    changed(prediction_file, lambda file: rename(file, "a", "../victim")).rename(tmp_path / "out" / "predictions.h5")
    np.save("new.npy", np.zeros((9, DIM), np.float32))
    model = make_model()
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    assert exit_code("predict", "model.safetensors", "new.npy", "--out", "out", "--overwrite") == 0
    assert (tmp_path / "victim.csv").read_text() == "mine"
    assert (tmp_path / "out" / "new.csv").is_file()


# Links, and values in other files


LINKS = {
    "an external link to labels": lambda f: put_link(f, "labels", h5py.ExternalLink("other.h5", "/labels")),
    "an external link to videos": lambda f: put_link(f, "videos", h5py.ExternalLink("other.h5", "/videos")),
    "a soft link": lambda f: put_link(f, "num_frames", h5py.SoftLink("/num_segments")),
    "a virtual array": lambda f: put_virtual(f, "labels"),
    "external storage": lambda f: put_external(f, "labels"),
}
MEANT = "is a link to elsewhere, which is not followed|are in other files"


def put_link(file: Any, name: str, link: Any) -> None:
    del file[name]
    file[name] = link


def put_virtual(file: Any, name: str) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource("other.h5", name, shape)
    file.create_virtual_dataset(name, layout)


def put_external(file: Any, name: str) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[("/etc/hostname", 0, 4 * shape[0])])


@pytest.mark.parametrize("name", LINKS)
def test_what_leads_to_other_files_is_refused(tiny_dataset, tmp_path, prediction_file, name):
    shutil.copyfile(tiny_dataset, tmp_path / "other.h5")
    with pytest.raises(InputError, match=MEANT):
        read_dataset(changed(tmp_path / "other.h5", LINKS[name]))
    if name != "a soft link":
        with pytest.raises(InputError, match=MEANT):
            read_predictions(changed(prediction_file, LINKS[name]))


def test_features_and_probabilities_behind_a_link_are_refused(tiny_dataset, tmp_path, prediction_file):
    shutil.copyfile(tiny_dataset, tmp_path / "other.h5")
    link = h5py.ExternalLink("other.h5", "/videos/video2/features/features")
    dataset = changed(tmp_path / "other.h5", lambda f: put_link(f, "videos/video1/features/features", link))
    with pytest.raises(InputError, match=f"video video1: .*{MEANT}"):
        Dataset(dataset).features("video1", "features")
    predictions = changed(prediction_file, lambda f: put_link(f, "videos/a/probs", h5py.SoftLink("/videos/b/probs")))
    with pytest.raises(InputError, match=f"video a: .*{MEANT}"):
        open_predictions(predictions).read("a")


def test_nothing_is_written_through_a_link(tiny_dataset, tmp_path):
    shutil.copyfile(tiny_dataset, tmp_path / "other.h5")
    before = (tmp_path / "other.h5").read_bytes()
    link = h5py.ExternalLink("other.h5", "/videos/video1/features")
    path = changed(tmp_path / "other.h5", lambda f: put_link(f, "videos/video1/features", link))
    features = {video: np.zeros((frames, 3)) for video, frames in Dataset(path).num_frames.items()}
    with pytest.raises(InputError, match=MEANT):
        add_feature_set(path, "more", FeatureSet(3), features)
    assert (tmp_path / "other.h5").read_bytes() == before


# Heaps that never end


def write_old(path: Path, source: Path) -> Path:
    """A dataset as earlier versions wrote it: every text has variable length."""

    def lengthen(name: str, found: Any) -> None:
        for key, value in list(found.attrs.items()):
            if isinstance(value, bytes):
                found.attrs[key] = value.decode()
            elif isinstance(value, np.ndarray) and value.dtype.kind == "S":
                found.attrs[key] = [one.decode() for one in value]

    shutil.copyfile(source, path)
    with h5py.File(path, "r+") as file:
        lengthen("/", file)
        file.visititems(lengthen)
        for name in ("video_names", "splits/1/train", "splits/1/test"):
            put_array(file, name, file[name].asstr()[:].tolist())
    return path


def heap_objects(content: bytes) -> list[tuple[int, int]]:
    """Place and size of every object in the heaps."""
    found, start = [], content.find(b"GCOL")
    while start >= 0:
        at, end = start + 16, start + struct.unpack_from("<Q", content, start + 8)[0]
        while at + 16 <= end:
            number, size = struct.unpack_from("<H6xQ", content, at)
            found.append((at, size))
            at += size if number == 0 else 16 + -(-size // 8) * 8
        start = content.find(b"GCOL", end)
    return found


def test_files_of_earlier_versions_are_read_as_before(tiny_dataset, tmp_path):
    old, new = Dataset(write_old(tmp_path / "old.h5", tiny_dataset)), Dataset(tiny_dataset)
    assert (old.info, old.feature_sets, old.num_frames) == (new.info, new.feature_sets, new.num_frames)
    assert old.attribute("video1", "task") == new.attribute("video1", "task")


def test_files_that_we_write_have_no_heap(tiny_dataset, prediction_file):
    assert b"GCOL" not in tiny_dataset.read_bytes()
    assert b"GCOL" not in prediction_file.read_bytes()


def test_one_wrong_byte_in_a_heap_is_refused_at_once(tiny_dataset, tmp_path):
    # The library follows an object without size and number for ever: no signal ends it. So a process is given a second.
    path = write_old(tmp_path / "old.h5", tiny_dataset)
    content = bytearray(path.read_bytes())
    at = next(at for at, size in heap_objects(bytes(content)) if size == 0)
    content[at] = 0
    path.write_bytes(content)
    code = "import sys; from protas_gtcc.dataset.file import Dataset; Dataset(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=30, stderr=subprocess.PIPE, text=True)
    assert "its texts are damaged" in done.stderr


# Claims


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_text_of_variable_length_that_claims_gigabytes_does_not_get_them(tiny_dataset, tmp_path):
    old = write_old(tmp_path / "old.h5", tiny_dataset)
    content = old.read_bytes()
    heap = struct.pack("<Q", content.find(b"GCOL"))
    lengths = [at - 4 for at in range(4, len(content)) if content.startswith(heap, at)]
    for index, at in enumerate(lengths):
        claims = content[:at] + struct.pack("<I", 3 << 30) + content[at + 4 :]
        (tmp_path / f"{index}.h5").write_bytes(claims)
    code = """
import re, sys
from pathlib import Path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
refused = 0
for path in sys.argv[1:]:
    try:
        dataset = Dataset(path)
        [dataset.attribute(video, "task") for video in dataset.video_names]
    except InputError:
        refused += 1
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(refused, int(peak[1]) // 1024)
"""
    files = [str(tmp_path / f"{index}.h5") for index in range(len(lengths))]
    done = subprocess.run([sys.executable, "-c", code, *files], timeout=60, stdout=subprocess.PIPE, text=True)
    refused, megabytes = map(int, done.stdout.split())
    assert refused == len(files) > 10
    assert megabytes < 800


def test_arrays_that_claim_more_than_the_file_holds_are_refused(tiny_dataset, tmp_path, prediction_file):
    def claim(file: Any) -> None:
        del file["labels"]
        file.create_dataset("labels", (10**9,), np.int32, chunks=(8192,))
        file["num_frames"][0] += 10**9 - file["num_frames"][:].sum()

    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    for read, path in ((read_dataset, tmp_path / "tiny.h5"), (read_predictions, prediction_file)):
        with pytest.raises(InputError, match="labels should have 4000000000 bytes, more than the file can hold"):
            read(changed(path, claim))


def test_compressed_features_are_read_and_a_compressed_bomb_is_not(tiny_dataset, tmp_path):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    place = "videos/video1/features"

    def compress(file: Any) -> None:
        values = file[place]["features"][:]
        del file[place]["features"]
        file[place].create_dataset("features", data=values, compression="gzip")

    def swell(file: Any) -> None:
        del file[place]["features"]
        file[place].create_dataset("features", (10**9, 6), np.float32, chunks=(1000, 6), compression="gzip")

    read_dataset(changed(tmp_path / "tiny.h5", compress))
    with pytest.raises(InputError, match="more than the file can hold"):
        read_dataset(changed(tmp_path / "tiny.h5", swell))


# Values


def test_thousands_of_classes_are_stored_and_read(tmp_path):
    names = [f"class number {number}, with a long name" for number in range(5000)]
    info = DatasetInfo("many", names, list(range(0, 5000, 2)) * 4, 5.0)
    with write_dataset(tmp_path / "many.h5", info, {}) as writer:
        writer.add(Video("a", np.array([0, 4999]), {}))
    assert dataclasses.replace(Dataset(tmp_path / "many.h5").info, class_colours=[]) == info
    labels = np.array([4999])
    one = Prediction(labels, None, None, np.zeros(1, dtype=np.float32))
    write_predictions(tmp_path / "p.h5", [("a", one)], PredictionInfo(names, [0], 5.0))
    files = open_predictions(tmp_path / "p.h5", names)
    assert files.read("a").labels.tolist() == [4999]


def test_a_list_is_replaced_by_a_short_one_and_by_a_long_one(tmp_path):
    long, short = [f"{number:020}" for number in range(4000)], ["a", "é"]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for values in (long, short, long, short):
            facts.write_list(file, "class_names", values)
            assert ("class_names" in file, "class_names" in file.attrs) == (values is long, values is short)


WRONG_KINDS = {
    "format_version": ([2, 2], 2.5, "2"),
    "fps": ([5.0, 5.0], "5", np.nan, np.inf, -1.0, 1j),
    "background": ("rest", [0.5], [[0]], 0, [9]),
    "class_names": ("rest", [1, 2], 5, b"\xff"),
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_facts_of_another_kind_are_one_line(tiny_dataset, tmp_path, prediction_file, name):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    for value in WRONG_KINDS[name]:
        for read, path in ((Dataset, tmp_path / "tiny.h5"), (open_predictions, prediction_file)):
            with pytest.raises(InputError, match=r"is damaged: "):
                read(changed(path, partial(set_attribute, name=name, value=value)))


VALUES = {
    "a label beyond the classes": ("labels", 7, "the label is 7, the classes are 0 to 3; expected one of them"),
    "progress above 1": ("reported", 1.5, "progress is 1.5; expected a fraction from 0 to 1"),
    "a probability below 0": ("videos/a/probs", -0.5, "probs has -0.5; expected values from 0 to 1"),
    "a probability above 1": ("videos/a/probs", 1.75, "probs has 1.75; expected values from 0 to 1"),
    "probabilities of another sum": ("videos/a/probs", 0.9, "probs sum to 1.65; expected about 1"),
    "progress of a class above 1": ("videos/a/progress", 1.5, "progress has 1.5; expected values from 0 to 1"),
}


@pytest.mark.parametrize("name", VALUES)
def test_predictions_out_of_range_are_refused_when_read(prediction_file, name):
    place, value, expected = VALUES[name]

    def put(file: Any) -> None:
        file[place][(0,) * file[place].ndim] = value

    with pytest.raises(InputError, match=f"video a, frame 0: .*{expected}"):
        open_predictions(changed(prediction_file, put)).read("a")


def test_probabilities_of_other_classes_than_the_files_are_refused(prediction_file):
    path = changed(prediction_file, lambda file: put_array(file["videos/a"], "probs", np.full((2, 6), 0.5)))
    with pytest.raises(InputError, match="probs has 2 classes; expected 4"):
        open_predictions(path).read("a")


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_progress_of_a_dataset_out_of_range_is_refused_when_read(tiny_dataset, tmp_path, value):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    path = changed(tmp_path / "tiny.h5", lambda file: file["progress"].__setitem__(2, value))
    with pytest.raises(InputError, match=r"progress at frame 2 is .*, not a fraction from 0 to 1"):
        Dataset(path).progress("video0")


@pytest.mark.parametrize("row", [[1, 3, 0], [0, 0, 0], [0, 3, 9], [0, 900, 0]])
def test_segments_of_a_dataset_that_do_not_fit_are_refused_when_read(tiny_dataset, tmp_path, row):
    shutil.copyfile(tiny_dataset, tmp_path / "tiny.h5")
    path = changed(tmp_path / "tiny.h5", lambda file: file["segments"].__setitem__(0, row))
    with pytest.raises(InputError, match="its segments do not follow each other from frame 0 to"):
        Dataset(path).segments("video0")


@pytest.mark.skipif(sys.platform == "win32" or sys.platform == "darwin", reason="names of files are any bytes")
def test_a_name_that_is_not_utf8_is_one_line(tmp_path, capsys):
    name = os.fsdecode(b"P01_\xff.txt")
    folder = tmp_path / "set"
    (folder / "groundTruth").mkdir(parents=True)
    (folder / "mapping.txt").write_text("0 background\n1 cut\n")
    (folder / "groundTruth" / name).write_text("cut\n")
    for verb in ("check", "labels"):
        assert exit_code(verb, folder, *(["--out", tmp_path / "out"] if verb == "labels" else [])) == 1
        shown = capsys.readouterr()
        assert "cannot be the name of a video" in shown.out + shown.err
        assert "Traceback" not in shown.err
