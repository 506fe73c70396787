"""A file that a reader cannot take is named as what it is, with what to do with it, wherever it is given."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.layouts.rates import read_rates
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.storage.feature_files import EXPECTED, open_array
from protas_gtcc.storage.file_kinds import kind_of, require_kind
from protas_gtcc.storage.text_files import read_lines
from tests.mstcn_folder import exit_code, write_mstcn
from tests.tiny_models import DIM, make_model


def saved(save, *arguments, **options) -> bytes:
    content = io.BytesIO()
    save(*(content if one is None else one for one in arguments), **options)
    return content.getvalue()


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return content.getvalue()


FEATURES, TENSORS = np.ones((9, DIM), np.float32), {"a": torch.ones(3)}
EXTRACT, SAVE, PREDICT = "extract features first", "save the features of each video", "protas-gtcc predict"
KINDS = {
    "a.mp4": (b"\0\0\0\x20ftypisom" + bytes(99), "a video (MP4 or MOV)", EXTRACT),
    "a.mkv": (b"\x1aE\xdf\xa3" + bytes(99), "a video (MKV or WebM)", EXTRACT),
    "a.avi": (b"RIFF\0\1\2\3AVI LIST" + bytes(99), "a video (AVI)", EXTRACT),
    "a.jpg": (b"\xff\xd8\xff\xe0" + bytes(99), "an image", EXTRACT),
    "a.mat": (b"MATLAB 5.0 MAT-file" + bytes(200), "a MATLAB file", "read it with scipy.io.loadmat"),
    "a.h5": (saved(lambda file: h5py.File(file, "w").close(), None), "an HDF5 file", ""),
    "a.pkl": (pickle.dumps([1]), "a pickle, which could run code", SAVE),
    "a.gz": (b"\x1f\x8b\x08" + bytes(50), "compressed (gzip)", "unpack it"),
    "a.xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "a ZIP archive", "unpack it"),
    "a.npy": (saved(np.save, None, FEATURES), "an array (.npy)", PREDICT),
    "a.npz": (saved(np.savez_compressed, None, käse=FEATURES), "an archive of arrays (.npz)", PREDICT),
    "a.pt": (saved(torch.save, TENSORS, None), "a torch checkpoint", "protas-gtcc import"),
    "old.pt": (
        saved(torch.save, TENSORS, None, _use_new_zipfile_serialization=False),
        "a torch checkpoint",
        "protas-gtcc import",
    ),
    "a.csv": (b"label,progress\n0,0\n", "a text file, such as CSV", ""),
}
COMMANDS = {
    "evaluate {file} --dataset {dataset}": ("an HDF5 file", "a.h5"),
    "train --dataset {file} --out {out}": ("an HDF5 file", "a.h5"),
    "import {file} --out {out}": ("a torch checkpoint", "a.pt old.pt a.pkl"),
    "predict {file} {features} --out {out}": ("a torch checkpoint", "a.pt old.pt a.pkl a.mp4 a.mkv a.avi"),
    "predict {model} {file} --out {out}": (EXPECTED, "a.npy a.npz a.pt old.pt a.csv a.h5 a.mat a.mp4 a.mkv a.avi"),
    "stream {model} {file} --format text": ("lines of numbers", "a.csv"),
    "stream {model} {features} --state {file}": ("a safetensors file", ""),
    "prepare {folder} --out {out} --fps {file}": ("CSV", "a.csv"),
    "prepare {file} --out {out} --fps 5": ("a folder or a JSON of annotations", "a.csv"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> dict[str, Path]:
    folder, model = tmp_path_factory.mktemp("kinds"), make_model()
    save_checkpoint(folder / "model.safetensors", model.network, model.facts)
    np.save(folder / "features.npy", FEATURES)
    write_mstcn(folder / "data", ["background", "cut"], {"v": [0] * 9}, features=lambda t: np.ones((t, DIM)))
    names = {"model": "model.safetensors", "features": "features.npy", "folder": "data"}
    return {"dataset": tiny_dataset, **{key: folder / name for key, name in names.items()}}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_reader_names_a_file_of_another_kind_and_makes_nothing(tmp_path, places, capsys, command):
    expected, taken = COMMANDS[command]
    for name, (content, what, way_out) in KINDS.items():
        if name in taken.split():
            continue
        (tmp_path / name).write_bytes(content)
        words = command.format(file=tmp_path / name, out=tmp_path / "out", **places).split()
        assert exit_code(*words) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        start, named, found = error.partition(f"{name} is {what}, not {expected}; ")
        assert start.startswith("error: "), error
        assert named, error
        assert found if name in ("a.npy", "a.npz") else way_out in found, error
        assert not (tmp_path / "out").exists()
        assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg", "a.pkl", "a.gz", "a.xlsx"])
def test_what_to_do_with_what_should_be_features(tmp_path, name):
    (tmp_path / name).write_bytes(KINDS[name][0])
    with pytest.raises(InputError, match=KINDS[name][2]):
        open_array(tmp_path / name)


def test_a_model_is_known_by_its_content(tmp_path, places):
    model = tmp_path / "epoch-50.model"
    model.write_bytes(places["model"].read_bytes())
    assert load(model).class_names == load(places["model"]).class_names
    with pytest.raises(InputError, match=r"model is a safetensors file, not features \(.npy.*\); give a model"):
        open_array(model)


def test_a_video_in_place_of_labels_or_rates_is_named(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)))
    with pytest.raises(InputError, match=r"v.txt is a video \(MP4 or MOV\), not UTF-8 text"):
        read_lines(tmp_path / "v.txt")
    with pytest.raises(InputError, match=r"v.txt is a video \(MP4 or MOV\), not CSV"):
        read_rates(tmp_path / "v.txt", ["v"])


@given(st.text(st.characters(min_codepoint=32, codec="utf-8"), max_size=60), st.sampled_from("\n,;"))
def test_text_is_text_whatever_mark_it_begins_with(tmp_path_factory, text, separator):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    for mark in ("", "PK", "MATLAB ", "1234ftyp", "12345678AVI ", '12345678{"'):
        path.write_text(f"{mark}{text}{separator}", encoding="utf-8")
        require_kind(path, "CSV", ("a text file, such as CSV",))


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_known_by_the_first_bytes_alone(tmp_path, name):
    content, what, _ = KINDS[name]
    (tmp_path / name).write_bytes(content[:100])
    assert kind_of(tmp_path / name) == what
    (tmp_path / name).write_bytes(b"")
    assert kind_of(tmp_path / name) is None
